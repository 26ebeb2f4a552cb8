"""Our responder in this process: its real listener on loopback, in a loop of its own thread; its log as values."""

import asyncio
import http.client
import os
import threading
from base64 import b64encode
from collections.abc import Callable, Mapping, MutableMapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import structlog
from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hsmgate import responding
from hsmgate.adapters.sql.database import Database
from hsmgate.config import load
from hsmgate.pki import ocsp
from hsmgate.pki.ocsp import Evidence
from hsmgate.pki.ocsp_signer import Signers
from support import der_text as der
from support.certs import Made

TYPE = "application/ocsp-request"


@dataclass(frozen=True)
class Got:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class OwnResponder:
    """`settings`: YAML below hsmgate.responder; the database is that of `data_dir`."""

    def __init__(self, database: Database | None, data_dir: Path, settings: str = "") -> None:
        folder = data_dir / "responder-config"
        folder.mkdir(exist_ok=True)
        file = folder / "application.yml"
        file.write_text(f"hsmgate: {{data-dir: '{data_dir}', responder: {{listen: '127.0.0.1:0', {settings}}}}}\n")
        self.lines: list[MutableMapping[str, Any]] = []
        log = structlog.wrap_logger(structlog.PrintLogger(), processors=[self._keep])
        self._responder = responding.open_responder(load(file, None, {}, folder), database, log)
        self.answers = self._responder.answers
        self.registry = self._responder.registry
        self.look = self._responder.look
        self._jobs: list[Future[Any]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def _keep(self, _: object, method: str, fields: MutableMapping[str, Any]) -> Any:
        self.lines.append({**fields, "level": method})
        raise structlog.DropEvent

    def events(self) -> list[str]:
        return [str(line["event"]) for line in self.lines]

    @property
    def crowd(self) -> Any:
        return self._responder.listener.crowd

    @property
    def port(self) -> int:
        return int(self._responder.socket.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, job: Callable[[], Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(job(), self._loop).result(20)

    def spawn(self, job: Callable[[], Any]) -> None:
        """Run beside the requests, until the end."""
        self._jobs.append(asyncio.run_coroutine_threadsafe(job(), self._loop))

    def __enter__(self) -> Self:
        self._thread.start()
        self.call(self._responder.start)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for job in self._jobs:
            job.cancel()
        self.call(self._responder.stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def http(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Got:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Got(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def post(self, request: bytes) -> bytes:
        got = self.http("POST", "/", request, {"Content-Type": TYPE})
        assert got.status == 200, got
        return got.body

    def get(self, request: bytes, **headers: str) -> Got:
        return self.http("GET", path_of(request), headers={k.replace("_", "-"): v for k, v in headers.items()})

    def judge(self, leaf: Made, issuer: Made, now: float, *, trusted: tuple[bytes, ...] = ()) -> Evidence:
        """By the gate's own judge, the nonce required. Failure: its verdict."""
        cert, by = (x509.load_der_x509_certificate(made.der) for made in (leaf, issuer))
        nonce = os.urandom(32)
        response = self.post(ocsp.make_request(cert, by, "sha256", nonce))
        rules = ocsp.Rules(nonce="require", trusted_responders=trusted)
        return ocsp.judge(response, cert, by, nonce, now, rules, Signers(trusted))


def request_of(leaf: Made, issuer: Made, digest: str = "sha1", nonce: bytes | None = None) -> bytes:
    cert, by = (x509.load_der_x509_certificate(made.der) for made in (leaf, issuer))
    return ocsp.make_request(cert, by, digest, nonce)


def path_of(request: bytes) -> str:
    return "/" + quote(b64encode(request).decode(), safe="")


def joined(*requests: bytes) -> bytes:
    """One request with the questions of several."""
    items = []
    for request in requests:
        (tbs,) = asn1_ocsp.OCSPRequest.load(request)["tbs_request"]["request_list"]
        items.append(tbs.dump())
    return der.sequence(der.sequence(der.sequence(*items)))


def pair(made: Made) -> bytes:
    """Key and certificate as one PEM."""
    return made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.pem
