"""Makes JWTs octet by octet, as attackers do, with keys that are generated."""

import base64
import functools
import hashlib
import hmac
import json
import time
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

AUDIENCE, ISSUER = "hsmgate.example", "https://issuer.example"
Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_DIGESTS = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


@functools.cache
def rsa_key(name: str = "issuer", bits: int = 2048) -> rsa.RSAPrivateKey:
    del name
    return rsa.generate_private_key(65537, bits)


@functools.cache
def ec_key(curve: str = "secp256r1") -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key({c.name: c for c in _CURVES}[curve]())


@functools.cache
def ed_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


_CURVES: tuple[type[ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1 | ec.SECP256K1 | ec.BrainpoolP256R1], ...] = (
    ec.SECP256R1,
    ec.SECP384R1,
    ec.SECP521R1,
    ec.SECP256K1,
    ec.BrainpoolP256R1,
)


def pem(private: Private) -> bytes:
    """The public half."""
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def jwk(private: Private, **more: Any) -> dict[str, Any]:
    """The public half as a JWK."""
    public = private.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e), **more}
    if isinstance(public, ec.EllipticCurvePublicKey):
        point, size = public.public_numbers(), (public.key_size + 7) // 8
        names = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521", "secp256k1": "secp256k1"}
        x, y = (b64(value.to_bytes(size, "big")) for value in (point.x, point.y))
        return {"kty": "EC", "crv": names[public.curve.name], "x": x, "y": y, **more}
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes(Encoding.Raw, PublicFormat.Raw)), **more}


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def claims(**more: Any) -> dict[str, Any]:
    """Good ones; None takes one away."""
    now = int(time.time())
    given = {"sub": "alice", "aud": AUDIENCE, "iss": ISSUER, "iat": now, "exp": now + 600, **more}
    return {name: value for name, value in given.items() if value is not None}


def token(
    private: Private | bytes, algorithm: str, given: object = None, header: dict[str, Any] | None = None
) -> bytes:
    """Signed as `algorithm` says, whatever the key is; octets sign as HMAC."""
    head = {"typ": "JWT", "alg": algorithm, **(header or {})}
    signed = f"{b64(_json(head))}.{b64(_json(claims() if given is None else given))}".encode()
    return signed + b"." + b64(sign(private, algorithm, signed)).encode()


def sign(private: Private | bytes, algorithm: str, data: bytes) -> bytes:
    """The signature of a JWS."""
    digest = _DIGESTS.get(algorithm[2:5], hashes.SHA256())
    if isinstance(private, bytes):
        return hmac.digest(private, data, hashlib.sha256)
    if isinstance(private, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
        return private.sign(data, pss if algorithm.startswith("PS") else padding.PKCS1v15(), digest)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        size = (private.key_size + 7) // 8
        numbers = decode_dss_signature(private.sign(data, ec.ECDSA(digest)))
        return b"".join(number.to_bytes(size, "big") for number in numbers)
    return private.sign(data)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _json(value: object) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def _number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))
