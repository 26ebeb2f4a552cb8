"""GET and POST as browsers, proxies and odd clients write them; caching headers; slow, silent and endless clients."""

import socket
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from email.utils import parsedate_to_datetime
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.x509 import ocsp

from hsmgate.gate.limits import Limits
from hsmgate.responder import listener
from support import crls
from support.certs import Made
from support.own_responder import TYPE, OwnResponder, joined, path_of, request_of
from support.pki_rows import Pki

PATIENCE = 20.0


@pytest.fixture
def leaf(pki: Pki) -> Made:
    pki.authority()
    return pki.issue()


@pytest.fixture
def served(pki: Pki, leaf: Made, tmp_path: Path) -> Iterator[OwnResponder]:
    with OwnResponder(pki.database, tmp_path) as responder:
        yield responder


@pytest.fixture
def request_(pki: Pki, leaf: Made) -> bytes:
    return request_of(leaf, pki.authorities["clients"])


def is_good(body: bytes) -> bool:
    return ocsp.load_der_ocsp_response(body).certificate_status is ocsp.OCSPCertStatus.GOOD


def plus_and_slash(pki: Pki, leaf: Made) -> bytes:
    """A request whose Base64 has both, and two slashes in a row."""
    issuer = pki.authorities["clients"]
    for number in range(1 << 16):
        nonce = sha256(number.to_bytes(4, "big")).digest() * 4
        request = request_of(leaf, issuer, "sha256", nonce)
        text = b64encode(request).decode()
        if "//" in text and "+" in text:
            return request
    raise AssertionError


def test_every_way_to_write_a_get(served: OwnResponder, pki: Pki, leaf: Made) -> None:
    request = plus_and_slash(pki, leaf)
    plain = b64encode(request).decode()
    ways = {
        "encoded whole": quote(plain, safe=""),
        "as it is": plain,
        "without padding": plain.rstrip("="),
        "slashes as they are": quote(plain, safe="/"),
        "a space for a plus": plain.replace("+", "%20"),
        "lower case escapes": quote(plain, safe="").replace("%2F", "%2f").replace("%2B", "%2b"),
    }
    for name, path in ways.items():
        for start in ("/", "//", "/ocsp/", "/ocsp//"):
            got = served.http("GET", start + path)
            assert got.status == 200, (name, start)
            assert got.headers["content-type"] == "application/ocsp-response"
            assert is_good(got.body), (name, start)
    assert served.http("GET", f"/{plain}?query=ignored").status == 200


def test_a_long_get(served: OwnResponder, pki: Pki, leaf: Made) -> None:
    issuer = pki.authorities["clients"]
    request = joined(*[request_of(leaf, issuer, "sha256")] * 60)
    assert len(request) > 5000
    assert len(list(ocsp.load_der_ocsp_response(served.get(request).body).responses)) == 60


@pytest.mark.parametrize("path", ["/", "/favicon.ico", "/MFEwTzBN!", "/%zz", "/ocsp/", "/" + "A" * 15_000])
def test_what_is_no_request_is_not_found(served: OwnResponder, path: str) -> None:
    assert served.http("GET", path).status == 404


def test_other_methods_types_and_sizes(served: OwnResponder, request_: bytes) -> None:
    assert served.http("PUT", "/", request_, {"Content-Type": TYPE}).status == 405
    assert served.http("HEAD", path_of(request_)).status == 405
    assert served.http("POST", "/", request_, {"Content-Type": "text/plain"}).status == 415
    assert served.http("POST", "/", request_).status == 415
    assert served.http("POST", "/", request_, {"Content-Type": TYPE.upper() + "; x=y"}).status == 200
    assert served.http("POST", "/any/path", request_, {"Content-Type": TYPE}).status == 200
    too_large = served.http("POST", "/", b"0" * (10 * 1024 + 1), {"Content-Type": TYPE})
    assert too_large.status == 413
    assert too_large.headers["connection"] == "close"


