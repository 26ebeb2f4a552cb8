"""Texts to values, and what is no value."""

from collections.abc import Callable

import pytest

from hsmgate.config import units

HEX = "0123456789abcdef" * 4
COLONS = ":".join(HEX[i : i + 2] for i in range(0, 64, 2))
number = units.whole(1, 70_000)
size = units.size("1KB", "1GB")
span = units.duration("100ms", "7d")
word = units.one_of("off", "if-present", "TLSv1.2")


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (units.flag, "true", True),
        (units.flag, " TRUE ", True),
        (units.flag, "on", True),
        (units.flag, "yes", True),
        (units.flag, "1", True),
        (units.flag, "False", False),
        (units.flag, "off", False),
        (units.flag, "no", False),
        (units.flag, "0", False),
        (number, "8080", 8080),
        (number, " 8080 ", 8080),
        (number, "+8", 8),
        (number, "0600", 600),
        (number, "0x1F90", 8080),
        (number, "0o17", 15),
        (units.seconds, "0", 0.0),
        (units.seconds, "500ms", 0.5),
        (units.seconds, "30s", 30.0),
        (units.seconds, "30S", 30.0),
        (units.seconds, "1m", 60.0),
        (units.seconds, "2h", 7200.0),
        (units.seconds, "7d", 604800.0),
        (span, "100ms", 0.1),
        (span, "168h", 604800.0),
        (units.freshness, "every-request", None),
        (units.freshness, "Every_Request", None),
        (units.freshness, "0", None),
        (units.freshness, "30s", 30.0),
        (size, "32KB", 32768),
        (size, "32kb", 32768),
        (size, "200MB", 200 * 1024 * 1024),
        (size, "4096", 4096),
        (size, "4096B", 4096),
        (size, "1GB", 1024**3),
        (word, "OFF", "off"),
        (word, "tlsv1.2", "TLSv1.2"),
        (units.fingerprint, HEX, HEX),
        (units.fingerprint, HEX.upper(), HEX),
        (units.fingerprint, COLONS, HEX),
        (units.fingerprint, f" {COLONS.upper()} ", HEX),
        (units.host, "0.0.0.0", "0.0.0.0"),
        (units.host, "::1", "::1"),
        (units.host, "Keys.Example.COM.", "keys.example.com"),
        (units.host_pattern, "*.Example.com", "*.example.com"),
        (units.host_pattern, "10.0.0.1", "10.0.0.1"),
        (units.listen, "127.0.0.1:8888", "127.0.0.1:8888"),
        (units.listen, "localhost:0", "localhost:0"),
        (units.listen, "[::1]:80", "[::1]:80"),
        (units.http_url, "http://ocsp.example.com", "http://ocsp.example.com"),
        (units.http_url, "https://[::1]:8443/ocsp?x=1", "https://[::1]:8443/ocsp?x=1"),
        (units.words, "a, b,,c ", ("a", "b", "c")),
        (units.words, "", ()),
    ],
)
def test_value(read: Callable[[str], object], text: str, value: object) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (units.flag, ""),
        (units.flag, "maybe"),
        (units.flag, "2"),
        (number, ""),
        (number, "0"),
        (number, "70001"),
        (number, "-1"),
        (number, "1e3"),
        (number, "8080.0"),
        (number, "8_080"),
        (number, "８０"),
        (number, "0b11"),
        (number, "9" * 5000),
        (units.seconds, "30"),
        (units.seconds, "1.5s"),
        (units.seconds, "-1s"),
        (units.seconds, "30 s"),
        (units.seconds, "PT30S"),
        (units.seconds, "9" * 5000 + "s"),
        (span, "99ms"),
        (span, "8d"),
        (span, "0"),
        (units.freshness, "30"),
        (units.freshness, "8d"),
        (units.freshness, "never"),
        (size, "1"),
        (size, "2GB"),
        (size, "33K"),
        (size, "1.5KB"),
        (word, "of"),
        (word, ""),
        (units.fingerprint, HEX[:-1]),
        (units.fingerprint, HEX + "0"),
        (units.fingerprint, HEX[:40]),
        (units.fingerprint, HEX.replace("f", "g")),
        (units.fingerprint, COLONS.replace(":", " ")),
        (units.fingerprint, COLONS[:-3] + HEX[-2:]),
        (units.host, "*.example.com"),
        (units.host, "example.com:80"),
        (units.host, "http://example.com"),
        (units.host, "999.1.1.1"),
        (units.host, "fe80::1%eth0"),
        (units.host, "a b"),
        (units.host, ""),
        (units.host, "-a.example"),
        (units.host, "a" * 64 + ".example"),
        (units.host_pattern, "*"),
        (units.host_pattern, "*."),
        (units.host_pattern, "a.*.com"),
        (units.host_pattern, "*.*.com"),
        (units.host_pattern, "*example.com"),
        (units.host_pattern, "*.10.0.0.1"),
        (units.host_pattern, "example.com/path"),
        (units.listen, "8889"),
        (units.listen, ":8889"),
        (units.listen, "localhost"),
        (units.listen, "localhost:65536"),
        (units.listen, "::1:80"),
        (units.http_url, "ocsp.example.com"),
        (units.http_url, "ftp://example.com"),
        (units.http_url, "http://"),
        (units.http_url, "http://user:pw@example.com/"),
        (units.http_url, "http://example.com:99999/"),
        (units.http_url, "http://[::1/"),
        (units.http_url, "http://example.com/#part"),
        (units.http_url, "http://exa mple.com/"),
        (units.http_url, "http://example.com/a b"),
    ],
)
def test_no_value(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError, match=r"^(must be|names) ") as caught:
        read(text)
    assert len(text) < 3 or text not in str(caught.value)
