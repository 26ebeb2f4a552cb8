"""The key endpoints: whole answers, statuses, and what they refuse."""

import base64
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from hsmgate.domain.attestation import document
from support.api import NOW, Api, error

P256 = "1.2.840.10045.3.1.7"
AT = "2024-01-23T10:54:43Z"
SIGN = {"decrypt": False, "sign": True, "unwrap": False, "destroyable": True}


def ec_key(label: str, **changes: Any) -> dict[str, Any]:
    return {"label": label, "algorithm": "EC", "curveOid": P256, "attributes": SIGN} | changes


def create(api: Api, label: str, **changes: Any) -> dict[str, Any]:
    response = api.call("POST", "/v1/key", ec_key(label, **changes))
    assert response.status == 201, response.body
    answer: dict[str, Any] = response.json
    return answer


def approver() -> str:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    return base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def reported(**changes: bool | None) -> dict[str, bool | None]:
    return {
        "decrypt": False,
        "sign": True,
        "ekaSign": None,
        "unwrap": False,
        "derive": False,
        "sensitive": True,
        "alwaysSensitive": True,
        "extractable": False,
        "neverExtractable": True,
        "modifiable": True,
        "copyable": False,
        "destroyable": True,
    } | changes


def test_the_whole_answer_for_an_ec_key(api: Api) -> None:
    response = api.call("POST", "/v1/key", ec_key("whole-ec"))
    answer = response.json
    public = answer["json"].pop("publicKey")
    uuid = answer["json"].pop("uuid")
    key = api.ports.keystore.find("whole-ec")
    assert response.status == 201
    assert isinstance(load_der_public_key(base64.b64decode(public, validate=True)), ec.EllipticCurvePublicKey)
    assert answer == {
        "xml": document(key, NOW),
        "json": {
            "label": "whole-ec",
            "id": None,
            "algorithm": "EC",
            "algorithmOid": "1.2.840.10045.2.1",
            "curveOid": P256,
            "derivedAttributes": None,
            "keySize": None,
            "keyUsageCount": 0,
            "createTime": AT,
            "attestTime": AT,
            "addressTruncated": None,
            "attributes": reported(),
            "policy": None,
        },
        "xmlSignature": answer["xmlSignature"],
        "attestationKeyName": "attestation-key",
    }
    assert uuid == key.uuid
    assert base64.b64decode(public) == key.public_key


@pytest.mark.parametrize(
    ("algorithm", "changes", "expected", "kind"),
    [
        ("RSA", {"curveOid": None, "keySize": 2048}, ("1.2.840.113549.1.1.1", None, 2048), rsa.RSAPublicKey),
        ("ED", {"curveOid": "1.3.101.112"}, ("1.3.101.112", None, None), ed25519.Ed25519PublicKey),
        ("ED", {"curveOid": None, "keySize": 0}, ("1.3.101.112", None, None), ed25519.Ed25519PublicKey),
        (
            "EC",
            {"curveOid": "1.3.132.0.10", "keySize": 0},
            ("1.2.840.10045.2.1", "1.3.132.0.10", None),
            ec.EllipticCurvePublicKey,
        ),
    ],
)
def test_types_report_what_they_are(
    api: Api, algorithm: str, changes: dict[str, Any], expected: tuple[str, str | None, int | None], kind: type
) -> None:
    label = f"type-{algorithm}-{changes}".replace("/", "")[:60]
    json = create(api, label, algorithm=algorithm, **changes)["json"]
    assert (json["algorithmOid"], json["curveOid"], json["keySize"]) == expected
    assert isinstance(load_der_public_key(base64.b64decode(json["publicKey"])), kind)


def test_a_secret_key_has_three_more_attributes_and_no_public_key(api: Api) -> None:
    attributes = {"decrypt": True, "sign": False, "unwrap": True, "encrypt": True, "wrap": False}
    json = create(api, "three-more", algorithm="AES", curveOid=None, keySize=256, attributes=attributes)["json"]
    assert json["publicKey"] is None
    assert json["algorithmOid"] == "1.0.18033.3.2.1"
    flags = reported(decrypt=True, sign=False, unwrap=True, destroyable=False)
    assert json["attributes"] == flags | {"encrypt": True, "verify": None, "wrap": False}


def test_the_attestation_verifies_under_the_key_that_is_offered(api: Api) -> None:
    answer = create(api, "attested")
    offered = api.call("GET", "/v1/attestation/attestation-key")
    assert offered.status == 200
    assert offered.json == {"label": "attestation-key", "certificate": None, "publicKey": offered.json["publicKey"]}
    public = load_der_public_key(base64.b64decode(offered.json["publicKey"]))
    assert isinstance(public, rsa.RSAPublicKey)
    signature = base64.b64decode(answer["xmlSignature"])
    public.verify(signature, answer["xml"].encode(), padding.PKCS1v15(), SHA256())


