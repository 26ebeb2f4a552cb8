"""api/problems.py: the map is total, and a row for each reason stands in docs/reference/errors.md."""

import json
import re
from pathlib import Path

import pytest

from hsmgate.api.problems import PROBLEMS, answer
from hsmgate.errors import Failure, Reason

REFERENCE = Path(__file__).parents[2] / "docs/reference/errors.md"

# errorCode -> (reason, HTTP status) as the wire contract has them; design adds statuses for what it leaves open
CATALOGUE = {
    1: ("technical", {500}),
    2: ("connectivity", {503}),
    101: ("not.implemented", {501}),
    102: ("operation.unreachable", {404, 405}),
    300: ("config.not.existent", {500}),
    301: ("config.not.valid", {500}),
    400: ("security.not.allowed", {401, 403}),
    402: ("invalid.certificate", {400}),
    403: ("input.invalid.signature", {400}),
    406: ("missing.access.token", {401}),
    410: ("decrypt.failed", {400}),
    411: ("invalid.certificate.request", {400}),
    413: ("approver.not.existent", {400}),
    415: ("request.signer.not.allowed", {400}),
    416: ("missing.api.key", {401}),
    500: ("data.invalid.constellation", {500}),
    600: ("input.validation.failed", {400, 408, 413, 415, 431}),
    601: ("unsupported.approver.key.type", {400}),
    603: ("input.keysize", {400}),
    605: ("unsupported.cryptocurrency", {400}),
    606: ("key.attributes.invalid", {400}),
    607: ("algorithm.not.supported.by.key", {400}),
    608: ("key.already.existing", {400}),
    610: ("invalid.key.name", {400}),
    611: ("unsupported.operation", {400}),
    612: ("invalid.payload", {400}),
    613: ("invalid.key.type", {400}),
    614: ("operation.forbidden.for.key", {400}),
    617: ("invalid.access.token", {401}),
    619: ("invalid.number.range", {400}),
    620: ("key.password.mismatch", {400, 429}),
    621: ("invalid.json", {400}),
    624: ("key.invalid.tagLength", {400}),
    625: ("key.invalid.encoding", {400}),
    626: ("certificate.invalid.encoding", {400}),
    628: ("csr.invalid.format", {400}),
    630: ("invalid.address.on.non.ska.key", {400}),
    631: ("invalid.api.key", {401}),
    635: ("encoding.exception", {400}),
    650: ("key.not.existent", {404}),
    651: ("request.not.existent", {404}),
    701: ("in.hsm", {500}),
    703: ("io", {500}),
}


def test_the_map_is_total() -> None:
    assert set(PROBLEMS) == set(Reason)


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_every_problem_is_one_of_the_catalogue(reason: Reason) -> None:
    problem = PROBLEMS[reason]
    name, statuses = CATALOGUE[problem.code]
    assert problem.reason == name
    assert problem.status in statuses


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_the_body_has_the_three_members_and_their_types(reason: Reason) -> None:
    status, body = answer(Failure(reason, "a detail"))
    decoded = json.loads(body)
    assert status == PROBLEMS[reason].status
    assert list(decoded) == ["errorCode", "reason", "message"]
    assert type(decoded["errorCode"]) is int
    assert decoded["reason"].startswith("res.error.")
    assert decoded["message"] in ("a detail", PROBLEMS[reason].message)


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_what_fails_inside_is_not_told(reason: Reason) -> None:
    _, body = answer(Failure(reason, "/var/lib/secret.db"))
    if PROBLEMS[reason].status >= 500 and PROBLEMS[reason].code not in {101, 701}:
        assert b"secret" not in body


def test_the_reasons_that_close_the_connection() -> None:
    certificate = {
        Reason.UNTRUSTED,
        Reason.EXPIRED,
        Reason.UNSUPPORTED_CERTIFICATE,
        Reason.WEAK_CERTIFICATE,
        Reason.BAD_CERTIFICATE,
        Reason.REVOKED,
        Reason.STATUS_UNKNOWN,
        Reason.OCSP_NO_ISSUER,
        Reason.OCSP_NO_RESPONDER,
        Reason.OCSP_ADDRESS,
    }
    half_read = {Reason.BODY_TOO_LARGE, Reason.HEADER_TOO_LARGE, Reason.REQUEST_TIMEOUT, Reason.BAD_REQUEST}
    assert {reason for reason in Reason if PROBLEMS[reason].close} == certificate | half_read


def test_retry_after_stands_on_503_and_429_and_nowhere_else() -> None:
    assert all((PROBLEMS[r].retry_after is not None) == (PROBLEMS[r].status in {429, 503}) for r in Reason)


def test_messages_are_bounded() -> None:
    assert len(json.loads(answer(Failure(Reason.INVALID_INPUT, "x" * 9000))[1])["message"]) == 500


def test_a_failure_without_detail_still_has_a_message() -> None:
    assert json.loads(answer(Failure(Reason.NOT_ALLOWED))[1])["message"] == "not allowed"


def test_the_reference_has_one_row_for_each_reason() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (\d+) \| (\d+) \| `([\w.]+)` \| \S.* \|$", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [row[0] for row in rows] == [reason.name for reason in Reason]
    for name, status, code, text in rows:
        problem = PROBLEMS[Reason[name]]
        assert (int(status), int(code), text) == (problem.status, problem.code, f"res.error.{problem.reason}")
