"""The service endpoints: random numbers, counts, and the log."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from hsmgate.adapters.audit_file import open_audit
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import AuditEvent
from hsmgate.usecases.service import DOWNLOADED_LOG, MOST_RANDOM, RECENT_LOG
from support.api import NOW, Api, error
from support.asgi_client import Response

SIGN = {"sign": True, "destroyable": True}
KEYS: list[dict[str, Any]] = [
    {"label": "counted-ec", "algorithm": "EC", "curveOid": "1.2.840.10045.3.1.7", "attributes": SIGN},
    {"label": "counted-ed", "algorithm": "ED", "attributes": SIGN},
    {"label": "counted-aes", "algorithm": "AES", "keySize": 256, "attributes": {"decrypt": True, "destroyable": True}},
]


def random(api: Api, length: str) -> Response:
    return api.call("GET", f"/v1/generateRandom/{length}")


@pytest.mark.parametrize("length", [1, 16, 33, MOST_RANDOM])
def test_random_octets_are_as_many_as_asked_for_and_never_the_same(api: Api, length: int) -> None:
    seen = set()
    for _ in range(2 if length > 1 else 40):
        response = random(api, str(length))
        assert response.status == 200
        assert set(response.json) == {"random"}
        octets = base64.b64decode(response.json["random"], validate=True)
        assert len(octets) == length
        seen.add(octets)
    assert len(seen) > 1


def test_every_octet_occurs_in_random_octets(api: Api) -> None:
    octets = base64.b64decode(random(api, str(MOST_RANDOM)).json["random"])
    counts = [octets.count(bytes([value])) for value in range(256)]
    assert min(counts) > 128  # 256 are expected; eight standard deviations


@pytest.mark.parametrize(
    "length",
    ["0", "65537", "999999999999", "9" * 400, "-1", "+5", "1.0", "1e3", "0x10", "16%20", "%D9%A1", "abc", "1_6"],
)
def test_lengths_out_of_range_are_619(api: Api, length: str) -> None:
    response = random(api, length)
    assert (response.status, response.json["errorCode"]) == (400, 619)
    assert response.json["reason"] == "res.error.invalid.number.range"
    assert api.audit.brief() == [("event", "GET /v1/generateRandom/{length}", "INVALID_NUMBER")]


def test_the_audit_line_says_how_many_and_never_which(api: Api) -> None:
    assert random(api, "16").status == 200
    (line,) = api.audit.lines
    assert (line.result, line.detail) == ("ok", {"length": 16})


def test_a_generator_that_gives_less_is_not_believed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.ports.keystore, "random", lambda length: bytes(length - 1))
    assert random(api, "16").status == 500


def test_statistics_count_the_keys_of_clients(api: Api) -> None:
    before = api.call("GET", "/v1/keystore/statistics").json
    for body in KEYS:
        assert api.call("POST", "/v1/key", body).status == 201
    response = api.call("GET", "/v1/keystore/statistics")
    assert response.status == 200
    after = response.json
    size = after.pop("usedSizeBytes") - before.pop("usedSizeBytes")
    assert 3 * 32 < size < 3 * 1024
    assert after == before | {
        "privateKeys": before["privateKeys"] + 2,
        "publicKeys": before["publicKeys"] + 2,
        "secretKeys": before["secretKeys"] + 1,
        "dataObjects": 0,
        "invalidatedKeys": None,
        "maxSizeBytes": None,
        "remainingObjects": None,
    }
    for body in KEYS:
        assert api.call("DELETE", f"/v1/key/{body['label']}").status == 200
    ended = api.call("GET", "/v1/keystore/statistics").json
    assert {name: ended[name] for name in before} == before


def test_the_services_own_key_is_not_counted(api: Api) -> None:
    before = api.call("GET", "/v1/keystore/statistics").json
    assert api.call("GET", "/v1/attestation/attestation-key").status == 200
    assert api.call("GET", "/v1/keystore/statistics").json == before
    assert before["privateKeys"] == len(api.ports.keystore.labels()) - before["secretKeys"]


@pytest.fixture
def trailed(api: Api, tmp_path: Path) -> Api:
    """With a real audit trail, longer than what is shown of it."""
    audit = open_audit(tmp_path / "audit.log", now=lambda: NOW, trail="t", version="1")
    for number in range(1500):
        audit.append(AuditEvent("event", "test", str(number), "", "ok", {"pad": "x" * 700}))
    api.ports.__dict__["audit"] = audit
    return api


@pytest.mark.parametrize(("path", "most"), [("/v1/hsm/log", RECENT_LOG), ("/v1/hsm/log/download", DOWNLOADED_LOG)])
def test_the_log_is_the_end_of_the_trail_in_whole_chained_lines(
    trailed: Api, tmp_path: Path, path: str, most: int
) -> None:
    everything = (tmp_path / "audit.log").read_bytes()
    response = trailed.call("GET", path)
    assert response.status == 200
    assert response.header("content-type") == "text/plain; charset=utf-8"
    assert response.header("cache-control") == "no-store"
    download = path.endswith("download")
    assert response.header("content-disposition") == ('attachment; filename="hsm.log"' if download else None)
    assert most - 2048 < len(response.body) <= most < len(everything)
    assert everything.endswith(response.body)
    lines = [json.loads(line) for line in response.body.splitlines()]
    assert [line["prev"] for line in lines[1:]] == [line["hash"] for line in lines[:-1]]


def test_to_read_the_log_is_itself_on_record(trailed: Api) -> None:
    trailed.call("GET", "/v1/hsm/log")
    again = trailed.call("GET", "/v1/hsm/log").body.splitlines()
    assert json.loads(again[-1])["action"] == "GET /v1/hsm/log"


def test_a_log_that_cannot_be_read_is_503(trailed: Api, tmp_path: Path) -> None:
    (tmp_path / "audit.log").rename(tmp_path / "elsewhere")
    response = trailed.call("GET", "/v1/hsm/log")
    assert response.json == error(2, "connectivity", "The audit log cannot be written, so nothing is done.")
    assert (response.status, response.header("retry-after")) == (503, "2")


@pytest.mark.parametrize("path", ["/v1/hsm/log/", "/v1/hsm/log/other", "/v1/hsm/log/download/x", "/v1/hsm/log/..%2fx"])
def test_there_is_no_other_log(api: Api, path: str) -> None:
    response = api.call("GET", path)
    assert (response.status, response.json["errorCode"]) == (404, 102)


def test_a_keystore_that_is_away_is_503(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise Failure(Reason.CONNECTIVITY, "the token is gone")

    for name, path in (("random", "/v1/generateRandom/1"), ("statistics", "/v1/keystore/statistics")):
        monkeypatch.setattr(api.ports.keystore, name, away)
        response = api.call("GET", path)
        assert (response.status, response.json["errorCode"]) == (503, 2)
