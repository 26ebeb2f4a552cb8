"""Reads and writes Sun's JKS, and reads the same shape of JCEKS: entries, digest check, JKS key protector."""

import hashlib
import hmac
from collections.abc import Iterable

from hsmgate.errors import Failure, Reason
from hsmgate.pki import der
from hsmgate.pki.store_limits import ALIAS_CHARACTERS, CERTIFICATE_BYTES, CHAIN, ENTRIES, KEY_BYTES
from hsmgate.record import Record

JKS_MAGIC, JCEKS_MAGIC = bytes.fromhex("FEEDFEED"), bytes.fromhex("CECECECE")
_WHITENER = b"Mighty Aphrodite"
_DIGEST = 20  # SHA-1
_KEY, _CERTIFICATE, _SECRET = 1, 2, 3
_JKS_PROTECTOR = "1.3.6.1.4.1.42.2.17.1.1"


class Entry(Record):
    """One entry; `raw` is how it stands in the file. `protected`: EncryptedPrivateKeyInfo; None for a certificate."""

    alias: str
    raw: bytes
    certificates: tuple[bytes, ...]  # a key's chain leaf first, or the one trusted certificate
    protected: bytes | None = None


class Jks(Record):
    """A store whose digest held."""

    version: int
    entries: tuple[Entry, ...]


class _Reader:
    """A cursor over the entries; every read is checked against what is left."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise Failure(Reason.STORE_UNREADABLE, "is cut short")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size: int = 4) -> int:
        return int.from_bytes(self.take(size), "big")

    def blob(self, most: int, what: str) -> bytes:
        size = self.number()
        if size > most:
            raise Failure(Reason.STORE_UNREADABLE, f"holds {what} of {size} bytes; at most {most} are accepted")
        return self.take(size)

    def text(self) -> str:
        size = self.number(2)
        if size > 3 * ALIAS_CHARACTERS:  # modified UTF-8 spends up to three octets on a character
            raise Failure(Reason.STORE_UNREADABLE, f"holds an alias of {size} bytes")
        return _from_java(self.take(size))


def parse(content: bytes, password: str | None) -> Jks:
    """All entries in the order of the file. Failure: STORE_UNREADABLE; STORE_UNSUPPORTED for secret keys."""
    reader = _Reader(content[:-_DIGEST])
    reader.take(4)
    version = reader.number()
    if version not in (1, 2):
        raise Failure(Reason.STORE_UNSUPPORTED, f"is a JKS or JCEKS store of version {version}; 1 and 2 exist")
    count = reader.number()
    if count > ENTRIES:
        raise Failure(Reason.STORE_UNREADABLE, f"holds {count} entries; at most {ENTRIES} are accepted")
    entries = tuple(_entry(reader, version) for _ in range(count))
    if reader.at != len(reader.data):
        raise Failure(Reason.STORE_UNREADABLE, f"has {len(reader.data) - reader.at} bytes after its end")
    if password is None:
        raise Failure(Reason.STORE_UNREADABLE, "is a JKS or JCEKS store and needs its password; none is given")
    if not hmac.compare_digest(_digest(reader.data, password), content[-_DIGEST:]):
        raise Failure(Reason.STORE_UNREADABLE, "does not fit its digest: the password is wrong or the file was changed")
    return Jks(version=version, entries=entries)


def _entry(reader: _Reader, version: int) -> Entry:
    start = reader.at
    kind, alias = reader.number(), reader.text()
    reader.take(8)  # when it was made
    protected: bytes | None = None
    certificates = 1
    if kind == _KEY:
        protected = reader.blob(KEY_BYTES, "a key")
        certificates = reader.number()
        if certificates > CHAIN:
            raise Failure(Reason.STORE_UNREADABLE, f"holds a chain of {certificates} certificates")
    elif kind == _SECRET:
        raise Failure(Reason.STORE_UNSUPPORTED, "holds a secret key, a serialised Java object that is not read")
    elif kind != _CERTIFICATE:
        raise Failure(Reason.STORE_UNREADABLE, f"holds an entry of the unknown kind {kind}")
    chain = tuple(_certificate(reader, version) for _ in range(certificates))
    return Entry(alias=alias, raw=reader.data[start : reader.at], certificates=chain, protected=protected)


def _certificate(reader: _Reader, version: int) -> bytes:
    if version == 2 and (kind := reader.text()) not in ("X.509", "X509"):
        raise Failure(Reason.STORE_UNSUPPORTED, f"holds a certificate of type {ascii(kind)[:40]}; only X.509 is read")
    return reader.blob(CERTIFICATE_BYTES, "a certificate")


def serialise(entries: Iterable[bytes], password: str, version: int = 2) -> bytes:
    """A JKS store of these raw entries."""
    raw = list(entries)
    head = JKS_MAGIC + version.to_bytes(4, "big") + len(raw).to_bytes(4, "big")
    content = head + b"".join(raw)
    return content + _digest(content, password)


def certificate_entry(alias: str, certificate: bytes, created: int, version: int = 2) -> bytes:
    """The raw entry of a trusted certificate; `created` in milliseconds of Unix time."""
    kind = _to_java("X.509") if version == 2 else b""
    size = len(certificate).to_bytes(4, "big")
    return _CERTIFICATE.to_bytes(4, "big") + _to_java(alias) + created.to_bytes(8, "big") + kind + size + certificate


def _java_password(password: str) -> bytes:
    return password.encode("utf-16-be", "surrogatepass")


def _digest(content: bytes, password: str) -> bytes:
    return hashlib.sha1(_java_password(password) + _WHITENER + content, usedforsecurity=False).digest()


def _from_java(octets: bytes) -> str:
    """Java's modified UTF-8: NUL as C0 80, characters beyond the BMP as two surrogates of three octets each."""
    try:
        units = octets.replace(b"\xc0\x80", b"\0").decode("utf-8", "surrogatepass")
        text = units.encode("utf-16-be", "surrogatepass").decode("utf-16-be")
    except UnicodeDecodeError:
        text = None
    if text is None or _to_java(text)[2:] != octets:
        raise Failure(Reason.STORE_UNREADABLE, "holds an alias that is not text")
    return text


