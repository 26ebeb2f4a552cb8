"""Names as people write them: a subject in RFC 4514 form or a common name, and names with their kind before them."""

import ipaddress
import re
from collections.abc import Callable

from cryptography import x509
from cryptography.x509.oid import NameOID

from hsmgate.errors import Failure, Reason

_ATTRIBUTE = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)+)\s*=")
_LABEL = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
_DNS = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")
_DNS_SUBTREE = re.compile(rf"\.?{_LABEL}(\.{_LABEL})*")
_MAIL = re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(\.{_LABEL})*")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]{1,1000}")
_URL = re.compile(r"https?://[A-Za-z0-9.\[\]:-]{1,260}(/[!-~]{0,1000})?")
_MOST = 100  # names in a certificate, attributes in a subject


def is_subject(text: str) -> bool:
    """Whether it is written as a subject: TYPE=VALUE, ..."""
    return _ATTRIBUTE.match(text) is not None


def subject(text: str) -> x509.Name:
    """A subject: `CN=name,O=organisation` (RFC 4514, its most significant part last), or a common name alone.

    Failure: INVALID_INPUT.
    """
    try:
        if is_subject(text):
            return printable(x509.Name.from_rfc4514_string(text))
        return printable(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]))
    except ValueError as error:
        raise Failure(Reason.INVALID_INPUT, f"the subject {text[:80]!a}: {error}") from None


def printable(name: x509.Name) -> x509.Name:
    """The name, if it is one that can stand in a list. Failure: INVALID_INPUT."""
    attributes = list(name)
    if not 1 <= len(attributes) <= _MOST:
        raise Failure(Reason.INVALID_INPUT, "a subject has at least one attribute, and not hundreds")
    for one in attributes:
        text = one.value
        if not isinstance(text, str) or not text.isprintable() or not text.strip() or len(text) > 200:
            raise Failure(Reason.INVALID_INPUT, "an attribute of a subject is printable text of at most 200 characters")
    return name


def general_name(text: str) -> x509.GeneralName:
    """`dns:host`, `ip:address`, `email:address` or `uri:URI`. Failure: INVALID_INPUT."""
    return _read(text, _NAMES, "a name")


def subtree(text: str) -> x509.GeneralName:
    """`dns:domain`, `ip:network`, `email:host or address` or `dir:subject`. Failure: INVALID_INPUT."""
    return _read(text, _SUBTREES, "a name constraint")


def checked(found: tuple[x509.GeneralName, ...]) -> tuple[x509.GeneralName, ...]:
    """Names of a request, held to the same rules as those that are typed. Failure: INVALID_INPUT."""
    if len(found) > _MOST:
        raise Failure(Reason.INVALID_INPUT, f"a certificate has at most {_MOST} names")
    return tuple(general_name(f"{_kind(name)}:{name.value}") for name in found)


def url(text: str) -> str:
    """A URL that may stand in a certificate, http or https. Failure: INVALID_INPUT."""
    if not _URL.fullmatch(text):
        raise Failure(Reason.INVALID_INPUT, f"{text[:80]!a} is no http or https URL")
    return text


def _read(text: str, readers: dict[str, Callable[[str], x509.GeneralName]], what: str) -> x509.GeneralName:
    kind, colon, value = text.partition(":")
    reader = readers.get(kind.lower())
    if not colon or reader is None:
        raise Failure(Reason.INVALID_INPUT, f"{what} begins with its kind ({':, '.join(readers)}:), not {text[:80]!a}")
    try:
        return reader(value)
    except ValueError:
        raise Failure(Reason.INVALID_INPUT, f"{text[:80]!a} is not {what} that a certificate can hold") from None


def _matching(
    pattern: re.Pattern[str], make: Callable[[str], x509.GeneralName], most: int
) -> Callable[[str], x509.GeneralName]:
    def read(value: str) -> x509.GeneralName:
        if not pattern.fullmatch(value) or len(value) > most:
            raise ValueError(value)
        return make(value)

    return read


def _mail_subtree(value: str) -> x509.GeneralName:
    if not (_MAIL if "@" in value else _DNS_SUBTREE).fullmatch(value):
        raise ValueError(value)
    return x509.RFC822Name(value)


def _kind(name: x509.GeneralName) -> str:
    for kind, form in _KINDS.items():
        if isinstance(name, form):
            return kind
    raise Failure(
        Reason.INVALID_INPUT, f"the request holds a name of a form that is not certified: {type(name).__name__}"
    )


_KINDS: dict[str, type[x509.GeneralName]] = {
    "dns": x509.DNSName,
    "ip": x509.IPAddress,
    "email": x509.RFC822Name,
    "uri": x509.UniformResourceIdentifier,
}
_NAMES: dict[str, Callable[[str], x509.GeneralName]] = {
    "dns": _matching(_DNS, x509.DNSName, 253),
    "ip": lambda value: x509.IPAddress(ipaddress.ip_address(value)),
    "email": _matching(_MAIL, x509.RFC822Name, 254),
    "uri": _matching(_URI, x509.UniformResourceIdentifier, 1000),
}
_SUBTREES: dict[str, Callable[[str], x509.GeneralName]] = {
    "dns": _matching(_DNS_SUBTREE, x509.DNSName, 253),
    "ip": lambda value: x509.IPAddress(ipaddress.ip_network(value)),
    "email": _mail_subtree,
    "dir": lambda value: x509.DirectoryName(subject(value)),
}
