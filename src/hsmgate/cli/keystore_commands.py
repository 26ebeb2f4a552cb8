"""`hsmgate keystore`: the sealing key of the software keystore."""

from pathlib import Path
from typing import Annotated

import typer

from hsmgate.cli.options import ConfigOption, ProfileOption, load_config

app = typer.Typer(help="The software keystore.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def group() -> None:
    """The software keystore."""


@app.command()
def reseal(
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            readable=False,
            help="File with the next sealing key or passphrase; made if it is not there. Default: a new key in place.",
        ),
    ] = None,
    config: ConfigOption = None,
    profile: ProfileOption = None,
) -> None:
    """Change the sealing key: seal every key anew. Stop the service first; when interrupted, run it again."""
    from hsmgate.cli import resealing

    resealing.reseal(load_config(config, profile), to)
