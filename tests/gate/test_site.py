"""gate/site.py: foreign Host names and cross-site browser requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsmgate.errors import Failure, Reason
from hsmgate.gate.site import SiteRules, check, host_of

RULES = SiteRules(frozenset({"keys.example.com", "*.lab.example", "GATE.Example.ORG."}))
Headers = list[tuple[bytes, bytes]]


def refused(headers: Headers, http_version: str = "1.1") -> bool:
    """Whether it is refused; any other reason than CROSS_SITE goes through."""
    try:
        check(headers, RULES, http_version)
    except Failure as failure:
        if failure.reason is not Reason.CROSS_SITE:
            raise
        return True
    return False


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8080",
        "localhost.",
        "x.localhost:1",
        "ip6-localhost",
        "127.0.0.1",
        "127.0.0.1:8080",
        "10.1.2.3:443",
        "203.0.113.9",
        "[::1]",
        "[::1]:8080",
        "[2001:db8::1]:8443",
        "keys.example.com",
        "Keys.Example.COM:9999",
        "keys.example.com.:8080",
        "a.lab.example",
        "gate.example.org",
        "localhost:",
    ],
)
def test_own_hosts_pass(host: str) -> None:
    assert not refused([(b"host", host.encode())])


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        "evil.example",
        "keys.example.com.evil.example",
        "xkeys.example.com",
        "lab.example",
        "a.b.lab.example",
        "*.lab.example",
        ".lab.example",
        "evil.example:8080",
        "localhost.evil.example",
        "notlocalhost",
        ".localhost",
        "a..localhost",
        "keys.example.com..",
        "keys.example.com:port",
        "keys.example.com:123456",
        "keys.example.com@evil.example",
        "evil.example#keys.example.com",
        "keys.example.com/",
        "keys.example.com, evil.example",
        "[::1",
        "::1",
        "[::1%25eth0]",
        "[127.0.0.1]",
        "[evil]",
        "127.1",
        "0x7f000001",
        "2130706433",
        "127.0.0.1.evil.example",
        "127.0.0.01",
        "keys.exämple.com",
        "local host",
        "localhost\t:80",
    ],
)
def test_foreign_and_malformed_hosts_are_refused(host: str) -> None:
    assert refused([(b"host", host.encode())])


def test_host_is_there_exactly_once() -> None:
    assert refused([])
    assert refused([(b"host", b"localhost"), (b"host", b"localhost")])
    assert not refused([], "1.0")
    assert refused([(b"host", b"evil.example")], "1.0")


@pytest.mark.parametrize(
    ("host", "origin", "passes"),
    [
        (b"localhost:8080", b"https://localhost:8080", True),
        (b"localhost:8080", b"https://LOCALHOST", True),
        (b"[::1]:8080", b"https://[0:0::1]:8080", True),
        (b"keys.example.com", b"https://keys.example.com.", True),
        (b"localhost", b"https://evil.example", False),
        (b"localhost", b"https://127.0.0.1", False),
        (b"localhost", b"https://localhost.evil.example", False),
        (b"localhost", b"https://localhost@evil.example", False),
        (b"localhost", b"https://evil.example\\@localhost", False),
        (b"localhost", b"https://evil.example/localhost", False),
        (b"localhost", b"https://localhost/", False),
        (b"localhost", b"null", False),
        (b"localhost", b"", False),
        (b"localhost", b"localhost", False),
        (b"localhost", b"file://", False),
        (b"localhost", b"moz-extension://localhost", False),
        (b"localhost", b"https://localhost https://evil.example", False),
    ],
)
def test_origin(host: bytes, origin: bytes, passes: bool) -> None:
    assert refused([(b"host", host), (b"origin", origin)]) is not passes


def test_every_origin_counts() -> None:
    own, foreign = (b"origin", b"https://localhost"), (b"origin", b"https://evil.example")
    assert refused([(b"host", b"localhost"), own, foreign])
    assert refused([own], "1.0")  # an origin without a Host to compare it with


@pytest.mark.parametrize(
    ("value", "passes"),
    [
        (b"none", True),
        (b"same-origin", True),
        (b"same-site", True),
        (b"cross-site", False),
        (b" Cross-Site ", False),
    ],
)
def test_fetch_metadata(value: bytes, passes: bool) -> None:
    assert refused([(b"host", b"localhost"), (b"sec-fetch-site", value)]) is not passes


def test_without_names_only_loopback_and_literals_pass() -> None:
    check([(b"host", b"localhost")], SiteRules())
    with pytest.raises(Failure):
        check([(b"host", b"keys.example.com")], SiteRules())


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_arbitrary_bytes_only_ever_refuse(host: bytes, origin: bytes) -> None:
    refused([(b"host", host), (b"origin", origin)])


@given(st.text(max_size=60))
def test_a_host_that_is_read_is_in_its_compared_form(text: str) -> None:
    host = host_of(text)
    if host is not None:
        assert host == host.lower()
        assert host_of(f"[{host}]:1" if ":" in host else f"{host}:1") == host
