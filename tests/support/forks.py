"""Runs `hsmgate` commands fast: each in a process of its own, forked from one that has done the imports."""

import contextlib
import ctypes
import importlib
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hsmgate.record import Record
from support.service import PATIENCE, environment

TESTS = Path(__file__).parent.parent
_EARLY = (
    *("hsmgate.app", "hsmgate.cli.audit", "hsmgate.cli.check", "hsmgate.cli.first_call", "hsmgate.cli.trust"),
    *("hsmgate.cli.trust_place", "alembic.command"),
)
_STARTED = re.compile(rb" info +started ")


class Job(Record):
    """One command. `until_started`: kill it when it serves. `plain`: root may no more than others may."""

    arguments: tuple[str, ...]
    environ: dict[str, str]
    folder: str
    out: str
    err: str
    until_started: bool = False
    plain: bool = False


@dataclass(frozen=True)
class Done:
    """What a command did. `code` None: it served and was killed."""

    code: int | None
    out: str
    err: str


class Forks:
    """The process that forks."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path) -> None:
        self._process, self._folder, self._count = process, folder, 0

    def run(
        self,
        *arguments: str | Path,
        until_started: bool = False,
        cwd: Path | None = None,
        plain: bool = False,
        **environ: str,
    ) -> Done:
        """One command to its end, or until it serves."""
        self._count += 1
        out, err = self._folder / f"{self._count}.out", self._folder / f"{self._count}.err"
        job = Job(
            arguments=tuple(map(str, arguments)),
            environ=environment(**environ),
            folder=str(cwd or self._folder),
            out=str(out),
            err=str(err),
            until_started=until_started,
            plain=plain,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(job) + b"\n")
        self._process.stdin.flush()
        code = msgspec.json.decode(self._process.stdout.readline(), type=int | None)
        return Done(code, out.read_text(), err.read_text())

    def serve(self, config: Path, port: int = 0, *, plain: bool = False) -> Done:
        """Serve until it is seen to start, or refuses."""
        return self.run("serve", "--config", config, until_started=True, plain=plain, SERVER_PORT=str(port))


@contextlib.contextmanager
def forks() -> Iterator[Forks]:
    """A process to fork from, until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "support.forks"]
        with subprocess.Popen(command, cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            yield Forks(process, Path(folder))
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(PATIENCE) == 0


# in the process
def _main() -> None:
    for name in _EARLY:
        importlib.import_module(name)
    for line in sys.stdin.buffer:
        job = msgspec.json.decode(line, type=Job)
        pid = os.fork()
        if not pid:
            _become(job)
        code = _until_started(pid, Path(job.err)) if job.until_started else _code(os.waitpid(pid, 0)[1])
        sys.stdout.buffer.write(msgspec.json.encode(code) + b"\n")
        sys.stdout.buffer.flush()


def _become(job: Job) -> None:
    from hsmgate.cli import main

    code = 70
    try:
        for number, (path, flags) in enumerate([(os.devnull, 0), (job.out, os.O_WRONLY), (job.err, os.O_WRONLY)]):
            os.dup2(os.open(path, flags | os.O_CREAT, 0o644), number)
        os.chdir(job.folder)
        os.environ.clear()
        os.environ.update(job.environ)
        if job.plain:
            _drop_capabilities()
        sys.argv = ["hsmgate", *job.arguments]
        main()
    except SystemExit as done:
        code = done.code if isinstance(done.code, int) else 71
    finally:
        sys.stdout.flush()
        os._exit(code)


def _drop_capabilities() -> None:
    """capset(2) of version 3 with nothing in it: modes of files count for root too."""
    header, nothing = struct.pack("=Ii", 0x20080522, 0), bytes(24)
    assert ctypes.CDLL(None, use_errno=True).capset(header, nothing) == 0


def _until_started(pid: int, err: Path) -> int | None:
    deadline = time.monotonic() + PATIENCE
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return _code(status)
        if err.exists() and _STARTED.search(err.read_bytes()):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return None
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return 72
        time.sleep(0.005)


def _code(status: int) -> int:
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    _main()
