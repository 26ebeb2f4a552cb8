"""Starting, reloading and ending a service; what happens when disk, database or port are not to be had."""

import base64
import json
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from support import certs
from support.forks import Forks
from support.service import (
    GONE,
    PATIENCE,
    PROGRAM,
    Answer,
    Client,
    Quick,
    Service,
    environment,
    one_line,
    outcomes,
    run,
)

PAYLOAD = base64.b64encode(b"hello").decode()


class Call(threading.Thread):
    """A request on its way while something happens to the service."""

    def __init__(self, client: Client, label: str, **more: object) -> None:
        super().__init__()
        self._client, self._label, self._more = client, label, more
        self.answer: Answer | None = None
        self.start()

    def run(self) -> None:
        try:
            self.answer = self._client.create(self._label, self._label, **self._more)
        except GONE:
            self.answer = None

    def ended(self) -> Answer:
        self.join()
        assert self.answer is not None, "the connection broke"
        return self.answer


def await_intent(quick: Quick, request_id: str) -> None:
    """Return when a worker has begun with the request."""
    deadline = time.monotonic() + 30
    while not any(line["requestId"] == request_id for line in quick.trail()):
        assert time.monotonic() < deadline
        time.sleep(0.002)


@contextmanager
def database_held(quick: Quick) -> Iterator[None]:
    """Nobody else writes to the database meanwhile; who wants to, waits."""
    with closing(sqlite3.connect(quick.data / "hsmgate.db", isolation_level=None, timeout=30)) as held:
        held.execute("BEGIN IMMEDIATE")
        yield


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end_waits_for_requests_in_flight_and_comes_last_in_the_trail(
    number: signal.Signals, quick_used: Quick
) -> None:
    with quick_used.serve() as service, quick_used.client(service.port) as client:
        assert client.labels() == ["first"]
        call = Call(client, "slow", algorithm="RSA", keySize=4096, curveOid=None)
        await_intent(quick_used, "slow")
        with database_held(quick_used):  # else a key that is found fast is answered before the signal arrives
            service.send(number)
            service.await_line(" ending ")
        assert service.process.wait(PATIENCE) == 0
        answer = call.ended()
        assert (answer.status, answer.headers["connection"]) == (201, "close")
        assert "Traceback" not in service.text()
    trail = quick_used.trail()
    assert [line["action"] for line in trail[-2:]] == ["POST /v1/key", "end"]
    assert outcomes(trail)["slow"] == "ok"
    quick_used.verify_trail()
    with quick_used.serve() as service, quick_used.client(service.port) as client:
        assert client.labels() == ["first", "slow"]
        assert client.sign("slow", PAYLOAD, algorithm="SHA256_WITH_RSA").status == 200


def test_ctrl_c_while_it_starts_ends_it_without_a_trace(quick_used: Quick) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # inherited by a run in the background; children inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for seconds in (0.15, 0.3, 0.45, 0.6):
        service = quick_used.serve().launch()
        time.sleep(seconds)
        code = service.stop(signal.SIGINT)
        assert code in {0, 130, -signal.SIGINT}, service.text()
        if code != -signal.SIGINT:  # before Python itself had come up
            assert "Traceback" not in service.text()


def test_a_second_start_keeps_keys_and_counts(quick_used: Quick) -> None:
    for uses in range(3):
        with quick_used.serve() as service, quick_used.client(service.port) as client:
            key = client.call("GET", "/v1/key/first/attributes").json["json"]
            assert key["keyUsageCount"] == uses
            assert client.sign("first", PAYLOAD).status == 200
            assert service.stop() == 0


def test_a_port_in_use_is_one_line(quick_used: Quick, commands: Forks) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = commands.serve(quick_used.config, port)
        assert refused.code == 1
        line = one_line(refused.err)
        assert line.startswith(f"cannot listen on 127.0.0.1 port {port}: address already in use; SERVER_PORT=")
        checked = commands.run("check", "--config", quick_used.config, SERVER_PORT=str(port))
        assert checked.code == 0
        assert f"warning: 127.0.0.1 port {port} is in use" in checked.err


def test_of_two_that_start_at_once_on_one_port_one_is_refused_in_one_line(quick_used: Quick) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    for _ in range(2):
        services = [
            Service(quick_used.config, quick_used.folder / f"{name}.log", SERVER_PORT=port).launch() for name in "ab"
        ]
        deadline = time.monotonic() + 60
        while all(each.process.poll() is None for each in services):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        loser, winner = sorted(services, key=lambda each: each.process.poll() is None)
        assert loser.process.returncode == 1, loser.text()
        assert "address already in use" in one_line(loser.text())
        winner.await_listening()
        assert winner.stop() == 0


