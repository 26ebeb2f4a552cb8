"""`hsmgate pki`: a small certificate authority; the commands about certificates."""

import time
from pathlib import Path
from typing import Annotated

import typer

from hsmgate.cli import pki_authority_commands
from hsmgate.cli import pki_options as opt

app = typer.Typer(
    help="A small certificate authority: roots, issuing authorities, certificates, revocation.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(pki_authority_commands.app)


@app.command()
def issue(
    profile: Annotated[str, typer.Argument(help="server, client or responder.")],
    subject: Annotated[
        str | None, typer.Argument(help="CN=NAME,O=ORGANISATION, or a common name. Default: the first DNS name.")
    ] = None,
    issuer: opt.Issuer = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="A name in the certificate: dns:host, ip:address, email:address or uri:URI."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", readable=False, help="Writes OUT.crt and OUT.key. Default: after the common name."),
    ] = None,
    csr: Annotated[
        Path | None, typer.Option("--csr", readable=False, help="A request (PKCS#10) for a key that is elsewhere.")
    ] = None,
    csr_names: Annotated[
        bool, typer.Option("--csr-names", help="Take the names of the request into the certificate.")
    ] = False,
    lifetime: opt.Lifetime = None,
    key_type: opt.Kind = "p256",
    bundle: Annotated[
        bool,
        typer.Option("--bundle", help="Also OUT.p12 with key and chain; its password is made and put beside it."),
    ] = False,
    legacy: Annotated[bool, typer.Option("--legacy", help="The bundle for old readers (3DES, SHA-1).")] = False,
    passphrase_file: opt.PassphraseFile = None,
    new_passphrase_file: opt.NewPassphraseFile = None,
    ask_passphrase: opt.AskPassphrase = False,
    config: opt.Config = None,
    profile_name: opt.Profile = None,
    pki: opt.Pki = None,
    json: opt.Json = False,
) -> None:
    """Issue a certificate, for a new key or from a request."""
    from hsmgate.cli import pki_leaves, tables

    where = opt.where(config, profile_name, pki, passphrase_file, new_passphrase_file, ask=ask_passphrase)
    wanted = pki_leaves.Wanted(
        profile=profile,
        subject=subject,
        issuer=issuer,
        names=tuple(name or ()),
        csr=csr,
        csr_names=csr_names,
        lifetime=lifetime,
        kind=key_type,
    )
    tables.show([pki_leaves.issue(where, wanted, out, bundled=bundle or legacy, legacy=legacy)], as_json=json)


@app.command()
def renew(
    certificate: Annotated[
        str, typer.Argument(help="As for status; or the name of an authority, which keeps its key.")
    ],
    issuer: opt.Of = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", readable=False, help="Writes OUT.crt and OUT.key. Default: after the common name."),
    ] = None,
    same_key: Annotated[
        bool, typer.Option("--same-key", help="For the key that it has, instead of a new one.")
    ] = False,
    csr: Annotated[
        Path | None, typer.Option("--csr", readable=False, help="A request, of which the key is taken.")
    ] = None,
    lifetime: opt.Lifetime = None,
    key_type: opt.Kind = "p256",
    bundle: Annotated[bool, typer.Option("--bundle", help="Also OUT.p12 with key and chain.")] = False,
    legacy: Annotated[bool, typer.Option("--legacy", help="The bundle for old readers (3DES, SHA-1).")] = False,
    passphrase_file: opt.PassphraseFile = None,
    new_passphrase_file: opt.NewPassphraseFile = None,
    ask_passphrase: opt.AskPassphrase = False,
    config: opt.Config = None,
    profile: opt.Profile = None,
    pki: opt.Pki = None,
    json: opt.Json = False,
) -> None:
    """Issue the successor of a certificate: same subject, names and kind. The old one stays valid until it expires."""
    from hsmgate.cli import pki_leaves, tables

    where = opt.where(config, profile, pki, passphrase_file, new_passphrase_file, ask=ask_passphrase)
    wanted = pki_leaves.Renewed(
        certificate=certificate, issuer=issuer, same_key=same_key, csr=csr, lifetime=lifetime, kind=key_type
    )
    tables.show([pki_leaves.renew(where, wanted, out, bundled=bundle or legacy, legacy=legacy)], as_json=json)


@app.command()
def bundle(
    certificate: opt.Certificate,
    key: Annotated[Path, typer.Option("--key", readable=False, help="Its private key, PEM.")],
    out: Annotated[Path, typer.Option("--out", readable=False, help="The PKCS#12 file; never over a file.")],
    issuer: opt.Of = None,
    alias: Annotated[str | None, typer.Option("--alias", help="Name of the entry. Default: the common name.")] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(
            "--password-file",
            readable=False,
            help="Its password; else HSMGATE_BUNDLE_PASSWORD, else one is made and put into OUT.password.",
        ),
    ] = None,
    legacy: Annotated[bool, typer.Option("--legacy", help="For old readers (3DES, SHA-1).")] = False,
    passphrase_file: opt.PassphraseFile = None,
    config: opt.Config = None,
    profile: opt.Profile = None,
    pki: opt.Pki = None,
    json: opt.Json = False,
) -> None:
    """Pack a certificate, its key and the chain above it into PKCS#12, as curl, Java and browsers take it."""
    from hsmgate.cli import pki_leaves, tables

    where = opt.where(config, profile, pki, passphrase_file)
    row = pki_leaves.bundle(where, (certificate, issuer), key, out, alias, password_file, legacy=legacy)
    tables.show([row], as_json=json)


