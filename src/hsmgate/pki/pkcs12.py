"""The bags of a PKCS#12 file (RFC 7292 section 4), with the attributes that tell a trusted certificate from a key's."""

from hsmgate.errors import Failure, Reason
from hsmgate.pki import der
from hsmgate.pki.pkcs12_pbe import Password, decrypt, mac_holds
from hsmgate.pki.store_limits import ENTRIES
from hsmgate.record import Record

_DATA, _ENCRYPTED_DATA = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.6"
_X509_CERTIFICATE = "1.2.840.113549.1.9.22.1"
_FRIENDLY_NAME, _LOCAL_KEY_ID = "1.2.840.113549.1.9.20", "1.2.840.113549.1.9.21"
_TRUSTED_KEY_USAGE = "2.16.840.1.113894.746875.1.1"  # Oracle's: keytool shows a certificate as an entry only with it
_BAG = "1.2.840.113549.1.12.10.1."
_KINDS = {_BAG + "1": "key", _BAG + "2": "shrouded key", _BAG + "3": "certificate", _BAG + "5": "secret"}
_WHAT = "the PKCS12 store"


class Bag(Record):
    """One bag. `value`: a certificate, PrivateKeyInfo or EncryptedPrivateKeyInfo as DER; empty for other kinds."""

    kind: str  # "certificate" | "key" | "shrouded key" | "secret" | "other"
    value: bytes
    alias: str | None
    local_key_id: bytes | None
    trusted: bool  # carries Oracle's attribute


class Pkcs12(Record):
    """A file whose MAC held, if it has one. `mac_digest`: sha1 for legacy files, empty without a MAC."""

    bags: tuple[Bag, ...]
    mac_digest: str


def parse(content: bytes, password: str | None) -> Pkcs12:
    """Check the MAC and open every bag but the shrouded keys. Failure: STORE_UNREADABLE, STORE_UNSUPPORTED."""
    version, safe, *mac = der.fields(content, 2, 3, _WHAT)
    if der.integer(version, _WHAT) != 3:
        raise Failure(Reason.STORE_UNREADABLE, "is neither a certificate nor a PKCS12 store of version 3")
    kind, body = _content_info(safe.raw)
    if kind != _DATA:
        raise Failure(Reason.STORE_UNSUPPORTED, "is a PKCS12 store that is signed instead of having a MAC")
    authenticated = der.only(body, der.OCTET_STRING, _WHAT)
    secret = Password(password) if password is not None else None
    digest = _check_mac(mac[0].raw, authenticated, secret) if mac else ""
    bags: list[Bag] = []
    for part in der.items(der.only(authenticated, der.SEQUENCE, _WHAT), _WHAT):
        bags += _bags(_opened(part.raw, secret))
        if len(bags) > 2 * ENTRIES:
            raise Failure(Reason.STORE_UNREADABLE, f"holds more than {2 * ENTRIES} bags")
    return Pkcs12(bags=tuple(bags), mac_digest=digest)


def _missing_password() -> Failure:
    return Failure(Reason.STORE_UNREADABLE, "is a PKCS12 store and needs its password; none is given")


def _check_mac(mac_data: bytes, authenticated: bytes, password: Password | None) -> str:
    if password is None:
        raise _missing_password()
    holds, digest = mac_holds(mac_data, authenticated, password)
    if not holds:
        raise Failure(Reason.STORE_UNREADABLE, "does not fit its MAC: the password is wrong or the file was changed")
    return digest


def _content_info(raw: bytes) -> tuple[str, bytes]:
    """RFC 7292 4: the type of a ContentInfo and the DER within its [0]."""
    kind, *explicit = der.fields(raw, 1, 2, _WHAT)
    return der.oid(kind, _WHAT), der.content(explicit[0], der.CONTEXT_0, _WHAT) if explicit else b""


def _opened(raw: bytes, password: Password | None) -> bytes:
    """The SafeContents of one part, decrypted where it is encrypted."""
    kind, body = _content_info(raw)
    if kind == _DATA:
        return der.only(body, der.OCTET_STRING, _WHAT)
    if kind != _ENCRYPTED_DATA:
        raise Failure(Reason.STORE_UNSUPPORTED, "is a PKCS12 store encrypted for a public key")
    if password is None:
        raise _missing_password()
    _, info = der.fields(body, 2, 2, _WHAT)
    _, algorithm, encrypted = der.fields(info.raw, 3, 3, _WHAT)
    return decrypt(algorithm.raw, der.content(encrypted, der.CONTEXT_0_PRIMITIVE, _WHAT), password)


def _bags(safe_contents: bytes) -> list[Bag]:
    return [_bag(item.raw) for item in der.items(der.only(safe_contents, der.SEQUENCE, _WHAT), _WHAT)]


def _bag(raw: bytes) -> Bag:
    identifier, explicit, *attributes = der.fields(raw, 2, 3, _WHAT)
    name, body = der.oid(identifier, _WHAT), der.content(explicit, der.CONTEXT_0, _WHAT)
    if name == _BAG + "6":
        raise Failure(Reason.STORE_UNSUPPORTED, "is a PKCS12 store with nested bags")
    kind = _KINDS.get(name, "other")
    value = body if kind in ("key", "shrouded key") else b""
    if kind == "certificate":
        form, certificate = der.fields(body, 2, 2, _WHAT)
        if der.oid(form, _WHAT) != _X509_CERTIFICATE:
            raise Failure(Reason.STORE_UNSUPPORTED, "holds a certificate that is not X.509")
        value = der.only(der.content(certificate, der.CONTEXT_0, _WHAT), der.OCTET_STRING, _WHAT)
    known = _attributes(attributes[0].raw) if attributes else {}
    friendly, key_id = known.get(_FRIENDLY_NAME), known.get(_LOCAL_KEY_ID)
    return Bag(
        kind=kind,
        value=value,
        alias=_bmp(der.only(friendly, der.BMP_STRING, _WHAT)) if friendly else None,
        local_key_id=der.only(key_id, der.OCTET_STRING, _WHAT) if key_id else None,
        trusted=_TRUSTED_KEY_USAGE in known,
    )


def _attributes(raw: bytes) -> dict[str, bytes]:
    """The first value of each attribute."""
    found: dict[str, bytes] = {}
    for attribute in der.items(der.only(raw, der.SET, _WHAT), _WHAT):
        name, values = der.fields(attribute.raw, 2, 2, _WHAT)
        first = der.items(der.content(values, der.SET, _WHAT), _WHAT)
        found[der.oid(name, _WHAT)] = first[0].raw if first else b""
    return found


def _bmp(octets: bytes) -> str | None:
    """A BMPString; Java writes characters beyond the BMP as surrogate pairs. None: empty."""
    try:
        return octets.decode("utf-16-be") or None
    except UnicodeDecodeError:
        raise Failure(Reason.STORE_UNREADABLE, "holds an alias that is not text") from None
