"""Public keys that JWTs are verified with, from PEM or a JWKS (RFC 7517): octets in, keys with fixed algorithms out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import jwt
import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt import algorithms as jwa

from hsmgate.errors import Failure, Reason
from hsmgate.pki import pem

MOST_KEYS = 64  # in all files together; a token without a kid is tried with each
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
_LEAST_RSA_BITS = 2048
_MOST_RSA_BITS = 8192
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_EC = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512", "secp256k1": "ES256K"}
ALGORITHMS = (*_RSA, *_EC.values(), "EdDSA")
_OF_TYPE: dict[str, Callable[[dict[str, Any]], object]] = {
    "RSA": jwa.RSAAlgorithm.from_jwk,
    "EC": jwa.ECAlgorithm.from_jwk,
    "OKP": jwa.OKPAlgorithm.from_jwk,
}
T = TypeVar("T")
_LONGEST_KID = 255
_WRONG = (ValueError, TypeError, KeyError, UnsupportedAlgorithm, x509.InvalidVersion, jwt.PyJWTError)


@dataclass(frozen=True)
class TokenKey:
    """A key and what it may verify: fixed here, whatever a token says. `name`: for log and audit trail."""

    name: str
    public: PublicKey
    algorithms: tuple[str, ...]
    kid: str | None = None  # None: PEM has no such names, so the key is tried for every token


def read(content: bytes, name: str) -> tuple[TokenKey, ...]:
    """The keys of one file. Failure: STORE_UNREADABLE (broken, or without any), STORE_UNSUPPORTED (a secret, weak)."""
    try:
        found = _jwks(content, name) if content.lstrip().startswith(b"{") else _pem(content, name)
    except Failure as failure:
        raise Failure(failure.reason, f"{name}: {failure.detail}") from None
    if not found:
        raise Failure(Reason.STORE_UNREADABLE, f"{name}: holds no public key that a JWT can be verified with")
    return found


def allowed(keys: tuple[TokenKey, ...], names: tuple[str, ...]) -> tuple[TokenKey, ...]:
    """The keys with none but these algorithms; no names: as they are. Failure: CONFIG_INVALID (a key is left none)."""
    if len(keys) > MOST_KEYS:
        raise Failure(Reason.CONFIG_INVALID, f"hsmgate.jwt.keys: there are more than {MOST_KEYS} keys")
    if not names:
        return keys
    kept = []
    for key in keys:
        left = tuple(name for name in key.algorithms if name in names)
        if not left:
            raise Failure(
                Reason.CONFIG_INVALID, f"hsmgate.jwt.algorithms: none is for {key.name} ({', '.join(key.algorithms)})"
            )
        kept.append(TokenKey(key.name, key.public, left, key.kid))
    return tuple(kept)


def _pem(content: bytes, name: str) -> tuple[TokenKey, ...]:
    return tuple(_key(_of_block(block), f"{name}#{number}") for number, block in enumerate(pem.blocks(content)))


def _of_block(block: pem.Block) -> object:
    load = _LOADERS.get(block.label)
    if load is None:
        raise _unsupported(
            f"line {block.line}: a {block.label} does not belong here, only public keys and certificates"
        )
    return _sound(load, block.text, block.label)


def _of_certificate(text: bytes) -> object:
    """Its key alone counts: not its dates, and not who issued it."""
    return x509.load_pem_x509_certificate(text).public_key()


_LOADERS: dict[str, Callable[[bytes], object]] = {
    "CERTIFICATE": _of_certificate,
    "PUBLIC KEY": load_pem_public_key,
    "RSA PUBLIC KEY": load_pem_public_key,
}


def _sound(load: Callable[[T], object], given: T, what: str) -> object:
    try:
        return load(given)
    except _WRONG:
        raise Failure(Reason.STORE_UNREADABLE, f"a {what} cannot be read") from None


def _jwks(content: bytes, name: str) -> tuple[TokenKey, ...]:
    try:
        document = msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        raise Failure(Reason.STORE_UNREADABLE, "is not valid JSON") from None
    members = document.get("keys", [document])  # one JWK alone will do
    if not isinstance(members, list) or not all(isinstance(one, dict) for one in members):
        raise Failure(Reason.STORE_UNREADABLE, "is no JWKS")
    found = [_of_jwk(member, f"{name}#{number}") for number, member in enumerate(members)]
    return tuple(key for key in found if key is not None)


def _of_jwk(member: dict[str, Any], name: str) -> TokenKey | None:
    """None: a key for something else (RFC 7517 5: what is not understood is passed over)."""
    if member.get("kty") == "oct" or "d" in member or "k" in member:
        raise _unsupported(f"{name} holds a secret: whoever verifies needs public keys only")
    load = _OF_TYPE.get(str(member.get("kty")))
    operations = member.get("key_ops", ["verify"])
    if load is None or member.get("use", "sig") != "sig" or "verify" not in operations:
        return None
    kid = member.get("kid")
    if kid is not None and not (isinstance(kid, str) and len(kid) <= _LONGEST_KID):
        raise Failure(Reason.STORE_UNREADABLE, f"{name} has a kid that is no text of at most {_LONGEST_KID} characters")
    key = _key(_sound(load, member, "JWK"), name, kid)
    given = member.get("alg")
    if given is None:
        return key
    if given not in key.algorithms:
        raise _unsupported(f"{name} is for {given!r}, which its key type does not allow")
    return TokenKey(name, key.public, (given,), kid)


def _key(public: object, name: str, kid: str | None = None) -> TokenKey:
    if isinstance(public, rsa.RSAPublicKey):
        if not _LEAST_RSA_BITS <= public.key_size <= _MOST_RSA_BITS:
            raise _unsupported(f"{name}: an RSA key has {_LEAST_RSA_BITS} to {_MOST_RSA_BITS} bits")
        return TokenKey(name, public, _RSA, kid)
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name in _EC:
        return TokenKey(name, public, (_EC[public.curve.name],), kid)
    if isinstance(public, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return TokenKey(name, public, ("EdDSA",), kid)
    raise _unsupported(f"{name}: JWTs are not verified with keys of this type")


def _unsupported(detail: str) -> Failure:
    return Failure(Reason.STORE_UNSUPPORTED, detail)
