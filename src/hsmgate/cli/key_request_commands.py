"""`hsmgate key request`: requests that are answered later, from the command line."""

from typing import TYPE_CHECKING, Annotated

import typer

from hsmgate.cli import key_use as use
from hsmgate.cli.key_place import connected
from hsmgate.cli.options import JsonOption

if TYPE_CHECKING:
    from hsmgate.client import Client

app = typer.Typer(help="Requests that are answered later.", no_args_is_help=True, rich_markup_mode=None)

IdArgument = Annotated[str, typer.Argument(help="The id, as its submission was answered.")]


@app.command("list")
@connected
def list_(
    client: "Client",
    status: Annotated[
        list[use.Status] | None, typer.Option("--status", help="Only those, like PENDING; may be repeated.")
    ] = None,
    page: Annotated[int, typer.Option("--page", min=0, help="Which page, counted from 0.")] = 0,
    size: Annotated[int, typer.Option("--size", min=1, max=1000, help="How many are on a page.")] = 100,
    oldest_first: Annotated[bool, typer.Option("--oldest-first", help="By submission; else the newest first.")] = False,
    json: JsonOption = False,
) -> None:
    """List requests; with --json also their results."""
    from hsmgate.cli import tables

    found = client.requests(*use.statuses(status or ()), page=page, size=size, newest_first=not oldest_first).requests
    if json:
        tables.print_json(found)
    else:
        tables.show([use.Submitted(one.id, one.status, use.moment(one.execution_time)) for one in found], as_json=False)


@app.command()
@connected
def get(client: "Client", id: IdArgument, json: JsonOption = False) -> None:  # noqa: A002 - what it is
    """Show how a request stands, with its result when it is EXECUTED."""
    from hsmgate.cli import tables

    found = client.request(id)
    if json:
        tables.print_json(found)
    else:
        tables.show(use.state_facts(found), as_json=False)


@app.command()
@connected
def delete(client: "Client", id: IdArgument) -> None:  # noqa: A002
    """Cancel a request that is open, remove one that is settled."""
    client.withdraw(id)
    print(f"deleted {id}")
