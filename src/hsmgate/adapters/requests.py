"""The store of requests: rows of the database whose contents no reader of it learns, and no writer of it forges."""

import os
from collections.abc import Callable

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hsmgate.adapters.sql.requests import RequestRow, RequestRows
from hsmgate.domain.request import EXECUTED, STATUSES, Details, Request
from hsmgate.errors import Failure, Reason

_FORMAT = b"\x01"
_PURPOSE = b"hsmgate request 1\0"
_KEY_BYTES, _NONCE_BYTES = 32, 12
_DETAILS, _RESULT = "details", "result"


class SealedRequests:
    """The Requests port. `secret` gives 32 octets that are the keystore's, the same at every start."""

    def __init__(self, rows: RequestRows, secret: Callable[[], bytes]) -> None:
        self._rows = rows
        self._secret = secret

    def begin(self, request: Request, details: Details, claimed_until: float) -> None:
        row = RequestRow(
            id=request.id,
            tenant="",
            kind=request.kind,
            label=request.label,
            status=request.status,
            created=request.created,
            execution_time=request.execution_time,
            node=None,
            claimed_until=claimed_until,
            details=b"",
            result=None,
        )
        self._rows.insert(row._replace(details=self._close(row, _DETAILS, msgspec.msgpack.encode(details))))

    def settle(self, request_id: str, status: str, result: str | None) -> bool:
        row = self._rows.by_id(request_id)
        if row is None:
            return False
        sealed = None if result is None else self._close(row, _RESULT, result.encode())
        return self._rows.settle(request_id, status, sealed)

    def find(self, request_id: str) -> Request | None:
        row = self._rows.by_id(request_id)
        return None if row is None else self._request(row)

    def details(self, request_id: str) -> Details | None:
        """What it carries. Failure: INTEGRITY."""
        row = self._rows.by_id(request_id)
        if row is None:
            return None
        return msgspec.msgpack.decode(self._open(row, _DETAILS, row.details), type=Details)

    def page(self, statuses: tuple[str, ...], *, newest_first: bool, offset: int, most: int) -> list[Request]:
        rows = self._rows.page(statuses or STATUSES, newest_first=newest_first, offset=offset, most=most)
        return [self._request(row) for row in rows]

    def cancel(self, request_id: str) -> bool:
        return self._rows.cancel(request_id)

    def cancel_of(self, label: str) -> None:
        self._rows.cancel_of(label)

    def remove(self, request_id: str) -> bool:
        return self._rows.delete(request_id)

    def give_up(self, now: float, note: Callable[[str, str], None]) -> int:
        return self._rows.give_up(now, note)

    def remove_older(self, before: float) -> int:
        return self._rows.delete_older(before)

    def _request(self, row: RequestRow) -> Request:
        """Believed where its types are right, and with its result only where the seal holds."""
        texts = (row.id, row.kind, row.label, row.status)
        times = (row.created, row.execution_time)
        sound = all(isinstance(one, str) for one in texts) and all(isinstance(one, float) for one in times)
        if not sound or row.status not in STATUSES:
            raise Failure(Reason.INTEGRITY, "the row of a request is damaged")
        result = None
        if row.status == EXECUTED:
            result = self._open(row, _RESULT, row.result).decode()
        return Request(row.id, row.kind, row.label, row.status, row.created, row.execution_time, result)

    def _close(self, row: RequestRow, part: str, content: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _FORMAT + nonce + AESGCM(self._key(row.id)).encrypt(nonce, content, _bound(row, part))

    def _open(self, row: RequestRow, part: str, sealed: object) -> bytes:
        try:
            if isinstance(sealed, bytes) and sealed.startswith(_FORMAT):
                nonce, rest = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
                return AESGCM(self._key(row.id)).decrypt(nonce, rest, _bound(row, part))
        except (InvalidTag, ValueError):
            pass
        raise Failure(Reason.INTEGRITY, "the seal of a request does not hold: its row was changed")

    def _key(self, request_id: str) -> bytes:
        """One key for each request, so that no two share nonces."""
        return HKDF(SHA256(), _KEY_BYTES, None, _PURPOSE + str(request_id).encode()).derive(self._secret())


def _bound(row: RequestRow, part: str) -> bytes:
    return msgspec.msgpack.encode((part, row.id, row.kind, row.label, row.created))
