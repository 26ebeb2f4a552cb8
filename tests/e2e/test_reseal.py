"""`hsmgate keystore reseal` as a process that is killed at random moments; afterwards every key signs."""

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from hsmgate.adapters.sealing_key import read_sealing_key
from hsmgate.adapters.software import SoftwareKeystore
from hsmgate.adapters.sql import connect
from support.forks import Forks
from support.keystore_contract import NO_EXTRA, spec_of
from support.service import PROGRAM, Quick, environment, one_line, run

KEYS = 60


def opened(quick: Quick) -> SoftwareKeystore:
    database = connect(None, None, None, quick.data)
    try:
        return SoftwareKeystore(database, read_sealing_key(quick.folder / "sealing.key"), time.time)
    except BaseException:
        database.close()
        raise


def all_sign(quick: Quick) -> int:
    store = opened(quick)
    try:
        labels = store.labels()
        for label in labels:
            assert store.sign(store.find(label), None, "SHA256_WITH_ECDSA", b"m", NO_EXTRA)
    finally:
        store.close()
    return len(labels)


def reseal(quick: Quick) -> "subprocess.Popen[bytes]":
    command = [*PROGRAM, "keystore", "reseal", "--config", str(quick.config)]
    return subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("rounds", [2, pytest.param(60, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_killed_at_random_it_resumes_and_all_keys_sign(quick_used: Quick, rounds: int) -> None:
    store = opened(quick_used)
    for number in range(KEYS):
        store.create(spec_of("secp256r1", f"k{number}"), None)
    store.close()
    began = time.monotonic()
    assert reseal(quick_used).wait(60) == 0
    whole = time.monotonic() - began
    chance, seen = random.Random(), set()
    new = quick_used.folder / "sealing.key.new"
    for number in range(rounds):
        process = reseal(quick_used)
        if number % 2:
            time.sleep(chance.uniform(0.3, 1.05) * whole)  # before that Python is still starting
        else:  # at its work, however long the start takes on a busy machine
            while not new.exists() and process.poll() is None:
                time.sleep(0.0005)
            time.sleep(chance.uniform(0, 0.1) * whole)
        process.send_signal(signal.SIGKILL)
        process.wait()
        seen.add(new.exists())
        if new.exists():
            resumed = run("keystore", "reseal", "--config", quick_used.config)
            assert resumed.returncode == 0, resumed.stderr
            assert "sealed anew: " in resumed.stdout
        assert not new.exists()
        assert all_sign(quick_used) == KEYS + 1
    with quick_used.serve() as service, quick_used.client(service.port) as client:
        assert client.sign("first", "aGVsbG8=").status == 200
        assert client.sign(f"k{KEYS - 1}", "aGVsbG8=").status == 200
    quick_used.verify_trail()
    if rounds > 10:
        assert True in seen, "no kill met the work"


def test_it_refuses_while_the_service_runs_and_works_when_it_is_stopped(quick_used: Quick, commands: Forks) -> None:
    before = (quick_used.folder / "sealing.key").read_text()
    with quick_used.serve() as service:
        done = commands.run("keystore", "reseal", "--config", quick_used.config)
        assert done.code == 1
        assert "hsmgate.db is in use, by a service that runs or by another command: stop it first" in one_line(done.err)
        with quick_used.client(service.port) as client:
            assert client.sign("first", "aGVsbG8=").status == 200
        assert service.stop() == 0
    assert (quick_used.folder / "sealing.key").read_text() == before
    done = commands.run("keystore", "reseal", "--config", quick_used.config)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("sealed anew: 2 keys\n")
    assert (quick_used.folder / "sealing.key").read_text() != before
    assert commands.run("check", "--config", quick_used.config, SERVER_PORT="0").code == 0
    assert all_sign(quick_used) == 1


def test_an_interrupted_change_is_said_by_check_and_serve(quick_used: Quick, commands: Forks, tmp_path: Path) -> None:
    done = commands.run("keystore", "reseal", "--config", quick_used.config)
    assert done.code == 0
    # as if killed between the database and the file
    new, key, old = (quick_used.folder / f"sealing.key{end}" for end in (".new", "", ".old-1"))
    key.rename(new)
    old.rename(key)
    for command in (("check",), ("serve",)):
        refused = commands.run(*command, "--config", quick_used.config, SERVER_PORT="0")
        assert refused.code == 1
        assert "`hsmgate keystore reseal` brings it to its end" in one_line(refused.err)
    resumed = commands.run("keystore", "reseal", "--config", quick_used.config)
    assert resumed.code == 0
    assert resumed.out.startswith("sealed anew: by an earlier try")
    assert all_sign(quick_used) == 1
    assert old.exists()
    assert not new.exists()
