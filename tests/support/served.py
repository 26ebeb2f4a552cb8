"""`hsmgate serve` in a process of its own, as an operator starts it: its port, its log, its end."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE = 30.0  # seconds; a bound for a noisy machine, never the expected time
_JAVA = "-Duser.language=en -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # keytool in English, with a fast start
_STARTED = re.compile(r" started .* url=https?://\S+:(\d+)$", re.MULTILINE)


def environment(**more: str) -> dict[str, str]:
    """What commands are run with: our `hsmgate` first in PATH, English messages, any free port of this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HSMGATE", "SERVER_", "SPRING"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}"
    fixed = {"PATH": path, "LC_ALL": "C.UTF-8", "JAVA_TOOL_OPTIONS": _JAVA, "NO_PROXY": "localhost"}
    responder = {"HSMGATE_RESPONDER_LISTEN": "127.0.0.1:0"} if "HSMGATE_RESPONDER_LISTEN" not in more else {}
    return {**kept, **fixed, **responder, "SERVER_ADDRESS": "127.0.0.1", "SERVER_PORT": "0", **more}


class Served:
    """A running service. `printed` is what it wrote to stdout, `log` what it wrote to stderr."""

    def __init__(self, folder: Path, *arguments: str, **more: str) -> None:
        self.folder = folder
        self._out, self._log = folder / ".served-out", folder / ".served-log"
        with self._out.open("wb") as out, self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["hsmgate", "serve", *arguments], cwd=folder, env=environment(**more), stdout=out, stderr=log
            )
        self.port = self._started()

    def _started(self) -> int:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.running:
            if found := _STARTED.search(self.log):
                return int(found[1])
            time.sleep(0.05)
        self.stop()
        raise AssertionError(f"hsmgate serve did not start:\n{self.log}")

    @property
    def call(self) -> str:
        """The first printed command: the call."""
        return self.printed.partition("\n")[0]

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def printed(self) -> str:
        """What a quickstart prints once it serves; the log's `started` comes a moment earlier."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if (said := self._out.read_text()).endswith("\n"):
                return said
            time.sleep(0.05)
        raise AssertionError(f"hsmgate serve printed nothing:\n{self.log}")

    def logged(self, pattern: str, since: int = 0) -> re.Match[str]:
        """Wait until the log matches, from this character on."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if found := re.search(pattern, self.log[since:]):
                return found
            time.sleep(0.05)
        raise AssertionError(f"not in the log: {pattern}\n{self.log}")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def stop(self) -> int:
        """End it as a service manager does. The exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def refused(folder: Path, *arguments: str, **more: str) -> str:
    """`hsmgate serve` that must not start: exit code 1, the last line of stderr, no traceback."""
    done = subprocess.run(
        ["hsmgate", "serve", *arguments],
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]
