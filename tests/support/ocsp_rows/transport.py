"""Rows about what comes back instead of an answer: broken DER, other statuses, HTTP that is none."""

import gzip
import time
import zlib
from collections.abc import Callable, Iterator

from hsmgate.errors import Reason
from support import der_text
from support.ocsp_answers import response
from support.ocsp_rows.row import Row, Scene, Speech
from support.responder import OCSP_TYPE, Reply, after, dripping, http

_MALFORMED, _HTTP, _NO_ANSWER, _UNSUCCESSFUL = (
    Reason.OCSP_MALFORMED, Reason.OCSP_HTTP, Reason.OCSP_NO_ANSWER, Reason.OCSP_UNSUCCESSFUL,
)  # fmt: skip
_QUICK = {"timeout": 0.3}  # seconds; what never answers must not hold the table up


def _bytes(change: Callable[[bytes], bytes]) -> Speech:
    return lambda s: change(s.answer().encoded())


def _raw(data: bytes, end: str = "close") -> Speech:
    return lambda _s: Reply([data], end)


def _status(status: str, **more: str) -> Speech:
    """A right answer under a wrong status."""
    return lambda s: http(s.answer().encoded(), status, **more)  # type: ignore[arg-type]


def _indefinite(data: bytes) -> bytes:
    """The outermost SEQUENCE with an indefinite length: BER, not DER."""
    skip = 2 + (data[1] & 0x7F if data[1] & 0x80 else 0)
    return b"\x30\x80" + data[skip:] + b"\x00\x00"


def _long_length(data: bytes) -> bytes:
    """The length written with a needless octet."""
    return data[:1] + b"\x83\x00" + data[2:4] + data[4:]


def _endless_chunks(_s: Scene) -> Reply:
    def pieces() -> Iterator[bytes]:
        yield f"HTTP/1.1 200 OK\r\nContent-Type: {OCSP_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        while True:
            yield b"1000\r\n" + b"\x30" * 0x1000 + b"\r\n"

    return Reply(pieces(), "close")


def _endless_octets(_s: Scene) -> Reply:
    def pieces() -> Iterator[bytes]:
        yield f"HTTP/1.1 200 OK\r\nContent-Type: {OCSP_TYPE}\r\nContent-Length: 99999999999\r\n\r\n".encode()
        while True:
            yield b"\x30" * 0x1000

    return Reply(pieces(), "close")


def _endless_headers(_s: Scene) -> Reply:
    def pieces() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        for number in range(1_000_000):
            yield f"X-{number}: {'x' * 1000}\r\n".encode()

    return Reply(pieces(), "close")


def _endless_hints(_s: Scene) -> Reply:
    def pieces() -> Iterator[bytes]:
        while True:
            yield b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
            time.sleep(0.01)

    return Reply(pieces(), "close")


def _silent(_s: Scene) -> Reply:
    return after(1.0, Reply([], "close"))


def _slow_body(s: Scene) -> Reply:
    return dripping(http(s.answer().encoded()), 0.02)


def _chunked(s: Scene) -> Reply:
    body = s.answer().encoded()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {OCSP_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (body[:10], body[10:11], body[11:]))
    return Reply([head + chunks + b"0\r\n\r\n"])


