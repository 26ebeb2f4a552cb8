"""`hsmgate db`: which tables the database has, and bringing them to this version's."""

import typer

from hsmgate.cli.options import ConfigOption, JsonOption, ProfileOption, load_config

app = typer.Typer(help="The database's tables.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def status(config: ConfigOption = None, profile: ProfileOption = None, json: JsonOption = False) -> None:
    """Say which version's tables the database has; changes nothing, exit code 1 if they are a newer version's."""
    from hsmgate.cli import database

    database.status(load_config(config, profile), as_json=json)


@app.command()
def upgrade(config: ConfigOption = None, profile: ProfileOption = None) -> None:
    """Bring the tables to this version's, as `serve` does at its start; not while a service runs."""
    from hsmgate.cli import database

    database.upgrade(load_config(config, profile))
