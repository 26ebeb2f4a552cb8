"""A million issued certificates: an answer takes as long as with a thousand."""

import logging
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import insert

from hsmgate.adapters.sql.schema import issued
from hsmgate.responder.ahead import question_of
from support import der_text as der
from support.own_responder import OwnResponder
from support.pki_rows import Pki

ROUNDS, ASKED = 25, 200

log = logging.getLogger(__name__)


def fill(pki: Pki, first: int, count: int) -> None:
    now = time.time()
    for start in range(first, first + count, 50_000):
        rows = [
            {
                "authority": "clients", "serial": f"{serial * 0x9E3779B97F4A7C15 % (1 << 80):x}", "profile": "client",
                "subject": "CN=client", "not_before": now, "not_after": now + 86400, "created": now,
            }
            for serial in range(start, min(start + 50_000, first + count))
        ]  # fmt: skip
        with pki.database.writing() as connection:
            connection.execute(insert(issued), rows)


def questions(served: OwnResponder, count: int) -> list[bytes]:
    """Requests about certificates from all over the table."""
    known = served.registry.all()[0]
    serials = [n * (count // ASKED) * 0x9E3779B97F4A7C15 % (1 << 80) for n in range(1, ASKED)]
    return [
        der.sequence(der.sequence(der.sequence(der.sequence(question_of(known, serial).raw)))) for serial in serials
    ]


def seconds(served: OwnResponder, requests: list[bytes]) -> float:
    """CPU seconds of one live answer."""
    before = time.thread_time()
    for request in requests:
        assert served.answers.live(request).status == "good"
    return (time.thread_time() - before) / len(requests)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_million_certificates(tmp_path: Path) -> None:
    with ExitStack() as stack:
        asked = {}
        for count in (1_000, 1_000_000):
            folder = tmp_path / str(count)
            folder.mkdir()
            pki = stack.enter_context(closing(Pki(folder)))
            pki.authority()
            fill(pki, 1, count)
            served = stack.enter_context(OwnResponder(pki.database, folder))
            served.look()
            asked[count] = served, questions(served, count)
        # in turns, and the best of each: other processes share this machine
        rounds = [{count: seconds(*asked[count]) for count in asked} for _ in range(ROUNDS)]
        small, large = (min(one[count] for one in rounds) * 1e6 for count in asked)
    log.info("%.0f us of a thousand, %.0f us of a million", small, large)
    assert large < 1.1 * small, f"{small:.0f} us of a thousand, {large:.0f} us of a million"
