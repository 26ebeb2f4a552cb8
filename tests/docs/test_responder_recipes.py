"""docs/responder-recipes.md: every recipe, from openssl's first command to the client that is refused."""

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.pages import ROOT, Walk
from support.served import environment

PAGE = ROOT / "docs/responder-recipes.md"
PATIENCE = 30.0
_SHOWN = re.compile(r"127\.0\.0\.1:(256[0-9])")
_SERVE = re.compile(r"^(\w+=\w+ )?hsmgate ocsp serve ")


class Reader(Walk):
    """Whoever has a terminal for each responder, and other ports than the page shows."""

    def __init__(self, folder: Path) -> None:
        super().__init__(PAGE, folder)
        self._ports: dict[str, int] = {}
        self._running: list[subprocess.Popen[bytes]] = []

    def finish(self) -> None:
        self.stop()
        for process in self._running:
            process.terminate()
            assert process.wait(PATIENCE) == 0

    def _port(self, found: re.Match[str]) -> str:
        if found[1] not in self._ports:
            with socket.create_server(("127.0.0.1", 0)) as free:
                self._ports[found[1]] = free.getsockname()[1]
        return f"127.0.0.1:{self._ports[found[1]]}"

    def _sh(self, text: str) -> None:
        text = _SHOWN.sub(self._port, text)
        if not _SERVE.match(text):
            super()._sh(text)
            return
        self._explained()
        log = self.folder / f"responder-{len(self._running)}.log"
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                ["sh", "-c", f"exec env {text}"], cwd=self.folder, env=environment(), stderr=stderr
            )
        self._running.append(process)
        end = time.monotonic() + PATIENCE
        while "responder.started" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.02)

    def _yaml(self, text: str) -> None:
        super()._yaml(_SHOWN.sub(self._port, text))


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    made = Reader(tmp_path)
    yield made
    made.finish()


@pytest.mark.long
def test_every_recipe_does_what_it_says(reader: Reader) -> None:
    reader.until()
    assert reader.count > 30
