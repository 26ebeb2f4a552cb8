"""The public key of a Key as the cryptographic library wants it."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from hsmgate.domain.curve import SECP256K1_OID, curve
from hsmgate.domain.key import Key
from hsmgate.errors import Failure, Reason


def rsa_key(key: Key) -> rsa.RSAPublicKey:
    """The RSA public key. Failure: KEYSTORE (the record holds no such public key); so the others below."""
    public = _load(key)
    if isinstance(public, rsa.RSAPublicKey) and public.key_size == key.key_size:
        return public
    raise _unfit(key)


def dsa_key(key: Key) -> dsa.DSAPublicKey:
    """The DSA public key."""
    public = _load(key)
    if isinstance(public, dsa.DSAPublicKey) and public.key_size == key.key_size:
        return public
    raise _unfit(key)


def ec_key(key: Key) -> ec.EllipticCurvePublicKey:
    """The public key on the curve of the record."""
    public = _load(key)
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name == curve(key.curve_oid or "").name:
        return public
    raise _unfit(key)


def ed_key(key: Key) -> ed25519.Ed25519PublicKey:
    """The Ed25519 public key."""
    public = _load(key)
    if isinstance(public, ed25519.Ed25519PublicKey):
        return public
    raise _unfit(key)


def secp256k1_point(key: Key) -> bytes:
    """The compressed point, 33 octets, of a key on secp256k1."""
    if key.curve_oid != SECP256K1_OID:
        raise _unfit(key)
    return ec_key(key).public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def _load(key: Key) -> object:
    if key.public_key is None:
        raise _unfit(key)
    try:
        return load_der_public_key(key.public_key)
    except (ValueError, UnsupportedAlgorithm):
        raise _unfit(key) from None


def _unfit(key: Key) -> Failure:
    return Failure(Reason.KEYSTORE, f"the record of the key holds no public key of its type ({key.algorithm})")