def test_a_get_is_the_same_octets_while_it_is_fresh(
    served: OwnResponder, pki: Pki, leaf: Made, request_: bytes
) -> None:
    first = served.get(request_)
    time.sleep(1.1)  # producedAt counts in seconds
    again = served.get(request_)
    assert again.body == first.body
    assert again.headers["etag"] == first.headers["etag"] == f'"{sha256(first.body).hexdigest()}"'
    assert served.answers.hits == 1
    assert served.post(request_) != first.body  # live
    pki.revoke(leaf)
    changed = served.get(request_, If_None_Match=first.headers["etag"])
    assert changed.status == 200
    assert not is_good(changed.body)


def test_an_etag_saves_the_body(served: OwnResponder, request_: bytes) -> None:
    first = served.get(request_)
    for tag in (first.headers["etag"], f"W/{first.headers['etag']}", f'"x", {first.headers["etag"]}', "*"):
        got = served.get(request_, If_None_Match=tag)
        assert got.status == 304
        assert got.body == b""
        assert got.headers["etag"] == first.headers["etag"]
        assert {"expires", "cache-control", "date"} <= got.headers.keys()
    assert served.get(request_, If_None_Match='"other"').status == 200
    # within a second a status can change and Last-Modified cannot
    assert served.get(request_, If_Modified_Since=first.headers["last-modified"]).status == 200


@pytest.mark.parametrize(("setting", "most"), [("max-age: 0", 0), ("max-age: 10m", 600), ("max-age: 30d", 3600)])
def test_caching_headers_do_not_outlive_next_update(
    pki: Pki, leaf: Made, tmp_path: Path, request_: bytes, setting: str, most: int
) -> None:
    with OwnResponder(pki.database, tmp_path, setting) as served:
        got = served.get(request_)
    parsed = ocsp.load_der_ocsp_response(got.body)
    assert parsed.next_update_utc is not None
    seconds = int(got.headers["cache-control"].partition(",")[0].removeprefix("max-age="))
    assert most - 60 <= seconds <= most
    assert got.headers["cache-control"].endswith(", public, no-transform, must-revalidate")
    expires, modified = (parsedate_to_datetime(got.headers[name]) for name in ("expires", "last-modified"))
    assert modified == parsed.produced_at_utc
    assert expires <= parsed.next_update_utc
    date = parsedate_to_datetime(got.headers["date"])
    assert date.timestamp() + seconds <= parsed.next_update_utc.timestamp() + 2  # Date is at most a second late


def test_a_post_and_a_get_with_nonce_are_live_and_kept_nowhere(
    served: OwnResponder, pki: Pki, leaf: Made, request_: bytes
) -> None:
    with_nonce = request_of(leaf, pki.authorities["clients"], nonce=b"n" * 32)
    for got in (
        served.get(with_nonce),
        served.http("POST", "/", request_, {"Content-Type": TYPE}),
        served.http("POST", "/", with_nonce, {"Content-Type": TYPE}),
    ):
        assert got.headers["cache-control"] == "no-store"
        assert is_good(got.body)
    assert served.answers.cached == 0


def test_the_files_that_certificates_point_to(served: OwnResponder, pki: Pki) -> None:
    issuer = pki.authorities["clients"]
    got = served.http("GET", "/clients.crt")
    assert (got.status, got.body, got.headers["content-type"]) == (200, issuer.der, "application/pkix-cert")
    assert served.http("GET", "/clients.crl").status == 404  # before the first
    crl = crls.make(issuer)
    pki.publish(crl, time.time(), time.time() + 600)
    got = served.http("GET", "/clients.crl")
    assert (got.status, got.body, got.headers["content-type"]) == (200, crl, "application/pkix-crl")
    assert served.http("GET", "/clients.crl", headers={"If-None-Match": got.headers["etag"]}).status == 304
    for path in ("/nobody.crl", "/nobody.crt", "/../clients.crt", "/.crl", "/%63lients.crt"):
        assert served.http("GET", path).status == 404, path


def test_health_says_who_has_no_signer(served: OwnResponder, pki: Pki, tmp_path: Path) -> None:
    served.look()
    assert (served.http("GET", "/health").status, served.http("GET", "/health").body) == (200, b"ok\n")
    pki.authority("offline", key=False)
    served.look()
    got = served.http("GET", "/health")
    assert (got.status, got.body) == (503, b"offline: no signer\n")
    assert "responder.signer-missing" in served.events()


# those who do not behave


