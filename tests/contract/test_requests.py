"""Requests that are answered later, as the Go client, go-kms-wrapping, Keycloak and Fireblocks make them."""

import base64
import hashlib
import json
import re
import uuid
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from contract.clients import Answer, GoClient, JavaClient, Site

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
PAYLOAD = base64.b64encode(b"Welcome to Go!").decode()
OPEN: dict[str, list[str]] = {"approvedBy": [], "notYetApprovedBy": [], "rejectedBy": []}


def submitted(answer: Answer, member: str) -> str:
    """The id, from an answer that has it and nothing else."""
    assert answer.status == 201, answer
    assert answer.headers["content-type"] == "application/json"
    ((name, value),) = answer.json.items()
    assert name == member
    assert str(uuid.UUID(value)) == value
    return str(value)


def polled(answer: Answer, request_id: str, status: str = "EXECUTED") -> Any:
    """The result, from an answer that has every member and no other."""
    assert answer.status == 200, answer
    found = answer.json
    assert TIME.fullmatch(found.pop("executionTime"))
    result = found.pop("result")
    assert found == {"id": request_id, "status": status, **OPEN}
    assert (type(result) is str) if status == "EXECUTED" else (result is None)
    return result


def public_key(client: GoClient | JavaClient, label: str) -> Any:
    answer = client.call("POST", "/v1/key/attributes", "management", json.dumps({"label": label}).encode())
    assert answer.status == 200, answer
    return load_der_public_key(base64.b64decode(answer.json["json"]["publicKey"]))


# the Go client, 1.2

GO_CREATE = """{
    "label": "%s",
    "algorithm": "EC",
    "curveOid": "1.2.840.10045.3.1.7",
    "attributes": {"decrypt": true,"destroyable": true,"sign": true,"unwrap": true},
    "policy": null
}"""
GO_SIGN = """{
    "signRequest": {
      "payload": "%s",
      "payloadType": "UNSPECIFIED",
      "signKeyName": "%s",
      "metaData": "%s",
      "metaDataSignature": %s,
      "signatureType": "DER",
      "signatureAlgorithm": "SHA256_WITH_ECDSA"
    },
    "requestSignature": %s
}"""
META = base64.b64encode(b'{"app":"CI/CD","time":"2026-01-02T03:04:05Z","type":"Sign"}').decode()


def go_key(client: GoClient, label: str) -> None:
    assert client.call("POST", "/v1/key", "management", (GO_CREATE % label).encode()).status == 201


def test_go_signs_later_and_rolls_over(site: Site, label: str) -> None:
    client = GoClient(site)
    client._site.keys["operation"].insert(0, "tsb-x-token_operation-gone-000000")
    try:
        go_key(client, label)
        answer = client.call(
            "POST", "/v1/sign", "operation", (GO_SIGN % (PAYLOAD, label, META, "null", "null")).encode()
        )
        request_id = submitted(answer, "signRequestId")
        assert client.rolled == 1
        result = polled(client.call("GET", f"/v1/request/{request_id}", "operation"), request_id)
        public_key(client, label).verify(base64.b64decode(result), b"Welcome to Go!", ec.ECDSA(hashes.SHA256()))
        assert client.rolled == 1, "the key that passed is kept"
        verify = {
            "payload": PAYLOAD,
            "signKeyName": label,
            "signatureAlgorithm": "SHA256_WITH_ECDSA",
            "signature": result,
        }
        body = json.dumps({"verifySignatureRequest": verify}).encode()
        assert client.call("POST", "/v1/verify", "operation", body).json == {"signatureValid": True}
    finally:
        client._site.keys["operation"].pop(0)


def test_go_has_run_out_of_keys(site: Site) -> None:
    client = GoClient(Site(site.port, site.context, {"operation": ["tsb-x-token_gone-1", "tsb-x-token_gone-2"]}))
    with pytest.raises(AssertionError, match="All apikeys in group operation are invalid"):
        client.call("GET", f"/v1/request/{uuid.uuid4()}", "operation")
    assert client.rolled == 2


