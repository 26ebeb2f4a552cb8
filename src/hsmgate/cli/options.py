"""Options that several commands take, and what they stand for."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hsmgate.config import Config

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        readable=False,  # whether it is, is no matter of usage: exit code 1, not 2
        help="Configuration file or folder. Default: $HSMGATE_CONFIG, else ./config-files, else /etc/app/config.",
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option("--profile", help="Reads application-PROFILE.yml. Default: SPRING_PROFILES_ACTIVE, else local."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def load_config(config: Path | None, profile: str | None) -> "Config":
    """The configuration that the options name. Failure: CONFIG_MISSING, CONFIG_INVALID."""
    from hsmgate.config import load

    return load(config, profile, os.environ, Path.cwd())
