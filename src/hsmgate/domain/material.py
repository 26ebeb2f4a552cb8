"""Key material from outside: what it is, proven by reading it, and re-encoded so that nothing else comes in with it."""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from hsmgate.domain.algorithm import check_key_size, key_algorithm
from hsmgate.domain.curve import CURVES
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | dsa.DSAPrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | dsa.DSAPublicKey

_MAC_OCTETS = range(14, 513)  # 112 bits are the least that RFC 2104's successors take
_MOST_EXPONENT = 2**64  # of RSA: a longer one only makes each verification slow
_KINDS: dict[str, tuple[type, type]] = {
    "RSA": (rsa.RSAPrivateKey, rsa.RSAPublicKey),
    "EC": (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey),
    "ED": (ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey),
    "DSA": (dsa.DSAPrivateKey, dsa.DSAPublicKey),
}


class Material(Record):
    """One of: a private key (PKCS#8 DER) with its public key, a public key (SubjectPublicKeyInfo DER), a secret."""

    algorithm: str
    private: bytes | None = None
    public: bytes | None = None
    secret: bytes | None = None
    curve_oid: str | None = None
    key_size: int | None = None  # bits; as the key algorithm table has them

    def __repr__(self) -> str:
        return f"Material({self.algorithm})"


def secret_material(algorithm: str, octets: bytes) -> Material:
    """A secret key. Failure: INVALID_KEY_TYPE, INVALID_KEY_SIZE, KEY_ENCODING (a TDEA key that is less than one)."""
    size = secret_size(algorithm, len(octets))
    name = key_algorithm(algorithm).name
    return Material(name, secret=octets if name != "TDEA" else _three_keys(octets), key_size=size)


def secret_size(algorithm: str, octets: int) -> int | None:
    """Bits of a secret key of so many octets, None where it is no choice. Failure: INVALID_KEY_TYPE, _SIZE."""
    row = key_algorithm(algorithm)
    if not row.symmetric:
        raise Failure(Reason.INVALID_KEY_TYPE, f"{row.name} keys are no secret keys")
    if row.operations == ("hmac",):
        if octets not in _MAC_OCTETS:
            raise Failure(Reason.INVALID_KEY_SIZE, f"a key of {row.name} has 14 to 512 bytes")
        return octets * 8
    if row.fixed_octets:
        if octets != row.fixed_octets:
            raise Failure(Reason.INVALID_KEY_SIZE, f"a key of {row.name} has {row.fixed_octets} bytes")
        return None
    return check_key_size(row, octets * 8 or None)


def private_material(algorithm: str, der: bytes) -> Material:
    """A private key: PKCS#8, or the older form of its type (PKCS#1, SEC 1).

    Failure: KEY_ENCODING, INVALID_KEY_TYPE, INVALID_KEY_SIZE, NOT_IMPLEMENTED (a curve that nobody has).
    """
    kind, _ = _kinds(algorithm)
    try:
        private = load_der_private_key(der, None)
        if not isinstance(private, kind):
            raise _not_one("private", algorithm)
        found = _public(algorithm, private.public_key())
        octets = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _not_one("private", algorithm) from None
    return Material(algorithm, octets, found.public, None, found.curve_oid, found.key_size)


def public_material(algorithm: str, der: bytes) -> Material:
    """A public key, SubjectPublicKeyInfo. Failure: as private_material()."""
    _kinds(algorithm)
    try:
        return _public(algorithm, load_der_public_key(der))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _not_one("public", algorithm) from None


def certified_material(algorithm: str, der: bytes) -> Material:
    """The public key of a certificate. Failure: as private_material(); CERTIFICATE_ENCODING."""
    _kinds(algorithm)
    try:
        public = x509.load_der_x509_certificate(der).public_key()
        spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise Failure(Reason.CERTIFICATE_ENCODING, "certificate is no X.509 certificate (DER, Base64).") from None
    return public_material(algorithm, spki)


def _kinds(algorithm: str) -> tuple[type, type]:
    row = key_algorithm(algorithm)
    if row.symmetric:
        raise Failure(Reason.INVALID_KEY_TYPE, f"{row.name} keys are secret keys")
    return _KINDS[row.name]


def _public(algorithm: str, public: object) -> Material:
    """The public key, its parameters checked."""
    if not isinstance(public, _kinds(algorithm)[1]):
        raise _not_one("public", algorithm)
    curve_oid = size = None
    if isinstance(public, ec.EllipticCurvePublicKey):
        curve_oid = _curve_oid(public.curve.name)
    elif isinstance(public, rsa.RSAPublicKey | dsa.DSAPublicKey):
        size = check_key_size(key_algorithm(algorithm), public.key_size)
    if isinstance(public, rsa.RSAPublicKey) and public.public_numbers().e >= _MOST_EXPONENT:
        raise Failure(Reason.KEY_ENCODING, "the public exponent has more than 64 bits")
    if isinstance(public, dsa.DSAPublicKey):
        _check_dsa(public)
    octets = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return Material(algorithm, public=octets, curve_oid=curve_oid, key_size=size)


def _curve_oid(name: str) -> str:
    for row in CURVES:
        if row.name == name and not row.absent:
            return row.oid
    raise Failure(Reason.NOT_IMPLEMENTED, f"curve {name[:32]}: no backend has it")


def _check_dsa(public: dsa.DSAPublicKey) -> None:
    """Whether p, q, g and y are what they should be: the cryptographic library takes them as they come."""
    from Crypto.PublicKey import DSA

    numbers = public.public_numbers()
    group = numbers.parameter_numbers
    try:
        DSA.construct((numbers.y, group.g, group.p, group.q), consistency_check=True)
        sound = 1 < numbers.y < group.p and pow(numbers.y, group.q, group.p) == 1
    except ValueError:
        sound = False
    if not sound:
        raise Failure(Reason.KEY_ENCODING, "the parameters of the DSA key are not sound")


def _three_keys(octets: bytes) -> bytes:
    from Crypto.Cipher import DES3

    try:
        DES3.adjust_key_parity(octets)
    except ValueError:
        raise Failure(Reason.KEY_ENCODING, "the TDEA key has parts that are the same") from None
    return octets


def _not_one(which: str, algorithm: str) -> Failure:
    return Failure(Reason.KEY_ENCODING, f"{which}Key is no {which} key of type {algorithm}, or not a sound one.")
