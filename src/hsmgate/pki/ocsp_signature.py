"""The signature of an OCSP response: algorithm, strength, verification. RFC 6960 4.2.1, RFC 4055 3.1."""

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509.oid import SignatureAlgorithmOID as Oid

from hsmgate.errors import Failure, Reason
from hsmgate.pki import der
from hsmgate.pki.path import MIN_EC_BITS, MIN_RSA_BITS
from hsmgate.record import Record

_WEAK = frozenset(
    oid.dotted_string
    for oid in (
        Oid.RSA_WITH_MD5, Oid.RSA_WITH_SHA1, Oid._RSA_WITH_SHA1, Oid.ECDSA_WITH_SHA1, Oid.DSA_WITH_SHA1,  # noqa: SLF001
    )
)  # fmt: skip
_RSA: dict[str, hashes.HashAlgorithm] = {
    Oid.RSA_WITH_SHA256.dotted_string: hashes.SHA256(),
    Oid.RSA_WITH_SHA384.dotted_string: hashes.SHA384(),
    Oid.RSA_WITH_SHA512.dotted_string: hashes.SHA512(),
}
_ECDSA: dict[str, hashes.HashAlgorithm] = {
    Oid.ECDSA_WITH_SHA256.dotted_string: hashes.SHA256(),
    Oid.ECDSA_WITH_SHA384.dotted_string: hashes.SHA384(),
    Oid.ECDSA_WITH_SHA512.dotted_string: hashes.SHA512(),
}
_PSS = Oid.RSASSA_PSS.dotted_string
_MGF1 = "1.2.840.113549.1.1.8"
_DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}


class Signed(Record):
    """BasicOCSPResponse taken apart: what is signed, by which algorithm, and the signature."""

    tbs: bytes
    oid: str
    parameters: bytes  # DER, empty where absent
    signature: bytes


def _malformed(text: str) -> Failure:
    return Failure(Reason.OCSP_MALFORMED, f"the OCSP response is malformed: {text}")


def algorithm_of(basic: bytes, signature: bytes, tbs: bytes) -> Signed:
    """Read the AlgorithmIdentifier of a BasicOCSPResponse (DER); signature and tbs as the parser gave them.

    Failure: OCSP_MALFORMED.
    """
    try:
        outer = der.fields(basic, 3, 4, "BasicOCSPResponse")
        identifier = der.fields(outer[1].raw, 1, 2, "AlgorithmIdentifier")
        oid = der.oid(identifier[0], "AlgorithmIdentifier")
    except Failure as failure:
        raise _malformed(failure.detail) from None
    if outer[0].raw != tbs:
        raise _malformed("two readings of it differ")
    parameters = identifier[1].raw if len(identifier) > 1 else b""
    return Signed(tbs=tbs, oid=oid, parameters=parameters, signature=signature)


def _pss(parameters: bytes) -> tuple[hashes.HashAlgorithm, int]:
    """Digest and salt length; MGF1 must use the same digest. The defaults are SHA-1, so nothing may be absent."""
    try:
        tagged = {item.tag: item.body for item in der.fields(parameters, 0, 4, "RSASSA-PSS-params")}
        digest = der.oid(der.fields(tagged[0xA0], 1, 2, "hashAlgorithm")[0], "hashAlgorithm")
        mask = der.fields(tagged[0xA1], 2, 2, "maskGenAlgorithm")
        mask_digest = der.oid(der.fields(mask[1].raw, 1, 2, "MGF1 digest")[0], "MGF1 digest")
        salt = der.integer(der.head(tagged[0xA2], "saltLength"), "saltLength") if 0xA2 in tagged else 20
        name = der.oid(mask[0], "maskGenAlgorithm")
    except KeyError:
        raise Failure(Reason.OCSP_WEAK, "the OCSP response is signed with SHA-1") from None
    except Failure as failure:
        raise _malformed(failure.detail) from None
    if digest not in _DIGESTS or mask_digest != digest or name != _MGF1 or salt > 64:
        raise Failure(Reason.OCSP_WEAK, "the OCSP response is signed with RSA-PSS parameters that are not accepted")
    return _DIGESTS[digest], salt


def check_algorithm(signed: Signed) -> None:
    """Refuse what is broken whoever signed. Failure: OCSP_WEAK."""
    if signed.oid in _WEAK:
        raise Failure(Reason.OCSP_WEAK, "the OCSP response is signed with SHA-1 or MD5")


def check(signed: Signed, signer: x509.Certificate) -> None:
    """Verify with the signer's public key; the algorithm is checked before. Failure: OCSP_SIGNATURE, OCSP_WEAK."""
    key = _strong_key(signer)
    try:
        if isinstance(key, rsa.RSAPublicKey) and signed.oid in _RSA:
            key.verify(signed.signature, signed.tbs, padding.PKCS1v15(), _RSA[signed.oid])
        elif isinstance(key, rsa.RSAPublicKey) and signed.oid == _PSS:
            digest, salt = _pss(signed.parameters)
            key.verify(signed.signature, signed.tbs, padding.PSS(padding.MGF1(digest), salt), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey) and signed.oid in _ECDSA:
            key.verify(signed.signature, signed.tbs, ec.ECDSA(_ECDSA[signed.oid]))
        elif (isinstance(key, ed25519.Ed25519PublicKey) and signed.oid == Oid.ED25519.dotted_string) or (
            isinstance(key, ed448.Ed448PublicKey) and signed.oid == Oid.ED448.dotted_string
        ):
            key.verify(signed.signature, signed.tbs)
        else:
            raise Failure(Reason.OCSP_SIGNATURE, "the OCSP response is not signed with the responder's key type")
    except InvalidSignature:
        raise Failure(Reason.OCSP_SIGNATURE, "the signature of the OCSP response is wrong") from None


def _strong_key(signer: x509.Certificate) -> object:
    try:
        key = signer.public_key()
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, rsa.RSAPublicKey):
        weak = key.key_size < MIN_RSA_BITS
    elif isinstance(key, ec.EllipticCurvePublicKey):
        weak = key.key_size < MIN_EC_BITS
    else:
        weak = not isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey)
    if weak:
        raise Failure(Reason.OCSP_WEAK, "the responder's key is too weak or of a type that is not accepted")
    return key


def has_weak_signature(cert: x509.Certificate) -> bool:
    """Whether a delegate's certificate is signed with SHA-1 or MD5."""
    return cert.signature_algorithm_oid.dotted_string in _WEAK
