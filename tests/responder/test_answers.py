"""What is said of whom: never good for what was not issued; several questions; refusals; what is kept, and how long."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509
from cryptography.x509 import ocsp

from support import certs
from support.own_responder import OwnResponder, joined, request_of
from support.pki_rows import Pki

MALFORMED, INTERNAL, TRY_LATER, UNAUTHORIZED = (bytes.fromhex(f"30030a010{n}") for n in (1, 2, 3, 6))
EXTENDED_REVOKE = "1.3.6.1.5.5.7.48.1.9"


@pytest.fixture
def served(pki: Pki, tmp_path: Path) -> Iterator[OwnResponder]:
    pki.authority()
    with OwnResponder(pki.database, tmp_path) as responder:
        yield responder


def parsed(response: bytes) -> ocsp.OCSPResponse:
    return ocsp.load_der_ocsp_response(response)


def test_several_certificates_get_one_response_in_their_order(pki: Pki, served: OwnResponder) -> None:
    issuer = pki.authorities["clients"]
    leaves = [pki.issue(subject=f"client {number}") for number in range(3)]
    pki.revoke(leaves[1])
    stranger = certs.client("never recorded", issuer)
    asked = joined(*(request_of(leaf, issuer, digest) for leaf in (*leaves, stranger) for digest in ("sha1", "sha256")))
    answer = parsed(served.post(asked))
    found = [(single.serial_number, single.certificate_status.name) for single in answer.responses]
    words = ["GOOD", "REVOKED", "GOOD", "UNKNOWN"]
    serials = [x509.load_der_x509_certificate(made.der).serial_number for made in (*leaves, stranger)]
    assert found == [pair for pair in zip(serials, words, strict=True) for _ in range(2)]
    assert served.answers.counts["several"] == 1


def test_a_foreign_issuer_is_unauthorized_alone_and_among_others(pki: Pki, served: OwnResponder) -> None:
    ours = request_of(pki.issue(), pki.authorities["clients"])
    other = certs.authority("somebody else")
    foreign = request_of(certs.client("x", other), other)
    assert served.post(foreign) == UNAUTHORIZED
    assert served.post(joined(ours, foreign)) == UNAUTHORIZED


def test_questions_about_two_authorities_are_not_answered_by_one_signer(pki: Pki, served: OwnResponder) -> None:
    second = pki.authority("servers")
    requests = [request_of(pki.issue(), pki.authorities["clients"]), request_of(pki.issue("servers"), second)]
    assert served.post(joined(*requests)) == UNAUTHORIZED
    for request in requests:
        assert parsed(served.post(request)).certificate_status is ocsp.OCSPCertStatus.GOOD


def test_the_right_name_with_another_key_is_foreign(pki: Pki, served: OwnResponder) -> None:
    leaf = pki.issue()
    namesake = certs.authority("CA of clients", private=certs.key("p256", "namesake"))
    assert served.post(request_of(leaf, namesake)) == UNAUTHORIZED


@pytest.mark.parametrize("garbage", [b"", b"\x00", b"garbage", b"\x30\x04\x30\x02\x30\x00", b"0" * 10_000])
def test_garbage_is_malformed(served: OwnResponder, garbage: bytes) -> None:
    assert served.post(garbage) == MALFORMED


@pytest.mark.parametrize("unissued", ["unknown", "unauthorized", "revoked"])
def test_a_serial_that_was_not_issued_is_never_good(pki: Pki, tmp_path: Path, unissued: str) -> None:
    issuer = pki.authority()
    request = request_of(certs.client("never recorded", issuer), issuer, nonce=b"n" * 16)
    with OwnResponder(pki.database, tmp_path, f"unissued: {unissued}") as served:
        response = served.post(request)
        assert served.get(request_of(certs.client("nor this", issuer), issuer)).headers["cache-control"] == "no-store"
    if unissued == "unauthorized":
        assert response == UNAUTHORIZED
        return
    answer: Any = parsed(response)
    assert answer.next_update_utc is None
    oids = [extension.oid.dotted_string for extension in answer.extensions]
    if unissued == "unknown":
        assert answer.certificate_status is ocsp.OCSPCertStatus.UNKNOWN
        assert EXTENDED_REVOKE not in oids
    else:  # RFC 6960 2.2 and 4.4.8
        assert answer.certificate_status is ocsp.OCSPCertStatus.REVOKED
        assert answer.revocation_time_utc.timestamp() == 0
        assert answer.revocation_reason is x509.ReasonFlags.certificate_hold
        assert EXTENDED_REVOKE in oids
        assert list(answer.single_extensions) == []


def test_a_revoked_one_beside_an_unissued_one_keeps_its_own_date(pki: Pki, tmp_path: Path) -> None:
    issuer = pki.authority()
    leaf = pki.issue()
    pki.revoke(leaf)
    asked = joined(request_of(leaf, issuer), request_of(certs.client("never recorded", issuer), issuer))
    with OwnResponder(pki.database, tmp_path, "unissued: revoked") as served:
        first, second = parsed(served.post(asked)).responses
    assert first.revocation_time_utc is not None
    assert first.revocation_time_utc.timestamp() > 1e9
    assert second.revocation_time_utc is not None
    assert second.revocation_time_utc.timestamp() == 0


def test_expired_within_the_cutoff_is_told_and_beyond_it_is_as_if_never_issued(pki: Pki, tmp_path: Path) -> None:
    issuer = pki.authority()
    now = time.time()
    within, beyond = (certs.client(name, issuer) for name in ("within", "beyond"))
    pki.record("clients", within, now - 3 * 86400)
    pki.record("clients", beyond, now - 5 * 86400)
    with OwnResponder(pki.database, tmp_path, "archive-cutoff: 4d") as served:
        good = asn1_ocsp.OCSPResponse.load(served.post(request_of(within, issuer)))
        gone = parsed(served.post(request_of(beyond, issuer)))
    (single,) = good.basic_ocsp_response["tbs_response_data"]["responses"]
    assert single["cert_status"].name == "good"
    (cutoff,) = single["single_extensions"]
    assert cutoff["extn_id"].native == "archive_cutoff"
    assert abs(cutoff["extn_value"].native.timestamp() - (now - 4 * 86400)) < 60
    assert gone.certificate_status is ocsp.OCSPCertStatus.UNKNOWN


def test_the_next_answer_tells_a_revocation_also_where_one_was_kept(pki: Pki, served: OwnResponder) -> None:
    issuer = pki.authorities["clients"]
    leaf = pki.issue()
    request = request_of(leaf, issuer)

    def status() -> str:
        word = parsed(served.get(request).body).certificate_status.name
        assert parsed(served.post(request)).certificate_status.name == word
        return word

    assert status() == "GOOD"
    pki.revoke(leaf, "certificateHold")
    assert status() == "REVOKED"
    pki.release(leaf)
    assert status() == "GOOD"
    pki.revoke(leaf)
    assert status() == "REVOKED"
    fresh = certs.client("issued later", issuer)
    assert parsed(served.get(request_of(fresh, issuer)).body).certificate_status.name == "UNKNOWN"
    pki.record("clients", fresh)
    assert parsed(served.get(request_of(fresh, issuer)).body).certificate_status.name == "GOOD"


def test_an_authority_that_comes_later_is_served_at_once(pki: Pki, served: OwnResponder) -> None:
    later = pki.authority("later")
    assert parsed(served.post(request_of(pki.issue("later"), later))).certificate_status is ocsp.OCSPCertStatus.GOOD


def test_a_database_that_is_away_means_try_later(pki: Pki, served: OwnResponder, tmp_path: Path) -> None:
    leaf = pki.issue()
    request = request_of(leaf, pki.authorities["clients"])
    assert parsed(served.get(request).body).certificate_status is ocsp.OCSPCertStatus.GOOD
    with pki.database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE issued RENAME TO gone")
    assert served.get(request).body == TRY_LATER  # what was kept is not believed either
    assert served.post(request) == TRY_LATER
    assert "responder.unanswered" in served.events()
    with pki.database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE gone RENAME TO issued")
    assert parsed(served.get(request).body).certificate_status is ocsp.OCSPCertStatus.GOOD


def test_a_bug_is_an_internal_error_and_says_nothing(
    pki: Pki, served: OwnResponder, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaf = pki.issue()

    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(served.registry, "find", broken)
    assert served.post(request_of(leaf, pki.authorities["clients"])) == INTERNAL
    assert "responder.failed" in served.events()
