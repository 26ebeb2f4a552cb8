"""`hsmgate serve`: in this process, or as the supervisor of several."""

import sys
from collections.abc import Callable

import typer

from hsmgate import app, workers
from hsmgate.config import Config, transport


def serve(config: Config, announce: Callable[[int], None], worker: str | None) -> None:
    """Serve until the end. `worker`: the place that a supervisor gave to this process."""
    if worker is not None:
        try:
            place = workers.Place.parse(worker)
        except ValueError:
            raise typer.BadParameter("is given by the supervisor only", param_hint="--worker") from None
        app.serve(config, announce, place)
    elif config.server.workers == 1:
        app.serve(config, announce)
    else:
        transport(config)  # what cannot be served is refused before any process starts
        # -P: a folder in which somebody serves is no place to take code from
        command = [sys.executable, "-P", "-m", "hsmgate", *sys.argv[1:], "--worker"]
        if code := workers.supervise(config, command, announce):
            raise typer.Exit(code)
