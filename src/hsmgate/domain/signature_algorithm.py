"""Signature algorithms: every value of the contract (enums.md section 3) and what it does to the payload."""

from typing import Literal

from hsmgate.domain.algorithm import key_algorithm
from hsmgate.domain.curve import SECP256K1_OID
from hsmgate.domain.key import Key
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record

Scheme = Literal["", "PKCS1", "RAW-PKCS1", "PSS", "ECDSA", "SCHNORR", "EDDSA", "DSA"]


class SignatureAlgorithm(Record):
    """One value of signatureAlgorithm. Without `digest` the payload itself is signed, as the scheme takes it."""

    name: str
    key: str  # a name of the key algorithm table; ML-DSA, SLH-DSA, XMSS stand for their families
    scheme: Scheme = ""
    digest: str = ""  # a name of the digest table
    prehashed: bool = False  # the payload already is the digest
    rounds: int = 1  # how many times the digest is applied
    deterministic: bool = False  # nonce by RFC 6979
    lengths: tuple[int, ...] = ()  # octets that a payload may have; none: any
    shortest: int = 0  # octets that a payload has at least
    curve_oid: str = ""  # the only curve; empty: any
    absent: str = ""  # why no backend offers it


_LATER = "not in this version"
_DRAFT = "a draft that its standard has replaced"
_NO_LIBRARY = "no sound library has it"
_SHA = {"SHA1": 20, "SHA224": 28, "SHA256": 32, "SHA384": 48, "SHA512": 64}
_SHA3 = {"SHA3224": "SHA3-224", "SHA3256": "SHA3-256", "SHA3384": "SHA3-384", "SHA3512": "SHA3-512"}
_PQC_HASHES = (
    *(f"{family}_{bits}" for family in ("SHA2", "SHA3") for bits in (224, 256, 384, 512)),
    "SHAKE_128",
    "SHAKE_256",
)
_Row = SignatureAlgorithm

SIGNATURE_ALGORITHMS: tuple[SignatureAlgorithm, ...] = (
    *(_Row(f"{sha}_WITH_RSA", "RSA", "PKCS1", sha) for sha in _SHA),
    *(_Row(f"{sha}_WITH_RSA_PSS", "RSA", "PSS", sha) for sha in _SHA),
    _Row("NONE_WITH_RSA", "RSA", "RAW-PKCS1", prehashed=True, shortest=1),
    _Row("NONE_WITH_RSA_PSS", "RSA", "PSS", prehashed=True, lengths=tuple(_SHA.values())),
    *(
        _Row(f"NONE{sha}_WITH_RSA", "RSA", "PKCS1", sha, prehashed=True, lengths=(length,))
        for sha, length in _SHA.items()
    ),
    *(
        _Row(f"NONE{sha}_WITH_RSA_PSS", "RSA", "PSS", sha, prehashed=True, lengths=(length,))
        for sha, length in _SHA.items()
        if sha != "SHA1"
    ),
    _Row("NONE_WITH_ECDSA", "EC", "ECDSA", prehashed=True, shortest=1),
    *(_Row(f"{sha}_WITH_ECDSA", "EC", "ECDSA", sha) for sha in _SHA),
    _Row("DOUBLE_SHA256_WITH_ECDSA", "EC", "ECDSA", "SHA256", rounds=2),
    *(_Row(f"{name}_WITH_ECDSA", "EC", "ECDSA", digest) for name, digest in _SHA3.items()),
    _Row("SHA256_WITH_ECDSA_DETERMINISTIC", "EC", "ECDSA", "SHA256", deterministic=True),
    *(_Row(f"KECCAK{bits}_WITH_ECDSA", "EC", "ECDSA", f"KECCAK-{bits}") for bits in (224, 256, 384, 512)),
    _Row("NONE_WITH_EC_SCHNORR_BIP0340", "EC", "SCHNORR", prehashed=True, lengths=(32,), curve_oid=SECP256K1_OID),
    _Row("EDDSA", "ED", "EDDSA"),
    _Row("NONE_WITH_DSA", "DSA", "DSA", prehashed=True, shortest=1),
    *(_Row(f"{sha}_WITH_DSA", "DSA", "DSA", sha) for sha in _SHA),
    _Row("BLS", "BLS", absent=_LATER),
    _Row("ISS_KERL", "ISS", absent=_NO_LIBRARY),
    _Row("ML_DSA", "ML-DSA", absent=_LATER),
    _Row("ML_DSA_M", "ML-DSA", absent=_LATER),
    _Row("SLH_DSA", "SLH-DSA", absent=_LATER),
    *(_Row(f"{hashing}_WITH_ML_DSA", "ML-DSA", absent=_LATER) for hashing in _PQC_HASHES),
    *(_Row(f"{hashing}_WITH_SLH_DSA", "SLH-DSA", absent=_LATER) for hashing in _PQC_HASHES),
    _Row("LMS", "LMS", absent=_LATER),
    _Row("XMSS-SHA256_10_256", "XMSS", absent=_NO_LIBRARY),
    _Row("XMSS-SHAKE256_10_256", "XMSS", absent=_NO_LIBRARY),
    _Row("DILITHIUM", "DILITHIUM", absent=_DRAFT),
    _Row("SPHINCS_PLUS", "SPHINCS_PLUS", absent=_DRAFT),
    _Row("KYBER", "KYBER", absent="it encapsulates keys and does not sign"),
)
_BY_NAME = {row.name: row for row in SIGNATURE_ALGORITHMS}


def signature_algorithm(name: str) -> SignatureAlgorithm:
    """The row of this name. Failure: INVALID_INPUT (unknown), NOT_IMPLEMENTED (listed, but no backend has it)."""
    row = _BY_NAME.get(name)
    if row is None:
        raise Failure(Reason.INVALID_INPUT, f"signatureAlgorithm {name[:64]!r} is not known")
    if row.absent:
        raise Failure(Reason.NOT_IMPLEMENTED, f"signatureAlgorithm {name}: {row.absent}")
    return row


def signature_algorithm_for(key: Key, name: str) -> SignatureAlgorithm:
    """The row of this name, which fits this key.

    Failure: as signature_algorithm; INVALID_KEY_TYPE (a secret key), ALGORITHM_NOT_FOR_KEY.
    """
    row = signature_algorithm(name)
    if key_algorithm(key.algorithm).symmetric:
        raise Failure(Reason.INVALID_KEY_TYPE, f"a secret key ({key.algorithm}) does not sign")
    if row.key != key.algorithm or row.curve_oid not in {"", key.curve_oid}:
        raise Failure(Reason.ALGORITHM_NOT_FOR_KEY, f"signatureAlgorithm {name} does not fit the key")
    return row
