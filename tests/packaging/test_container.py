"""Dockerfile and docker-compose.yml: the image is built, runs without rights, and passes the guide."""

import json
import logging
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from hsmgate.gate.server import GRACE_SECONDS
from support.containers import IMAGE, USER, Contained, Engine
from support.pages import ROOT, Walk, shell
from support.service import PATIENCE, Quick

COMPOSE = ROOT / "docker-compose.yml"
GUIDE = ROOT / "docs/guide.md"
log = logging.getLogger(__name__)


def composed(*profiles: str) -> dict[str, Any]:
    done = subprocess.run(
        ["docker-compose", "-f", str(COMPOSE), *(f"--profile={profile}" for profile in profiles), "config"],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = yaml.safe_load(done.stdout)
    return found


def test_the_compose_file_is_one_and_has_the_folders_of_the_vendors() -> None:
    service = composed()["services"]["hsmgate"]
    assert service["volumes"] == [
        f"{ROOT}/config-files:/etc/app/config:rw",
        f"{ROOT}/output:/etc/app/output:rw",
    ]
    assert service["environment"] == {"spring.profiles.active": "local"}
    assert [port["target"] for port in service["ports"]] == [8080]
    assert (service["read_only"], service["cap_drop"], service["user"]) == (True, ["ALL"], "1000:1000")
    grace = int(re.fullmatch("([0-9]+)s", service["stop_grace_period"])[1])  # type: ignore[index]
    assert grace > GRACE_SECONDS, "requests in flight have their time"


def test_a_database_server_is_there_for_those_who_ask_for_it() -> None:
    services = composed("mariadb")["services"]
    assert services.keys() == {"hsmgate", "securosys_sql"}
    server = services["securosys_sql"]
    assert server["profiles"] == ["mariadb"]
    assert server["volumes"] == [f"{ROOT}/database:/var/lib/mysql:rw"]
    assert "ports" not in server, "hsmgate alone reaches it"
    release = tuple(map(int, server["image"].removeprefix("mariadb:").split(".")))
    assert release >= (10, 6), "older ones are refused"
    assert "depends_on" not in services["hsmgate"], "without it SQLite needs no container"


def test_nothing_but_the_program_is_sent_to_the_builder() -> None:
    """.dockerignore begins with everything: keys, quickstarts and the history stay outside."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    sent = {line[1:].rstrip("/") for line in lines if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert sent == {name.rstrip("/") for line in copied for name in line.split()}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with TemporaryDirectory(prefix="podman-") as runroot:
        made = Engine(tmp_path_factory.mktemp("containers"), Path(runroot))
        made.build()
        yield made
        made.podman("rm", "-fa", check=False)


pytestmark = pytest.mark.timeout(3600)


def in_container(folder: Path) -> Path:
    """The guide for whoever serves from the image: data lie in ./output, and paths of the container are real there."""
    text = GUIDE.read_text().replace("config-files/data/", "output/")
    kept, count = re.subn(r"^server\.ssl\.trust-store leads to .*\n", "", text, flags=re.MULTILINE)
    assert count == 1
    page = folder / "guide.md"
    page.write_text(kept)
    return page


@pytest.mark.long
def test_the_image_is_small_and_runs_as_nobody(engine: Engine) -> None:
    found = engine.inspect("image", IMAGE)
    config = found["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["tini", "--", "hsmgate"]
    assert config["StopSignal"] == "SIGTERM"
    made = engine.inspect("container", engine.podman("create", *LEAN, IMAGE).stdout.strip())
    assert made["Config"]["Healthcheck"]["Test"] == ["CMD", "hsmgate", "health"]
    size = int(found["Size"]) / 1e6
    log.info("size of the image: %.0f MB", size)
    assert size < 320
    listed = engine.podman(
        "run", "--rm", "--network", "none", *LEAN, "--entrypoint", "/bin/sh", IMAGE, "-c", LIST
    ).stdout
    assert listed == "", "no tools to build with, nothing that anybody may write, no set-uid program of ours"


LEAN = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--read-only")
LIST = (
    "ls /opt/hsmgate/bin/pip* /usr/bin/gcc /usr/bin/strip 2>/dev/null;"
    " find /opt/hsmgate \\( -perm -o+w -o -perm -u+s \\) ! -type l"
)


@pytest.mark.long
def test_the_guide_from_the_first_command_to_the_last(engine: Engine, tmp_path: Path) -> None:
    """Without rights, on a root that cannot be written. Each `hsmgate serve` after the first is a down and an up."""
    walk = Walk(in_container(tmp_path), tmp_path, serve=partial(Contained, engine))
    try:
        walk.until()
        assert walk.count > 20
        assert isinstance(walk.served, Contained)
        assert (walk.served.health().stdout, walk.served.health().returncode) == ("ok\n", 0)
        log.info("start: %.1f s", walk.served.seconds_to_listening)
    finally:
        walk.stop()


def curl(folder: Path, port: int, *words: str) -> Any:
    client = "--cert-type P12 --cert client.p12:$(cat client.p12.password)"
    done = shell(
        f"curl -sS --fail-with-body --cacert ca.crt {client} {' '.join(words)} https://localhost:{port}/v1/key", folder
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A quickstart in the shape of the compose file: readable for the container's user, data in ./output."""
    from datetime import UTC, datetime

    from hsmgate.cli.quickstart import quickstart

    quickstart(tmp_path / "q", datetime.now(UTC), "localhost")
    quick = Quick(tmp_path / "q")
    quick.edit(
        ("data-dir: '../data'", "insecure: false"), ("'file:../sealing.key'", ""), ("127.0.0.1:2560", "127.0.0.1:0")
    )
    output = quick.data.rename(quick.folder / "output")
    for path in output.rglob("*"):
        shutil.chown(path, USER, USER)
    for path in [quick.config, *quick.config.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return quick.folder


KEY_BODY = json.dumps({"label": "kept", "algorithm": "ED", "attributes": {"sign": True}})
KEY = f"-H 'Content-Type: application/json' --data '{KEY_BODY}'"


@pytest.mark.long
def test_down_and_up_keep_everything_and_the_end_comes_in_time(engine: Engine, folder: Path) -> None:
    first = Contained(engine, folder)
    curl(folder, first.port, KEY)
    began = time.monotonic()
    assert first.stop() == 0
    log.info("stop: %.1f s, podman's part included", time.monotonic() - began)
    assert not (folder / "config-files/data").exists(), "what it writes is in ./output"
    second = Contained(engine, folder, "ro")
    try:
        assert curl(folder, second.port) == ["kept"]
        assert second.health().stdout == "ok\n"
    finally:
        assert second.stop() == 0


@pytest.mark.long
def test_a_container_that_is_still_starting_can_be_stopped(engine: Engine, folder: Path) -> None:
    """It is the first process there, to which the kernel delivers only signals that are handled."""

    class AtOnce(Contained):
        def _started(self) -> int:
            return 0

    starting = AtOnce(engine, folder)
    assert starting.stop() in {0, 143}, "ended by the signal, not killed after the grace"
