"""Looks up names of responders in threads of its own, so that a dead name server holds nothing else up."""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

THREADS = 8  # names that may hang at the same time without holding up others

AddressInfo = list[tuple[Any, ...]]  # as socket.getaddrinfo returns it
LookUp = Callable[..., AddressInfo]


class Resolver(AbstractResolver):
    """Nothing is cached; of one name only one look-up runs at a time."""

    def __init__(self, look_up: LookUp = socket.getaddrinfo) -> None:
        self._look_up = look_up
        self._threads = ThreadPoolExecutor(THREADS, "dns")
        self._running: dict[tuple[str, int, int], asyncio.Future[AddressInfo]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """All addresses of a name, in the system's order. OSError: there is none."""
        key = (host, port, family)
        running = self._running.get(key)
        if running is None:
            loop = asyncio.get_running_loop()
            running = loop.run_in_executor(
                self._threads, lambda: self._look_up(host, port, family=family, type=socket.SOCK_STREAM)
            )
            self._running[key] = running
            running.add_done_callback(lambda _: self._running.pop(key))
        # a caller that gives up leaves the look-up to the others
        return [
            ResolveResult(hostname=host, host=where[0], port=where[1], family=kind, proto=protocol, flags=0)
            for kind, _, protocol, _, where in await asyncio.shield(running)
        ]

    async def close(self) -> None:
        """Start no more look-ups."""
        self._threads.shutdown(wait=False, cancel_futures=True)
