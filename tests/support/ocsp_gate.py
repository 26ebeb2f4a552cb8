"""The real gate with its OCSP check, in a uvicorn server on loopback in a thread; each path has settings of its own."""

import asyncio
import http.client
import os
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import structlog
import uvicorn

from hsmgate.adapters.breaker import Breaker
from hsmgate.adapters.ocsp_http import Responders
from hsmgate.adapters.resolver import Resolver
from hsmgate.api.problems import PROBLEMS, answer
from hsmgate.errors import Failure
from hsmgate.gate.access import Access
from hsmgate.gate.admission import Admission
from hsmgate.gate.keeper import TrustKeeper
from hsmgate.gate.limits import Limits
from hsmgate.gate.own_pki import Authorities, OwnPki
from hsmgate.gate.protocol import Gatehouse
from hsmgate.gate.revocation import OcspSettings, RevocationGate
from hsmgate.gate.roles import Demand
from hsmgate.gate.tls import TlsSettings
from hsmgate.pki.material import Material
from hsmgate.usecases.revocation import Remembered, Revocation, RevocationMemory, Settings
from support.certs import Made
from support.gate import identity
from support.gate_server import key_pem
from support.own_authorities import OwnAuthorities

T = TypeVar("T")
Now = Callable[[], float]


class Memory:
    """REVOKED in a dictionary, as the database's table keeps it."""

    def __init__(self) -> None:
        self.rows: dict[str, Remembered] = {}

    def recall(self, question: str) -> Remembered | None:
        return self.rows.get(question)

    def remember(self, question: str, revoked: Remembered) -> None:
        self.rows[question] = revoked

    def forget(self, question: str, revoked: Remembered) -> None:
        kept = self.rows.get(question)
        if kept is not None and kept.asked_at <= revoked.asked_at:
            del self.rows[question]


class _Asking:
    def __init__(self, responders: Responders, breaker: Breaker) -> None:
        self.ask, self.fetch = breaker.ask, responders.fetch


class Lane:
    """One set of settings: its contract, breaker and pool."""

    def __init__(
        self,
        ocsp: OcspSettings,
        settings: Settings,
        memory: RevocationMemory,
        now: Now,
        resolver: Resolver | None,
        own: Authorities,
    ) -> None:
        log = structlog.wrap_logger(structlog.PrintLogger(), processors=[_drop])
        self.memory = memory
        self.responders = Responders(resolver=resolver)
        self.breaker = Breaker(self.responders.ask, ocsp.timeout, log)
        self.revocation = Revocation(memory, settings, now)
        asking = _Asking(self.responders, self.breaker)
        self.own = OwnPki(own, ocsp.timeout)
        self.gate = RevocationGate(ocsp, self.revocation, asking, os.urandom, now, self.own)

    async def close(self) -> None:
        await self.breaker.close()
        await self.revocation.close()
        await self.responders.close()


def _drop(_logger: object, _method: str, _event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    raise structlog.DropEvent


@dataclass(frozen=True)
class Seen:
    """What a client got. `reason`: of the Failure, None where it was served."""

    status: int
    reason: str | None
    detail: str
    retry_after: str | None
    closed: bool
    seconds: float


class OcspGate:
    """`lane` opens settings under a path; `client` connects with a certificate."""

    def __init__(self, entries: list[Made]) -> None:
        self._entries = tuple((f"entry {number}", made.der) for number, made in enumerate(entries))
        self._lanes: dict[str, tuple[Admission, Lane]] = {}
        self._folder = tempfile.TemporaryDirectory()
        self._loop: asyncio.AbstractEventLoop
        self._ready = threading.Event()
        self.port = 0

    def __enter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = listener.getsockname()[1]
        log = structlog.wrap_logger(structlog.PrintLogger(), processors=[_drop])
        server = identity()

        def load() -> Material:
            return Material(identity=server, entries=self._entries)

        self._keeper = TrustKeeper(load, lambda: b"", TlsSettings(client_auth="need"), time.time, log)
        house = Gatehouse(self._keeper, Limits(), answer, time.time, log)
        config = uvicorn.Config(
            self._app,
            http=house.protocol,  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            loop="uvloop",
            access_log=False,
            log_config=None,
            interface="asgi3",
            proxy_headers=False,
        )
        self._server = uvicorn.Server(config)
        factory = config.get_loop_factory()

        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            self._ready.set()
            await self._server.serve([listener])

        def run() -> None:
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(serve())

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for path in list(self._lanes):
            self.close_lane(path)
        self._server.should_exit = True
        self._thread.join(20)
        self._folder.cleanup()

    def run(self, job: Coroutine[Any, Any, T]) -> T:
        """Run in the server's event loop."""
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(60)

    def lane(
        self,
        path: str,
        ocsp: OcspSettings | None = None,
        settings: Settings | None = None,
        memory: RevocationMemory | None = None,
        now: Now = time.time,
        resolver: Resolver | None = None,
        own: Authorities | None = None,
    ) -> Lane:
        ocsp = ocsp or OcspSettings()
        settings = settings or Settings(timeout=ocsp.timeout, max_age=ocsp.rules.max_age, skew=ocsp.rules.skew)
        lane = Lane(ocsp, settings, memory or Memory(), now, resolver, own or OwnAuthorities())
        admission = Admission(self._keeper, lane.gate, time.time, Access(), open_to_anonymous=False)
        self._lanes[path] = (admission, lane)
        return lane

    def pin(self, made: Made) -> None:
        """One more entry in the truststore, at once."""
        self._entries = (*self._entries, (f"pin {len(self._entries)}", made.der))
        keeper = self._keeper

        async def swap() -> None:
            keeper._swap(keeper._build(keeper._load(), keeper.current.number + 1))

        self.run(swap())

    def close_lane(self, path: str) -> None:
        _, lane = self._lanes.pop(path)
        self.run(lane.close())

    async def _app(
        self,
        scope: MutableMapping[str, Any],
        _receive: Callable[[], Coroutine[Any, Any, Any]],
        send: Callable[[MutableMapping[str, Any]], Coroutine[Any, Any, None]],
    ) -> None:
        headers: list[tuple[bytes, bytes]] = []
        try:
            peer = await self._lanes[scope["path"]][0](scope, Demand())
            status, body = 200, peer.subject.encode()
        except Failure as failure:
            problem = PROBLEMS[failure.reason]
            status, body = answer(failure)
            headers = [(b"x-reason", failure.reason.name.encode()), (b"x-detail", failure.detail.encode()[:900])]
            if problem.close:
                headers.append((b"connection", b"close"))
            if problem.retry_after is not None:
                headers.append((b"retry-after", str(problem.retry_after).encode()))
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def client(self, made: Made, *sent: Made) -> "Client":
        """A kept-alive connection of this certificate; `sent`: what the client sends beside it."""
        path = Path(self._folder.name) / made.sha256
        path.write_bytes(key_pem(made) + made.pem + b"".join(one.pem for one in sent))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.load_cert_chain(path)
        return Client(http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=context))


class Client:
    """One connection to the gate; `get` uses it again and again."""

    def __init__(self, connection: http.client.HTTPSConnection) -> None:
        self._connection = connection

    def __enter__(self) -> Self:
        self._connection.connect()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def get(self, path: str) -> Seen:
        start = time.monotonic()
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        answer.read()
        return Seen(
            status=answer.status,
            reason=answer.headers["x-reason"],
            detail=answer.headers["x-detail"] or "",
            retry_after=answer.headers["retry-after"],
            closed=answer.headers["connection"] == "close",
            seconds=time.monotonic() - start,
        )
