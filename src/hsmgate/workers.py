"""Several processes that serve one port: who starts them, replaces those that die, and ends them together."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self

from structlog.typing import FilteringBoundLogger

from hsmgate.adapters import listening
from hsmgate.adapters.log import make_log
from hsmgate.adapters.service_manager import ServiceManager, service_manager
from hsmgate.config import Config
from hsmgate.record import Record

START_SECONDS = 120.0  # until a worker that starts says that it serves
END_SECONDS = 40.0  # for requests in flight, a little more than a worker grants itself
STEADY_SECONDS = 60.0  # a worker that lived so long is replaced at once, others after a pause
_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # seconds before it is tried again
_READY = b"r"


class Place(Record):
    """A worker's place: its number from 0, and two descriptors: the listening socket, the line to its supervisor."""

    number: int
    listener: int
    line: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """What `word` wrote. ValueError for anything else."""
        number, listener, line = map(int, text.split(":"))
        return cls(number, listener, line)

    @property
    def word(self) -> str:
        return f"{self.number}:{self.listener}:{self.line}"

    def tell_ready(self) -> None:
        """Say that this worker serves, and end it when its supervisor is gone. Call on the event loop."""
        line = socket.socket(fileno=self.line)
        line.setblocking(False)
        loop = asyncio.get_running_loop()

        def gone() -> None:
            loop.remove_reader(line)
            os.kill(os.getpid(), signal.SIGTERM)

        with suppress(OSError):
            line.send(_READY)
        loop.add_reader(line, gone)  # the supervisor never writes: what comes is its end


def is_first(place: Place | None) -> bool:
    """Whether this process does what is done once, however many workers there are."""
    return place is None or place.number == 0


def listener_of(place: Place | None, address: str, port: int) -> socket.socket:
    """The bound socket: the supervisor's, or one of its own. Failure: CONFIG_INVALID."""
    return listening.bind(address, port) if place is None else socket.socket(fileno=place.listener)


def supervise(config: Config, command: Sequence[str], announce: Callable[[int], None]) -> int:
    """Serve with `server.workers` processes until SIGTERM or SIGINT; the exit code.

    `command` starts a worker when its place is added to it; `announce` is called with the port once all serve.
    Failure: CONFIG_INVALID when the port cannot be had.
    """
    os.umask(0o077)
    listening.forbid_core_dumps()
    log = make_log(sys.stderr, now=time.time, monotonic=time.monotonic, json=config.hsmgate.log.format == "json")
    listening.allow_descriptors(config.hsmgate.limits.connections)  # workers inherit it; each says what is missing
    listener = listening.bind(config.server.address, config.server.port)
    try:
        manager = service_manager(os.environ)
        return asyncio.run(_Supervisor(command, listener, log, manager).run(config.server.workers, announce))
    finally:
        listener.close()


class _Supervisor:
    def __init__(
        self, command: Sequence[str], listener: socket.socket, log: FilteringBoundLogger, manager: ServiceManager
    ) -> None:
        self._command, self._listener, self._log, self._manager = command, listener, log, manager
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._lines: dict[int, socket.socket] = {}
        self._end = asyncio.Event()

    async def run(self, count: int, announce: Callable[[int], None]) -> int:
        loop = asyncio.get_running_loop()
        for ending in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(ending, self._end.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        try:
            if not await self._start(0):  # the first makes what a first start has to make
                return await self._failed(0)
            for number in range(1, count):
                if not await self._start(number):
                    return await self._failed(number)
            if not self._end.is_set():
                url = listening.url_of(self._listener, "https")
                self._log.info("started", detail=f"{count} workers serve", url=url)
                self._manager.ready(f"{count} workers serve {url}")
                announce(self._listener.getsockname()[1])
                await self._watch(count)
            return 0
        finally:
            self._manager.stopping()
            await self._end_all()

    async def _watch(self, count: int) -> None:
        keepers = [asyncio.create_task(self._keep(number)) for number in range(count)]
        ended, alive = asyncio.create_task(self._end.wait()), asyncio.create_task(self._tell_alive())
        try:
            await asyncio.wait([ended, *keepers], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (ended, alive, *keepers):
                task.cancel()
            found = await asyncio.gather(*keepers, return_exceptions=True)
        for error in found:
            if isinstance(error, Exception):
                raise error

    async def _tell_alive(self) -> None:
        while seconds := self._manager.watchdog_seconds:
            self._manager.alive()
            await asyncio.sleep(seconds / 3)

    async def _keep(self, number: int) -> None:
        """Replace one worker whenever it ends."""
        tries, began = 0, time.monotonic()
        while True:
            code = await self._running[number].wait()
            if time.monotonic() - began > STEADY_SECONDS:
                tries = 0
            pause = _PAUSES[min(tries, len(_PAUSES) - 1)]
            self._log.error("worker.ended", worker=number, code=code, detail=f"it is replaced in {pause:g} s")
            await asyncio.sleep(pause)
            tries, began = tries + 1, time.monotonic()
            if await self._start(number):
                self._log.info("worker.replaced", worker=number)

    async def _start(self, number: int) -> bool:
        """Start a worker; whether it serves. False also where the end came first."""
        if (old := self._lines.pop(number, None)) is not None:
            old.close()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._lines[number] = ours
        place = Place(number, self._listener.fileno(), theirs.fileno())
        with theirs:
            self._running[number] = await asyncio.create_subprocess_exec(
                *self._command,
                place.word,
                pass_fds=(place.listener, place.line),
                process_group=0,  # Ctrl-C is the supervisor's to hand on
            )
        return await self._is_ready(number, ours)

    async def _is_ready(self, number: int, line: socket.socket) -> bool:
        said = asyncio.create_task(asyncio.get_running_loop().sock_recv(line, 1))
        ended = asyncio.create_task(self._end.wait())
        try:
            await asyncio.wait([said, ended], timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if said.done() and said.exception() is None and said.result() == _READY:
                return True
            if not ended.done() and not said.done():
                self._log.error("worker.late", worker=number, detail=f"it does not serve after {START_SECONDS:g} s")
                self._running[number].kill()
            return False
        finally:
            said.cancel()
            ended.cancel()

    async def _failed(self, number: int) -> int:
        """A worker did not start: its own last line says why."""
        if self._end.is_set():
            return 0
        code = await self._running[number].wait()
        return code if code > 0 else 1

    def _reload(self) -> None:
        self._manager.reloading(time.monotonic())
        self._tell(signal.SIGHUP)
        self._manager.ready("the workers look at their stores")

    def _tell(self, number: signal.Signals) -> None:
        for process in self._running.values():
            with suppress(ProcessLookupError):
                process.send_signal(number)

    async def _end_all(self) -> None:
        self._tell(signal.SIGTERM)
        waits = [asyncio.create_task(process.wait()) for process in self._running.values()]
        if waits:
            _, late = await asyncio.wait(waits, timeout=END_SECONDS)
            if late:
                self._tell(signal.SIGKILL)
                await asyncio.wait(late)
        for line in self._lines.values():
            line.close()