def test_an_unknown_attestation_key(api: Api) -> None:
    response = api.call("GET", "/v1/attestation/attested")
    assert (response.status, response.json["errorCode"]) == (404, 650)


@pytest.mark.parametrize("size", [2048, 2048.0, "2.048e+03"])
def test_numbers_may_be_printed_with_exponent(api: Api, size: object) -> None:
    raw = b'{"label":"number-%s","algorithm":"RSA","keySize":%s,"attributes":{"sign":true}}'
    response = api.call("POST", "/v1/key", raw=raw % (str(size).encode(), str(size).encode()))
    assert response.status == 201
    assert response.json["json"]["keySize"] == 2048


@pytest.mark.parametrize(
    ("size", "code"), [("2049", 603), ("2048.5", 600), ("-2048", 600), ("1e300", 600), ('"2048"', 600), ("0", 603)]
)
def test_wrong_sizes(api: Api, size: str, code: int) -> None:
    raw = b'{"label":"wrong-size","algorithm":"RSA","keySize":%s,"attributes":{"sign":true}}' % size.encode()
    response = api.call("POST", "/v1/key", raw=raw)
    assert (response.status, response.json["errorCode"]) == (400, code)


def test_the_algorithm_may_be_given_by_its_oid(api: Api) -> None:
    assert create(api, "by-oid", algorithm=None, algorithmOid="1.2.840.10045.2.1")["json"]["algorithm"] == "EC"
    assert create(api, "by-both", algorithmOid="1.2.840.10045.2.1")["json"]["algorithm"] == "EC"


def test_unknown_fields_are_ignored(api: Api) -> None:
    create(api, "unknown-fields", surprise={"a": [1]}, attributes=SIGN | {"surprise": 1})


def test_an_id_is_echoed(api: Api) -> None:
    assert create(api, "with-id", id=" 0aF/ü")["json"]["id"] == " 0aF/ü"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"sign": True}, reported(destroyable=False)),
        ({"sign": True, "derive": None, "modifiable": None, "sensitive": None}, reported(destroyable=False)),
        (
            {"sign": True, "extractable": True},
            reported(
                extractable=True, neverExtractable=False, sensitive=False, alwaysSensitive=False, destroyable=False
            ),
        ),
        (
            {"sign": True, "extractable": True, "sensitive": True, "modifiable": False, "copyable": True},
            reported(extractable=True, neverExtractable=False, modifiable=False, copyable=True, destroyable=False),
        ),
        (
            {"unwrap": True, "encrypt": True, "verify": True, "wrap": True},
            reported(sign=False, unwrap=True, destroyable=False),
        ),
        ({"sign": True, "derive": True, "bip32": True}, reported(derive=True, destroyable=False)),
    ],
)
def test_attributes_have_their_defaults(api: Api, asked: dict[str, Any], expected: dict[str, Any]) -> None:
    label = f"defaults-{sorted(asked)}"
    assert create(api, label, attributes=asked)["json"]["attributes"] == expected


def test_a_label_is_used_once(api: Api) -> None:
    create(api, "once")
    response = api.call("POST", "/v1/key", ec_key("once"))
    assert response.status == 400
    assert response.json == error(608, "key.already.existing", "Could not create key. The key name is already in use.")


def test_policies_come_back_as_they_are_stored(api: Api) -> None:
    key = approver()
    approvals = [{"type": "public_key", "name": "alice", "value": key}]
    token = {"name": "t", "timelock": 0, "timeout": 600, "groups": [{"name": "g", "quorum": 1, "approvals": approvals}]}
    free = {"name": None, "timelock": 60, "timeout": 0, "groups": None}
    policy = {
        "ruleUse": {"tokens": [token, free]},
        "ruleBlock": {"tokens": None},
        "ruleUnblock": None,
        "keyStatus": {"blocked": True},
    }
    assert create(api, "with-policy", policy=policy)["json"]["policy"] == {
        "ruleUse": {"tokens": [token, free | {"groups": []}]},
        "ruleBlock": {"tokens": []},
        "ruleUnblock": None,
        "ruleModify": None,
        "keyStatus": {"blocked": True},
    }


def test_an_empty_policy_is_a_policy(api: Api) -> None:
    rules = dict.fromkeys(("ruleUse", "ruleBlock", "ruleUnblock", "ruleModify"))
    assert create(api, "empty-policy", policy={})["json"]["policy"] == rules | {"keyStatus": {"blocked": False}}