def _to_java(text: str) -> bytes:
    units = text.encode("utf-16-be", "surrogatepass")
    pairs = (units[at : at + 2].decode("utf-16-be", "surrogatepass") for at in range(0, len(units), 2))
    octets = "".join(pairs).encode("utf-8", "surrogatepass").replace(b"\0", b"\xc0\x80")
    return len(octets).to_bytes(2, "big") + octets


def unlock(protected: bytes, password: str) -> bytes:
    """PrivateKeyInfo of a JKS key entry: Sun's proprietary protector, a SHA-1 stream with a SHA-1 check."""
    algorithm, data = der.fields(protected, 2, 2, "a key entry")
    scheme = der.oid(der.fields(algorithm.raw, 1, 2, "a key entry")[0], "a key entry")
    if scheme != _JKS_PROTECTOR:
        raise Failure(Reason.STORE_UNSUPPORTED, f"holds a key protected by {scheme}, which is not supported")
    octets = der.content(data, der.OCTET_STRING, "a key entry")
    if len(octets) <= 2 * _DIGEST:
        raise Failure(Reason.STORE_UNREADABLE, "holds a key entry that is cut short")
    block, hidden, check = octets[:_DIGEST], octets[_DIGEST:-_DIGEST], octets[-_DIGEST:]
    secret, stream = _java_password(password), bytearray()
    while len(stream) < len(hidden):
        block = hashlib.sha1(secret + block, usedforsecurity=False).digest()
        stream += block
    key = bytes(a ^ b for a, b in zip(hidden, stream, strict=False))
    if not hmac.compare_digest(hashlib.sha1(secret + key, usedforsecurity=False).digest(), check):
        raise Failure(Reason.STORE_UNREADABLE, "holds a key that this key password does not open")
    return key
