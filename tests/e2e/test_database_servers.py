"""The service over MariaDB and PostgreSQL: restarts, two nodes, and a database server that dies under load."""

import itertools
import logging
import shutil
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.database_servers import PRODUCTS, DatabasePlace, running
from support.forks import Forks
from support.service import PATIENCE, Client, Quick, Service, one_line

# the PKI of the quickstart stays in its file, so nobody answers for its certificates
ALONE = {"HSMGATE_OCSP_CHECK": "off"}
log = logging.getLogger(__name__)
on_servers = pytest.mark.parametrize("place", PRODUCTS, indirect=True)


def other_node(quick: Quick, folder: Path) -> Quick:
    """The same configuration and sealing key on another machine; what the first has in its data folder is not there."""
    other = Quick(Path(shutil.copytree(quick.folder, folder / "other")))
    for path in other.data.glob("hsmgate.db*"):
        path.unlink()
    return other


@on_servers
def test_keys_are_there_for_the_next_start_and_for_another_node_at_once(
    place: DatabasePlace, quick: Quick, commands: Forks, tmp_path: Path
) -> None:
    environ: dict[str, Any] = {**place.environ, **ALONE}
    with quick.serve(**environ) as service:
        with quick.client(service.port) as client:
            assert client.labels() == []
            assert client.create("first").status == 201
            assert client.sign("first", "aGVsbG8=").status == 200
        assert service.stop() == 0
    other = other_node(quick, tmp_path)
    with quick.serve(**environ) as service, other.serve(**environ) as second:
        with quick.client(service.port) as here, other.client(second.port) as there:
            assert here.labels() == there.labels() == ["first"]
            for number in range(5):
                assert here.create(f"of-one-{number}").status == 201
                assert there.sign(f"of-one-{number}", "aGVsbG8=").status == 200
                assert here.call("DELETE", f"/v1/key/of-one-{number}").status in {200, 204}
                assert there.sign(f"of-one-{number}", "aGVsbG8=").status == 404
                assert there.create(f"of-one-{number}").status == 201
                assert here.create(f"of-one-{number}").json["errorCode"] == 608, "the name is taken"
        refused = commands.run("keystore", "reseal", "--config", quick.config, **environ)
        assert (refused.code, "stop it first" in one_line(refused.err)) == (1, True)
        assert (service.stop(), second.stop()) == (0, 0)
    assert place.user[1] not in service.text() + second.text()  # type: ignore[operator]


@on_servers
def test_commands_over_a_database_on_a_server(place: DatabasePlace, quick: Quick, commands: Forks) -> None:
    environ: dict[str, Any] = {**place.environ, **ALONE, "SERVER_PORT": "0"}
    config = ("--config", quick.config)
    before = sorted(path.name for path in quick.data.rglob("*"))
    checked = commands.run("check", *config, **environ)
    assert checked.code == 0, checked.err
    product = {"mariadb": "MariaDB", "postgresql": "PostgreSQL"}[place.product]
    assert f"database: {product} " in checked.out
    assert f"{place.product}://127.0.0.1:" in checked.out
    assert sorted(path.name for path in quick.data.rglob("*")) == before
    assert place.execute("SELECT count(*) FROM keystore")[0][0] == 0, "a check makes nothing"
    shown = commands.run("db", "status", *config, **environ)
    assert (shown.code, "state: current (" in shown.out) == (0, True)
    assert commands.run("db", "upgrade", *config, **environ).code == 0
    with quick.serve(**environ) as service:
        with quick.client(service.port) as client:
            assert client.create("first").status == 201
        checked = commands.run("check", *config, **environ)
        assert (checked.code, "keystore: software, 1 keys" in checked.out) == (0, True), checked.err
        assert service.stop() == 0
    resealed = commands.run("keystore", "reseal", *config, **environ)
    assert resealed.code == 0, resealed.err
    with quick.serve(**environ) as service, quick.client(service.port) as client:
        assert client.sign("first", "aGVsbG8=").status == 200
    backup = commands.run("backup", quick.folder / "backup.tar", *config, **environ)
    dump = "mariadb-dump" if place.product == "mariadb" else "pg_dump"
    assert (backup.code, dump in one_line(backup.err)) == (1, True)
    for done in (checked, shown, resealed, backup):
        assert str(place.user[1]) not in done.out + done.err


