"""SIGKILL of `hsmgate pki` at every point: what was handed out is there, nothing is half there, all is proven."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from hsmgate.adapters.sql import connect
from hsmgate.adapters.sql.register import SqlRegister
from hsmgate.domain import audit
from hsmgate.usecases.issuance_ports import Certified, Wanted
from hsmgate.usecases.issuance_states import state_of
from support.forks import TESTS
from support.service import environment
from support.small_pki import small_pki

NEXT = {"good": {"good", "held"}, "held": {"held", "good", "revoked"}, "revoked": {"revoked"}}


@pytest.mark.parametrize("step", [31, pytest.param(1, marks=[pytest.mark.long, pytest.mark.timeout(1200)])])
def test_what_was_handed_out_is_there_and_the_rest_is_whole(tmp_path: Path, step: int) -> None:
    command = [sys.executable, "-m", "support.pki_crashes", str(tmp_path), str(step)]
    done = subprocess.run(command, cwd=TESTS, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rounds = sorted(tmp_path.iterdir())
    assert len(rounds) > 80 / step, "too few points: nothing is proven"
    assert len((rounds[0] / "handed").read_text().splitlines()) < step / 4, "the first one dies at its beginning"
    assert "crl 1 " in (rounds[-1] / "handed").read_text(), "the last one does not die"
    for folder in rounds:
        _check(folder)


def _check(folder: Path) -> None:
    told = [line.split(" ") for line in (folder / "handed").read_text().splitlines()]
    states = {int(words[1], 16): words[0] for words in told if words[0] in NEXT}
    database = connect("sqlite:///pki.db", None, None, folder)
    try:
        register = SqlRegister(database)
        rows = {row.serial: row for row in register.listed(Wanted(), 0.0)}
        authorities = {entry.name for entry in register.authorities()}
        assert {words[1] for words in told if words[0] == "authority"} <= authorities
        untold = rows.keys() - states.keys() - _of_authorities(rows)
        assert len(untold) <= 1, "at most the act that was cut off"
        moved = [serial for serial, state in states.items() if state_of(rows[serial], 0.0) != state]
        assert len(moved) + len(untold) <= 1
        for serial, state in states.items():
            assert state_of(rows[serial], 0.0) in NEXT[state]
        for row in rows.values():
            assert x509.load_der_x509_certificate(row.certificate or b"").serial_number == row.serial
        for words in told:
            if words[0] == "crl":
                stored = register.crl("issuing")
                assert stored is not None
                assert stored.der.hex() == words[2]
    finally:
        database.close()
    _check_trail(folder, rows)
    _check_that_it_goes_on(folder)


def _of_authorities(rows: dict[int, Certified]) -> set[int]:
    return {serial for serial, row in rows.items() if row.profile == "authority"}


def _check_trail(folder: Path, rows: dict[int, Certified]) -> None:
    """What is in the database was announced; at most one announcement has no outcome."""
    chain = audit.Chain()
    lines = []
    for raw in (folder / "audit.log").read_bytes().splitlines(keepends=True):
        chain.add(raw)
        lines.append(audit.read(raw))
    assert chain.unanswered <= 1
    intents = [
        line
        for line in lines
        if line.phase == "intent" and re.fullmatch(r"pki\.(issue|renew|intermediate)", line.action)
    ]
    assert len(rows) <= len(intents)


def _check_that_it_goes_on(folder: Path) -> None:
    """The next operator finds a PKI that works."""
    with small_pki(folder) as pki:
        if pki.register.authority("root") is None:
            (folder / "keys/root.key").unlink(missing_ok=True)  # as its refusal says
            pki.root()
        handed = pki.issue(issuer="root", subject="CN=after")
        assert pki.reads.find("root", handed.certified.serial) is not None
