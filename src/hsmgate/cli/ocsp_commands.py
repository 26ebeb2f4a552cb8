"""`hsmgate ocsp`: a responder on its own, and a client that tries any responder."""

import signal
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="OCSP: serve answers, or ask for one.", no_args_is_help=True, rich_markup_mode=None)

ConfigOption = Annotated[Path | None, typer.Option("--config", readable=False, help="Configuration file or folder.")]
ProfileOption = Annotated[str | None, typer.Option("--profile", help="Reads application-PROFILE.yml.")]
ListenOption = Annotated[
    str | None, typer.Option("--listen", help="host:port. Default: hsmgate.responder.listen, else 127.0.0.1:2560.")
]


@app.command()
def serve(
    config: ConfigOption = None,
    profile: ProfileOption = None,
    listen: ListenOption = None,
    issuer: Annotated[
        Path | None, typer.Option("--issuer", readable=False, help="Serve this authority, without a configuration.")
    ] = None,
    index: Annotated[Path | None, typer.Option("--index", readable=False, help="The index.txt of openssl ca.")] = None,
    crl: Annotated[str | None, typer.Option("--crl", help="A CRL: file or URL, instead of an index.")] = None,
    signer: Annotated[
        Path | None, typer.Option("--signer", readable=False, help="Key and certificate that sign: PEM or PKCS#12.")
    ] = None,
    signer_password: Annotated[
        str | None,
        typer.Option("--signer-password", envvar="HSMGATE_SIGNER_PASSWORD", help="Better: HSMGATE_SIGNER_PASSWORD."),
    ] = None,
    unlisted_good: Annotated[
        bool, typer.Option("--unlisted-good", help="What the CRL does not list is good, also what was never issued.")
    ] = False,
) -> None:
    """Answer OCSP requests until SIGTERM or Ctrl-C: by the configuration, or for one authority that is named here."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from hsmgate.cli import ocsp_serve

    if issuer is None and signer is None and index is None and crl is None:
        ocsp_serve.serve(ocsp_serve.configured(config, profile, listen))
    elif issuer is None or signer is None or (index is None) == (crl is None):
        raise typer.BadParameter("without a configuration: --issuer, --signer, and one of --index and --crl")
    elif config is not None or profile is not None:
        raise typer.BadParameter("--issuer belongs to a responder without configuration; there is --config too")
    else:
        given = ocsp_serve.Given(
            issuer=issuer,
            signer=signer,
            signer_password=signer_password,
            index=index,
            crl=crl,
            unlisted="good" if unlisted_good else "refuse",
        )
        ocsp_serve.serve(ocsp_serve.unconfigured(given, listen))


@app.command()
def query(
    certificate: Annotated[Path, typer.Argument(readable=False, help="PEM or DER file; its first certificate.")],
    issuer: Annotated[Path, typer.Option("--issuer", readable=False, help="The authority that issued it.")],
    url: Annotated[str | None, typer.Option("--url", help="Whom to ask. Default: whom the certificate names.")] = None,
    nonce: Annotated[bool, typer.Option("--nonce/--no-nonce", help="Demand that the answer echoes a nonce.")] = True,
    digest: Annotated[str, typer.Option("--hash", help="sha1 or sha256, for the CertID.")] = "sha1",
    trust: Annotated[
        list[Path] | None, typer.Option("--trust", readable=False, help="A signer that may answer for any issuer.")
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", min=0.01, max=60.0, help="Seconds.")] = 5.0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask a responder about a certificate, and judge the answer as the gate does: exit code 0 for good, else 1."""
    from hsmgate.cli import ocsp_query

    asked = ocsp_query.ask(certificate, issuer, url, digest, tuple(trust or ()), timeout, nonce=nonce)
    ocsp_query.show(asked, as_json=json)
    raise typer.Exit(0 if asked.status == "good" else 1)