@on_servers
def test_what_one_machine_revokes_both_refuse_at_the_next_request(
    place: DatabasePlace, quick: Quick, commands: Forks, tmp_path: Path
) -> None:
    environ: dict[str, Any] = {**place.environ, "cwd": tmp_path}
    config = ("--config", quick.config)
    for words in (
        ("init", "guests", "--subject", "CN=Guests", "--out", tmp_path / "guests.crt"),
        ("issue", "client", "CN=guest", "--issuer", "guests", "--out", tmp_path / "guest"),
    ):
        done = commands.run("pki", *words, *config, **environ)
        assert done.code == 0, done.err
    with quick.truststore.open("ab") as truststore:
        truststore.write((tmp_path / "guests.crt").read_bytes())
    context = ssl.create_default_context(cafile=str(quick.folder / "ca.crt"))
    context.load_cert_chain(tmp_path / "guest.crt", tmp_path / "guest.key")
    other = other_node(quick, tmp_path)
    with quick.serve(**place.environ) as service, other.serve(**place.environ) as second:
        with Client(service.port, context) as here, Client(second.port, context) as there:
            assert here.labels() == there.labels() == []
            done = commands.run("pki", "revoke", tmp_path / "guest.crt", *config, **environ)
            assert done.code == 0, done.err
            for client in (here, there):
                assert client.call("GET", "/v1/key").status == 403
        assert (service.stop(), second.stop()) == (0, 0)


class Customer(threading.Thread):
    """Creates and signs until told to end; what was answered well is noted."""

    def __init__(self, quick: Quick, service: Service, name: str) -> None:
        super().__init__(name=name)
        self._context, self._port = quick.context(), service.port
        self.created: list[str] = []
        self.statuses: dict[int, int] = {}
        self.good_since = 0.0
        self.ended = threading.Event()

    def run(self) -> None:
        with Client(self._port, self._context) as client:
            for number in itertools.count():
                if self.ended.is_set():
                    return
                label = f"{self.name}-{number}"
                made = client.create(label)
                self._note(made.status)
                if made.status == 201:
                    self.created.append(label)
                    self._note(client.sign(label, "aGVsbG8=").status)

    def _note(self, status: int) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status < 300:
            self.good_since = time.monotonic()


@pytest.fixture
def own_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabasePlace]:
    with running(request.param) as server:
        place = DatabasePlace(tmp_path, server, fresh=True)
        yield place
        place.close()


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("own_place", PRODUCTS, indirect=True)
def test_a_database_server_that_is_killed_under_load_loses_nothing_that_was_answered(
    own_place: DatabasePlace, quick: Quick
) -> None:
    server = own_place.server
    assert server is not None
    with quick.serve(**own_place.environ, **ALONE) as service:
        customers = [Customer(quick, service, f"c{number}") for number in range(3)]
        for customer in customers:
            customer.start()
        try:
            for _ in range(5):
                time.sleep(1.0)
                server.kill()
                time.sleep(0.5)
                server.start()
                back, deadline = time.monotonic(), time.monotonic() + PATIENCE
                while not all(customer.good_since > back for customer in customers):
                    assert time.monotonic() < deadline, service.text()
                    time.sleep(0.05)
        finally:
            for customer in customers:
                customer.ended.set()
            for customer in customers:
                customer.join()
        statuses = {status for customer in customers for status in customer.statuses}
        log.info("answers: %s", [customer.statuses for customer in customers])
        assert statuses >= {201, 200}
        assert 503 in statuses
        assert statuses <= {200, 201, 503}
        assert "Traceback" not in service.text()
        with quick.client(service.port) as client:
            there = set(client.labels())
            for customer in customers:
                assert there >= set(customer.created)
            assert all(client.sign(customer.created[-1], "aGVsbG8=").status == 200 for customer in customers)
        assert service.stop() == 0
    quick.verify_trail()