def _broken_chunks(s: Scene) -> Reply:
    body = s.answer().encoded()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {OCSP_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return Reply([head + b"zz\r\n" + body], "close")


def _headed(*headers: str, kind: str = OCSP_TYPE) -> Speech:
    return lambda s: http(s.answer().encoded(), headers=headers, kind=kind)


def _redirect(status: str) -> Speech:
    return lambda s: http(b"", status, headers=[f"Location: {s.url}/elsewhere"])


_HTML = b"<!DOCTYPE html><html><body>captive portal</body></html>"
_STATUSES = {
    1: "malformedRequest", 2: "internalError", 5: "sigRequired", 6: "unauthorized",
}  # fmt: skip

STATUS_ROWS = [
    *(Row(f"status {name}", lambda _s, n=number: response(None, status=n), _UNSUCCESSFUL)  # type: ignore[misc]
      for number, name in _STATUSES.items()),
    Row("status tryLater", lambda _s: response(None, status=3), _NO_ANSWER),
    Row("status 4, which is none", lambda _s: response(None, status=4), _MALFORMED),
    Row("status 99", lambda _s: response(None, status=99), _MALFORMED),
    Row("unauthorized, with a good answer inside", lambda s: response(s.answer().basic(), status=6), _UNSUCCESSFUL),
    Row("successful without bytes", lambda _s: response(None), _MALFORMED),
    Row("successful with empty bytes", lambda _s: response(b""), _MALFORMED),
    Row("another response type", lambda s: s.answer(response_type="1.3.6.1.5.5.7.48.1.99"), _MALFORMED),
]  # fmt: skip

DER_ROWS = [
    Row("truncated by one octet", _bytes(lambda data: data[:-1]), _MALFORMED),
    Row("truncated to half", _bytes(lambda data: data[: len(data) // 2]), _MALFORMED),
    Row("truncated to one octet", _bytes(lambda data: data[:1]), _MALFORMED),
    Row("a trailing octet", _bytes(lambda data: data + b"\x00"), _MALFORMED),
    Row("a second response behind the first", _bytes(lambda data: data * 2), _MALFORMED),
    Row("trailing octets inside", lambda s: response(s.answer().basic() + b"\x00"), _MALFORMED),
    Row("indefinite length", _bytes(_indefinite), _MALFORMED),
    Row("indefinite length inside", lambda s: response(_indefinite(s.answer().basic())), _MALFORMED),
    Row("a length that is not the shortest", _bytes(_long_length), _MALFORMED),
    Row("no DER at all", lambda _s: b"good", _MALFORMED),
    Row("a certificate instead", lambda s: s.client.der, _MALFORMED),
    Row("its own request", lambda s: s.query.body, _MALFORMED),
    Row("nested without end", lambda _s: der_text.sequence(b"\x30\x80" * 20_000), _MALFORMED),
]

HTTP_ROWS = [
    Row("HTTP 204", _raw(b"HTTP/1.1 204 No Content\r\n\r\n"), _HTTP),
    *(Row(f"HTTP {status}", _redirect(status), _HTTP, queries=1)
      for status in ("301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect",
                     "308 Permanent Redirect")),
    *(Row(f"HTTP {status}, with a good answer", _status(status), _HTTP)
      for status in ("201 Created", "400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found",
                     "407 Proxy Authentication Required", "429 Too Many Requests")),
    *(Row(f"HTTP {status}, with a good answer", _status(status), _NO_ANSWER)
      for status in ("500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable")),
    Row("HTML", lambda _s: http(_HTML, kind="text/html"), _HTTP),
    Row("HTML under the type of OCSP", lambda _s: http(_HTML), _MALFORMED),
    Row("a good answer under another type", _headed(kind="application/octet-stream"), _HTTP),
    Row("a good answer without a type", _headed(kind=""), _HTTP),
    Row("empty", lambda _s: http(b""), _MALFORMED),
    Row("longer than its length", lambda s: http(s.answer().encoded(), length=20), _HTTP),
    Row("shorter than its length", lambda s: Reply(
        http(s.answer().encoded(), length=5000).pieces, "close"), _HTTP),
    Row("a length that is no number", _raw(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\nContent-Length: x\r\n\r\n0"), _HTTP),
    Row("larger than 64 KB", lambda _s: http(b"\x30" * 70_000), _HTTP),
    Row("endless, in chunks", _endless_chunks, _HTTP),
    Row("endless, by its length", _endless_octets, _HTTP),
    Row("endless headers", _endless_headers, _HTTP),
    Row("endless hints", _endless_hints, _NO_ANSWER, settings=_QUICK),
    Row("broken chunks", _broken_chunks, _HTTP),
    Row("slow: no answer in time", _silent, _NO_ANSWER, settings=_QUICK),
    Row("slow: octet by octet", _slow_body, _NO_ANSWER, settings=_QUICK),
    Row("compressed with gzip", lambda s: http(
        gzip.compress(s.answer().encoded()), headers=["Content-Encoding: gzip"]), _HTTP),
    Row("compressed with deflate", lambda s: http(
        zlib.compress(s.answer().encoded()), headers=["Content-Encoding: deflate"]), _HTTP),
    Row("compressed and silent about it", lambda s: http(gzip.compress(s.answer().encoded())), _MALFORMED),
    Row("closed without a word", _raw(b""), _NO_ANSWER),
    Row("reset", _raw(b"", "reset"), _NO_ANSWER),
    Row("another protocol", _raw(b"SSH-2.0-OpenSSH_9.9\r\n"), _HTTP),
    Row("HTTP 101", _raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), _HTTP),
]  # fmt: skip

ACCEPTED_ROWS = [
    Row("chunked transfer", _chunked),
    Row("type with parameters, any case", _headed(kind="Application/OCSP-Response; x=y")),
    Row("connection closed after the answer", lambda s: Reply(
        http(s.answer().encoded(), headers=["Connection: close"]).pieces, "close")),
    Row("HTTP/1.0", lambda s: Reply([b"HTTP/1.0 200 OK\r\nContent-Type: application/ocsp-response\r\n\r\n"
                                     + s.answer().encoded()], "close")),
    Row("hints before the answer", lambda s: Reply(
        [b"HTTP/1.1 103 Early Hints\r\n\r\n", *http(s.answer().encoded()).pieces])),
    Row("cookies, refresh and other noise", _headed("Set-Cookie: a=b", "Refresh: 0; url=/", "Cache-Control: no-store")),
    Row("slow, but in time", lambda s: after(0.1, http(s.answer().encoded()))),
]  # fmt: skip

ROWS = [*STATUS_ROWS, *DER_ROWS, *HTTP_ROWS, *ACCEPTED_ROWS]
