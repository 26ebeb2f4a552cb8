"""The command line: `hsmgate --help` is its table of contents, and quick, since commands import what they need."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from hsmgate import __version__
from hsmgate.cli import database_commands, key_commands, keystore_commands, ocsp_commands, pki_commands, trust_commands
from hsmgate.cli.options import ConfigOption, JsonOption, ProfileOption, load_config

app = typer.Typer(
    name="hsmgate",
    help="One REST API, guarded by mutual TLS, in front of the keys of an HSM.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(key_commands.app, name="key")
app.add_typer(trust_commands.app, name="trust")
app.add_typer(pki_commands.app, name="pki")
app.add_typer(ocsp_commands.app, name="ocsp")
app.add_typer(database_commands.app, name="db")
app.add_typer(keystore_commands.app, name="keystore")
audit_app = typer.Typer(help="The audit trail.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(audit_app, name="audit")


@app.command()
def serve(
    config: ConfigOption = None,
    profile: ProfileOption = None,
    worker: Annotated[str | None, typer.Option("--worker", hidden=True)] = None,
) -> None:
    """Serve the REST API until SIGTERM or Ctrl-C; SIGHUP looks at the stores anew."""
    # Until it serves, Ctrl-C ends the process at once: Python's own way gets lost inside callbacks of C libraries.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from hsmgate.cli import first_call, serving

    loaded = load_config(config, profile)
    absolute = config is not None and config.is_absolute()
    serving.serve(loaded, lambda port: first_call.show(loaded, port, absolute=absolute), worker)


@app.command()
def check(
    config: ConfigOption = None,
    profile: ProfileOption = None,
    json: JsonOption = False,
    from_tsb: Annotated[
        bool,
        typer.Option("--from-tsb", help="Say of a configuration for the vendor's service what becomes of each key."),
    ] = False,
) -> None:
    """Load everything as `serve` would, say what it amounts to, and end: exit code 0, or 1 where serve would refuse."""
    if from_tsb:
        from hsmgate.cli import migration

        migration.report(config, profile, as_json=json)
        return
    from hsmgate.cli import check as checks

    checks.report(load_config(config, profile), as_json=json)


@app.command()
def health(config: ConfigOption = None, profile: ProfileOption = None) -> None:
    """Ask the service that runs on this machine whether it is well: exit code 0, or 1; needs no certificate."""
    from hsmgate.cli import health as probes

    probes.health(load_config(config, profile))


@app.command()
def quickstart(
    folder: Annotated[Path, typer.Argument(readable=False, help="Where to write it.")] = Path("quickstart"),
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Say nothing when it is there already.")] = False,
) -> None:
    """Write a small PKI, a truststore, a client bundle and a configuration, ready to serve on this machine."""
    import datetime as dt
    import socket

    from hsmgate.cli import quickstart as quickstarts

    now = dt.datetime.now(dt.UTC)
    made = quickstarts.quickstart(folder, now, socket.gethostname())
    if made.created or not if_missing or made.expires <= now:
        for line in quickstarts.lines(made, now):
            print(line)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(readable=False, help="Where to write it; never overwritten.")],
    config: ConfigOption = None,
    profile: ProfileOption = None,
) -> None:
    """Write database, trust, audit trail and configuration into one file, also while the service runs."""
    from hsmgate.cli import backup as backups

    backups.backup(load_config(config, profile), file.absolute())


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(readable=False, help="What `hsmgate backup` wrote.")],
    folder: Annotated[
        Path | None,
        typer.Argument(readable=False, help="Restore into it, the configuration too. Default: where --config says."),
    ] = None,
    head: Annotated[
        str | None, typer.Option("--head", help="Hash of a line of the audit trail that must be there.")
    ] = None,
    config: ConfigOption = None,
    profile: ProfileOption = None,
) -> None:
    """Put back what a backup holds, and check all of it; overwrites nothing."""
    from hsmgate.cli import restore as restores

    if folder is None:
        restores.restore(file, load_config(config, profile), head)
    elif config is None:
        restores.restore_into(file, folder, profile, head)
    else:
        raise typer.BadParameter("a folder gets the configuration of the backup: leave out --config, or the folder")


@audit_app.command("verify")
def audit_verify(
    files: Annotated[list[Path], typer.Argument(readable=False, help="The files of one trail, in any order.")],
    head: Annotated[
        str | None, typer.Option("--head", help="Hash of a line that must be there, kept elsewhere.")
    ] = None,
) -> None:
    """Check the chain of an audit trail; with --head, that nothing is cut off its end."""
    from hsmgate.cli import audit

    raise typer.Exit(audit.verify(files, head))


@app.command()
def version() -> None:
    """Print the version."""
    print(f"hsmgate {__version__}")
