"""Signs in the token: what the token has a mechanism for, with digest and padding made outside where that is sound."""

from collections.abc import Callable
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pkcs11 import MGF, Mechanism, PrivateKey, SignMixin

from hsmgate.adapters.pkcs11.direct import LONGEST, Direct
from hsmgate.adapters.pkcs11.padding import pkcs1, pss
from hsmgate.domain.curve import Curve, curve
from hsmgate.domain.key import Key
from hsmgate.domain.signature import canonical
from hsmgate.domain.signature_algorithm import SIGNATURE_ALGORITHMS, Scheme, SignatureAlgorithm
from hsmgate.errors import Failure, Reason

Parameter = tuple[Mechanism, MGF, int] | None  # of PSS


class Hash(NamedTuple):
    """A hash of RSA signatures: its DigestInfo up to the digest (RFC 8017, 9.2 note 1), its mechanism and its MGF."""

    digest_info: bytes
    mechanism: Mechanism
    mgf: MGF


# by length, as in domain/scheme.py: RSA has SHA-1 and SHA-2 only
_HASHES = {
    20: Hash(bytes.fromhex("3021300906052b0e03021a05000414"), Mechanism.SHA_1, MGF.SHA1),
    28: Hash(bytes.fromhex("302d300d06096086480165030402040500041c"), Mechanism.SHA224, MGF.SHA224),
    32: Hash(bytes.fromhex("3031300d060960864801650304020105000420"), Mechanism.SHA256, MGF.SHA256),
    48: Hash(bytes.fromhex("3041300d060960864801650304020205000430"), Mechanism.SHA384, MGF.SHA384),
    64: Hash(bytes.fromhex("3051300d060960864801650304020305000440"), Mechanism.SHA512, MGF.SHA512),
}


class Way(NamedTuple):
    """How a scheme is done: the mechanism, and from the octets of to_be_signed() and the bits of an RSA key its input
    and its parameter.
    """

    mechanism: Mechanism
    prepared: Callable[[bytes, int], tuple[bytes, Parameter]]


def _as_it_is(octets: bytes, _bits: int) -> tuple[bytes, Parameter]:
    return octets, None


def _with_digest_info(octets: bytes, _bits: int) -> tuple[bytes, Parameter]:
    return _HASHES[len(octets)].digest_info + octets, None


def _with_pss(octets: bytes, _bits: int) -> tuple[bytes, Parameter]:
    used = _HASHES[len(octets)]
    return octets, (used.mechanism, used.mgf, len(octets))


def _digest_info_padded(octets: bytes, bits: int) -> tuple[bytes, Parameter]:
    return pkcs1(_HASHES[len(octets)].digest_info + octets, bits), None


def _padded(octets: bytes, bits: int) -> tuple[bytes, Parameter]:
    return pkcs1(octets, bits), None


def _pss_padded(octets: bytes, bits: int) -> tuple[bytes, Parameter]:
    return pss(octets, bits), None


WAYS: dict[Scheme, Way] = {
    "PKCS1": Way(Mechanism.RSA_PKCS, _with_digest_info),
    "RAW-PKCS1": Way(Mechanism.RSA_PKCS, _as_it_is),
    "PSS": Way(Mechanism.RSA_PKCS_PSS, _with_pss),
    "ECDSA": Way(Mechanism.ECDSA, _as_it_is),
    "EDDSA": Way(Mechanism.EDDSA, _as_it_is),
}
# for a token without the mechanism above: the padding of a signature holds nothing that is secret
_OUTSIDE: dict[Scheme, Way] = {
    "PKCS1": Way(Mechanism.RSA_X_509, _digest_info_padded),
    "RAW-PKCS1": Way(Mechanism.RSA_X_509, _padded),
    "PSS": Way(Mechanism.RSA_X_509, _pss_padded),
}
Mechanisms = frozenset[Mechanism | int]


def way_of(scheme: Scheme, mechanisms: Mechanisms) -> Way | None:
    """How a token with these mechanisms does it; None: not at all."""
    ways = (table.get(scheme) for table in (WAYS, _OUTSIDE))
    return next((way for way in ways if way is not None and way.mechanism in mechanisms), None)


def signature_algorithms(mechanisms: Mechanisms, keys: frozenset[str]) -> frozenset[str]:
    """Names of what these mechanisms can sign with keys of these types.

    A nonce by RFC 6979 cannot be asked of a token, and BIP-340 needs its private key outside.
    """
    return frozenset(
        row.name
        for row in SIGNATURE_ALGORITHMS
        if row.key in keys and not row.deterministic and not row.absent and way_of(row.scheme, mechanisms) is not None
    )


def sign(
    private: PrivateKey,
    key: Key,
    algorithm: SignatureAlgorithm,
    octets: bytes,
    mechanisms: Mechanisms,
    direct: Direct | None = None,
) -> bytes:
    """Sign octets that to_be_signed() gave, `direct` where it is given; ECDSA comes as DER, on secp256k1 with low s.

    `mechanisms`: of the token. Failure: KEY_FORBIDS (the object may not sign), INVALID_PAYLOAD (too long for this RSA
    key), NOT_IMPLEMENTED, KEYSTORE. May raise PKCS11Error.
    """
    if not isinstance(private, SignMixin):
        raise Failure(Reason.KEY_FORBIDS, f"the token does not let the key '{key.label}' sign")
    way = way_of(algorithm.scheme, mechanisms)
    if way is None:
        raise Failure(Reason.NOT_IMPLEMENTED, f"signatureAlgorithm {algorithm.name}: the token lacks it")
    used = curve(key.curve_oid or "") if algorithm.scheme == "ECDSA" else None
    if used is not None:  # the leftmost bits count (FIPS 186-5, 6.4.1); tokens differ on longer input
        octets = octets[: used.size] if 8 * len(octets) > used.order.bit_length() else octets
    data, parameter = way.prepared(octets, key.key_size or 0)
    if direct is not None:
        signature = direct.sign(private, way.mechanism, parameter, data)
    else:
        signature = bytes(private.sign(data, mechanism=way.mechanism, mechanism_param=parameter, buffer_size=LONGEST))
    return signature if used is None else _der(signature, used)


def _der(raw: bytes, used: Curve) -> bytes:
    """From r and s, which PKCS#11 concatenates (2.40, 2.3.1), and which some tokens give shorter than the order."""
    if not raw or len(raw) % 2 or len(raw) > 2 * used.size:
        raise Failure(Reason.KEYSTORE, "the token gave no ECDSA signature")
    half = len(raw) // 2
    r, s = int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
    return canonical(encode_dss_signature(r, s), used)
