"""Runs a responder by itself until SIGTERM or SIGINT."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Sequence


async def run(
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
    background: Sequence[Callable[[], Awaitable[None]]],
) -> None:
    """Start, wait for the signal, stop. A background job that breaks ends it all: nobody would notice otherwise."""
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    await start()
    jobs = [asyncio.ensure_future(job()) for job in background]
    waiting = asyncio.ensure_future(ending.wait())
    try:
        await asyncio.wait([waiting, *jobs], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (*jobs, waiting):
            task.cancel()
        await stop()
    for job in jobs:
        with contextlib.suppress(asyncio.CancelledError):
            await job
