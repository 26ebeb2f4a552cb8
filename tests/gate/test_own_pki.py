"""Certificates of our own authorities at the real gate: judged by the database at each request, nobody else asked."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from hsmgate.adapters.sql import Database, connect
from hsmgate.adapters.sql.authorities import AuthorityRows
from hsmgate.adapters.sql.schema import authority, issued
from hsmgate.errors import Failure, Reason
from hsmgate.gate.own_pki import OwnPki
from hsmgate.gate.revocation import OcspSettings
from hsmgate.pki.issued import Issued, Revoked
from hsmgate.usecases.revocation import Remembered, Settings
from support import certs
from support.certs import Made
from support.ocsp_answers import aia
from support.ocsp_gate import Client, Memory, OcspGate
from support.ocsp_rows.row import serial_of, who
from support.own_authorities import OwnAuthorities
from support.responder import Reply, Responder

GOOD = Issued(not_after=2e9)
NOWHERE = "http://127.0.0.1:9/"  # never asked, for its port


@pytest.fixture(scope="module")
def gate() -> Iterator[OcspGate]:
    with OcspGate([who("ca"), who("root")]) as opened:
        yield opened


@pytest.fixture(scope="module")
def client() -> Made:
    return certs.client("own client", who("ca"), aia(NOWHERE))


@pytest.fixture
def own(gate: OcspGate, client: Made) -> Iterator[OwnAuthorities]:
    made = OwnAuthorities({"clients": who("ca")})
    made.issued["clients", serial_of(client)] = GOOD
    gate.lane("/", OcspSettings(timeout=1.0), own=made)
    yield made
    gate.close_lane("/")


def reason(client: Client) -> str | None:
    return client.get("/").reason


def test_good_without_asking_the_responder_that_it_names(gate: OcspGate, client: Made) -> None:
    with Responder(lambda _query: Reply([])) as responder:
        named = certs.client("own named", who("ca"), aia(responder.url))
        made = OwnAuthorities({"clients": who("ca")})
        made.issued["clients", serial_of(named)] = GOOD
        lane = gate.lane("/named", own=made)
        with gate.client(named) as connection:
            assert connection.get("/named").status == 200
        assert (made.asked, lane.revocation.counts.own, responder.queries) == (1, 1, [])
    gate.close_lane("/named")


def test_revoked_held_and_released_on_an_open_connection(gate: OcspGate, client: Made, own: OwnAuthorities) -> None:
    key = ("clients", serial_of(client))
    with gate.client(client) as connection:
        assert connection.get("/").status == 200
        own.issued[key] = Issued(not_after=2e9, revoked=Revoked(at=time.time(), reason="certificateHold"))
        seen = connection.get("/")
        assert (seen.status, seen.reason) == (403, "REVOKED")
        assert "clients (certificateHold)" in seen.detail
    own.issued[key] = GOOD
    with gate.client(client) as connection:
        assert connection.get("/").status == 200


def test_never_issued_is_refused(gate: OcspGate, client: Made, own: OwnAuthorities) -> None:
    own.issued.clear()
    with gate.client(client) as connection:
        assert reason(connection) == "STATUS_UNKNOWN"


def test_a_certificate_without_a_responder_is_judged_too(gate: OcspGate, own: OwnAuthorities) -> None:
    plain = certs.client("own plain", who("ca"))
    with gate.client(plain) as connection:
        assert reason(connection) == "STATUS_UNKNOWN"
    own.issued["clients", serial_of(plain)] = GOOD
    with gate.client(plain) as connection:
        assert connection.get("/").status == 200


@pytest.mark.parametrize("failure", [Failure(Reason.CONNECTIVITY, "away"), Failure(Reason.INTEGRITY, "damaged")])
def test_no_verdict_is_never_allowed(gate: OcspGate, client: Made, failure: Failure) -> None:
    made = OwnAuthorities({"clients": who("ca")})
    made.failure = failure
    gate.lane("/allow", OcspSettings(timeout=1.0), Settings(timeout=1.0, allow_no_answer=True), own=made)
    with gate.client(client) as connection:
        assert connection.get("/allow").reason == failure.reason.name
    gate.close_lane("/allow")


def test_a_database_that_hangs_is_not_waited_for(gate: OcspGate, client: Made) -> None:
    release = threading.Event()

    class Hanging(OwnAuthorities):
        def find(self, name: str, serial: int) -> Issued | None:
            release.wait(20)
            return super().find(name, serial)

    settings = Settings(timeout=0.2, allow_no_answer=True)
    gate.lane("/hangs", OcspSettings(timeout=0.2), settings, own=Hanging({"clients": who("ca")}))
    try:
        with gate.client(client) as connection:
            seen = connection.get("/hangs")
        assert (seen.status, seen.reason) == (503, "CONNECTIVITY")
        assert seen.retry_after is not None
    finally:
        release.set()
        gate.close_lane("/hangs")


@pytest.mark.parametrize("waits_for_nobody", [True, False])
def test_a_database_on_this_machine_is_read_without_a_thread(*, waits_for_nobody: bool) -> None:
    threads = []

    class Noting(OwnAuthorities):
        def find(self, name: str, serial: int) -> Issued | None:
            threads.append(threading.get_ident())
            return super().find(name, serial)

    made = Noting({"clients": who("ca")})
    made.issued["clients", 7] = GOOD
    pki = OwnPki(made, 5.0, waits_for_nobody=waits_for_nobody)
    assert asyncio.run(pki.look_up([("clients", 7), ("clients", 8)])) == [GOOD, None]
    assert (set(threads) == {threading.get_ident()}) == waits_for_nobody
    assert len(threads) == 2


def test_bounded_freshness_does_not_delay_our_own_word(gate: OcspGate, client: Made) -> None:
    made = OwnAuthorities({"clients": who("ca")})
    made.issued["clients", serial_of(client)] = GOOD
    gate.lane("/bounded", OcspSettings(), Settings(freshness=60.0), own=made)
    with gate.client(client) as connection:
        assert connection.get("/bounded").status == 200
        made.issued["clients", serial_of(client)] = Issued(not_after=2e9, revoked=Revoked(at=time.time()))
        assert connection.get("/bounded").reason == "REVOKED"
    gate.close_lane("/bounded")


def test_an_authority_that_comes_while_it_serves(gate: OcspGate, client: Made) -> None:
    made = OwnAuthorities()
    lane = gate.lane("/later", OcspSettings(timeout=1.0), own=made)
    with gate.client(certs.client("own late", who("ca"))) as connection:
        assert connection.get("/later").status == 200  # names no responder, and is nobody's of ours
        made.authorities["clients"] = who("ca")
        lane.own.refresh()
        assert connection.get("/later").reason == "STATUS_UNKNOWN"
    gate.close_lane("/later")


def test_a_namesake_with_another_key_is_not_ours(gate: OcspGate, client: Made) -> None:
    namesake = certs.authority("ocsp ca", private=certs.key("p256", "namesake of ours"))
    made = OwnAuthorities({"clients": namesake})
    gate.lane("/namesake", OcspSettings(timeout=0.5), own=made)
    with gate.client(client) as connection:
        assert connection.get("/namesake").reason == "OCSP_ADDRESS"  # what it names counts
    assert made.asked == 0
    gate.close_lane("/namesake")


def test_off_is_off(gate: OcspGate, client: Made, own: OwnAuthorities) -> None:
    own.issued.clear()
    gate.lane("/off", OcspSettings(check="off"), own=own)
    with gate.client(client) as connection:
        assert connection.get("/off").status == 200
    gate.close_lane("/off")


def test_what_others_said_before_does_not_outweigh_our_own_word(gate: OcspGate, client: Made) -> None:
    memory = Memory()
    memory.remember(client.sha256, Remembered(asked_at=time.time(), this_update=time.time(), detail="once"))
    made = OwnAuthorities({"clients": who("ca")})
    made.issued["clients", serial_of(client)] = GOOD
    gate.lane("/memory", memory=memory, own=made)
    with gate.client(client) as connection:
        assert connection.get("/memory").status == 200
    gate.close_lane("/memory")


# the database itself
@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = connect(None, None, None, tmp_path)
    yield opened
    opened.close()


def test_a_committed_revocation_binds_the_next_request(gate: OcspGate, client: Made, database: Database) -> None:
    ca = who("ca")
    with database.writing() as connection:
        row = {"name": "clients", "certificate": ca.der, "sha256": ca.sha256, "signing_key": "", "settings": "{}"}
        connection.execute(insert(authority).values(**row, crl_number=0, created=1.0))
        row = {"authority": "clients", "serial": f"{serial_of(client):x}", "profile": "client", "subject": "CN=x"}
        connection.execute(insert(issued).values(**row, not_before=1.0, not_after=2e9, created=1.0))
    gate.lane("/sql", own=AuthorityRows(database))
    with gate.client(client) as open_connection:
        assert open_connection.get("/sql").status == 200
        with database.writing() as connection:
            connection.execute(update(issued).values(revoked_at=time.time(), reason="keyCompromise"))
        assert open_connection.get("/sql").reason == "REVOKED"
    gate.close_lane("/sql")


@pytest.mark.parametrize("column", ["not_after", "revoked_at"])
def test_times_that_are_none_are_not_believed(database: Database, column: str) -> None:
    with database.writing() as connection:
        row = {"authority": "a", "serial": "1", "profile": "client", "subject": "CN=x"}
        connection.execute(insert(issued).values(**row, not_before=1.0, not_after=2e9, created=1.0))
        connection.exec_driver_sql(f"UPDATE issued SET {column} = 'soon'")
    with pytest.raises(Failure) as caught:
        AuthorityRows(database).find("a", 1)
    assert caught.value.reason is Reason.INTEGRITY