@app.command()
def revoke(
    certificate: opt.Certificate,
    reason: Annotated[
        str,
        typer.Option(
            "--reason",
            help="keyCompromise, superseded, cessationOfOperation, affiliationChanged, privilegeWithdrawn,"
            " cACompromise, aACompromise or unspecified; certificateHold can be released.",
        ),
    ] = "unspecified",
    issuer: opt.Of = None,
    config: opt.Config = None,
    profile: opt.Profile = None,
    pki: opt.Pki = None,
    json: opt.Json = False,
) -> None:
    """Revoke a certificate, or put it on hold (--reason certificateHold). Responders know at once, CRLs when made."""
    from hsmgate.cli import pki_read, pki_rows, tables
    from hsmgate.cli.pki_place import opened
    from hsmgate.usecases import issuance_states

    with opened(opt.where(config, profile, pki)) as place:
        done = issuance_states.revoke(place.ports, pki_read.selector(certificate, issuer), reason)
    tables.show([pki_rows.certificate(done, time.time())], as_json=json)


@app.command()
def release(
    certificate: opt.Certificate,
    issuer: opt.Of = None,
    config: opt.Config = None,
    profile: opt.Profile = None,
    pki: opt.Pki = None,
    json: opt.Json = False,
) -> None:
    """Take a hold back: the certificate is good again. Nothing else can be taken back."""
    from hsmgate.cli import pki_read, pki_rows, tables
    from hsmgate.cli.pki_place import opened
    from hsmgate.usecases import issuance_states

    with opened(opt.where(config, profile, pki)) as place:
        done = issuance_states.release(place.ports, pki_read.selector(certificate, issuer))
    tables.show([pki_rows.certificate(done, time.time())], as_json=json)


@app.command()
def status(
    certificate: opt.Certificate,
    issuer: opt.Of = None,
    config: opt.Config = None,
    profile: opt.Profile = None,
    pki: opt.Pki = None,
    json: opt.Json = False,
) -> None:
    """Say what is known of a certificate: good, held, revoked or expired."""
    from hsmgate.cli import pki_read, pki_rows, tables
    from hsmgate.cli.pki_place import opened
    from hsmgate.usecases import issuance_states

    with opened(opt.where(config, profile, pki)) as place:
        now = time.time()
        found = issuance_states.find(place.register, pki_read.selector(certificate, issuer), now)
    tables.show([pki_rows.whole(found, now)], as_json=json)


@app.command()
def export(
    certificate: Annotated[str, typer.Argument(help="As for status; or the name of an authority.")],
    issuer: opt.Of = None,
    chain: Annotated[bool, typer.Option("--chain", help="Also what stands above it, the anchor last.")] = False,
    out: opt.Out = None,
    config: opt.Config = None,
    profile: opt.Profile = None,
    pki: opt.Pki = None,
) -> None:
    """Print a certificate as PEM, also one whose file was lost: what was issued is in the database."""
    from hsmgate.cli import pki_leaves, pki_write
    from hsmgate.cli.pki_place import opened

    with opened(opt.where(config, profile, pki)) as place:
        found = pki_leaves.chain_of(place, certificate, issuer)
    pki_write.hand_out(out, pki_write.pem(found if chain else found[:1]))


@app.command("list")
def list_(
    issuer: Annotated[str | None, typer.Option("--issuer", help="Only those of this authority.")] = None,
    expiring: Annotated[
        str | None, typer.Option("--expiring", help="Only those that expire within this time, such as 30d.")
    ] = None,
    state: Annotated[str | None, typer.Option("--state", help="Only good, held, revoked or expired ones.")] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help="Only authority, server, client, responder or imported ones.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="At most so many. Default: 100 on a terminal, else all.")
    ] = None,
    after: Annotated[
        str | None, typer.Option("--after", help="Goes on behind this one: AUTHORITY:SERIAL, the last of a page.")
    ] = None,
    config: opt.Config = None,
    profile: opt.Profile = None,
    pki: opt.Pki = None,
    json: opt.Json = False,
) -> None:
    """List what was issued, by authority and expiry; a page at a time, so a million are no burden."""
    from hsmgate.cli import pki_list
    from hsmgate.cli.pki_place import opened

    wanted = pki_list.wanted(issuer, expiring, state, kind, limit, after, time.time())
    with opened(opt.where(config, profile, pki)) as place:
        pki_list.show(place.register, wanted, time.time(), as_json=json)
