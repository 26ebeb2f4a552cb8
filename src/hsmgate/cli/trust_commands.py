"""`hsmgate trust`: what a truststore lets in, and changing it."""

import time
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The truststore: who is let in.", no_args_is_help=True, rich_markup_mode=None)

StoreOption = Annotated[
    Path | None, typer.Option("--store", readable=False, help="The truststore. Default: that of the configuration.")
]
PasswordOption = Annotated[
    str | None,
    typer.Option("--password", envvar="HSMGATE_STORE_PASSWORD", help="Its password; better: HSMGATE_STORE_PASSWORD."),
]
ConfigOption = Annotated[Path | None, typer.Option("--config", readable=False, help="Configuration file or folder.")]
ProfileOption = Annotated[str | None, typer.Option("--profile", help="Reads application-PROFILE.yml.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_(
    store: StoreOption = None,
    password: PasswordOption = None,
    config: ConfigOption = None,
    profile: ProfileOption = None,
    json: JsonOption = False,
) -> None:
    """List every entry with its role: an issuer lets in what it signed, a pin exactly one client."""
    from hsmgate.cli import tables, trust
    from hsmgate.cli.trust_place import Place

    place = Place(store, password, config, profile)
    listing = trust.list_entries(place.path, place.password, place.hint, place.role_of, place.revocation_of)
    tables.show(listing.rows, as_json=json)
    tables.warn(listing.warnings)
    tables.warn(f"{alias}: a key entry, skipped" for alias in listing.skipped_keys)


@app.command()
def add(
    certificates: Annotated[list[Path], typer.Argument(readable=False, help="PEM or DER files.")],
    store: StoreOption = None,
    password: PasswordOption = None,
    alias: Annotated[str | None, typer.Option("--alias", help="Name of the entry.")] = None,
    config: ConfigOption = None,
    profile: ProfileOption = None,
    json: JsonOption = False,
) -> None:
    """Add certificates to a JKS, PKCS12 or PEM truststore; a running service takes them within 1.5 seconds."""
    from hsmgate.cli import tables, trust
    from hsmgate.cli.trust_place import Place

    place = Place(store, password, config, profile)
    created = int(time.time() * 1000)
    rows = trust.add(place.path, place.password, certificates, created, alias=alias, role_of=place.role_of)
    tables.show(rows, as_json=json)


@app.command()
def remove(
    names: Annotated[list[str], typer.Argument(help="Aliases or SHA-256 fingerprints.")],
    store: StoreOption = None,
    password: PasswordOption = None,
    config: ConfigOption = None,
    profile: ProfileOption = None,
    json: JsonOption = False,
) -> None:
    """Remove entries; a running service refuses those clients within 1.5 seconds, on open connections too."""
    from hsmgate.cli import tables, trust
    from hsmgate.cli.trust_place import Place

    place = Place(store, password, config, profile)
    tables.show(trust.remove(place.path, place.password, names, place.role_of), as_json=json)


@app.command("test")
def would(
    certificates: Annotated[
        list[Path], typer.Argument(readable=False, help="The client's certificate, then what it sends beside it.")
    ],
    store: StoreOption = None,
    password: PasswordOption = None,
    config: ConfigOption = None,
    profile: ProfileOption = None,
) -> None:
    """Would this client be let in, and if not why: exit code 0 or 1."""
    from hsmgate.cli.trust_place import Place

    print(Place(store, password, config, profile).verdict(certificates))
