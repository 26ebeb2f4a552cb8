"""Which responder URLs and addresses may be asked at all. A certificate names them, so they are not believed."""

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from hsmgate.errors import Failure, Reason

MAX_URL = 2048
MAX_URLS = 16  # of one certificate; what comes after them is not asked
_PORTS = {"http": 80, "https": 443}
_LEAST_PORT = 1024  # below it only those two
# Ports of other protocols that a browser refuses too (fetch.spec.whatwg.org, "bad port"), as far as not below 1024.
_OTHER_PROTOCOLS = frozenset(
    (1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, *range(6665, 6670), 6679, 6697, 10080)
)
_HOST = re.compile(r"[A-Za-z0-9_.:-]{1,253}")
_PRINTABLE = re.compile(r"[\x21-\x5b\x5d-\x7e]+")  # no space and no backslash, which parsers understand differently
_NEVER = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # this host
        "169.254.0.0/16",  # link-local, most metadata services
        "100.100.100.200/32",  # metadata of Alibaba Cloud
        "168.63.129.16/32",  # metadata of Azure
        "192.0.0.0/24",  # protocol assignments, metadata of Oracle Cloud
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "::/128",
        "fe80::/10",  # link-local
        "ff00::/8",  # multicast
        "fd00:ec2::254/128",  # metadata of AWS
        "fd20:ce::254/128",  # metadata of Google Cloud
        "64:ff9b:1::/48",  # local NAT64, whose IPv4 address may stand anywhere
    )
]
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214 6.1

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _refuse(text: str) -> Failure:
    return Failure(Reason.OCSP_ADDRESS, text)


def check_url(url: str, allowed: Iterable[str], schemes: tuple[str, ...] = ("http", "https")) -> SplitResult:
    """A URL that may be asked, in parts. `allowed`: names, addresses, `*.domain`; none allows every host.

    Failure: OCSP_ADDRESS.
    """
    if len(url) > MAX_URL or not _PRINTABLE.fullmatch(url):
        raise _refuse("the responder's URL is too long or has characters that no URL has")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refuse("the responder's URL does not parse") from None
    if parts.scheme not in schemes:
        raise _refuse(f"responders are asked over {' and '.join(schemes)}, not {parts.scheme[:20] or 'nothing'}")
    host = (parts.hostname or "").removesuffix(".")
    if "@" in parts.netloc or not _HOST.fullmatch(host):
        raise _refuse("the responder's URL has user information or no proper host")
    patterns = list(allowed)
    named = any(_covers(pattern.lower(), host) for pattern in patterns)
    if patterns and not named:
        raise _refuse(f"the responder {host} is not in hsmgate.ocsp.allowed-responders")
    port = _PORTS[parts.scheme] if port is None else port
    if port in _OTHER_PROTOCOLS or (port < _LEAST_PORT and port not in _PORTS.values() and not named) or not port:
        raise _refuse(
            f"port {port} of {host} is not asked; below 1024 name the host in hsmgate.ocsp.allowed-responders"
        )
    return parts


def _covers(pattern: str, host: str) -> bool:
    """`*.domain` stands for the names one label below it."""
    if pattern.startswith("*."):
        return host.partition(".")[2] == pattern[2:]
    return host == pattern


def check_address(text: str) -> None:
    """An address that may be connected to. Failure: OCSP_ADDRESS."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        raise _refuse("the responder's address does not parse") from None
    for candidate in (address, *_carried(address)):
        if any(candidate in network for network in _NEVER):
            raise _refuse(f"the address {candidate} is never asked")


def _carried(address: Address) -> list[Address]:
    """The IPv4 addresses that an IPv6 address carries for some mechanism of transition."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    number = int(address)
    found: list[Address | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    compatible = 1 < number < 1 << 32  # RFC 4291 2.5.5.1
    if address in _NAT64 or compatible or number >> 32 & 0xFFFFFFFF in _ISATAP:
        found.append(ipaddress.IPv4Address(number & 0xFFFFFFFF))
    return [one for one in found if one is not None]
