"""Sign and verify: answers, forms, and what they refuse."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.hashes import SHA224, SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from hsmgate.api.wire.operations import MOST_PAYLOAD
from support.api import Api, error

P256 = "1.2.840.10045.3.1.7"
K256 = "1.3.132.0.10"
ED = "1.3.101.112"
DATA = b"pay 10 to Alice"
TOKEN = {"timelock": 0, "timeout": 60, "groups": [{"quorum": 1, "approvals": []}]}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def have(api: Api, label: str, **changes: Any) -> None:
    """Make the key unless it is there."""
    if label not in api.ports.keystore.labels():
        body = {"label": label, "algorithm": "EC", "curveOid": P256, "attributes": {"sign": True}} | changes
        assert api.call("POST", "/v1/key", body).status == 201


def sign(api: Api, label: str, algorithm: str = "SHA256_WITH_ECDSA", **changes: Any) -> Any:
    inner = {"payload": b64(DATA), "signKeyName": label, "signatureAlgorithm": algorithm} | changes
    return api.call("POST", "/v1/synchronousSign", {"signRequest": inner})


def signature(api: Api, label: str, algorithm: str = "SHA256_WITH_ECDSA", **changes: Any) -> bytes:
    response = sign(api, label, algorithm, **changes)
    assert response.status == 200, response.body
    assert set(response.json) == {"signature", "publicNonce"}
    assert response.json["publicNonce"] is None
    return base64.b64decode(response.json["signature"], validate=True)


def verify(api: Api, label: str, algorithm: str, made: bytes, payload: bytes = DATA) -> Any:
    inner = {
        "signKeyName": label,
        "signatureAlgorithm": algorithm,
        "payload": b64(payload),
        "signature": b64(made),
        "masterKeyPassword": None,
    }
    return api.call("POST", "/v1/verify", {"verifySignatureRequest": inner})


def refused(response: Any) -> tuple[int, int]:
    assert set(response.json) == {"errorCode", "reason", "message"}
    return response.status, response.json["errorCode"]


def test_a_signature_verifies_outside(api: Api) -> None:
    have(api, "rsa", algorithm="RSA", curveOid=None, keySize=2048)
    made = signature(api, "rsa", "SHA224_WITH_RSA_PSS")
    public = load_der_public_key(api.ports.keystore.find("rsa").public_key or b"")
    assert isinstance(public, rsa.RSAPublicKey)
    public.verify(made, DATA, PSS(MGF1(SHA224()), 28), SHA224())


def test_forms_of_ecdsa(api: Api) -> None:
    have(api, "forms")
    public = load_der_public_key(api.ports.keystore.find("forms").public_key or b"")
    assert isinstance(public, ec.EllipticCurvePublicKey)
    for form in ({}, {"signatureType": None}, {"signatureType": "DER"}):
        public.verify(signature(api, "forms", **form), DATA, ec.ECDSA(SHA256()))
    assert len(signature(api, "forms", signatureType="RAW")) == 64


@pytest.mark.parametrize(
    ("label", "algorithm", "form", "length"),
    [
        ("forms", "SHA256_WITH_ECDSA", "DER", None),
        ("forms", "SHA256_WITH_ECDSA", "RAW", 64),
        ("forms-k", "KECCAK256_WITH_ECDSA", "ETH", 65),
        ("forms-k", "KECCAK256_WITH_ECDSA", "RAW", 64),
        ("forms-ed", "EDDSA", "DER", 64),
        ("forms-ed", "EDDSA", "RAW", 64),
        ("rsa", "SHA256_WITH_RSA", "RAW", 256),
    ],
)
def test_verify_finds_the_form_itself(api: Api, label: str, algorithm: str, form: str, length: int | None) -> None:
    have(api, "forms")
    have(api, "forms-k", curveOid=K256)
    have(api, "forms-ed", algorithm="ED", curveOid=ED)
    have(api, "rsa", algorithm="RSA", curveOid=None, keySize=2048)
    made = signature(api, label, algorithm, signatureType=form)
    assert length in (None, len(made))
    right = verify(api, label, algorithm, made)
    assert (right.status, right.json) == (200, {"signatureValid": True})
    flipped = bytes([*made[:-2], made[-2] ^ 1, made[-1]])
    for wrong, payload in ((made, DATA + b"0"), (flipped, DATA), (b"", DATA), (made[:-2], DATA), (made * 2, DATA)):
        answer = verify(api, label, algorithm, wrong, payload)
        assert (answer.status, answer.json) == (200, {"signatureValid": False})


def test_bip340_takes_its_inputs(api: Api) -> None:
    have(api, "forms-k", curveOid=K256)
    schnorr = {"algorithm": "NONE_WITH_EC_SCHNORR_BIP0340", "payload": b64(bytes(32))}
    plain = signature(api, "forms-k", auxiliaryRandomData=b64(bytes(32)), **schnorr)
    assert plain == signature(api, "forms-k", auxiliaryRandomData=b64(bytes(32)), **schnorr)
    assert verify(api, "forms-k", schnorr["algorithm"], plain, bytes(32)).json == {"signatureValid": True}
    tweaked = signature(api, "forms-k", merkleRootData=b64(bytes(32)), **schnorr)
    assert verify(api, "forms-k", schnorr["algorithm"], tweaked, bytes(32)).json == {"signatureValid": False}
    assert refused(sign(api, "forms-k", auxiliaryRandomData=b64(bytes(31)), **schnorr)) == (400, 600)
    assert refused(sign(api, "forms-k", schnorr["algorithm"], payload=b64(bytes(31)))) == (400, 612)


def test_a_hex_payload_is_the_same_payload(api: Api) -> None:
    have(api, "forms")
    for text in (DATA.hex(), DATA.hex().upper()):
        made = signature(api, "forms", payload=text, payloadType="HEX")
        assert verify(api, "forms", "SHA256_WITH_ECDSA", made).json == {"signatureValid": True}


@pytest.mark.parametrize("kind", ["UNSPECIFIED", "ISO_20022", "PDF", "BTC", "ETH", None])
def test_other_payload_types_are_labels(api: Api, kind: str | None) -> None:
    have(api, "forms")
    made = signature(api, "forms", payloadType=kind)
    assert verify(api, "forms", "SHA256_WITH_ECDSA", made).json == {"signatureValid": True}


def test_everything_that_a_client_may_add(api: Api) -> None:
    have(api, "forms", password=None)
    extra: dict[str, Any] = {
        "payloadType": "UNSPECIFIED",
        "signKeyObject": None,
        "keyPassword": [],
        "metaData": b64(b'{"app":"x"}'),
        "metaDataSignature": "not checked",
        "context": "",
        "auxiliaryRandomData": "",
        "taprootTweakData": None,
        "merkleRootData": "",
        "signedApprovals": [],
        "something": {"else": True},
    }
    signature(api, "forms", **extra)


def test_the_password_of_the_key(api: Api) -> None:
    have(api, "locked-signer", password=["p", "w"])
    right: list[object] = ["pw", ["p", "w"]]
    wrong: list[object] = [None, [], "", "PW", ["p"]]
    for spelling in right:
        signature(api, "locked-signer", keyPassword=spelling)
    for spelling in wrong:
        assert refused(sign(api, "locked-signer", keyPassword=spelling)) == (400, 620)


def test_payloads_up_to_64_kb(api: Api) -> None:
    have(api, "forms")
    signature(api, "forms", payload=b64(bytes(MOST_PAYLOAD)))
    signature(api, "forms", payload="00" * MOST_PAYLOAD, payloadType="HEX")
    signature(api, "forms", payload="")
    for changes in (
        {"payload": b64(bytes(MOST_PAYLOAD + 1))},
        {"payload": "00" * (MOST_PAYLOAD + 1), "payloadType": "HEX"},
    ):
        assert refused(sign(api, "forms", **changes)) == (400, 612)
    assert refused(verify(api, "forms", "SHA256_WITH_ECDSA", b"", bytes(MOST_PAYLOAD + 1))) == (400, 612)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"payload": "YQ"}, (400, 612)),
        ({"payload": "YQ=="[:3] + "\n="}, (400, 612)),
        ({"payload": "YQ==\n"}, (400, 612)),
        ({"payload": "YR=="}, (400, 612)),
        ({"payload": "Y Q="}, (400, 612)),
        ({"payload": "-_-_"}, (400, 612)),
        ({"payload": "ÄÄÄÄ"}, (400, 612)),
        ({"payload": None}, (400, 600)),
        ({"payload": "abc", "payloadType": "HEX"}, (400, 635)),
        ({"payload": "zz", "payloadType": "HEX"}, (400, 635)),
        ({"payload": "0x00", "payloadType": "HEX"}, (400, 635)),
        ({"payload": "00 00", "payloadType": "HEX"}, (400, 635)),
        ({"payload": "ää", "payloadType": "HEX"}, (400, 635)),
        ({"payloadType": "hex"}, (400, 600)),
        ({"payloadType": "XML"}, (400, 600)),
        ({"signatureType": "der"}, (400, 600)),
        ({"signatureType": "ASN1"}, (400, 600)),
        ({"signatureType": "ETH"}, (400, 600)),
        ({"signatureAlgorithm": None}, (400, 600)),
        ({"signatureAlgorithm": "SHA256withECDSA"}, (400, 600)),
        ({"signatureAlgorithm": "SHA256_WITH_RSA"}, (400, 607)),
        ({"signatureAlgorithm": "ML_DSA"}, (501, 101)),
        ({"metaData": "%"}, (400, 635)),
        ({"auxiliaryRandomData": "%"}, (400, 635)),
        ({"auxiliaryRandomData": b64(bytes(32))}, (400, 600)),
        ({"taprootTweakData": b64(bytes(32))}, (400, 600)),
        ({"merkleRootData": b64(bytes(32))}, (400, 600)),
        ({"keyPassword": ["pw"]}, (400, 600)),
        ({"signKeyName": "nobody"}, (404, 650)),
        ({"signKeyName": ""}, (400, 610)),
        ({"signKeyName": None}, (400, 600)),
        ({"signKeyObject": {}}, (501, 101)),
        ({"context": "YQ=="}, (501, 101)),
        ({"signedApprovals": ["YQ=="]}, (501, 101)),
        ({"signedApprovals": "YQ=="}, (400, 600)),
    ],
)
def test_what_sign_refuses(api: Api, changes: dict[str, Any], expected: tuple[int, int]) -> None:
    have(api, "forms")
    assert refused(sign(api, "forms", **changes)) == expected


@pytest.mark.parametrize(
    "body", [{}, {"signRequest": None}, {"signRequest": []}, {"payload": "YQ=="}, [], "x", 5, None]
)
def test_the_wrapper_of_sign_is_needed(api: Api, body: object) -> None:
    response = api.call("POST", "/v1/synchronousSign", body, raw=b"null")
    assert refused(response) == (400, 600)


def test_a_signature_over_the_request_is_verified_not_ignored(api: Api) -> None:
    have(api, "forms")
    inner = {"payload": "YQ==", "signKeyName": "forms", "signatureAlgorithm": "SHA256_WITH_ECDSA"}
    plain = {"signRequest": inner, "requestSignature": None}
    given = {"signature": "YQ==", "digestAlgorithm": "SHA-256"}
    assert api.call("POST", "/v1/synchronousSign", plain).status == 200
    for signature, code in (
        (given, 600),
        ({**given, "publicKey": b64(api.ports.keystore.attestation_public_key())}, 403),
    ):
        body = {"signRequest": inner, "requestSignature": signature}
        assert refused(api.call("POST", "/v1/synchronousSign", body)) == (400, code)


@pytest.mark.parametrize(
    ("label", "changes", "expected"),
    [
        ("no-signer", {"attributes": {"decrypt": True}}, (400, 614)),
        ("blocked", {"policy": {"keyStatus": {"blocked": True}}}, (500, 701)),
        ("waiting", {"policy": {"ruleUse": {"tokens": [{"timelock": 60, "timeout": 0}]}}}, (500, 701)),
    ],
)
def test_attributes_and_policy_bind(api: Api, label: str, changes: dict[str, Any], expected: tuple[int, int]) -> None:
    have(api, label, **changes)
    assert refused(sign(api, label)) == expected
    assert api.audit.brief()[-2:] == [
        ("intent", "POST /v1/synchronousSign", ""),
        (
            "outcome",
            "POST /v1/synchronousSign",
            {"no-signer": "KEY_FORBIDS", "blocked": "KEY_BLOCKED", "waiting": "APPROVALS_MISSING"}[label],
        ),
    ]


@pytest.mark.parametrize("rule", [None, {}, {"tokens": None}, {"tokens": []}, {"tokens": [TOKEN | {"groups": None}]}])
def test_free_rules_are_free(api: Api, rule: object) -> None:
    label = f"free-{rule}".replace("/", "")
    have(api, label, policy={"ruleUse": rule})
    signature(api, label)


def test_a_secret_key_does_not_sign(api: Api) -> None:
    have(api, "aes", algorithm="AES", curveOid=None, keySize=128, attributes={"sign": True})
    assert refused(sign(api, "aes")) == (400, 613)
    assert refused(verify(api, "aes", "SHA256_WITH_ECDSA", b"")) == (400, 613)


def test_approvals_say_what_is_missing(api: Api) -> None:
    have(api, "waiting", policy={"ruleUse": {"tokens": [{"timelock": 60, "timeout": 0}]}})
    assert sign(api, "waiting").json == error(701, "in.hsm", "The policy of the key 'waiting' needs approvals.")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (400, 600)),
        ({"verifySignatureRequest": None}, (400, 600)),
        ({"verifySignatureRequest": {}}, (400, 600)),
        ({"verifyHmacRequest": {"keyName": "k", "payload": "YQ==", "signature": "YQ=="}}, (404, 650)),
        (
            {
                "verifySignatureRequest": {
                    "signKeyName": "forms",
                    "signatureAlgorithm": "SHA256_WITH_ECDSA",
                    "payload": "YQ==",
                    "signature": "%%",
                }
            },
            (400, 635),
        ),
        (
            {
                "verifySignatureRequest": {
                    "signKeyName": "forms",
                    "signatureAlgorithm": "SHA256_WITH_ECDSA",
                    "payload": "%%",
                    "signature": "YQ==",
                }
            },
            (400, 612),
        ),
        (
            {
                "verifySignatureRequest": {
                    "signKeyName": "nobody",
                    "signatureAlgorithm": "SHA256_WITH_ECDSA",
                    "payload": "YQ==",
                    "signature": "YQ==",
                }
            },
            (404, 650),
        ),
        (
            {
                "verifySignatureRequest": {
                    "signKeyName": "forms",
                    "signatureAlgorithm": "SHA256_WITH_RSA",
                    "payload": "YQ==",
                    "signature": "YQ==",
                }
            },
            (400, 607),
        ),
    ],
)
def test_what_verify_refuses(api: Api, body: object, expected: tuple[int, int]) -> None:
    have(api, "forms")
    assert refused(api.call("POST", "/v1/verify", body, raw=b"{}")) == expected


def test_the_audit_names_the_payload_by_its_digest(api: Api) -> None:
    have(api, "forms")
    api.audit.lines.clear()
    signature(api, "forms")
    intent, outcome = api.audit.lines
    assert (
        intent.detail
        == outcome.detail
        == {
            "key": "forms",
            "algorithm": "SHA256_WITH_ECDSA",
            "payloadBytes": len(DATA),
            "payloadSha256": "02bd7eefbf48331efd6ca697f4884c16db8c3fb782ef86803d548300c61fe517",
        }
    )
