"""`hsmgate pki`: the commands about authorities."""

from pathlib import Path
from typing import Annotated

import typer

from hsmgate.cli import pki_options as opt

app = typer.Typer(rich_markup_mode=None)
Name = Annotated[str, typer.Argument(help="How the authority is called here: letters, digits, dots and dashes.")]


@app.command()
def init(
    name: Name,
    subject: opt.Subject = None,
    key_type: opt.Kind = "p256",
    keystore: opt.Keystore = None,
    path_length: opt.PathLength = 1,
    lifetime: opt.Lifetime = None,
    permit: opt.Permit = None,
    exclude: opt.Exclude = None,
    ocsp: opt.Ocsp = None,
    ca_issuers: opt.CaIssuers = None,
    crl_url: opt.CrlUrl = None,
    crl_file: opt.CrlFile = None,
    crl_every: opt.CrlEvery = None,
    crl_lifetime: opt.CrlLifetime = None,
    out: opt.Out = None,
    new_passphrase_file: opt.NewPassphraseFile = None,
    ask_passphrase: opt.AskPassphrase = False,
    config: opt.Config = None,
    profile: opt.Profile = None,
    pki: opt.Pki = None,
    json: opt.Json = False,
) -> None:
    """Make a self-signed authority: a root (or, with --path-length 0, one that issues leaves only)."""
    from hsmgate.cli import pki_authorities

    where = opt.where(config, profile, pki, None, new_passphrase_file, ask=ask_passphrase)
    wanted = pki_authorities.Wanted(name, subject, key_type, keystore, path_length, lifetime, permit, exclude)
    settings = pki_authorities.Given(ocsp, ca_issuers, crl_url, crl_file, crl_every, crl_lifetime)
    pki_authorities.show(pki_authorities.init(where, wanted, settings), out, as_json=json)


@app.command()
def intermediate(
    name: Name,
    issuer: opt.Issuer = None,
    subject: opt.Subject = None,
    key_type: opt.Kind = "p256",
    keystore: opt.Keystore = None,
    path_length: opt.PathLength = 0,
    lifetime: opt.Lifetime = None,
    permit: opt.Permit = None,
    exclude: opt.Exclude = None,
    ocsp: opt.Ocsp = None,
    ca_issuers: opt.CaIssuers = None,
    crl_url: opt.CrlUrl = None,
    crl_file: opt.CrlFile = None,
    crl_every: opt.CrlEvery = None,
    crl_lifetime: opt.CrlLifetime = None,
    out: opt.Out = None,
    passphrase_file: opt.PassphraseFile = None,
    new_passphrase_file: opt.NewPassphraseFile = None,
    ask_passphrase: opt.AskPassphrase = False,
    config: opt.Config = None,
    profile: opt.Profile = None,
    pki: opt.Pki = None,
    json: opt.Json = False,
) -> None:
    """Make an authority below one whose key is here. Where that key is elsewhere: request, sign-request, install."""
    from hsmgate.cli import pki_authorities

    where = opt.where(config, profile, pki, passphrase_file, new_passphrase_file, ask=ask_passphrase)
    wanted = pki_authorities.Wanted(name, subject, key_type, keystore, path_length, lifetime, permit, exclude)
    settings = pki_authorities.Given(ocsp, ca_issuers, crl_url, crl_file, crl_every, crl_lifetime)
    pki_authorities.show(pki_authorities.intermediate(where, wanted, settings, issuer), out, as_json=json)


@app.command()
def request(
    name: Name,
    subject: opt.Subject = None,
    key_type: opt.Kind = "p256",
    keystore: opt.Keystore = None,
    out: opt.Out = None,
    new_passphrase_file: opt.NewPassphraseFile = None,
    ask_passphrase: opt.AskPassphrase = False,
    config: opt.Config = None,
    profile: opt.Profile = None,
    pki: opt.Pki = None,
) -> None:
    """Make the key of an authority that is signed elsewhere, and print the request (PKCS#10, PEM) to carry there."""
    from hsmgate.cli import pki_authorities, pki_write

    where = opt.where(config, profile, pki, None, new_passphrase_file, ask=ask_passphrase)
    wanted = pki_authorities.Wanted(name, subject, key_type, keystore)
    pki_write.hand_out(out, pki_authorities.request(where, wanted))


@app.command("sign-request")
def sign_request(
    csr: Annotated[Path, typer.Argument(readable=False, help="The request (PKCS#10, PEM or DER).")],
    issuer: opt.Issuer = None,
    subject: opt.Subject = None,
    path_length: opt.PathLength = 0,
    lifetime: opt.Lifetime = None,
    permit: opt.Permit = None,
    exclude: opt.Exclude = None,
    out: opt.Out = None,
    passphrase_file: opt.PassphraseFile = None,
    config: opt.Config = None,
    profile: opt.Profile = None,
    pki: opt.Pki = None,
) -> None:
    """Certify an authority whose key is elsewhere, and print its certificate. Only subject and key are taken from the
    request; what the authority may do is said here.
    """
    from hsmgate.cli import pki_authorities, pki_write

    where = opt.where(config, profile, pki, passphrase_file)
    wanted = pki_authorities.Wanted("", subject, "", None, path_length, lifetime, permit, exclude)
    pki_write.hand_out(out, pki_authorities.sign_request(where, csr, wanted, issuer))


