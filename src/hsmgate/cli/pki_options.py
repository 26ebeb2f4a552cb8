"""The options that `hsmgate pki` commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hsmgate.cli.pki_place import Where

Config = Annotated[
    Path | None, typer.Option("--config", readable=False, help="Configuration file or folder: the PKI of a service.")
]
Profile = Annotated[str | None, typer.Option("--profile", help="Reads application-PROFILE.yml.")]
Pki = Annotated[
    Path | None,
    typer.Option("--pki", readable=False, help="A folder that is a PKI of its own. Default: $HSMGATE_PKI."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        readable=False,
        help="What opens the signing key, in a file; else HSMGATE_KEY_PASSPHRASE, else a terminal is asked.",
    ),
]
NewPassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--new-passphrase-file",
        readable=False,
        help="What the new key is protected with, in a file; else HSMGATE_NEW_KEY_PASSPHRASE.",
    ),
]
AskPassphrase = Annotated[
    bool, typer.Option("--ask-passphrase", help="Ask at the terminal what the new key is protected with.")
]
Kind = Annotated[str, typer.Option("--key-type", help="p256, p384, p521, rsa2048, rsa3072, rsa4096, ed25519 or ed448.")]
Keystore = Annotated[
    str | None, typer.Option("--keystore", help="Make the key in the configured keystore, under this label.")
]
Subject = Annotated[
    str | None, typer.Option("--subject", help="CN=NAME,O=ORGANISATION (RFC 4514), or a common name alone.")
]
Lifetime = Annotated[
    str | None, typer.Option("--lifetime", help="How long it is valid, such as 90d or 12h; never beyond its issuer.")
]
PathLength = Annotated[
    int, typer.Option("--path-length", min=0, max=9, help="How many levels of authorities may stand below it.")
]
Permit = Annotated[
    list[str] | None,
    typer.Option("--permit", help="Only names within this: dns:example.com, ip:10.0.0.0/8, email:host, dir:O=Example."),
]
Exclude = Annotated[list[str] | None, typer.Option("--exclude", help="No names within this; written as for --permit.")]
Ocsp = Annotated[
    list[str] | None, typer.Option("--ocsp", help="URL of its OCSP responder, for the certificates that it issues.")
]
CaIssuers = Annotated[
    list[str] | None, typer.Option("--ca-issuers", help="URL of its certificate, for those that it issues.")
]
CrlUrl = Annotated[list[str] | None, typer.Option("--crl-url", help="URL of its CRL, for those that it issues.")]
CrlFile = Annotated[
    str | None,
    typer.Option("--crl-file", help="Where its CRL is published; PEM if it ends in .pem, else DER."),
]
CrlEvery = Annotated[str | None, typer.Option("--crl-every", help="When a new CRL is due, such as 24h.")]
CrlLifetime = Annotated[str | None, typer.Option("--crl-lifetime", help="How long a CRL may be used, such as 7d.")]
Out = Annotated[Path | None, typer.Option("--out", readable=False, help="Write it here; never over a file.")]
Issuer = Annotated[
    str | None, typer.Option("--issuer", help="The authority that signs; default: the only one whose key is here.")
]
Certificate = Annotated[
    str, typer.Argument(help="Serial number in hex, certificate file, or subject (TYPE=VALUE, ...).")
]
Of = Annotated[str | None, typer.Option("--issuer", help="The authority that issued it, where several might have.")]


def where(
    config: Path | None,
    profile: str | None,
    pki: Path | None,
    passphrase_file: Path | None = None,
    new_passphrase_file: Path | None = None,
    *,
    ask: bool = False,
) -> "Where":
    """The place that the options mean."""
    from hsmgate.cli.pki_passphrases import Passphrases
    from hsmgate.cli.pki_place import Where

    return Where(config, profile, pki, Passphrases(passphrase_file, new_passphrase_file, ask))
