"""Makes keys and signs with them: the part that touches private material."""

import os

from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from cryptography.x509 import ObjectIdentifier

from hsmgate.domain.algorithm import KeyAlgorithm, check_key_size, key_algorithm
from hsmgate.domain.curve import curve
from hsmgate.domain.key import Key, KeySpec
from hsmgate.domain.material import Material, PrivateKey
from hsmgate.domain.scheme import digest_of_length, ecdsa, rsa_padding
from hsmgate.domain.signature import canonical
from hsmgate.domain.signature_algorithm import SignatureAlgorithm
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import SignExtra

_SCALAR = 32  # octets of a private key on secp256k1, of a tagged hash and of auxiliary randomness
_EXPONENT = 65537


def generate(spec: KeySpec) -> Material:
    """A new key. Failure: INVALID_INPUT, INVALID_KEY_SIZE, NOT_IMPLEMENTED."""
    algorithm = key_algorithm(spec.algorithm)
    size = check_key_size(algorithm, spec.key_size)
    if algorithm.symmetric:
        return Material(algorithm.name, secret=_secret(algorithm, size), key_size=size)
    private = _generate(spec, size or 0)
    return Material(
        algorithm.name,
        private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        curve_oid=spec.curve_oid,
        key_size=size,
    )


def load(secret: bytes, key: Key) -> PrivateKey | bytes:
    """The private key of PKCS#8 DER, or the octets of a secret key. A seal has guarded it: no costly checks again."""
    if key_algorithm(key.algorithm).symmetric:
        return secret
    if key.is_public_only:
        raise Failure(Reason.INVALID_KEY_TYPE, f"the key '{key.label}' has no private part")
    private = load_der_private_key(secret, None, unsafe_skip_rsa_key_validation=True)
    if isinstance(private, PrivateKey):
        return private
    raise _other_type()


def sign(
    private: PrivateKey | bytes, key: Key, algorithm: SignatureAlgorithm, octets: bytes, extra: SignExtra
) -> bytes:
    """Sign octets that to_be_signed() gave; ECDSA comes as DER, on secp256k1 with low s.

    Failure: INVALID_INPUT (an extra that does not fit), NOT_IMPLEMENTED, INTEGRITY (not the private key of the record).
    """
    if algorithm.scheme != "SCHNORR" and extra != SignExtra():
        raise Failure(Reason.INVALID_INPUT, f"auxiliary randomness and tweaks do not fit {algorithm.name}")
    if isinstance(private, rsa.RSAPrivateKey) and algorithm.key == "RSA":
        return _rsa(private, algorithm, octets)
    if isinstance(private, ed25519.Ed25519PrivateKey) and algorithm.key == "ED":
        return private.sign(octets)
    if isinstance(private, dsa.DSAPrivateKey) and algorithm.key == "DSA":
        return private.sign(octets, digest_of_length(len(octets)))
    if isinstance(private, ec.EllipticCurvePrivateKey) and algorithm.scheme == "ECDSA":
        der = private.sign(octets, ecdsa(octets, deterministic=algorithm.deterministic))
        return canonical(der, curve(key.curve_oid or ""))
    if isinstance(private, ec.EllipticCurvePrivateKey) and algorithm.scheme == "SCHNORR":
        return _schnorr(private, octets, extra)
    raise _other_type()


def _secret(algorithm: KeyAlgorithm, size: int | None) -> bytes:
    octets = os.urandom(algorithm.fixed_octets or (size or 0) // 8)
    if algorithm.name != "TDEA":
        return octets
    from Crypto.Cipher import DES3

    return DES3.adjust_key_parity(octets)


def _generate(spec: KeySpec, size: int) -> PrivateKey:
    if spec.algorithm == "RSA":
        return rsa.generate_private_key(_EXPONENT, size)
    if spec.algorithm == "EC":
        return ec.generate_private_key(ec.get_curve_for_oid(ObjectIdentifier(curve(spec.curve_oid or "").oid))())
    if spec.algorithm == "ED":
        return ed25519.Ed25519PrivateKey.generate()
    if spec.algorithm == "DSA":
        return dsa.generate_private_key(size)
    raise Failure(Reason.NOT_IMPLEMENTED, f"the software keystore has no keys of type {spec.algorithm}")


def _rsa(private: rsa.RSAPrivateKey, algorithm: SignatureAlgorithm, octets: bytes) -> bytes:
    if algorithm.scheme == "RAW-PKCS1":
        return private.sign(octets, PKCS1v15(), NoDigestInfo())
    return private.sign(octets, *rsa_padding(algorithm, octets))


def _schnorr(private: ec.EllipticCurvePrivateKey, octets: bytes, extra: SignExtra) -> bytes:
    """BIP-340, with the key tweaked as BIP-341 says where a Merkle root (empty: of no scripts) is given."""
    import wallycore  # not above: with warnings as errors it ends the interpreter by a crash

    if extra.taproot_tweak is not None:
        raise Failure(Reason.NOT_IMPLEMENTED, "a ready-made taproot tweak is not in this version: give the Merkle root")
    auxiliary = os.urandom(_SCALAR) if extra.auxiliary_random_data is None else extra.auxiliary_random_data
    if len(auxiliary) != _SCALAR:
        raise Failure(Reason.INVALID_INPUT, f"auxiliary randomness has {_SCALAR} bytes")
    scalar = private.private_numbers().private_value.to_bytes(_SCALAR, "big")
    if extra.merkle_root is not None:
        if len(extra.merkle_root) not in {0, _SCALAR}:
            raise Failure(
                Reason.INVALID_INPUT, f"a Merkle root has {_SCALAR} bytes, or none where there are no scripts"
            )
        scalar = bytes(wallycore.ec_private_key_bip341_tweak(scalar, extra.merkle_root or None, 0))
    return bytes(wallycore.ec_sig_from_bytes_aux(scalar, octets, auxiliary, wallycore.EC_FLAG_SCHNORR))


def _other_type() -> Failure:
    return Failure(Reason.INTEGRITY, "a stored key is of another type than its record")
