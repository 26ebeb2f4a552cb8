"""A real gate in a process of its own: files of trust on disk, watched; every limit can be set; its log as values."""

import asyncio
import gc
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import structlog
import uvicorn
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from OpenSSL import SSL

from hsmgate.adapters.stores import Store, Stores
from hsmgate.api.problems import PROBLEMS, answer
from hsmgate.errors import Failure
from hsmgate.gate.access import Access
from hsmgate.gate.admission import Admission
from hsmgate.gate.keeper import TrustKeeper
from hsmgate.gate.limits import Limits
from hsmgate.gate.protocol import Gatehouse
from hsmgate.gate.roles import Demand
from hsmgate.gate.server import GateServer
from hsmgate.gate.tls import TlsSettings
from hsmgate.record import Record
from support.certs import Made

TESTS = Path(__file__).parent.parent
PATIENCE = 20.0  # seconds; a bound for a noisy machine, never the expected time


class Orders(Record):
    """What the process is told."""

    server: str
    trust: str
    log: str
    trust_password: str | None = None
    server_password: str | None = None
    client_auth: str = "need"
    reload: float = 0.1
    limits: Limits = Limits()
    loop: str = "uvloop"
    grace: int = 20


# in the process
class _App:
    """Admission, then what the path asks for: time, bytes, an echo, or numbers about the process."""

    def __init__(self, admission: Admission, house: Gatehouse) -> None:
        self._admission = admission
        self._house = house

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Coroutine[Any, Any, MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Coroutine[Any, Any, None]],
    ) -> None:
        headers: list[tuple[bytes, bytes]] = []
        try:
            peer = await self._admission(scope, Demand())
            status, body = 200, await self._work(scope, receive, peer.trusted_by)
        except Failure as failure:
            status, body = answer(failure)
            if PROBLEMS[failure.reason].close:
                headers.append((b"connection", b"close"))
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _work(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Coroutine[Any, Any, MutableMapping[str, Any]]],
        trusted_by: str,
    ) -> bytes:
        path, query = scope["path"], scope["query_string"].decode()
        if path == "/slow":
            await asyncio.sleep(float(query))
        elif path == "/big":
            return b"x" * int(query)
        elif path == "/echo":
            return await _echo(receive)
        elif path == "/census":
            return self._numbers()
        return trusted_by.encode()

    def _numbers(self) -> bytes:
        if self._house.census.total:
            gc.collect()
        loop = asyncio.get_running_loop()
        return msgspec.json.encode(
            {
                "connections": self._house.census.total,
                "unfinished": self._house.census.unfinished,
                "tasks": len(asyncio.all_tasks(loop)),
                "tls": len(SSL.Connection._reverse_mapping),
                "objects": sum(type(o).__name__ in _OURS for o in gc.get_objects()),
                "descriptors": len(list(Path("/proc/self/fd").iterdir())),
                "rss": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
            }
        )


_OURS = {"GateProtocol", "BoundedHttp", "TlsTransport", "Channel", "RequestResponseCycle", "TimerHandle"}


async def _echo(receive: Callable[[], Coroutine[Any, Any, MutableMapping[str, Any]]]) -> bytes:
    size, digest = 0, hashlib.sha256()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"gone"
        size += len(message["body"])
        digest.update(message["body"])
        if not message["more_body"]:
            return f"{size} {digest.hexdigest()}".encode()


def _stamp(_logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {"at": time.monotonic(), "level": method, **event}  # one clock for all processes of the machine


def main(orders: Orders) -> None:
    with open(orders.log, "a", buffering=1, encoding="utf-8") as file:
        log = structlog.wrap_logger(
            structlog.PrintLogger(file),
            processors=[_stamp, structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)],
        )
        stores = Stores(
            server=Store(Path(orders.server), orders.server_password),
            trust=Store(Path(orders.trust), orders.trust_password),
        )
        settings = TlsSettings(client_auth=orders.client_auth)
        keeper = TrustKeeper(stores.load, stores.look, settings, time.time, log)
        house = Gatehouse(keeper, orders.limits, answer, time.time, log)
        app = _App(Admission(keeper, None, time.time, Access(), open_to_anonymous=False), house)
        config = uvicorn.Config(
            app,
            host="127.0.0.1",
            port=0,
            http=house.protocol,  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            loop=orders.loop,
            backlog=1024,
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=orders.grace,
        )

        def started() -> None:
            sys.stdout.write(f"{server.servers[0].sockets[0].getsockname()[1]}\n")
            sys.stdout.flush()

        async def hangup() -> None:
            await keeper.refresh(force=True)

        server = GateServer(
            config,
            on_started=started,
            on_hangup=hangup,
            on_ending=house.census.close_unfinished,
            background=(lambda: keeper.watch(orders.reload),),
        )
        server.run()


# in the test
class Gate:
    """The running process. `server` holds key and chain, `trust` the truststore; write to them as an operator would."""

    def __init__(self, folder: Path, server: Made, trusted: list[Made], **orders: Any) -> None:
        folder.mkdir(exist_ok=True, parents=True)
        self.server, self.trust, self.log = folder / "server.pem", folder / "trust.pem", folder / "log.jsonl"
        self.server.write_bytes(key_pem(server) + server.pem)
        self.trust.write_bytes(bundle(*trusted))
        self.orders = msgspec.convert(
            {"server": str(self.server), "trust": str(self.trust), "log": str(self.log), **orders}, Orders
        )
        self.process: subprocess.Popen[bytes]
        self.port = 0

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "support.gate_server", msgspec.json.encode(self.orders).decode()],
            cwd=TESTS,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.strip().isdigit(), f"the gate did not start: {line!r}"
        self.port = int(line)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def lines(self, *events: str, since: int = 0) -> list[dict[str, Any]]:
        """Log lines of these events (all without any) from line `since` on."""
        if not self.log.exists():
            return []
        written = self.log.read_bytes().rpartition(b"\n")[0].splitlines()
        found = [msgspec.json.decode(line) for line in written[since:]]
        return [line for line in found if not events or line["event"] in events]

    def await_line(self, event: str, since: int = 0, patience: float = PATIENCE) -> dict[str, Any]:
        """The first such line from line `since` on."""
        deadline = time.monotonic() + patience
        while not (found := self.lines(event, since=since)):
            assert time.monotonic() < deadline, f"no {event} in {self.lines(since=since)}"
            time.sleep(0.01)
        return found[0]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self, patience: float = PATIENCE) -> int:
        """The exit code, once it has ended by itself."""
        return self.process.wait(patience)


def bundle(*certificates: Made) -> bytes:
    """A PEM truststore."""
    return b"".join(made.pem for made in certificates)


def key_pem(made: Made) -> bytes:
    """The private key, unencrypted."""
    return made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def replace(path: Path, content: bytes) -> None:
    """A new file takes the old one's place at once."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(content)
    fresh.rename(path)


if __name__ == "__main__":
    main(msgspec.json.decode(sys.argv[1], type=Orders))