def test_go_signs_its_requests(site: Site, label: str) -> None:
    """approvals.md section 6: over the compact text of the inner object, RSA PKCS#1 v1.5, SHA-256."""
    client, signer = GoClient(site), rsa.generate_private_key(65537, 2048)
    go_key(client, label)
    meta_signature = signer.sign(base64.b64decode(META), padding.PKCS1v15(), hashes.SHA256())
    for meta in (meta_signature, hashlib.sha256(base64.b64decode(META)).hexdigest().encode()):  # 1.5, bug 6
        quoted = f'"{base64.b64encode(meta).decode()}"'
        unsigned = GO_SIGN % (PAYLOAD, label, META, quoted, "null")
        inner = json.dumps(json.loads(unsigned)["signRequest"], separators=(",", ":")).encode()
        made = {
            "signature": base64.b64encode(signer.sign(inner, padding.PKCS1v15(), hashes.SHA256())).decode(),
            "digestAlgorithm": "SHA-256",
            "publicKey": base64.b64encode(
                signer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            ).decode(),
        }
        body = GO_SIGN % (PAYLOAD, label, META, quoted, json.dumps(made, indent=6))
        submitted(client.call("POST", "/v1/sign", "operation", body.encode()), "signRequestId")
        forged = body.replace(PAYLOAD, base64.b64encode(b"Welcome to Hell").decode())
        refused = client.call("POST", "/v1/sign", "operation", forged.encode())
        assert (refused.status, refused.json["errorCode"]) == (400, 403)
        assert refused.json["reason"] == "res.error.input.invalid.signature"


def test_go_cancels(site: Site, label: str) -> None:
    client = GoClient(site)
    go_key(client, label)
    body = (GO_SIGN % (PAYLOAD, label, META, "null", "null")).encode()
    request_id = submitted(client.call("POST", "/v1/sign", "operation", body), "signRequestId")
    assert client.call("DELETE", f"/v1/request/{request_id}", "operation").status == 200
    for method in ("DELETE", "GET"):  # the client takes 404 for success of a DELETE
        gone = client.call(method, f"/v1/request/{request_id}", "operation")
        assert (gone.status, gone.json["errorCode"]) == (404, 651)
        assert gone.json["reason"] == "res.error.request.not.existent"


@pytest.mark.parametrize("role", ["management", "service"])
def test_go_with_the_key_of_another_role(site: Site, role: str) -> None:
    client = GoClient(Site(site.port, site.context, {role: site.keys[role]}))
    with pytest.raises(AssertionError, match="are invalid"):
        client.call("POST", "/v1/sign", role, (GO_SIGN % (PAYLOAD, "x", META, "null", "null")).encode())


# go-kms-wrapping and auto-unseal, 3


def polls(client: GoClient, request_id: str) -> Any:
    """It waits while PENDING; anything but EXECUTED, also APPROVED, is an error to it."""
    while True:
        answer = client.call("GET", f"/v1/request/{request_id}", "operation")
        status = answer.json["status"]
        if status != "PENDING":
            assert status == "EXECUTED"
            return polled(answer, request_id)


def test_kms_wrapping_encrypts_and_decrypts_later(site: Site, label: str) -> None:
    client = GoClient(site)
    create = {"label": label, "algorithm": "AES", "keySize": 256, "attributes": {"decrypt": True, "encrypt": True}}
    assert client.call("POST", "/v1/key", "management", json.dumps(create).encode()).status == 201
    payload, aad = base64.b64encode(b"the root key").decode(), base64.b64encode(b"context").decode()
    body = {
        "encryptRequest": {
            "payload": payload,
            "encryptKeyName": label,
            "cipherAlgorithm": "AES_GCM",
            "tagLength": 128,
            "additionalAuthenticationData": aad,
        }
    }
    sealed = client.call("POST", "/v1/encrypt", "operation", json.dumps(body).encode()).json
    bare = base64.b64decode(sealed["encryptedPayloadWithoutMessageAuthenticationCode"])
    mac = base64.b64decode(sealed["messageAuthenticationCode"])
    sealed_with_mac = base64.b64encode(bare + mac).decode()
    request = f"""{{
      "decryptRequest": {{
        "encryptedPayload": "{sealed_with_mac}",
        "decryptKeyName": "{label}",
        "metaData": null,
        "metaDataSignature": null,
        "cipherAlgorithm": "AES_GCM",
        "initializationVector": "{sealed["initializationVector"]}",
        "tagLength": {8 * len(mac)},
        "additionalAuthenticationData": "{aad}"
      }},
      "requestSignature": null
    }}"""
    request_id = submitted(client.call("POST", "/v1/decrypt", "operation", request.encode()), "decryptRequestId")
    assert polls(client, request_id) == payload
    broken = request.replace(aad, base64.b64encode(b"another").decode())
    request_id = submitted(client.call("POST", "/v1/decrypt", "operation", broken.encode()), "decryptRequestId")
    polled(client.call("GET", f"/v1/request/{request_id}", "operation"), request_id, "FAILED")


