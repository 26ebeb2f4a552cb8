"""Import and export over the application."""

import base64
import textwrap
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from support.api import Api
from support.api_keys import P256, b64, have, refused

FREE = {"sign": True, "decrypt": True, "extractable": True, "destroyable": True}


@pytest.fixture(scope="module")
def private() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def pkcs8(key: Any) -> bytes:
    return bytes(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def spki(key: Any) -> bytes:
    return bytes(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def bring_in(api: Api, label: str, algorithm: str, **fields: Any) -> Any:
    return api.call("POST", "/v1/key/import/plain", {"label": label, "algorithm": algorithm, **fields})


def take_out(api: Api, label: str, **fields: Any) -> Any:
    return api.call("POST", "/v1/key/export/plain", {"label": label, **fields})


def drop(api: Api, label: str) -> None:
    assert api.call("POST", "/v1/key/deleteKey", {"label": label}).status == 200


def certificate_of(key: Any) -> bytes:
    """Self-signed, by the cryptographic library alone."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "imported")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, start, start + timedelta(days=9))
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def test_a_private_key_in_its_forms(api: Api, private: rsa.RSAPrivateKey) -> None:
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    older = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    forms = {
        "PKCS#8": b64(pkcs8(private)),
        "PEM": pem,
        "PEM, CRLF": pem.replace("\n", "\r\n"),
        "PEM, escaped": pem.replace("\n", "\\n"),
        "PEM in one line": pem.replace("\n", ""),
        "PKCS#1": older,
        "PKCS#1 without lines": "".join(older.splitlines()[1:-1]),
        "broken lines": "\n".join(textwrap.wrap(b64(pkcs8(private)), 40)),
    }
    for form, text in forms.items():
        answer = bring_in(api, "i-rsa", "RSA", privateKey=text, attributes=FREE)
        assert answer.status == 201, (form, answer.body)
        made = answer.json["json"]
        assert (made["publicKey"], made["keySize"], made["algorithm"]) == (b64(spki(private)), 2048, "RSA")
        assert '<private_key creation="imported">' in answer.json["xml"]
        exported = take_out(api, "i-rsa")
        assert exported.json == {
            "label": "i-rsa",
            "algorithm": "RSA",
            "privateKey": b64(pkcs8(private)),
            "publicKey": b64(spki(private)),
            "secretKey": None,
            "certificate": None,
        }
        drop(api, "i-rsa")


def test_what_stands_beside_a_private_key_must_be_its_own(api: Api, private: rsa.RSAPrivateKey) -> None:
    other = rsa.generate_private_key(65537, 2048)
    mine = {"privateKey": b64(pkcs8(private)), "attributes": FREE}
    for beside in ({"publicKey": b64(spki(private))}, {"certificate": b64(certificate_of(private))}):
        assert bring_in(api, "i-pair", "RSA", **mine, **beside).status == 201
        drop(api, "i-pair")
    for beside in (
        {"publicKey": b64(spki(other))},
        {"certificate": b64(certificate_of(other))},
        {"publicKey": b64(spki(private)), "certificate": b64(certificate_of(other))},
    ):
        assert refused(bring_in(api, "i-pair", "RSA", **mine, **beside)) == (400, 625)


@pytest.mark.parametrize(
    ("algorithm", "make", "curve"),
    [("EC", lambda: ec.generate_private_key(ec.SECP256R1()), P256), ("ED", ed25519.Ed25519PrivateKey.generate, None)],
)
def test_imported_keys_work(api: Api, algorithm: str, make: Any, curve: str | None) -> None:
    key = make()
    answer = bring_in(api, f"i-{algorithm}", algorithm, privateKey=b64(pkcs8(key)), attributes={"sign": True})
    assert (answer.status, answer.json["json"]["curveOid"]) == (201, curve)
    inner = {
        "payload": b64(b"data"),
        "signKeyName": f"i-{algorithm}",
        "signatureAlgorithm": "EDDSA" if algorithm == "ED" else "SHA256_WITH_ECDSA",
    }
    made = base64.b64decode(api.call("POST", "/v1/synchronousSign", {"signRequest": inner}).json["signature"])
    if algorithm == "ED":
        key.public_key().verify(made, b"data")
    else:
        key.public_key().verify(made, b"data", ec.ECDSA(SHA256()))


def test_imported_keys_never_count_as_kept(api: Api) -> None:
    for said in ({}, {"sensitive": True, "extractable": False}, {"sensitive": False, "extractable": True}):
        flags = {"decrypt": True, "destroyable": True} | said
        answer = bring_in(api, "i-flags", "AES", secretKey=b64(bytes(16)), attributes=flags)
        made = answer.json["json"]["attributes"]
        assert (made["alwaysSensitive"], made["neverExtractable"]) == (False, False)
        assert made["sensitive"] is said.get("sensitive", True)
        drop(api, "i-flags")


@pytest.mark.parametrize(
    ("algorithm", "octets", "size"),
    [("AES", 32, 256), ("Camellia", 16, 128), ("ChaCha20", 32, 256), ("TDEA", 24, None), ("HMACSHA256", 64, 512)],
)
def test_secret_keys(api: Api, algorithm: str, octets: int, size: int | None) -> None:
    secret = bytes(range(octets))
    answer = bring_in(api, "i-secret", algorithm, secretKey=b64(secret), attributes=FREE)
    assert (answer.status, answer.json["json"]["keySize"], answer.json["json"]["publicKey"]) == (201, size, None)
    exported = take_out(api, "i-secret").json
    assert (exported["secretKey"], exported["privateKey"], exported["publicKey"]) == (b64(secret), None, None)
    drop(api, "i-secret")


def test_a_lone_public_key_verifies_encrypts_and_wraps(api: Api, private: rsa.RSAPrivateKey) -> None:
    answer = bring_in(api, "i-lone", "RSA", publicKey=b64(spki(private)))
    assert answer.status == 201, answer.body
    assert '<public_key creation="imported">' in answer.json["xml"]
    flags = answer.json["json"]["attributes"]
    assert not any(flags[name] for name in ("sign", "decrypt", "unwrap", "sensitive", "alwaysSensitive"))
    inner = {"payload": b64(b"data"), "encryptKeyName": "i-lone", "cipherAlgorithm": "RSA_PADDING_OAEP_WITH_SHA256"}
    sealed = api.call("POST", "/v1/encrypt", {"encryptRequest": inner}).json["encryptedPayload"]
    assert private.decrypt(base64.b64decode(sealed), OAEP(MGF1(SHA256()), SHA256(), None)) == b"data"
    made = private.sign(b"data", PKCS1v15(), SHA256())
    inner = {
        "signKeyName": "i-lone",
        "signatureAlgorithm": "SHA256_WITH_RSA",
        "payload": b64(b"data"),
        "signature": b64(made),
    }
    assert api.call("POST", "/v1/verify", {"verifySignatureRequest": inner}).json == {"signatureValid": True}
    have(api, "i-free", algorithm="AES", keySize=128, attributes=FREE)
    inner = {"keyToBeWrapped": "i-free", "wrapKeyName": "i-lone", "wrapMethod": "RSA_WRAP_OAEP"}
    wrapped = api.call("POST", "/v1/wrap", {"wrapKeyRequest": inner}).json["wrappedKey"]
    assert private.decrypt(base64.b64decode(wrapped), OAEP(MGF1(SHA1()), SHA1(), None)) == base64.b64decode(
        take_out(api, "i-free").json["secretKey"]
    )
    exported = take_out(api, "i-lone").json
    assert (exported["publicKey"], exported["privateKey"]) == (b64(spki(private)), None)


def test_a_lone_public_key_does_nothing_private(api: Api, private: rsa.RSAPrivateKey) -> None:
    flags = {"sign": True, "decrypt": True, "unwrap": True}  # which say nothing about a public key
    assert bring_in(api, "i-mute", "RSA", publicKey=b64(spki(private)), attributes=flags).status == 201
    sign = {"payload": b64(b"data"), "signKeyName": "i-mute", "signatureAlgorithm": "SHA256_WITH_RSA"}
    assert refused(api.call("POST", "/v1/synchronousSign", {"signRequest": sign})) == (400, 614)
    decrypt = {"encryptedPayload": b64(bytes(256)), "decryptKeyName": "i-mute", "cipherAlgorithm": "RSA"}
    assert refused(api.call("POST", "/v1/synchronousDecrypt", {"decryptRequest": decrypt})) == (400, 614)
    wrap = {"keyToBeWrapped": "i-mute", "wrapKeyName": "i-mute", "wrapMethod": "RSA_WRAP_OAEP"}
    assert refused(api.call("POST", "/v1/wrap", {"wrapKeyRequest": wrap})) == (400, 607)
    have(api, "i-wraps", algorithm="AES", keySize=128, attributes={"unwrap": True})
    wrap |= {"wrapKeyName": "i-wraps", "wrapMethod": "AES_WRAP_RSA"}
    assert refused(api.call("POST", "/v1/wrap", {"wrapKeyRequest": wrap})) == (400, 613)
    assert refused(api.call("POST", "/v1/key/changePassword", {"label": "i-mute", "newPassword": "x"})) == (400, 611)


def test_a_lone_public_key_takes_the_place_of_a_lone_one_and_of_no_other(api: Api, private: rsa.RSAPrivateKey) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    assert bring_in(api, "i-swap", "RSA", certificate=b64(certificate_of(private))).status == 201
    assert bring_in(api, "i-swap", "EC", publicKey=b64(spki(other))).json["json"]["publicKey"] == b64(spki(other))
    assert bring_in(api, "i-swap", "EC", publicKey=b64(spki(other))).status == 201
    assert refused(bring_in(api, "i-swap", "EC", privateKey=b64(pkcs8(other)), attributes=FREE)) == (400, 608)
    assert refused(bring_in(api, "i-swap", "AES", secretKey=b64(bytes(16)), attributes=FREE)) == (400, 608)
    drop(api, "i-swap")
    have(api, "i-own", algorithm="EC", curveOid=P256, attributes={"sign": True})
    mine = api.call("POST", "/v1/key/attributes", {"label": "i-own"}).json["json"]
    assert refused(bring_in(api, "i-own", "EC", publicKey=b64(spki(other)))) == (400, 608)
    again = bring_in(api, "i-own", "EC", publicKey=mine["publicKey"])
    assert (again.status, again.json["json"]["uuid"]) == (201, mine["uuid"])  # it is there already
    assert refused(bring_in(api, "attestation-key", "EC", publicKey=b64(spki(other)))) == (400, 608)


@pytest.mark.parametrize(
    ("algorithm", "fields", "expected"),
    [
        ("AES", {}, (400, 600)),
        ("AES", {"secretKey": ""}, (400, 600)),
        ("AES", {"secretKey": b64(bytes(16)), "attributes": None}, (400, 600)),
        ("AES", {"secretKey": b64(bytes(16)), "attributes": {"encrypt": True}}, (400, 606)),
        ("AES", {"secretKey": b64(bytes(15))}, (400, 603)),
        ("AES", {"secretKey": "????"}, (400, 625)),
        ("AES", {"secretKey": b64(bytes(16)), "publicKey": b64(bytes(16))}, (400, 600)),
        ("AES", {"privateKey": b64(bytes(16))}, (400, 613)),
        ("RSA", {"secretKey": b64(bytes(16))}, (400, 613)),
        ("RSA", {"privateKey": b64(bytes(16))}, (400, 625)),
        ("RSA", {"publicKey": b64(bytes(16))}, (400, 625)),
        ("RSA", {"certificate": b64(bytes(16))}, (400, 626)),
        ("RSA", {"certificate": "not Base64"}, (400, 626)),
        ("BLS", {"privateKey": b64(bytes(16))}, (501, 101)),
        ("X", {"privateKey": b64(bytes(16))}, (400, 600)),
        ("AES", {"secretKey": b64(bytes(16)), "addressFormat": {"format": "BTC"}}, (400, 630)),
    ],
)
def test_what_import_refuses(api: Api, algorithm: str, fields: dict[str, Any], expected: tuple[int, int]) -> None:
    assert refused(bring_in(api, "i-bad", algorithm, **{"attributes": FREE} | fields)) == expected
    assert "i-bad" not in api.call("GET", "/v1/key").json


def test_policies_and_passwords_of_imported_keys(api: Api, private: rsa.RSAPrivateKey) -> None:
    later = {"ruleUse": {"tokens": [{"timelock": 60, "timeout": 60}]}}
    mine = {"privateKey": b64(pkcs8(private))}
    assert refused(bring_in(api, "i-ruled", "RSA", **mine, attributes=FREE, policy=later)) == (400, 606)
    made = bring_in(api, "i-ruled", "RSA", **mine, attributes={"sign": True}, policy=later, password=list("pw"))
    assert (made.status, made.json["json"]["policy"]["ruleUse"]["tokens"][0]["timelock"]) == (201, 60)
    assert refused(api.call("POST", "/v1/key/attributes", {"label": "i-ruled"})) == (400, 620)
    answer = bring_in(api, "i-none", "AES", secretKey=b64(bytes(16)), attributes=FREE, policy=later)
    assert (answer.status, answer.json["json"]["policy"]) == (201, None)
    assert "policy is ignored" in api.log.lines[-1][2]["detail"]
    more: dict[str, Any]
    for more in ({"policy": {}}, {"password": "pw"}):
        assert refused(bring_in(api, "i-lone-2", "RSA", publicKey=b64(spki(private)), **more)) == (400, 600)


def test_export_asks_flags_and_password(api: Api) -> None:
    for label, flags in (
        ("i-no", {"sign": True}),
        ("i-no-2", {"sign": True, "extractable": True, "sensitive": True}),
        ("i-no-3", {"sign": True, "extractable": False, "sensitive": False}),
    ):
        have(api, label, algorithm="EC", curveOid=P256, attributes=flags)
        assert refused(take_out(api, label)) == (400, 614)
        assert refused(api.call("GET", f"/v1/key/{label}/export/plain")) == (400, 614)
    have(api, "i-locked", algorithm="EC", curveOid=P256, password="pw", attributes=FREE)
    assert refused(take_out(api, "i-locked")) == (400, 620)
    assert refused(api.call("GET", "/v1/key/i-locked/export/plain")) == (400, 620)
    assert take_out(api, "i-locked", password=["p", "w"]).json["privateKey"]
    have(api, "i-open", algorithm="EC", curveOid=P256, attributes=FREE)
    assert api.call("GET", "/v1/key/i-open/export/plain").json == take_out(api, "i-open").json
    assert refused(take_out(api, "i-nothing")) == (404, 650)
    assert "privateKey" not in str(api.audit.lines)
