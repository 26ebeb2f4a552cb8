"""Builds full certificate revocation lists (RFC 5280 5) of any length.

Written octet by octet: pyca's builder needs 20 us an entry and then holds the interpreter while it encodes all of
them, 0.4 s for 100,000, in which a service answers nobody. This takes a tenth, and others run meanwhile.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from hsmgate.errors import Failure, Reason
from hsmgate.pki import extensions, signing
from hsmgate.pki.issue import Authority
from hsmgate.record import Record

_SEQUENCE, _INTEGER, _BITS, _UTC_TIME, _GENERALIZED_TIME, _EXPLICIT_0 = 0x30, 0x02, 0x03, 0x17, 0x18, 0xA0
_V2 = bytes.fromhex("020101")
# AlgorithmIdentifiers: RFC 5758 3.2 (no parameters), RFC 4055 5 (NULL), RFC 8410 3 (none)
_ECDSA = {
    "sha256": bytes.fromhex("300a06082a8648ce3d040302"),
    "sha384": bytes.fromhex("300a06082a8648ce3d040303"),
    "sha512": bytes.fromhex("300a06082a8648ce3d040304"),
}
_RSA_SHA256 = bytes.fromhex("300d06092a864886f70d01010b0500")
_ED25519, _ED448 = bytes.fromhex("300506032b6570"), bytes.fromhex("300506032b6571")
# CRLReason is an ENUMERATED (RFC 5280 5.3.1); without the extension the reason is unspecified, as it should be left out
_REASONS = {
    "keyCompromise": 1,
    "cACompromise": 2,
    "affiliationChanged": 3,
    "superseded": 4,
    "cessationOfOperation": 5,
    "certificateHold": 6,
    "privilegeWithdrawn": 9,
    "aACompromise": 10,
}
_ENTRY_EXTENSIONS = {
    name: bytes.fromhex(f"300c300a0603551d1504030a01{number:02x}") for name, number in _REASONS.items()
} | {"unspecified": b""}


class Entry(Record):
    """A certificate that is revoked: since when (Unix seconds), and a name of pki.issued.REASONS."""

    serial: int
    at: float
    reason: str


def build(
    issuer: Authority, number: int, this_update: datetime, next_update: datetime, entries: Iterable[Entry]
) -> bytes:
    """The DER of a full CRL, signed. Failure: INVALID_INPUT (the issuer may not sign CRLs), as pki.signing too."""
    _check_issuer(issuer)
    algorithm = _algorithm(issuer.key)
    revoked = b"".join(map(_entry, entries))
    tbs = _tlv(
        _SEQUENCE,
        _V2
        + algorithm
        + issuer.certificate.subject.public_bytes()
        + _time(this_update)
        + _time(next_update)
        + (_tlv(_SEQUENCE, revoked) if revoked else b"")  # RFC 5280 5.1.2.6: absent where there are none
        + _tlv(_EXPLICIT_0, _tlv(_SEQUENCE, _extensions(issuer, number))),
    )
    return _tlv(_SEQUENCE, tbs + algorithm + _tlv(_BITS, b"\0" + _signature(issuer.key, tbs)))


def pem(der: bytes) -> bytes:
    """The same CRL as PEM."""
    return x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)


def _extensions(issuer: Authority, number: int) -> bytes:
    values = [extensions.authority_key(issuer.certificate, issuer.key.public_key()), x509.CRLNumber(number)]
    return b"".join(
        _tlv(
            _SEQUENCE, _oid(value.oid) + _tlv(0x04, value.public_bytes())
        )  # neither is critical: RFC 5280 5.2.1, 5.2.3
        for value in values
    )


def _oid(oid: x509.ObjectIdentifier) -> bytes:
    """Both are in id-ce, whose arcs take an octet each."""
    return _tlv(0x06, bytes([0x55, 0x1D, int(oid.dotted_string.rpartition(".")[2])]))


def _entry(entry: Entry) -> bytes:
    body = _integer(entry.serial) + _time(datetime.fromtimestamp(entry.at, UTC)) + _ENTRY_EXTENSIONS[entry.reason]
    return _tlv(_SEQUENCE, body)


def _integer(number: int) -> bytes:
    return _tlv(_INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _time(moment: datetime) -> bytes:
    """RFC 5280 5.1.2.4: UTCTime through 2049, GeneralizedTime from 2050."""
    text = b"%04d%02d%02d%02d%02d%02dZ" % moment.astimezone(UTC).timetuple()[:6]
    return _tlv(_UTC_TIME, text[2:]) if moment.year < 2050 else _tlv(_GENERALIZED_TIME, text)


def _tlv(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def _check_issuer(issuer: Authority) -> None:
    if issuer.certificate.public_key() != issuer.key.public_key():
        raise Failure(Reason.INVALID_INPUT, "the issuer's key does not belong to the issuer's certificate")
    try:
        usage = issuer.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:  # RFC 5280 4.2.1.3: absent means not restricted
        return
    if not usage.crl_sign:
        raise Failure(Reason.INVALID_INPUT, "the issuer's key usage does not let it sign CRLs")


def _algorithm(key: CertificateIssuerPrivateKeyTypes) -> bytes:
    digest = signing.digest_for(key)
    if digest is None:
        return _ED25519 if isinstance(key, ed25519.Ed25519PrivateKey) else _ED448
    return _RSA_SHA256 if isinstance(key, rsa.RSAPrivateKey) else _ECDSA[digest.name]


def _signature(key: CertificateIssuerPrivateKeyTypes, tbs: bytes) -> bytes:
    digest = signing.digest_for(key)
    if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
        return key.sign(tbs)
    if digest is None:
        raise AssertionError(type(key))  # only EdDSA has no digest
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(tbs, padding.PKCS1v15(), digest)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(tbs, ec.ECDSA(digest))
    raise AssertionError(type(key))