def test_kms_wrapping_decrypts_rsa_with_a_tag_length_of_zero(site: Site, label: str) -> None:
    client = GoClient(site)
    create = {"label": label, "algorithm": "RSA", "keySize": 2048, "attributes": {"decrypt": True}}
    assert client.call("POST", "/v1/key", "management", json.dumps(create).encode()).status == 201
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    sealed = base64.b64encode(public_key(client, label).encrypt(b"the root key", oaep)).decode()
    body = {
        "decryptRequest": {
            "encryptedPayload": sealed,
            "decryptKeyName": label,
            "cipherAlgorithm": "RSA_PADDING_OAEP_WITH_SHA256",
            "initializationVector": None,
            "tagLength": 0,
            "additionalAuthenticationData": None,
        },
        "requestSignature": None,
    }
    answer = client.call("POST", "/v1/decrypt", "operation", json.dumps(body).encode())
    assert base64.b64decode(polls(client, submitted(answer, "decryptRequestId"))) == b"the root key"


def test_kms_wrapping_signs_a_digest_later(site: Site, label: str) -> None:
    """NONE_WITH_ECDSA for digests, no signatureType: DER."""
    client = GoClient(site)
    go_key(client, label)
    digest = hashlib.sha256(b"hello").digest()
    wish = {
        "payload": base64.b64encode(digest).decode(),
        "payloadType": "UNSPECIFIED",
        "signKeyName": label,
        "metaData": None,
        "metaDataSignature": None,
        "signatureAlgorithm": "NONE_WITH_ECDSA",
    }
    body = json.dumps({"signRequest": wish, "requestSignature": None}).encode()
    made = polls(client, submitted(client.call("POST", "/v1/sign", "operation", body), "signRequestId"))
    public_key(client, label).verify(base64.b64decode(made), digest, ec.ECDSA(Prehashed(hashes.SHA256())))


# Keycloak's REST provider, 5.2


def test_keycloak_polls_with_the_management_key(site: Site, label: str) -> None:
    client = JavaClient(site)
    create = json.dumps({"label": label, "algorithm": "ED", "curveOid": "1.3.101.112", "attributes": {"sign": True}})
    assert client.call("POST", "/v1/key", "management", create.encode()).status == 201
    wish = {"payload": PAYLOAD, "signKeyName": label, "signatureAlgorithm": "EDDSA"}
    answer = client.call("POST", "/v1/sign", "operation", json.dumps({"signRequest": wish}).encode())
    request_id = submitted(answer, "signRequestId")
    polled(client.call("GET", f"/v1/request/{request_id}", "management"), request_id)


# Fireblocks, 6


@pytest.mark.parametrize(
    ("algorithm", "curve", "signature"),
    [("EC", "1.3.132.0.10", "NONE_WITH_ECDSA"), ("ED", "1.3.101.112", "EDDSA")],
)
def test_fireblocks_signs(site: Site, label: str, algorithm: str, curve: str, signature: str) -> None:
    """Rows 2 to 5: no requestSignature member, payload in hex digits, a signature of somebody else over metaData."""
    client = JavaClient(site)
    attributes = '{"decrypt":false,"sign":true,"unwrap":false,"derive":false,"sensitive":true,"destroyable":true}'
    create = f'{{"label":"{label}","algorithm":"{algorithm}","curveOid":"{curve}","attributes":{attributes}}}'
    assert client.call("POST", "/v1/key", "management", create.encode()).status == 201
    again = client.call("POST", "/v1/key", "management", create.encode())
    assert (again.status, again.json["errorCode"]) == (400, 608)
    digest = hashlib.sha256(b"a transaction").digest()
    meta = base64.b64encode(b'{"tenantId":"t","txId":"x"}').decode()
    body = (
        f'{{"signRequest":{{"payload":"{digest.hex()}","payloadType":"HEX","signKeyName":"{label}","keyPassword":"",'
        f'"metaData":"{meta}","metaDataSignature":"{base64.b64encode(b"theirs").decode()}",'
        f'"signatureAlgorithm":"{signature}","signatureType":"RAW"}}}}'
    )
    request_id = submitted(client.call("POST", "/v1/sign", "operation", body.encode()), "signRequestId")
    made = base64.b64decode(polled(client.call("GET", f"/v1/request/{request_id}", "operation"), request_id))
    assert len(made) == 64
    public = public_key(client, label)
    if isinstance(public, ed25519.Ed25519PublicKey):
        public.verify(made, digest)
    else:
        der = encode_dss_signature(int.from_bytes(made[:32]), int.from_bytes(made[32:]))
        public.verify(der, digest, ec.ECDSA(Prehashed(hashes.SHA256())))
