"""Refuses what a browser sends for a foreign site: cross-site requests and foreign Host names (DNS rebinding)."""

import ipaddress
import re
from collections.abc import Iterable

from hsmgate.errors import Failure, Reason
from hsmgate.record import Record

LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})

_PORT = r"(?::\d{0,5})?"
_AUTHORITY = re.compile(rf"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]{{1,255}})){_PORT}")
_ORIGIN = re.compile(r"https?://(?P<authority>[^/?#@\\\s]+)")


class SiteRules(Record):
    """Names this service answers to beside loopback names and IP literals; `*.` covers one label. Any case."""

    hosts: frozenset[str] = frozenset()


def check(headers: Iterable[tuple[bytes, bytes]], rules: SiteRules, http_version: str = "1.1") -> None:
    """Judge Host, Origin and Sec-Fetch-Site; header names in lower case, ports are not compared.

    Failure: CROSS_SITE.
    """
    hosts, origins, fetch_sites = [], [], []
    for name, value in headers:
        if name == b"host":
            hosts.append(value)
        elif name == b"origin":
            origins.append(value)
        elif name == b"sec-fetch-site":
            fetch_sites.append(value)
    host = _check_host(hosts, rules, http_version)
    for origin in origins:
        _check_origin(origin, host)
    if any(site.strip().lower() == b"cross-site" for site in fetch_sites):
        raise Failure(Reason.CROSS_SITE, "Requests that a browser sends for another site are refused.")


def host_of(authority: str) -> str | None:
    """The host of `host[:port]` in the form that is compared, or None where it is malformed."""
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        return None
    if match["v6"] is not None:
        return _address(match["v6"], version=6)
    name = match["name"].lower().removesuffix(".")
    return name if name and all(name.split(".")) else None


def served(host: str, rules: SiteRules) -> bool:
    """Whether `host`, as host_of() gives it, is ours. An IP literal cannot be rebound, so every one is."""
    if host in LOOPBACK_NAMES or host.endswith(".localhost") or _address(host) is not None:
        return True
    parent = host.partition(".")[2]
    wanted = {host, f"*.{parent}"} if parent else {host}
    return any(name.lower().removesuffix(".") in wanted for name in rules.hosts)


def _check_host(values: list[bytes], rules: SiteRules, http_version: str) -> str | None:
    """RFC 9112 3.2: exactly one Host in HTTP/1.1; an HTTP/1.0 client, never a browser, may leave it out."""
    if not values and http_version == "1.0":
        return None
    host = host_of(values[0].decode("latin-1").strip(" \t")) if len(values) == 1 else None
    if host is None:
        raise Failure(Reason.CROSS_SITE, "Exactly one well-formed Host header is needed.")
    if not served(host, rules):
        raise Failure(Reason.CROSS_SITE, "The Host header names a host that this service does not answer to.")
    return host


def _check_origin(value: bytes, host: str | None) -> None:
    match = _ORIGIN.fullmatch(value.decode("latin-1").strip(" \t"))  # `null` does not match
    if match is None or host is None or host_of(match["authority"]) != host:
        raise Failure(Reason.CROSS_SITE, "Requests with a foreign Origin are refused.")


def _address(text: str, version: int | None = None) -> str | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return str(address) if version in (None, address.version) else None
