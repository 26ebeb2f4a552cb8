"""URLs and addresses of responders that are asked, and those that never are."""

import ipaddress
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsmgate.errors import Failure, Reason
from hsmgate.pki.ocsp_url import MAX_URL, check_address, check_url


def reason(check: Callable[[], object]) -> Reason | None:
    try:
        check()
    except Failure as failure:
        return failure.reason
    return None


def refused(url: str, allowed: tuple[str, ...] = ()) -> bool:
    return reason(lambda: check_url(url, allowed)) is Reason.OCSP_ADDRESS


@pytest.mark.parametrize(
    "url",
    [
        "http://ocsp.example",
        "http://ocsp.example/",
        "HTTP://OCSP.EXAMPLE/a/b?c=d#e",
        "https://ocsp.example:8443/",
        "http://ocsp.example:80/",
        "http://ocsp.example:443/",
        "http://ocsp.example./",
        "http://localhost:8888",
        "http://127.0.0.1:49152/ocsp",
        "http://10.1.2.3/",
        "http://[::1]:8888/",
        "http://[fd00::1]/",
        "http://under_score.example/",
        "http://ocsp.example/" + "x" * (MAX_URL - 20),
    ],
)
def test_asked(url: str) -> None:
    assert not refused(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ocsp.example",
        "//ocsp.example/",
        "http:ocsp.example",
        "http:///ocsp",
        "http://:80/",
        "http://?",
        "ldap://ocsp.example/",
        "ldaps://ocsp.example/",
        "file:///etc/passwd",
        "gopher://ocsp.example/_x",
        "ftp://ocsp.example/",
        "ws://ocsp.example/",
        "unix:///run/x",
        "javascript:alert(1)",
        "http+unix://ocsp.example/",
        "http://user@ocsp.example/",
        "http://user:word@ocsp.example/",
        "http://@ocsp.example/",
        "http://ocsp.example@other.example/",
        "http://ocsp.example\\@other.example/",
        "http://ocsp.example\\.other.example/",
        "http://ocsp .example/",
        "http://ocsp.example/\r\nHost: x",
        "http://ocsp.example/\x00",
        "http://ocsp\t.example/",
        "http://öcsp.example/",
        "http://ocsp%2eexample/",
        "http://[fe80::1%25eth0]/",
        "http://[::1/",
        "http://::1/",
        "http://ocsp.example:x/",
        "http://ocsp.example:-80/",
        "http://ocsp.example:80:80/",
        "http://ocsp.example:0/",
        "http://ocsp.example:65536/",
        "http://ocsp.example:٨٠/",
        "http://ocsp.example:22/",
        "http://ocsp.example:25/",
        "http://ocsp.example:1023/",
        "http://ocsp.example:6000/",
        "http://ocsp.example:6667/",
        "http://ocsp.example/" + "x" * 65_536,
        "http://" + "a" * 254 + "/",
    ],
)
def test_never_asked(url: str) -> None:
    assert refused(url)


def test_only_allowed_hosts() -> None:
    allowed = ("ocsp.example", "*.ca.example", "127.0.0.1", "::1")
    for host in ("ocsp.example", "OCSP.example", "ocsp.example.", "a.ca.example", "127.0.0.1:8888", "[::1]:8888"):
        assert not refused(f"http://{host}/", allowed)
    for host in ("ca.example", "a.b.ca.example", "xocsp.example", "ocsp.example.org", "aca.example", "127.0.0.2"):
        assert refused(f"http://{host}/", allowed)


def test_a_low_port_only_where_the_host_is_named() -> None:
    assert refused("http://ocsp.example:81/")
    assert not refused("http://ocsp.example:81/", ("ocsp.example",))
    assert refused("http://ocsp.example:6000/", ("ocsp.example",))


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "0.0.0.0",
        "0.1.2.3",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "febf::1",
        "ff02::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "::ffff:169.254.169.254",
        "::ffff:0.0.0.0",
        "::169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::1",
        "2002:a9fe:a9fe::1",
        "2001:0:4136:e378:8000:63bf:5601:5601",
        "fd00::5efe:169.254.169.254",
        "fd00::200:5efe:169.254.169.254",
        "localhost",
        "",
    ],
)
def test_addresses_never_connected_to(address: str) -> None:
    with pytest.raises(Failure) as caught:
        check_address(address)
    assert caught.value.reason is Reason.OCSP_ADDRESS


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "192.0.2.1", "8.8.8.8", "::1", "fd00::1", "2001:db8::1",
     "::ffff:127.0.0.1", "64:ff9b::8.8.8.8", "100.64.0.1"],
)  # fmt: skip
def test_addresses_connected_to(address: str) -> None:
    check_address(address)


@given(st.ip_addresses(v=4, network="169.254.0.0/16"), st.sampled_from(["::ffff:{}", "64:ff9b::{}", "::{}"]))
def test_no_disguise_of_link_local(address: ipaddress.IPv4Address, disguise: str) -> None:
    with pytest.raises(Failure):
        check_address(disguise.format(address))


@given(st.text(max_size=80), st.sampled_from(["", "http://", "http://127.0.0.1", "http://[", "http://a:"]))
def test_nothing_but_failure_escapes(text: str, before: str) -> None:
    assert reason(lambda: check_url(before + text, ())) in (None, Reason.OCSP_ADDRESS)
    assert reason(lambda: check_address(text)) in (None, Reason.OCSP_ADDRESS)
