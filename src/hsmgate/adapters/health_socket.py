"""Says over a Unix socket whether the service is well: for probes on the same machine, which need no certificate."""

import asyncio
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from hsmgate.adapters.private_files import FILE_MODE
from hsmgate.errors import Failure, Reason

OK = "ok"
SECONDS = 10.0  # for one answer
_AT_ONCE = 8
_LONGEST = 500
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


async def serve_health(path: Path, judge: Callable[[], Awaitable[str]]) -> None:
    """Answer who connects with one line, until cancelled. Failure: STORE_UNREADABLE (the socket cannot be made)."""
    try:
        listening, mark = _listen(path)
    except OSError as error:
        raise Failure(Reason.STORE_UNREADABLE, f"{path}: {(error.strerror or 'cannot be made').lower()}") from None
    room = asyncio.Semaphore(_AT_ONCE)

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(SECONDS), room:
                writer.write(f"{await judge()}\n".encode())
                await writer.drain()
        except (TimeoutError, OSError):
            pass  # no answer is one too
        finally:
            writer.close()

    server = await asyncio.start_unix_server(answer, sock=listening)
    try:
        await server.serve_forever()
    finally:
        _remove(path, mark)


def ask_health(path: Path) -> str:
    """What the service says. Failure: CONNECTIVITY (nobody listens, or no answer in time)."""
    try:
        folder = os.open(path.parent, _FOLDER)
        try:
            with socket.socket(socket.AF_UNIX) as asking:
                asking.settimeout(SECONDS)
                asking.connect(_short(folder, path.name))
                return _line(asking)
        finally:
            os.close(folder)
    except OSError as error:
        why = (error.strerror or "no answer in time").lower()
        raise Failure(Reason.CONNECTIVITY, f"the service does not answer at {path}: {why}") from None


def _line(asking: socket.socket) -> str:
    received = b""
    while len(received) < _LONGEST and (part := asking.recv(_LONGEST)):
        received += part
    if not received.endswith(b"\n"):
        raise TimeoutError
    return received.decode(errors="replace").strip()


def _remove(path: Path, mark: os.stat_result) -> None:
    """Unless another process has taken the name."""
    with suppress(OSError):
        if os.path.samestat(path.lstat(), mark):
            path.unlink()


def _listen(path: Path) -> tuple[socket.socket, os.stat_result]:
    """Listen under another name, then take the name in one step, from a process that is gone too."""
    if os.path.lexists(path) and not stat.S_ISSOCK(path.lstat().st_mode):
        raise FileExistsError(None, "something else is there")
    folder = os.open(path.parent, _FOLDER)
    listening = socket.socket(socket.AF_UNIX)
    temporary = f".{path.name}.{os.urandom(4).hex()}"
    try:
        listening.bind(_short(folder, temporary))
        os.chmod(temporary, FILE_MODE, dir_fd=folder)
        listening.listen(_AT_ONCE)
        mark = os.stat(temporary, dir_fd=folder)
        os.rename(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        listening.close()
        raise
    finally:
        os.close(folder)
    return listening, mark


def _short(folder: int, name: str) -> str:
    """A path of any length in the 107 octets that a Unix socket has for it."""
    return f"/proc/self/fd/{folder}/{name}"
