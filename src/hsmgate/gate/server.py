"""uvicorn's server, ending cleanly: SIGTERM and SIGINT finish what is in flight, SIGHUP looks at the stores anew."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, cast

import uvicorn

if TYPE_CHECKING:
    from hsmgate.gate.http import BoundedHttp
    from hsmgate.gate.protocol import GateProtocol

GRACE_SECONDS = 30
_log = logging.getLogger("uvicorn.error")


class GateServer(uvicorn.Server):
    """Runs until told to end. `started` is called once when it listens."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        on_started: Callable[[], None],
        on_hangup: Callable[[], Awaitable[None]],
        on_ending: Callable[[], None],
        background: tuple[Callable[[], Awaitable[None]], ...] = (),
    ) -> None:
        super().__init__(config)
        self._on_started = on_started
        self._on_hangup = on_hangup
        self._on_ending = on_ending
        self._background = background
        self._tasks: set[asyncio.Task[Any]] = set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals end or reload the service; none is raised again afterwards, so that a clean end is exit code 0."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        loop.add_signal_handler(signal.SIGHUP, self._hangup)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then start what runs beside."""
        await super().startup(sockets)
        for job in self._background:
            self._spawn(job())
        try:
            self._on_started()
        except BaseException:
            for server in self.servers:  # the loop could not be closed with one that listens
                server.close()
            raise

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish requests in flight, close everything else."""
        self._on_ending()
        for task in self._tasks:
            task.cancel()
        await super().shutdown(sockets)
        # Whoever is still here has used up the grace.
        for connection in list(cast("set[GateProtocol | BoundedHttp]", self.server_state.connections)):
            connection.abort()
        await asyncio.sleep(0)

    def _hangup(self) -> None:
        self._spawn(self._on_hangup())

    def _spawn(self, job: Awaitable[None]) -> None:
        task = asyncio.ensure_future(job)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a background job failed", exc_info=error)


def below_the_gate(app: object, protocol: Callable[..., object], backlog: int) -> uvicorn.Config:
    """uvicorn as the server below the gate: one HTTP protocol, no headers of its own, no voice of its own."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=protocol,  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        backlog=backlog,
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
