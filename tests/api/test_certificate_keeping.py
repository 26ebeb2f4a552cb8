"""Certificates beside keys: made as requests, found by any name, gone with their key, believed as they were written."""

from typing import Any
from urllib.parse import quote

import pytest

from support.api import Api
from support.certifying import (
    KINDS,
    LATER,
    authority,
    count,
    csr_of,
    later,
    made,
    refused,
    self_signed,
    wish,
)


@pytest.mark.parametrize("what", LATER)
def test_the_result_of_a_request_is_pem(api: Api, signers: list[str], what: str) -> None:
    label = authority(api)
    csr = csr_of(api, made(api))
    api.audit.lines.clear()
    signers.clear()
    response = later(api, what, wish(label, validity=7, certificateSigningRequest=csr), metaData="e30=")
    assert (response.status, list(response.json)) == (201, ["signRequestId"])
    found = api.call("GET", f"/v1/request/{response.json['signRequestId']}").json
    assert found["status"] == "EXECUTED"
    armour = "-----BEGIN NEW CERTIFICATE REQUEST-----\n" if what == "request" else "-----BEGIN CERTIFICATE-----\n"
    assert found["result"].startswith(armour)
    assert api.call("GET", f"/v1/request/{found['id']}").json == found, "and stays"
    assert signers == [label], "once"
    assert api.audit.brief()[:2] == [
        ("intent", f"POST /v1/certificate/{what}", ""),
        ("outcome", f"POST /v1/certificate/{what}", "ok"),
    ]
    detail = api.audit.lines[0].detail
    assert (detail["key"], detail["request"], detail["subject"]) == (label, found["id"], "CN=orders")
    if what == "selfsign":
        assert api.call("GET", f"/v1/certificate/{label}").json["certificate"] == found["result"]


def test_guesses_at_a_password_are_counted_for_requests_too(api: Api) -> None:
    label = made(api, password="right")
    codes = [refused(later(api, "selfsign", wish(label, validity=1, keyPassword="no")))[0] for _ in range(12)]
    assert codes[-1] == 429
    api.forget_guesses()
    assert later(api, "selfsign", wish(label, validity=1, keyPassword=list("right"))).status == 201


def test_keys_and_certificates_go_together(api: Api) -> None:
    label = made(api)
    self_signed(api, label)
    before = count(api)
    assert api.call("DELETE", f"/v1/key/{label}").status == 200
    assert count(api) == before - 1
    assert (
        api.call("POST", "/v1/key", {"label": label, **KINDS["P-256"][0], "attributes": {"sign": True}}).status == 201
    )
    assert refused(api.call("GET", f"/v1/certificate/{label}")) == (404, 650), "it is another key"


@pytest.mark.parametrize("name", ["request", "sign", "synchronous", "import", "a b", "%2e", "ü", "100%", "a+b?c#d"])
def test_names_of_keys_in_paths(api: Api, name: str) -> None:
    assert (
        api.call(
            "POST", "/v1/key", {"label": name, **KINDS["P-256"][0], "attributes": {"sign": True, "destroyable": True}}
        ).status
        == 201
    )
    pem = self_signed(api, name)
    path = f"/v1/certificate/{quote(name, safe='')}"
    assert api.call("GET", path).json["certificate"] == pem
    assert api.call("DELETE", path).status == 200
    assert refused(api.call("GET", path)) == (404, 650)
    assert api.call("POST", "/v1/key/deleteKey", {"label": name}).status == 200


def test_a_certificate_that_was_changed_in_the_database_is_not_believed(api: Api) -> None:
    first, second = made(api), made(api)
    self_signed(api, first)
    self_signed(api, second)
    keystore: Any = api.ports.keystore
    uuids = [keystore.find(name).uuid for name in (first, second)]
    with keystore._database.writing() as connection:
        for column in ("certificate", "seal"):
            of_second = f"SELECT {column} FROM key_certificate WHERE key_uuid = ?"
            change = f"UPDATE key_certificate SET {column} = ({of_second}) WHERE key_uuid = ?"
            connection.exec_driver_sql(change, (uuids[1], uuids[0]))
    assert refused(api.call("GET", f"/v1/certificate/{first}")) == (500, 500)
    assert api.call("GET", f"/v1/certificate/{second}").status == 200
    for name in (first, second):
        assert api.call("DELETE", f"/v1/key/{name}").status == 200
