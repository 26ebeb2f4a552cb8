"""The responder's HTTP: what path, method and headers ask for, and which headers go with an answer. RFC 5019."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.utils import formatdate
from urllib.parse import unquote_to_bytes

from hsmgate.pki.ocsp_request import MOST_OCTETS
from hsmgate.responder.answers import Reply

REQUEST_TYPE, RESPONSE_TYPE = "application/ocsp-request", "application/ocsp-response"
CRL_TYPE, CERTIFICATE_TYPE = "application/pkix-crl", "application/pkix-cert"
_PREFIX = b"ocsp/"  # a path of a URL in certificates; no Base64 of a request begins so
_LONGEST = (MOST_OCTETS + 2) // 3 * 4
NEVER = {"cache-control": "no-store"}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; lengths and dates are added when it is sent."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def refusal(status: int, text: str, **headers: str) -> Answer:
    """An answer for a person."""
    return Answer(status, text.encode() + b"\n", {"content-type": "text/plain; charset=utf-8"} | NEVER | headers)


def request_of(path: bytes) -> bytes | None:
    """The OCSPRequest in the path of a GET (RFC 6960 A.1); None: that is none.

    Percent-encoded or not, with a plus sign that somebody made a space of, behind one slash or several.
    """
    text = unquote_to_bytes(path.lstrip(b"/").removeprefix(_PREFIX).lstrip(b"/")).replace(b" ", b"+")
    if not 0 < len(text) <= _LONGEST:
        return None
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return None


def ocsp_answer(reply: Reply, now: float, most_seconds: float, if_none_match: str | None) -> Answer:
    """The answer to a GET: caches may keep it for `most_seconds`, never past nextUpdate, and then ask back.

    If-Modified-Since counts for nothing: within one second a status can change, and an ETag tells them apart.
    """
    if reply.fresh_until is None:
        return Answer(200, reply.body, {"content-type": RESPONSE_TYPE} | NEVER)
    seconds = max(0, int(min(most_seconds, reply.fresh_until - now)))
    headers = {
        "content-type": RESPONSE_TYPE,
        "cache-control": f"max-age={seconds}, public, no-transform, must-revalidate",
        "expires": formatdate(int(now) + seconds, usegmt=True),
        "last-modified": formatdate(int(reply.signed_at), usegmt=True),
        "etag": reply.etag,
    }
    if if_none_match is not None and matches(if_none_match, reply.etag):
        return Answer(304, b"", headers)
    return Answer(200, reply.body, headers)


def file_answer(body: bytes, kind: str, etag: str, seconds: int, if_none_match: str | None) -> Answer:
    """The answer for a certificate or CRL."""
    headers = {"content-type": kind, "etag": etag, "cache-control": f"max-age={seconds}, public, must-revalidate"}
    if if_none_match is not None and matches(if_none_match, etag):
        return Answer(304, b"", headers)
    return Answer(200, body, headers)


def matches(field_value: str, etag: str) -> bool:
    """RFC 9110 13.1.2: a list of tags, weak ones too, or a star."""
    return any(tag.strip().removeprefix("W/") in (etag, "*") for tag in field_value.split(","))


def header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    """The value of one header, joined where it is there twice."""
    values = [value.decode("latin-1") for key, value in headers if key == name]
    return ", ".join(values) if values else None