@app.command()
def install(
    name: Name,
    certificate: Annotated[Path, typer.Argument(readable=False, help="Its certificate, PEM or DER.")],
    without_key: Annotated[
        bool, typer.Option("--without-key", help="Its key is not here, such as that of an offline root.")
    ] = False,
    keystore: Annotated[
        str | None, typer.Option("--keystore", help="Its key is in the configured keystore, under this label.")
    ] = None,
    ocsp: opt.Ocsp = None,
    ca_issuers: opt.CaIssuers = None,
    crl_url: opt.CrlUrl = None,
    crl_file: opt.CrlFile = None,
    crl_every: opt.CrlEvery = None,
    crl_lifetime: opt.CrlLifetime = None,
    passphrase_file: opt.PassphraseFile = None,
    config: opt.Config = None,
    profile: opt.Profile = None,
    pki: opt.Pki = None,
    json: opt.Json = False,
) -> None:
    """Take an authority whose certificate was made elsewhere: one that was requested here, or an offline root."""
    from hsmgate.cli import pki_authorities

    where = opt.where(config, profile, pki, passphrase_file)
    settings = pki_authorities.Given(ocsp, ca_issuers, crl_url, crl_file, crl_every, crl_lifetime)
    entry = pki_authorities.install(where, name, certificate, keystore, settings, without_key=without_key)
    pki_authorities.show(entry, None, as_json=json)


@app.command()
def settings(
    name: Name,
    ocsp: opt.Ocsp = None,
    ca_issuers: opt.CaIssuers = None,
    crl_url: opt.CrlUrl = None,
    crl_file: opt.CrlFile = None,
    crl_every: opt.CrlEvery = None,
    crl_lifetime: opt.CrlLifetime = None,
    config: opt.Config = None,
    profile: opt.Profile = None,
    pki: opt.Pki = None,
    json: opt.Json = False,
) -> None:
    """Change where verifiers are sent from now on, and how CRLs are made; an empty text ('') clears a URL or file."""
    from hsmgate.cli import pki_authorities

    where = opt.where(config, profile, pki)
    given = pki_authorities.Given(ocsp, ca_issuers, crl_url, crl_file, crl_every, crl_lifetime)
    pki_authorities.show(pki_authorities.change(where, name, given), None, as_json=json)


@app.command()
def authorities(
    config: opt.Config = None, profile: opt.Profile = None, pki: opt.Pki = None, json: opt.Json = False
) -> None:
    """List the authorities, with where their keys are."""
    from hsmgate.cli import pki_rows, tables
    from hsmgate.cli.pki_place import opened

    with opened(opt.where(config, profile, pki)) as place:
        rows = [pki_rows.authority(entry) for entry in place.register.authorities()]
    tables.show(rows, as_json=json)


@app.command()
def crl(
    names: Annotated[list[str] | None, typer.Argument(help="Authorities; default: all whose key is here.")] = None,
    if_due: Annotated[
        bool, typer.Option("--if-due", help="Only where the schedule (--crl-every) asks for it.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", readable=False, help="Publish here instead of at --crl-file; of one authority."),
    ] = None,
    passphrase_file: opt.PassphraseFile = None,
    config: opt.Config = None,
    profile: opt.Profile = None,
    pki: opt.Pki = None,
    json: opt.Json = False,
) -> None:
    """Make CRLs and publish them: full, numbered, replaced in one step. For a timer: hsmgate pki crl --if-due."""
    from hsmgate.cli import pki_crl, tables

    rows = pki_crl.crl(opt.where(config, profile, pki, passphrase_file), tuple(names or ()), out, if_due=if_due)
    tables.show(rows, as_json=json)


@app.command("import")
def import_(
    name: Name,
    folder: Annotated[Path, typer.Argument(readable=False, help="The folder of openssl ca, with its index.txt.")],
    certificate: Annotated[
        Path, typer.Option("--certificate", readable=False, help="The authority's certificate, in that folder.")
    ] = Path("cacert.pem"),
    key: Annotated[
        Path | None,
        typer.Option("--key", readable=False, help="Its private key, in that folder, which is copied. Default: none."),
    ] = None,
    passphrase_file: opt.PassphraseFile = None,
    config: opt.Config = None,
    profile: opt.Profile = None,
    pki: opt.Pki = None,
    json: opt.Json = False,
) -> None:
    """Take over an `openssl ca` folder: certificates, revocations, numbers. To be repeated as often as one likes."""
    from hsmgate.cli import pki_import, tables

    row = pki_import.import_(opt.where(config, profile, pki, passphrase_file), name, folder, certificate, key)
    tables.show([row], as_json=json)
