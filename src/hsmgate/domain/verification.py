"""Verifies signatures with the public key, whatever form they came in."""

from collections.abc import Callable
from contextlib import suppress

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from hsmgate.domain import public_key
from hsmgate.domain.digest import to_be_signed
from hsmgate.domain.key import Key
from hsmgate.domain.scheme import digest_of_length, ecdsa, rsa_padding
from hsmgate.domain.signature import der_readings, group_of, has_eth_form, is_eth_signature
from hsmgate.domain.signature_algorithm import Scheme, SignatureAlgorithm, signature_algorithm_for
from hsmgate.errors import Failure, Reason


def verify(key: Key, algorithm: str, payload: bytes, signature: bytes) -> None:
    """Return if the signature is this key's over the payload; ECDSA in any form that its octets allow.

    Failure: SIGNATURE_INVALID (malformed too); INVALID_PAYLOAD, KEYSTORE (no usable public key) and those of
    signature_algorithm_for(), for which no signature could be valid.
    """
    row = signature_algorithm_for(key, algorithm)
    octets = to_be_signed(row, payload, key.key_size)
    try:
        _CHECKS[row.scheme](row, key, octets, signature)
    except InvalidSignature:
        raise Failure(Reason.SIGNATURE_INVALID, "the signature does not verify") from None


def _rsa(row: SignatureAlgorithm, key: Key, octets: bytes, signature: bytes) -> None:
    padding, hashing = rsa_padding(row, octets)
    public_key.rsa_key(key).verify(signature, octets, padding, hashing)


def _raw_pkcs1(_row: SignatureAlgorithm, key: Key, octets: bytes, signature: bytes) -> None:
    if public_key.rsa_key(key).recover_data_from_signature(signature, PKCS1v15(), None) != octets:
        raise InvalidSignature


def _ecdsa(row: SignatureAlgorithm, key: Key, octets: bytes, signature: bytes) -> None:
    public = public_key.ec_key(key)
    for der in der_readings(signature, group_of(key)):
        try:
            public.verify(der, octets, ecdsa(octets))
        except InvalidSignature:
            continue
        return
    if not has_eth_form(row, key) or not is_eth_signature(signature, octets, key):
        raise InvalidSignature


def _dsa(_row: SignatureAlgorithm, key: Key, octets: bytes, signature: bytes) -> None:
    public = public_key.dsa_key(key)
    for der in der_readings(signature, group_of(key)):
        with suppress(InvalidSignature):
            public.verify(der, octets, digest_of_length(len(octets)))
            return
    raise InvalidSignature


def _schnorr(_row: SignatureAlgorithm, key: Key, octets: bytes, signature: bytes) -> None:
    import wallycore  # not above: with warnings as errors it ends the interpreter by a crash

    x_only = public_key.secp256k1_point(key)[1:]
    try:
        wallycore.ec_sig_verify(x_only, octets, wallycore.EC_FLAG_SCHNORR, signature)
    except ValueError:
        raise InvalidSignature from None


def _eddsa(_row: SignatureAlgorithm, key: Key, octets: bytes, signature: bytes) -> None:
    public_key.ed_key(key).verify(signature, octets)


_CHECKS: dict[Scheme, Callable[[SignatureAlgorithm, Key, bytes, bytes], None]] = {
    "PKCS1": _rsa,
    "RAW-PKCS1": _raw_pkcs1,
    "PSS": _rsa,
    "ECDSA": _ecdsa,
    "SCHNORR": _schnorr,
    "EDDSA": _eddsa,
    "DSA": _dsa,
}