def test_sighup_takes_the_truststore_at_once_and_the_trail_tells(quick_used: Quick) -> None:
    root = certs.authority("another root")
    with quick_used.yml.open("a") as file:
        file.write("\nhsmgate.trust.reload: 1h\n")
    with quick_used.serve() as service, quick_used.client(service.port) as client:
        assert client.labels() == ["first"]
        quick_used.truststore.write_bytes(root.pem)
        service.send(signal.SIGHUP)
        service.await_line("trust.active")
        answer = client.call("GET", "/v1/key")  # on the connection that was open
        assert (answer.status, answer.json["errorCode"]) == (403, 400)
        assert answer.headers["connection"] == "close"
        assert service.stop() == 0
    told = [line for line in quick_used.trail() if line["action"].startswith("trust.")]
    assert [line["action"] for line in told] == ["trust.removed", "trust.added", "trust.active"]
    assert told[1]["detail"]["sha256"] == root.sha256
    assert told[1]["detail"]["role"] == "issuer"
    assert told[2]["detail"] == {"snapshot": 2, "entries": 1}
    quick_used.verify_trail()


def test_sighup_with_a_broken_store_changes_nothing(quick_used: Quick) -> None:
    with quick_used.serve() as service, quick_used.client(service.port) as client:
        quick_used.truststore.write_bytes(b"nonsense")
        service.send(signal.SIGHUP)
        assert "the old one stays" in service.await_line("trust.kept")
        assert client.labels() == ["first"]
        assert service.stop() == 0


def test_two_services_share_one_data_dir(quick_used: Quick) -> None:
    """Each sees the other's keys at once; a label is given once; the trail is one chain, also when one dies."""
    logs = (quick_used.folder / "a.log", quick_used.folder / "b.log")
    with Service(quick_used.config, logs[0]) as one, Service(quick_used.config, logs[1]) as two:
        with quick_used.client(one.port) as first, quick_used.client(two.port) as second:
            for number in range(20):
                calls = [Call(client, f"both-{number}") for client in (first, second)]
                assert sorted(call.ended().status for call in calls) == [201, 400]
                assert second.sign(f"both-{number}", PAYLOAD).status == 200
                assert first.call("DELETE", f"/v1/key/both-{number}").status // 100 == 2
                assert second.sign(f"both-{number}", PAYLOAD).status == 404
            one.kill()
            assert second.create("after").status == 201
        assert two.stop() == 0
    quick_used.verify_trail()


