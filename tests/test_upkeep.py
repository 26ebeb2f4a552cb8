"""Beside the requests: dead ones are given up, old ones forgotten, and what fails is said once."""

import asyncio
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog
from structlog.testing import LogCapture

from hsmgate import upkeep as module
from hsmgate.domain.request import PENDING, Details, Request
from hsmgate.errors import Failure, Reason
from hsmgate.upkeep import Upkeep
from support.api import NOW, Api
from support.keystores import software_keystore


def begin(api: Api, request_id: str, until: float) -> None:
    api.requests.begin(Request(request_id, "sign", "orders", PENDING, NOW, NOW), Details(), until)


def test_one_round_after_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = LogCapture()
    log = structlog.wrap_logger(structlog.PrintLogger(), processors=[said])
    with software_keystore(tmp_path, NOW) as keystore, ThreadPoolExecutor(1) as executor:
        api = Api(keystore, executor)
        upkeep = Upkeep(api.ports, 60, log)
        begin(api, "dead", NOW - 1)
        begin(api, "alive", NOW + 60)
        upkeep.once()
        assert [(one.id, one.status) for one in _all(api)] == [("alive", "PENDING"), ("dead", "FAILED")]
        assert [entry["event"] for entry in said.entries] == ["requests.failed"]
        assert [(line.action, line.detail["request"]) for line in api.audit.lines] == [("request.failed", "dead")]
        upkeep.once()
        assert len(said.entries) == 1
        Upkeep(api.ports, -60, log).once()
        assert [one.id for one in _all(api)] == ["alive"], "what is open is never forgotten"
        enough, rounds_done = threading.Event(), itertools.count(1)

        def fails(_now: float, _note: object) -> int:
            number = next(rounds_done)
            if number == 6:
                enough.set()
            raise Failure(Reason.CONNECTIVITY, "the database is away") if number < 4 else ZeroDivisionError

        monkeypatch.setattr(api.requests, "give_up", fails)
        monkeypatch.setattr(module, "EVERY_SECONDS", 0.001)

        async def rounds() -> None:
            running = asyncio.create_task(upkeep.run())
            assert await asyncio.to_thread(enough.wait, 20)
            running.cancel()

        asyncio.run(rounds())
    assert [entry["detail"] for entry in said.entries[1:]] == [
        "the database is away",
        "unexpected: ZeroDivisionError()",
    ]


def _all(api: Api) -> list[Request]:
    return api.requests.page((), newest_first=False, offset=0, most=9)
