"""Reads the server's own key and certificate chain from PKCS#12, JKS or PEM."""

from collections.abc import Callable, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from hsmgate.errors import Failure, Reason
from hsmgate.pki import der, jks, pem, pkcs12
from hsmgate.pki.pkcs12_pbe import Password, decrypt
from hsmgate.pki.store_entries import certificate
from hsmgate.pki.store_formats import DER, JCEKS, JKS, PEM, PKCS12, format_of, refusal
from hsmgate.pki.store_limits import CHAIN
from hsmgate.record import Record

_KEYS = 100  # each one orders the certificates anew
_TRADITIONAL = ("RSA PRIVATE KEY", "EC PRIVATE KEY")
_PUBLIC = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


class KeyStore(Record):
    """A private key (PKCS#8 DER, in the clear) and its certificate chain, leaf first."""

    key_der: bytes
    chain: tuple[bytes, ...]


class _KeyEntry(Record):
    """One key of a store, still locked. `unlock` turns the key password into PrivateKeyInfo."""

    alias: str
    unlock: Callable[[str | None], bytes]
    certificates: tuple[bytes, ...]  # where its chain is found


def read_key_store(
    content: bytes, password: str | None, name: str, alias: str | None = None, key_password: str | None = None
) -> KeyStore:
    """Read the key named `alias` (or the only one) with its chain; `key_password` defaults to the store's.

    Failure: STORE_UNREADABLE (password, damage, no such key, key and certificate do not fit), STORE_UNSUPPORTED.
    """
    kind = None
    try:
        kind = format_of(content, name)
        entry = _chosen(_READERS[kind](content, password), alias)
        key_der, public = _checked(entry.unlock(password if key_password is None else key_password))
        return KeyStore(key_der=key_der, chain=_chain(public, entry.certificates))
    except Failure as failure:
        raise refusal(failure, name, kind) from None


def _chosen(entries: Sequence[_KeyEntry], alias: str | None) -> _KeyEntry:
    names = ", ".join(ascii(entry.alias)[1:-1] for entry in entries[:5])
    if not entries:
        raise Failure(Reason.STORE_UNREADABLE, "holds no private key")
    wanted = [e for e in entries if alias is None or e.alias.lower() == alias.lower()]
    if not wanted:
        raise Failure(Reason.STORE_UNREADABLE, f'holds no key with the alias "{alias}"; it has {names}')
    if len(wanted) > 1:
        raise Failure(
            Reason.STORE_UNREADABLE, f"holds {len(wanted)} keys that could be meant ({names}); name one alias"
        )
    return wanted[0]


def _read_pkcs12(content: bytes, password: str | None) -> list[_KeyEntry]:
    bags = pkcs12.parse(content, password).bags
    keys = [bag for bag in bags if bag.kind in ("key", "shrouded key")]
    certificates = [bag for bag in bags if bag.kind == "certificate"]
    if len(keys) > _KEYS:
        raise Failure(Reason.STORE_UNREADABLE, f"holds {len(keys)} keys; at most {_KEYS} are accepted")

    def entry(key: pkcs12.Bag) -> _KeyEntry:
        """The certificate with the key's own id first: a renewed one may share the public key."""
        ordered = sorted(certificates, key=lambda bag: bag.local_key_id != key.local_key_id)
        unlock = _unlocker(key.value, encrypted=key.kind == "shrouded key")
        return _KeyEntry(alias=key.alias or "", unlock=unlock, certificates=tuple(bag.value for bag in ordered))

    return [entry(key) for key in keys]


def _unlocker(value: bytes, encrypted: bool) -> Callable[[str | None], bytes]:
    """How a PrivateKeyInfo, or an EncryptedPrivateKeyInfo (RFC 5958 section 3), is opened."""

    def unlock(password: str | None) -> bytes:
        if not encrypted:
            return value
        if password is None:
            raise Failure(Reason.STORE_UNREADABLE, "holds an encrypted key and needs its password; none is given")
        algorithm, data = der.fields(value, 2, 2, "the encrypted key")
        return decrypt(algorithm.raw, der.content(data, der.OCTET_STRING, "the encrypted key"), Password(password))

    return unlock