def test_a_database_that_is_locked_is_said_and_waited_out(quick_used: Quick) -> None:
    with quick_used.serve() as service, quick_used.client(service.port) as client:
        other = sqlite3.connect(quick_used.data / "hsmgate.db", isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            call = Call(client, "waiting")
            with quick_used.client(service.port) as another:
                assert another.labels() == ["first"], "readers do not wait"
                assert another.sign("first", PAYLOAD).status == 200
            answer = call.ended()
            assert (answer.status, answer.json["errorCode"]) == (503, 2)
            assert int(answer.headers["retry-after"]) > 0
        finally:
            other.close()
        assert client.create("waiting").status == 201
        assert service.stop() == 0
    quick_used.verify_trail()


@pytest.mark.long
def test_a_start_against_a_locked_database_is_refused_in_one_line(quick_used: Quick) -> None:
    other = sqlite3.connect(quick_used.data / "hsmgate.db", isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        done = run("serve", "--config", quick_used.config)
    finally:
        other.close()
    assert done.returncode == 1
    assert "locked by another process" in one_line(done.stderr)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 256 KB."""
    folder = Path(tempfile.mkdtemp())
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def fill(path: Path) -> None:
    """Take all room there is."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def test_a_full_disk_of_the_trail_stops_every_key_until_there_is_room(quick_used: Quick, small_disk: Path) -> None:
    with quick_used.yml.open("a") as file:
        file.write(f"\nhsmgate.audit.file: '{small_disk}/audit.log'\n")
    ballast = small_disk / "ballast"
    with quick_used.serve() as service, quick_used.client(service.port) as client:
        assert client.create("before").status == 201
        fill(ballast)
        statuses = [client.create(f"full-{number}").status for number in range(20)]
        assert statuses[-1] == 503
        answer = client.sign("first", PAYLOAD)
        assert (answer.status, answer.json["errorCode"]) == (503, 2)
        assert int(answer.headers["retry-after"]) > 0
        assert client.call("GET", "/actuator/health").status == 200, "health has no line in the trail"
        assert service.process.poll() is None
        ballast.unlink()
        there, trail = set(client.labels()), (small_disk / "audit.log").read_bytes()
        answered = {f"full-{number}" for number, status in enumerate(statuses) if status == 201}
        assert {"before", "first", *answered} <= there
        begun = {json.loads(line)["detail"].get("key") for line in trail.splitlines() if b'"phase":"intent"' in line}
        assert there - {"first"} <= begun, "no key is touched without its intent"
        assert client.sign("first", PAYLOAD).status == 200
        assert service.stop() == 0
    done = run("audit", "verify", small_disk / "audit.log")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("path", "mode", "words"),
    [
        ("data", 0o500, "data"),
        ("data/hsmgate.db", 0o400, "hsmgate.db may not be read and written"),
        ("data/hsmgate.db", 0, "hsmgate.db may not be read and written"),
        ("data/audit.log", 0o400, "audit.log: the audit trail cannot be written: Permission denied"),
        ("sealing.key", 0, "sealing.key: permission denied"),
        ("config-files/tls/truststore.pem", 0, "truststore.pem: Permission denied"),
        ("config-files/tls/server.p12", 0, "server.p12: Permission denied"),
        ("config-files/application-local.yml", 0, "application-local.yml cannot be read: Permission denied"),
        ("config-files", 0, "Permission denied"),
    ],
)
def test_what_may_not_be_read_or_written_is_one_line(
    path: str, mode: int, words: str, quick_used: Quick, commands: Forks
) -> None:
    place = quick_used.folder / path
    before = place.stat().st_mode
    place.chmod(mode)
    served = commands.serve(quick_used.config, plain=True)
    checked = commands.run("check", "--config", quick_used.config, plain=True, SERVER_PORT="0")
    place.chmod(before)
    assert (served.code, checked.code) == (1, 1), (served, checked)
    assert words in one_line(served.err)
    assert words in one_line(checked.err)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file away")
def test_a_sealing_key_of_another_user_is_refused(quick_used: Quick, commands: Forks) -> None:
    os.chown(quick_used.folder / "sealing.key", 1, 1)
    assert "belongs to another user" in one_line(commands.serve(quick_used.config).err)


def test_few_descriptors_are_warned_of(quick_used: Quick) -> None:
    script = f'ulimit -n 400; exec "$@" serve --config "{quick_used.config}"'
    with subprocess.Popen(
        ["sh", "-c", script, "sh", *PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(SERVER_PORT="0"),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("curl ")
        process.terminate()
        _, log = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "the limit of open files is 400, too low for hsmgate.limits.connections: 10000" in log


def test_the_soft_limit_of_descriptors_is_raised(quick_used: Quick) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 11_000:
        pytest.skip("the hard limit is too low")
    script = f'ulimit -Sn 400; exec "$@" serve --config "{quick_used.config}"'
    with subprocess.Popen(
        ["sh", "-c", script, "sh", *PROGRAM], stdout=subprocess.PIPE, text=True, env=environment(SERVER_PORT="0")
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("curl ")
        soft, _ = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        process.terminate()
        assert soft > 10_000
        assert process.wait(30) == 0


def test_what_the_service_makes_is_for_its_owner_alone(quick: Quick) -> None:
    before = os.umask(0)
    try:
        with quick.serve() as service, quick.client(service.port) as client:
            assert client.create("one").status == 201
            made = [quick.data, *quick.data.rglob("*")]
            assert any(path.name.endswith("-wal") for path in made)
            assert not [path for path in made if path.stat().st_mode & 0o077]
    finally:
        os.umask(before)


@pytest.mark.long
def test_a_second_ctrl_c_does_not_wait_for_clients(quick_used: Quick) -> None:
    """Work that has begun is finished all the same, and stands in the trail."""
    with quick_used.serve() as service, quick_used.client(service.port) as client:
        call = Call(client, "slow", algorithm="RSA", keySize=8192, curveOid=None)
        await_intent(quick_used, "slow")
        service.send(signal.SIGINT)
        service.await_line("ending")
        assert service.stop(signal.SIGINT) == 0
        call.join()
    trail = quick_used.trail()
    assert outcomes(trail)["slow"] == "ok"
    assert trail[-1]["action"] == "end"
    quick_used.verify_trail()