def connect(served: OwnResponder) -> socket.socket:
    return socket.create_connection(("127.0.0.1", served.port), PATIENCE)


def ended(connection: socket.socket) -> bytes:
    """What comes until the other end closes."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


def small(monkeypatch: pytest.MonkeyPatch, **how: float) -> None:
    fast = {"header_timeout": 0.3, "idle_timeout": 0.3, "body_timeout": 0.3, **how}
    limits = Limits(header_bytes=32 * 1024, **fast)  # type: ignore[arg-type]
    monkeypatch.setattr(listener.Listener.__init__, "__defaults__", (limits,))


def test_silent_and_half_sent_connections_end(
    pki: Pki, leaf: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch)
    starts = {
        b"": b"",
        b"GET /x HTTP/1.1\r\nHost: ": b"408",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/ocsp-request\r\nContent-Length: 9\r\n\r\n123": b"408",
    }
    with OwnResponder(pki.database, tmp_path) as served, ExitStack() as stack:
        for start, answer in starts.items():
            connection = stack.enter_context(connect(served))
            connection.sendall(start)
            assert answer in ended(connection).partition(b"\r\n")[0]


def test_garbage_ends_a_connection_and_nothing_else(served: OwnResponder, request_: bytes) -> None:
    noise = [sha256(bytes((number,))).digest() * 40 for number in range(20)]
    for octets in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300), b"\r\n" * 500, *noise):
        with connect(served) as connection:
            connection.sendall(octets)
            connection.shutdown(socket.SHUT_WR)
            ended(connection)
    assert is_good(served.post(request_))


def test_an_endless_header_is_refused(served: OwnResponder) -> None:
    with connect(served) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 40_000)
        assert ended(connection).startswith(b"HTTP/1.1 431 ")


def test_idle_slow_and_garbage_clients_hold_up_nobody(
    served: OwnResponder, request_: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crowd within the limits: answers come all the same."""
    with ExitStack() as stack:
        crowd = [stack.enter_context(connect(served)) for _ in range(100)]
        for number, connection in enumerate(crowd):
            connection.sendall([b"", b"GET /", b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"][number % 3])
        begun = time.monotonic()
        for _ in range(20):
            assert is_good(served.post(request_))
        assert time.monotonic() - begun < PATIENCE


def test_where_there_is_no_room_who_waits_for_his_client_makes_some(
    pki: Pki, leaf: Made, tmp_path: Path, request_: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch, connections=10, connections_per_peer=5, idle_timeout=60, header_timeout=60, body_timeout=60)
    with OwnResponder(pki.database, tmp_path) as served, ExitStack() as stack:
        crowd = [stack.enter_context(connect(served)) for _ in range(30)]
        for connection in crowd:
            connection.sendall(b"GET /half")
        assert is_good(served.post(request_))
        assert len(served.crowd) <= 5
        assert ended(crowd[0]) == b""  # the oldest went


def test_a_client_that_does_not_read_is_left(
    pki: Pki, leaf: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "STALLED_SECONDS", 0.3)
    pki.publish(b"\x30" + bytes(8 * 1024 * 1024), time.time(), time.time() + 600)
    with OwnResponder(pki.database, tmp_path) as served, connect(served) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /clients.crl HTTP/1.1\r\nHost: a\r\n\r\n")
        end = time.monotonic() + PATIENCE
        while len(served.crowd) == 0:  # it is there first
            assert time.monotonic() < end
            time.sleep(0.01)
        while len(served.crowd):
            assert time.monotonic() < end
            time.sleep(0.05)


def test_too_many_requests_are_told_to_try_later(
    served: OwnResponder, request_: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hsmgate.responder.site.MOST_WAITING", 0)
    assert served.post(request_) == bytes.fromhex("30030a0103")
    assert served.answers.counts["tryLater"] == 1


def test_several_requests_on_one_connection(served: OwnResponder, request_: bytes) -> None:
    head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: {TYPE}\r\nContent-Length: {len(request_)}\r\n\r\n".encode()
    with connect(served) as connection:
        connection.sendall((head + request_) * 5)
        connection.shutdown(socket.SHUT_WR)
        assert ended(connection).count(b"HTTP/1.1 200 OK") == 5