def _read_jks(content: bytes, password: str | None) -> list[_KeyEntry]:
    def unlocker(protected: bytes) -> Callable[[str | None], bytes]:
        return lambda key_password: jks.unlock(protected, key_password or "")

    return [
        _KeyEntry(alias=entry.alias, unlock=unlocker(entry.protected), certificates=entry.certificates)
        for entry in jks.parse(content, password).entries
        if entry.protected is not None
    ]


def _read_pem(content: bytes, _password: str | None) -> list[_KeyEntry]:
    blocks = pem.blocks(content)
    chain = tuple(pem.decode(block) for block in blocks if block.label in ("CERTIFICATE", "X509 CERTIFICATE"))
    return [
        _KeyEntry(alias=block.name or f"line {block.line}", unlock=_pem_unlocker(block), certificates=chain)
        for block in blocks
        if block.label.endswith("PRIVATE KEY")
    ]


def _pem_unlocker(block: pem.Block) -> Callable[[str | None], bytes]:
    if block.label in ("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"):
        return _unlocker(pem.decode(block), encrypted=block.label.startswith("ENCRYPTED"))
    if block.label not in _TRADITIONAL:
        raise Failure(Reason.STORE_UNSUPPORTED, f"line {block.line}: a {block.label} block is not read; write PKCS#8")

    def unlock(password: str | None) -> bytes:
        locked = b"Proc-Type:" in block.text
        secret = password.encode("utf-8", "surrogatepass") if password is not None and locked else None
        try:
            key = serialization.load_pem_private_key(block.text, secret)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise _unusable() from None
        return key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    return unlock


def _read_jceks(content: bytes, password: str | None) -> list[_KeyEntry]:
    jks.parse(content, password)
    raise Failure(Reason.STORE_UNSUPPORTED, "is a JCEKS store; its key entries are not read")


def _read_der(_content: bytes, _password: str | None) -> list[_KeyEntry]:
    return []


_READERS: dict[str, Callable[[bytes, str | None], list[_KeyEntry]]] = {
    JKS: _read_jks,
    JCEKS: _read_jceks,
    PKCS12: _read_pkcs12,
    PEM: _read_pem,
    DER: _read_der,
}


def _unusable() -> Failure:
    return Failure(Reason.STORE_UNREADABLE, "holds a private key that cannot be used, or the key password is wrong")


def _checked(key_der: bytes) -> tuple[bytes, bytes]:
    """The key as PKCS#8 DER and its public key as SubjectPublicKeyInfo DER."""
    try:
        key = serialization.load_der_private_key(key_der, None)
        clear = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return clear, key.public_key().public_bytes(*_PUBLIC)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unusable() from None


def _chain(public: bytes, certificates: Sequence[bytes]) -> tuple[bytes, ...]:
    """The certificate of this key and those above it, found by name and proven by signature."""
    parsed = [certificate(octets, f"certificate {number}") for number, octets in enumerate(certificates, 1)]
    leaf = next((cert for cert in parsed if _public_of(cert) == public), None)
    if leaf is None:
        raise Failure(Reason.STORE_UNREADABLE, "holds no certificate that fits its private key")
    by_subject: dict[bytes, list[x509.Certificate]] = {}
    for cert in parsed:
        by_subject.setdefault(cert.subject.public_bytes(), []).append(cert)
    chain = [leaf]
    while len(chain) < CHAIN:
        above = by_subject.get(chain[-1].issuer.public_bytes(), [])[:CHAIN]  # each costs a signature check
        issuer = next((cert for cert in above if cert not in chain and _issued(chain[-1], cert)), None)
        if issuer is None:
            break
        chain.append(issuer)
    return tuple(cert.public_bytes(serialization.Encoding.DER) for cert in chain)


def _public_of(cert: x509.Certificate) -> bytes | None:
    try:
        return cert.public_key().public_bytes(*_PUBLIC)
    except (ValueError, UnsupportedAlgorithm):
        return None


def _issued(cert: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        cert.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