def test_a_secret_key_has_no_policy_and_the_log_says_so(api: Api) -> None:
    changes = {"algorithm": "AES", "curveOid": None, "keySize": 256, "attributes": {"decrypt": True}}
    assert create(api, "secret-policy", policy={"ruleUse": None}, **changes)["json"]["policy"] is None
    remark = "the policy is ignored: a secret key has none"
    assert [(level, event, fields["detail"]) for level, event, fields in api.log.lines] == [
        ("warning", "request.remark", remark)
    ]
    assert api.audit.lines[-1].detail["remark"] == remark


def test_labels_are_listed(api: Api) -> None:
    create(api, "listed-2")
    create(api, "listed-1")
    response = api.call("GET", "/v1/key")
    assert response.status == 200
    assert response.json == api.ports.keystore.labels()
    assert {"listed-1", "listed-2"} <= set(response.json)


def test_attributes_are_the_answer_of_create_again(api: Api) -> None:
    created = create(api, "again", password=["p", "w"])
    response = api.call("POST", "/v1/key/attributes", {"label": "again", "password": "pw"})
    assert response.status == 200
    assert response.json["json"] == created["json"]
    assert response.json["xml"] == created["xml"]


@pytest.mark.parametrize("password", [None, [], "", "wrong", ["w"]])
def test_a_wrong_or_missing_password_is_620(api: Api, password: object) -> None:
    if "locked" not in api.ports.keystore.labels():
        create(api, "locked", password="right")
    for path in ("/v1/key/attributes", "/v1/key/deleteKey"):
        response = api.call("POST", path, {"label": "locked", "password": password})
        assert response.status == 400
        assert response.json == error(620, "key.password.mismatch", "The key password is wrong or missing.")


@pytest.mark.parametrize("password", [None, [], "", ["r", "i", "g", "h", "t"]])
def test_no_password_has_four_spellings(api: Api, password: object) -> None:
    label = f"free-{password}"
    create(api, label, password=password)
    body = {"label": label, "password": "right" if password else None}
    assert api.call("POST", "/v1/key/attributes", body).status == 200
    body["password"] = None if password else "right"
    assert api.call("POST", "/v1/key/attributes", body).json["errorCode"] == 620


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/key/attributes", {"label": "nobody's"}),
        ("GET", "/v1/key/nobody's/attributes", None),
        ("POST", "/v1/key/deleteKey", {"label": "nobody's"}),
        ("DELETE", "/v1/key/nobody's", None),
    ],
)
def test_an_unknown_key_is_404_and_650(api: Api, method: str, path: str, body: object) -> None:
    response = api.call(method, path, body)
    assert response.status == 404
    assert response.json == error(650, "key.not.existent", "A key with the name 'nobody's' does not exist.")


def test_names_in_paths_are_decoded(api: Api) -> None:
    label = "Schlüssel <&> %2F? 🔑"
    created = create(api, label)
    response = api.call("GET", f"/v1/key/{quote(label, safe='')}/attributes")
    assert response.status == 200
    assert response.json["json"] == created["json"]


@pytest.mark.parametrize("way", ["POST", "DELETE"])
def test_deleting(api: Api, way: str) -> None:
    label = f"doomed-{way}"
    create(api, label)
    if way == "POST":
        response = api.call("POST", "/v1/key/deleteKey", {"label": label})
    else:
        response = api.call("DELETE", f"/v1/key/{label}")
    assert (response.status, response.json) == (200, {})
    assert label not in api.ports.keystore.labels()


@pytest.mark.parametrize("way", ["POST", "DELETE"])
def test_what_is_not_destroyable_stays(api: Api, way: str) -> None:
    label = f"lasting-{way}"
    create(api, label, attributes={"sign": True})
    if way == "POST":
        response = api.call("POST", "/v1/key/deleteKey", {"label": label})
    else:
        response = api.call("DELETE", f"/v1/key/{label}")
    assert response.status == 400
    assert response.json == error(614, "operation.forbidden.for.key", f"The key '{label}' is not destroyable.")
    assert label in api.ports.keystore.labels()


def test_a_key_with_a_password_is_not_deleted_without_it(api: Api) -> None:
    create(api, "guarded", password="pw")
    assert api.call("DELETE", "/v1/key/guarded").json["errorCode"] == 620
    assert api.call("POST", "/v1/key/deleteKey", {"label": "guarded", "password": ["p", "w"]}).status == 200


def test_derived_names(api: Api) -> None:
    create(api, "master")
    known = api.call("POST", "/v1/key/attributes", {"label": "master/44'/0'"})
    unknown = api.call("POST", "/v1/key/attributes", {"label": "mistress/44'/0'"})
    assert (known.status, known.json["errorCode"]) == (501, 101)
    assert (unknown.status, unknown.json["errorCode"]) == (404, 650)
