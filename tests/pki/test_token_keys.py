"""Keys for JWTs from PEM and JWKS: each with its own algorithms; secrets and weak keys are refused."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from hsmgate.config.kinds import JWT_ALGORITHMS
from hsmgate.errors import Failure, Reason
from hsmgate.pki.token_keys import ALGORITHMS, MOST_KEYS, allowed, read
from support import certs
from support.tokens import ec_key, ed_key, jwk, jwks, pem, rsa_key

RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


@pytest.mark.parametrize(
    ("content", "algorithms"),
    [
        (pem(rsa_key()), [RSA]),
        (pem(ec_key()), [("ES256",)]),
        (pem(ec_key("secp384r1")), [("ES384",)]),
        (pem(ec_key("secp521r1")), [("ES512",)]),
        (pem(ec_key("secp256k1")), [("ES256K",)]),
        (pem(ed_key()), [("EdDSA",)]),
        (pem(ed_key()) + b"# a remark\n" + pem(ec_key()), [("EdDSA",), ("ES256",)]),
        (rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1), [RSA]),
        (certs.authority("root").pem, [("ES256",)]),
        (jwks(jwk(rsa_key())), [RSA]),
        (jwks(jwk(rsa_key(), alg="RS256", use="sig", key_ops=["verify"])), [("RS256",)]),
        (jwks(jwk(ec_key("secp384r1")), jwk(ec_key("secp256k1"))), [("ES384",), ("ES256K",)]),
        (json.dumps(jwk(ed_key(), alg="EdDSA")).encode(), [("EdDSA",)]),
        (b"\n " + jwks(jwk(ed_key())), [("EdDSA",)]),
        # what is for something else is passed over
        (jwks(jwk(ed_key()), jwk(rsa_key(), use="enc", alg="RSA-OAEP"), {"kty": "new"}), [("EdDSA",)]),
        (jwks(jwk(ed_key()), jwk(rsa_key(), key_ops=["encrypt"])), [("EdDSA",)]),
    ],
)
def test_keys_and_what_they_may_verify(content: bytes, algorithms: list[tuple[str, ...]]) -> None:
    keys = read(content, "k")
    assert [key.algorithms for key in keys] == algorithms
    assert all(key.name.startswith("k#") for key in keys)


def test_kids_are_kept() -> None:
    assert [key.kid for key in read(jwks(jwk(ed_key(), kid="a"), jwk(ec_key())), "k")] == ["a", None]
    assert read(pem(ed_key()), "k")[0].kid is None


PRIVATE = ed_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
DSA = dsa.generate_private_key(1024).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("content", "reason", "says"),
    [
        (b"", Reason.STORE_UNREADABLE, "no public key"),
        (b"hello", Reason.STORE_UNREADABLE, "no public key"),
        (b"{}", Reason.STORE_UNREADABLE, "no public key"),
        (b'{"keys":[]}', Reason.STORE_UNREADABLE, "no public key"),
        (b'{"keys":{}}', Reason.STORE_UNREADABLE, "no JWKS"),
        (b'{"keys":[1]}', Reason.STORE_UNREADABLE, "no JWKS"),
        (b'{"keys":[', Reason.STORE_UNREADABLE, "not valid JSON"),
        (b'{"keys":' + b"[" * 9000, Reason.STORE_UNREADABLE, "not valid JSON"),
        (jwks(jwk(rsa_key(), use="enc")), Reason.STORE_UNREADABLE, "no public key"),
        (jwks({"kty": "oct", "k": "c2VjcmV0"}), Reason.STORE_UNSUPPORTED, "secret"),
        (jwks(jwk(ed_key()), {"kty": "oct", "k": "c2VjcmV0"}), Reason.STORE_UNSUPPORTED, "secret"),
        (jwks(jwk(ed_key(), d="c2VjcmV0")), Reason.STORE_UNSUPPORTED, "secret"),
        (PRIVATE, Reason.STORE_UNSUPPORTED, "PRIVATE KEY does not belong here"),
        (pem(ed_key()) + PRIVATE, Reason.STORE_UNSUPPORTED, "PRIVATE KEY does not belong here"),
        (pem(rsa_key("weak", 1024)), Reason.STORE_UNSUPPORTED, "2048"),
        (jwks(jwk(rsa_key("weak", 1024))), Reason.STORE_UNSUPPORTED, "2048"),
        (pem(ec_key("brainpoolP256r1")), Reason.STORE_UNSUPPORTED, "this type"),
        (DSA, Reason.STORE_UNSUPPORTED, "this type"),
        (jwks(jwk(rsa_key(), alg="HS256")), Reason.STORE_UNSUPPORTED, "HS256"),
        (jwks(jwk(rsa_key(), alg="none")), Reason.STORE_UNSUPPORTED, "none"),
        (jwks(jwk(rsa_key(), alg="ES256")), Reason.STORE_UNSUPPORTED, "ES256"),
        (jwks(jwk(ec_key(), kid=7)), Reason.STORE_UNREADABLE, "kid"),
        (jwks(jwk(ec_key()) | {"x": "AAAA"}), Reason.STORE_UNREADABLE, "cannot be read"),
        (jwks(jwk(ec_key()) | {"crv": "P-999"}), Reason.STORE_UNREADABLE, "cannot be read"),
        (jwks({"kty": "RSA", "n": 5, "e": "AQAB"}), Reason.STORE_UNREADABLE, "cannot be read"),
        (jwks({"kty": "RSA", "e": "AQAB"}), Reason.STORE_UNREADABLE, "cannot be read"),
        (jwks({"kty": "OKP", "crv": "X25519", "x": jwk(ed_key())["x"]}), Reason.STORE_UNREADABLE, "cannot be read"),
        (pem(ed_key()).replace(b"MCow", b"MCoA"), Reason.STORE_UNREADABLE, "cannot be read"),
        (pem(ed_key()).replace(b"-----END", b"----END"), Reason.STORE_UNREADABLE, "BEGIN"),
    ],
)
def test_what_is_refused(content: bytes, reason: Reason, says: str) -> None:
    with pytest.raises(Failure, match=says) as caught:
        read(content, "k")
    assert caught.value.reason is reason
    assert str(caught.value).startswith("k")
    assert "c2VjcmV0" not in str(caught.value)


def test_algorithms_can_be_narrowed() -> None:
    keys = read(jwks(jwk(rsa_key()), jwk(ec_key())), "k")
    assert allowed(keys, ()) == keys
    assert [key.algorithms for key in allowed(keys, ("PS256", "ES256"))] == [("PS256",), ("ES256",)]
    with pytest.raises(Failure, match=r"none is for k#1 \(ES256\)") as caught:
        allowed(keys, ("PS256",))
    assert caught.value.reason is Reason.CONFIG_INVALID
    with pytest.raises(Failure, match="more than"):
        allowed(keys * MOST_KEYS, ())


def test_the_setting_knows_all_algorithms() -> None:
    assert [JWT_ALGORITHMS.read(name) for name in ALGORITHMS] == list(ALGORITHMS)
    with pytest.raises(ValueError, match=rf"^must be one of {', '.join(ALGORITHMS)}$"):
        JWT_ALGORITHMS.read("HS256")
