"""Reads a truststore of any format: octets in, entries out."""

from collections.abc import Callable, Iterable

from hsmgate.errors import Failure, Reason
from hsmgate.pki import der, jks, pem, pkcs12
from hsmgate.pki.key_store import KeyStore, read_key_store
from hsmgate.pki.store_entries import Entry, Found, named, once, printable
from hsmgate.pki.store_formats import DER, JCEKS, JKS, PEM, PKCS12, format_of, hint_warning, pkcs7, refusal
from hsmgate.record import Record

__all__ = ["Contents", "Entry", "KeyStore", "Truststore", "contents_of", "pem_certificate", "read", "read_key_store"]

_WARNINGS = 20  # of one file; the log shall stay readable
CERTIFICATE_LABELS = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
_KEY_KINDS = ("key", "shrouded key", "secret")


class Truststore(Record):
    """What a truststore holds: each certificate once, in the order of the file."""

    format: str  # "JKS" | "JCEKS" | "PKCS12" | "PEM" | "DER"
    entries: tuple[Entry, ...]
    warnings: tuple[str, ...] = ()
    skipped_keys: tuple[str, ...] = ()  # aliases of key entries, which are never trust


class Contents(Record):
    """What a format's reader found, before names and doubles are settled."""

    found: tuple[Found, ...]
    keys: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read(content: bytes, password: str | None, name: str, hint: str | None = None) -> Truststore:
    """Read a truststore; `name` stands before every message, `hint` is the configured type.

    PEM and DER need no password and ignore a given one. Failure: STORE_UNREADABLE, STORE_UNSUPPORTED.
    """
    kind = None
    try:
        kind = format_of(content, name)
        contents = contents_of(content, password, kind, name)
        entries, renamed = named(contents.found)
        kept, doubles = once(entries)
        if not kept:
            raise _no_certificate(contents)
    except Failure as failure:
        raise refusal(failure, name, kind) from None
    warnings = [*hint_warning(hint, kind), *contents.warnings, *renamed, *doubles]
    return Truststore(
        format=kind, entries=kept, warnings=_few(f"{name}: {text}" for text in warnings), skipped_keys=contents.keys
    )


def contents_of(content: bytes, password: str | None, kind: str, name: str) -> Contents:
    """What the reader of this format finds; the failures lack the name."""
    return _READERS[kind](content, password, name)


def _few(warnings: Iterable[str]) -> tuple[str, ...]:
    every = tuple(warnings)
    return every if len(every) <= _WARNINGS else (*every[:_WARNINGS], f"{len(every) - _WARNINGS} further warnings")


def _no_certificate(contents: Contents) -> Failure:
    if not contents.keys:
        return Failure(Reason.STORE_UNREADABLE, "holds no certificate")
    names = ", ".join(contents.keys[:3])
    return Failure(Reason.STORE_UNREADABLE, f"holds key entries only ({names}) and no trusted certificate")


def _shown(alias: str | None, number: int) -> str:
    return alias if alias and printable(alias) else f"entry {number}"


def _read_jks(content: bytes, password: str | None, _name: str) -> Contents:
    entries = jks.parse(content, password).entries
    return Contents(
        found=tuple(Found(alias=e.alias, der=e.certificates[0]) for e in entries if e.protected is None),
        keys=tuple(_shown(e.alias, number) for number, e in enumerate(entries, 1) if e.protected is not None),
    )


def _read_pkcs12(content: bytes, password: str | None, _name: str) -> Contents:
    """Beside keys only certificates with Oracle's attribute are trust: the others are the keys' own chains."""
    store = pkcs12.parse(content, password)
    certificates = [bag for bag in store.bags if bag.kind == "certificate"]
    keys = [_shown(bag.alias, number) for number, bag in enumerate(store.bags, 1) if bag.kind in _KEY_KINDS]
    marked = bool(keys) or any(bag.trusted for bag in certificates)
    found = [bag for bag in certificates if bag.trusted or not marked]
    warnings = []
    if not store.mac_digest:
        warnings.append("has no MAC, so any password opens it and nobody notices a change")
    if len(found) < len(certificates):
        warnings.append(
            f"{len(certificates) - len(found)} certificates without the attribute of a trusted entry are skipped"
        )
    return Contents(
        found=tuple(Found(alias=bag.alias, der=bag.value) for bag in found), keys=tuple(keys), warnings=tuple(warnings)
    )


def _read_pem(content: bytes, _password: str | None, name: str) -> Contents:
    found, keys, warnings = [], [], []
    for block in pem.blocks(content):
        if block.label in CERTIFICATE_LABELS:
            found.append(Found(alias=block.name, der=pem_certificate(block)))
        elif block.label in ("PKCS7", "CMS"):
            raise pkcs7(name, "PEM")
        elif block.label.endswith("PRIVATE KEY"):
            keys.append(f"line {block.line}")
            warnings.append(f"line {block.line}: a private key has no place in a truststore; it is ignored")
        else:
            warnings.append(f"line {block.line}: the {block.label} block is ignored")
    return Contents(found=tuple(found), keys=tuple(keys), warnings=tuple(warnings))


def pem_certificate(block: pem.Block) -> bytes:
    """The certificate of a block. OpenSSL's trust settings are refused: dropping them could widen the trust."""
    octets = pem.decode(block)
    whole = der.head(octets, f"line {block.line}: the certificate").raw
    if block.label == "TRUSTED CERTIFICATE" and whole != octets:
        raise Failure(
            Reason.STORE_UNSUPPORTED,
            f"line {block.line}: a certificate with OpenSSL trust settings, which are not read; "
            "write it without them: openssl x509 -in FILE -out FILE",
        )
    return octets


def _read_der(content: bytes, _password: str | None, _name: str) -> Contents:
    der.only(content, der.SEQUENCE, "the file")
    return Contents(found=(Found(alias=None, der=content),))


_READERS: dict[str, Callable[[bytes, str | None, str], Contents]] = {
    JKS: _read_jks,
    JCEKS: _read_jks,
    PKCS12: _read_pkcs12,
    PEM: _read_pem,
    DER: _read_der,
}
