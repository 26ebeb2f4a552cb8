"""POST /v1/key: what it refuses, with which number."""

from typing import Any

import pytest

from support.api import Api

P256 = "1.2.840.10045.3.1.7"


def ec_key(label: str) -> dict[str, Any]:
    return {"label": label, "algorithm": "EC", "curveOid": P256, "attributes": {"sign": True}}


def refused(api: Api, body: object) -> tuple[int, int, str]:
    response = api.call("POST", "/v1/key", body)
    assert set(response.json) == {"errorCode", "reason", "message"}
    return response.status, response.json["errorCode"], response.json["message"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"attributes": {}}, 606),
        ({"attributes": {"encrypt": True, "verify": True, "wrap": True}}, 606),
        ({"attributes": {"sign": True, "bip32": True}}, 606),
        ({"attributes": {"sign": True, "slip10": True}}, 606),
        (
            {"algorithm": "RSA", "curveOid": None, "keySize": 2048}
            | {"attributes": {"sign": True, "derive": True, "slip10": True}},
            606,
        ),
        ({"attributes": {"sign": True, "extractable": True}, "policy": {}}, 606),
        ({"attributes": {"sign": "yes"}}, 600),
        ({"attributes": None}, 600),
        ({"algorithm": "ROT13"}, 600),
        ({"algorithm": "ec"}, 600),
        ({"algorithm": None}, 600),
        ({"algorithm": "", "algorithmOid": ""}, 600),
        ({"algorithm": 7}, 600),
        ({"algorithmOid": "1.2.840.113549.1.1.1"}, 600),
        ({"algorithmOid": "1.2.3", "algorithm": None}, 600),
        ({"curveOid": None}, 600),
        ({"curveOid": "1.2.3"}, 600),
        ({"algorithm": "RSA", "keySize": 2048}, 600),
        ({"keySize": 256}, 603),
        ({"id": "x" * 256}, 600),
        ({"id": 5}, 600),
        ({"label": ""}, 610),
        ({"label": "a/b"}, 610),
        ({"label": "a\nb"}, 610),
        ({"label": "a\0b"}, 610),
        ({"label": "a\u2028b"}, 610),
        ({"label": "a\uffff"}, 610),
        ({"label": "x" * 256}, 610),
        ({"label": None}, 600),
        ({"password": ["ab"]}, 600),
        ({"password": ["a", ""]}, 600),
        ({"password": ["a", 1]}, 600),
        ({"password": {"a": 1}}, 600),
        ({"password": "x" * 1025}, 600),
        ({"addressFormat": {"format": "BTC"}}, 630),
        ({"addressFormat": {"format": "DOGE"}, "policy": {}}, 605),
        ({"addressFormat": {}, "policy": {}}, 600),
    ],
)
def test_what_create_refuses(api: Api, changes: dict[str, Any], code: int) -> None:
    assert refused(api, ec_key("refused") | changes)[:2] == (400, code)
    assert "refused" not in api.ports.keystore.labels()


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithm": "BLS", "curveOid": None},
        {"curveOid": "1.3.132.0.32"},
    ],
)
def test_what_is_listed_but_lacking_says_so(api: Api, changes: dict[str, Any]) -> None:
    assert refused(api, ec_key("lacking") | changes)[:2] == (501, 101)


def test_a_missing_field_is_named(api: Api) -> None:
    status, code, message = refused(api, {"label": "x"})
    assert (status, code) == (400, 600)
    assert "attributes" in message
