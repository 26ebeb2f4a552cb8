"""The application above real parts, with an audit and a log that can be looked at."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from hsmgate.adapters.certificates import SealedCertificates
from hsmgate.adapters.requests import SealedRequests
from hsmgate.adapters.sealed_keys import TENANT
from hsmgate.adapters.software import SoftwareKeystore
from hsmgate.adapters.sql.certificates import CertificateRows
from hsmgate.adapters.sql.requests import RequestRows
from hsmgate.api.asgi import Scope
from hsmgate.api.dispatch import Dispatcher
from hsmgate.api.guesses import Guesses
from hsmgate.api.lanes import LANES, Bounds, Cost
from hsmgate.api.plan import Document
from hsmgate.errors import Failure, Reason
from hsmgate.gate.roles import Demand
from hsmgate.gate.site import SiteRules
from hsmgate.pki.peer import Peer
from hsmgate.usecases.ports import AuditEvent, Keystore, Ports, Requests
from support.asgi_client import Headers, Response, request

PEER = Peer(fingerprint="ab" * 32, subject="CN=client")
NOW = 1706007283.5
LICENCE = ("REST_API", "KEY_AUTH")


class ListAudit:
    """Keeps lines in a list; refuses the phases named in `broken`."""

    def __init__(self) -> None:
        self.lines: list[AuditEvent] = []
        self.broken: set[str] = set()

    def append(self, event: AuditEvent) -> None:
        if event.phase in self.broken:
            raise Failure(Reason.AUDIT_UNAVAILABLE, "disk full at /var/lib/audit.log")
        self.lines.append(event)

    def recent(self, most: int) -> bytes:
        return b"".join(msgspec.json.encode(line) + b"\n" for line in self.lines)[-most:]

    def brief(self) -> list[tuple[str, str, str]]:
        """Phase, action and result of each line."""
        return [(line.phase, line.action, line.result) for line in self.lines]


class ListLog:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def warning(self, event: str, /, **fields: Any) -> None:
        self.lines.append(("warning", event, fields))

    def error(self, event: str, /, **fields: Any) -> None:
        self.lines.append(("error", event, fields))


def requests_beside(keystore: Keystore, node: str = "node") -> SealedRequests | None:
    """The store of requests in the keystore's own database, where it has one."""
    if not isinstance(keystore, SoftwareKeystore):
        return None
    return SealedRequests(RequestRows(keystore._database, TENANT, node), keystore.own_secret)


def certificates_beside(keystore: Keystore) -> SealedCertificates | None:
    """The same for certificates."""
    if not isinstance(keystore, SoftwareKeystore):
        return None
    return SealedCertificates(CertificateRows(keystore._database, TENANT), keystore.own_secret)


class Api:
    """An application; `refusal` is what admission answers, None lets the peer in."""

    def __init__(
        self,
        keystore: Keystore,
        executor: ThreadPoolExecutor,
        most_waiting: int = 16,
        judged_for: float = 60,
        lanes: Mapping[Cost, Bounds] = LANES,
        documents: Mapping[str, Document] = {},
    ) -> None:
        self.audit = ListAudit()
        self.log = ListLog()
        self.refusal: Failure | None = None
        self.admitted: list[bool] = []  # the anonymous flag of each row that was asked for
        self.ports = Ports(
            keystore,
            self.audit,
            lambda: NOW,
            LICENCE,
            "2.2.0",
            requests=requests_beside(keystore),
            certificates=certificates_beside(keystore),
        )
        self.app = Dispatcher(
            self.ports,
            self._admit,
            executor,
            SiteRules(frozenset({"keys.example.com"})),
            self.log,
            new_id=lambda: "generated-id",
            peer_of=lambda _: PEER,
            most_waiting=most_waiting,
            judged_for=judged_for,
            lanes=lanes,
            documents=documents,
        )

    async def _admit(self, _: Scope, demand: Demand) -> Peer:
        self.admitted.append(demand.anonymous)
        if self.refusal is not None:
            raise self.refusal
        return PEER

    def forget_guesses(self) -> None:
        """Wrong passwords so far count no more."""
        self.app._guesses = Guesses(time.monotonic)

    @property
    def requests(self) -> Requests:
        assert self.ports.requests is not None
        return self.ports.requests

    def call(
        self, method: str, path: str, body: object = None, headers: Headers | None = None, raw: bytes = b""
    ) -> Response:
        return request(self.app, method, path, body, headers=headers, raw=raw)


def error(code: int, reason: str, message: str) -> dict[str, object]:
    """An error body."""
    return {"errorCode": code, "reason": f"res.error.{reason}", "message": message}
