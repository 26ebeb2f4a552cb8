"""Each row of the OCSP table through the real gate: a real client certificate, a real responder, a kept connection."""

from collections.abc import Iterator
from typing import Any

import pytest

from hsmgate.errors import Reason
from hsmgate.gate.revocation import OcspSettings
from hsmgate.pki.ocsp import Rules
from support.ocsp_answers import Answer
from support.ocsp_gate import OcspGate, Seen
from support.ocsp_rows import scope, signers, statuses, transport
from support.ocsp_rows.row import Row, Scene, Speech, a_client, reply, who
from support.responder import Query, Reply, Responder

ROWS = [*statuses.ROWS, *signers.ROWS, *transport.ROWS, *scope.ROWS]
TRUSTED = ["ca", "rsa ca", "p384 ca", "ed25519 ca", "root", "other ca"]
REFUSED = (
    Reason.REVOKED,
    Reason.STATUS_UNKNOWN,
    Reason.OCSP_ADDRESS,
    Reason.OCSP_NO_ISSUER,
    Reason.OCSP_NO_RESPONDER,
)


@pytest.fixture(scope="module")
def gate() -> Iterator[OcspGate]:
    with OcspGate([who(name) for name in TRUSTED]) as opened:
        yield opened


def settings(row: Row, url: str) -> OcspSettings:
    given: dict[str, Any] = {"timeout": 3.0, **row.settings}
    if "responder" in given:
        given["responder"] = url
    return OcspSettings(rules=Rules(**row.rules), **given)  # type: ignore[arg-type]


def test_the_table_has_its_rows() -> None:
    assert len(ROWS) >= 110
    names = [row.name for row in ROWS]
    assert sorted(names) == sorted(set(names))
    told = {row.expected for row in ROWS}
    assert told >= {reason for reason in Reason if reason.name.startswith("OCSP_")}
    assert told >= {Reason.REVOKED, Reason.STATUS_UNKNOWN, None}


def good(scene: Scene) -> Answer:
    return scene.answer()


def expect(row: Row, seen: Seen) -> None:
    """The reason, and the status class that goes with it."""
    told = seen.reason and Reason[seen.reason]
    assert told == row.expected, seen.detail
    if row.expected is None:
        assert seen.status == 200
    elif row.expected in REFUSED:
        assert (seen.status, seen.closed, seen.retry_after) == (403, True, None)
    else:
        assert (seen.status, seen.closed) == (503, False)
        assert int(seen.retry_after or 0) > 0


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
def test_row(gate: OcspGate, row: Row) -> None:
    with Responder(lambda _query: Reply([])) as responder:
        issuer = who(row.issuer)
        client = (row.client or a_client)(responder.url, issuer)
        speech: list[Speech] = [good]

        def script(query: Query) -> Reply:
            return reply(speech[-1](Scene(responder.url, client, issuer, query)))

        responder.script = script
        if row.name.startswith("pinned"):
            gate.pin(client)
        gate.lane("/row", settings(row, responder.url))
        try:
            sent = [*map(who, row.sent), *([row.chain(responder.url)] if row.chain else [])]
            with gate.client(client, *sent) as connection:
                if row.warm:
                    assert connection.get("/row").status == 200
                before = len(responder.queries)
                speech.append(row.speech)
                seen = connection.get("/row")
        finally:
            gate.close_lane("/row")
        expect(row, seen)
        assert row.queries in (None, len(responder.queries) - before)
