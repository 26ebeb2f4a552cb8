"""The real gate on loopback for tests: one event loop in a thread, a server for each truststore."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Coroutine, Iterator, MutableMapping
from typing import Any, TypeVar

import structlog
import uvicorn
from cryptography import x509
from uvicorn.server import ServerState

from hsmgate.errors import Failure
from hsmgate.gate.access import Access
from hsmgate.gate.admission import Admission
from hsmgate.gate.keeper import TrustKeeper
from hsmgate.gate.limits import Limits
from hsmgate.gate.protocol import Gatehouse
from hsmgate.gate.roles import Demand
from hsmgate.gate.tls import TlsSettings
from hsmgate.pki.material import Identity, Material
from support import certs

T = TypeVar("T")
Clock = Callable[[], float]


def identity(kind: str = "p256") -> Identity:
    """A self-signed server certificate for localhost."""
    private = certs.key(kind, "server")
    made = certs.make("localhost", extensions=[certs.alternative_names(x509.DNSName("localhost"))], private=private)
    return Identity(key_der=made.key_der, chain=(made.der,))


def problem(failure: Failure) -> tuple[int, bytes]:
    return 403, json.dumps({"reason": failure.reason.name, "detail": failure.detail}).encode()


class _App:
    """Answers with how the peer is trusted, or with the reason why not."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        _receive: Callable[[], Coroutine[Any, Any, Any]],
        send: Callable[[MutableMapping[str, Any]], Coroutine[Any, Any, None]],
    ) -> None:
        try:
            peer = await self._admission(scope, Demand(anonymous=True))
            status, body = 200, (peer.trusted_by or "anonymous").encode()
        except Failure as failure:
            status, body = problem(failure)
        size = str(len(body)).encode()
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", size)]})
        await send({"type": "http.response.body", "body": body})


class Gates:
    """Opens gates; `logged` is all that they wrote into their log."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._servers: list[asyncio.Server] = []
        self.logged: list[MutableMapping[str, Any]] = []

    def run(self, job: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(60)

    def keeper(self, material: Callable[[], Material], settings: TlsSettings, now: Clock) -> TrustKeeper:
        def remember(_logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
            self.logged.append({"level": method, **event})
            raise structlog.DropEvent

        log = structlog.wrap_logger(structlog.PrintLogger(), processors=[remember])
        return TrustKeeper(material, lambda: repr(material()).encode(), settings, now, log)

    def open(self, keeper: TrustKeeper, now: Clock, limits: Limits | None = None) -> int:
        """Listen on 127.0.0.1; returns the port."""
        house = Gatehouse(keeper, limits or Limits(), problem, now, keeper._log)
        app = _App(Admission(keeper, None, now, Access(), open_to_anonymous=True))
        config = uvicorn.Config(app, log_config=None, lifespan="off", loop="asyncio")
        config.load()
        state = ServerState()

        async def listen() -> asyncio.Server:
            return await self._loop.create_server(lambda: house.protocol(config, state, {}, self._loop), "127.0.0.1", 0)

        server = self.run(listen())
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    def close(self) -> None:
        async def end() -> None:
            for server in self._servers:
                server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0)

        self.run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@contextlib.contextmanager
def gates() -> Iterator[Gates]:
    opened = Gates()
    try:
        yield opened
    finally:
        opened.close()
