"""Which service the `hsmgate key` commands ask, and as whom: options, variables and files become a client."""

import functools
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hsmgate.errors import Failure, Reason

if TYPE_CHECKING:
    from hsmgate.client import Client, Identity

PASSPHRASE, API_KEY, BEARER, KEY_PASSWORD = (
    f"HSMGATE_{name}" for name in ("CLIENT_PASSPHRASE", "API_KEY", "BEARER", "KEY_PASSWORD")
)


def _file(name: str, text: str, variable: str | None = None) -> Any:  # noqa: ANN401 - an option of typer
    return typer.Option(name, readable=False, envvar=variable, help=text)


Url = Annotated[str | None, typer.Option("--url", envvar="HSMGATE_URL", help="The service, like https://host:8080.")]
Config = Annotated[Path | None, _file("--config", "A quickstart folder: its port, authority and client are taken.")]
Authority = Annotated[Path | None, _file("--ca", "PEM file with the authorities of the service.", "HSMGATE_CA")]
Bundle = Annotated[Path | None, _file("--p12", "The client's PKCS#12 file.", "HSMGATE_CLIENT_P12")]
Certificate = Annotated[Path | None, _file("--cert", "The client's certificate in PEM.", "HSMGATE_CLIENT_CERT")]
PrivateKey = Annotated[
    Path | None, _file("--cert-key", "Its key in PEM. Default: in the file of --cert.", "HSMGATE_CLIENT_KEY")
]
PassphraseFile = Annotated[
    Path | None, _file("--passphrase-file", f"Opens --p12 or --cert-key. Default: {PASSPHRASE}.")
]
ApiKeyFile = Annotated[Path | None, _file("--api-key-file", f"The API key of the role. Default: {API_KEY}.")]
BearerFile = Annotated[Path | None, _file("--bearer-file", f"A token to be sent along. Default: {BEARER}.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, max=3600, help="Seconds to wait for the service.")]


def connect(
    *,
    url: Url = None,
    config: Config = None,
    ca: Authority = None,
    p12: Bundle = None,
    cert: Certificate = None,
    cert_key: PrivateKey = None,
    passphrase_file: PassphraseFile = None,
    api_key_file: ApiKeyFile = None,
    bearer_file: BearerFile = None,
    timeout: Timeout = 30.0,
) -> "Client":
    """The client that these options name. Failure: CONFIG_MISSING, CONFIG_INVALID, INVALID_INPUT, STORE_UNREADABLE."""
    try:
        from hsmgate import client
    except ModuleNotFoundError as missing:
        raise Failure(Reason.CONFIG_MISSING, str(missing)) from None
    identity = _identity(p12, cert, cert_key, secret(passphrase_file, PASSPHRASE))
    if config is not None:
        quick = _quickstart(config)
        url, ca = url or _url_of(quick), ca or quick / "ca.crt"
        identity = identity or _identity(quick / "client.p12", None, None, secret(quick / "client.p12.password", ""))
    if url is None:
        raise Failure(Reason.CONFIG_MISSING, "name the service: --url with --ca and --p12, or --config QUICKSTART")
    keys = secret(api_key_file, API_KEY) or ()
    return client.Client(
        url,
        ca=ca,
        identity=identity,
        api_keys=client.ApiKeys(key_management=keys, key_operation=keys, service=keys),
        bearer=secret(bearer_file, BEARER),
        timeout=timeout,
    )


def connected(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose first argument is the client, with the options of `connect` in its place behind its own."""
    own = list(inspect.signature(command).parameters.values())[1:]
    shared = list(inspect.signature(connect).parameters.values())

    @functools.wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401 - what the options of the command are
        options = {parameter.name: given.pop(parameter.name) for parameter in shared}
        with told(), connect(**options) as client:
            command(client, **given)

    whole = [*(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own), *shared]
    run.__dict__["__signature__"] = inspect.Signature(whole)
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in whole}
    del run.__dict__["__wrapped__"]
    return run


@contextmanager
def told() -> Iterator[None]:
    """What the client says went wrong, as the program says it."""
    try:
        from hsmgate.client.errors import RequestFailed
    except ModuleNotFoundError as missing:
        raise Failure(Reason.CONFIG_MISSING, str(missing)) from None
    try:
        yield
    except RequestFailed as failed:
        raise Failure(Reason.CONNECTIVITY, str(failed)) from None


def secret(file: Path | None, variable: str) -> str | None:
    """From a file, else from a variable. Failure: STORE_UNREADABLE, INVALID_INPUT."""
    from hsmgate.cli.pki_passphrases import from_file

    return from_file(file) if file is not None else os.environ.get(variable) or None


def _identity(p12: Path | None, cert: Path | None, key: Path | None, passphrase: str | None) -> "Identity | None":
    from hsmgate.client import P12, Pem

    if p12 is not None and (cert or key):
        raise Failure(Reason.CONFIG_INVALID, "give the client's certificate as --p12 or as --cert, not both")
    if key is not None and cert is None:
        raise Failure(Reason.CONFIG_INVALID, "--cert-key needs --cert")
    if p12 is not None:
        return P12(p12, passphrase)
    return None if cert is None else Pem(cert, key, passphrase)


def _quickstart(folder: Path) -> Path:
    from hsmgate.cli import quickstart

    found = folder if (folder / quickstart.MARKER).is_file() else quickstart.beside(folder)
    if found is None:
        raise Failure(Reason.CONFIG_INVALID, f"{folder} is no quickstart: use --url, --ca and --p12")
    return found


def _url_of(quick: Path) -> str:
    from hsmgate.cli.options import load_config
    from hsmgate.cli.quickstart import CONFIG_FOLDER

    return f"https://localhost:{load_config(quick / CONFIG_FOLDER, None).server.port}"
