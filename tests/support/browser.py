"""Debian's Chromium, steered over its own protocol: its TLS is Chromium's, nothing proxies it."""

import asyncio
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import aiohttp

PATIENCE = 60.0  # seconds; a bound for a noisy machine, never the expected time
_LISTENS = re.compile(rb"DevTools listening on (ws://\S+)")
_POLICIES = Path("/etc/chromium")
_OPTIONS = (
    "--headless",
    "--no-sandbox",  # tests may run as root, where it has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--remote-debugging-port=0",
    "--window-size=1280,1600",
)


def nss_home(home: Path, authority: Path, bundle: Path | None = None, password: str = "") -> None:
    """A home folder with an NSS database: the root that the server is checked with, and a client's key."""
    folder = home / ".pki" / "nssdb"
    folder.mkdir(parents=True)
    database = f"sql:{folder}"
    _run("certutil", "-N", "-d", database, "--empty-password")
    _run("certutil", "-A", "-d", database, "-n", "root", "-t", "C,,", "-i", str(authority))
    if bundle is not None:
        _run("pk12util", "-i", str(bundle), "-d", database, "-W", password)


class Tab:
    """A page of the browser. `messages`: what its console said; `requests`: every URL that it asked for."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._count = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reader = asyncio.create_task(self._read())
        self.session: str | None = None
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.failures: list[str] = []

    async def send(self, method: str, **parameters: object) -> dict[str, Any]:
        """One command; its result."""
        number = next(self._count)
        answered = self._waiting[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": parameters}
        await self._socket.send_json(message | ({"sessionId": self.session} if self.session else {}))
        answer = await asyncio.wait_for(answered, PATIENCE)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    async def _read(self) -> None:
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                self._waiting.pop(said["id"]).set_result(said)
            elif said["method"] == "Log.entryAdded":
                self.messages.append(said["params"]["entry"]["text"])
            elif said["method"] == "Runtime.exceptionThrown":
                self.messages.append(json.dumps(said["params"]["exceptionDetails"]))
            elif said["method"] == "Network.requestWillBeSent":
                self.requests.append(said["params"]["request"]["url"])
            elif said["method"] == "Network.loadingFailed":
                self.failures.append(said["params"]["errorText"])

    def close(self) -> None:
        """Stop listening."""
        self._reader.cancel()

    async def start(self) -> Self:
        """A new page whose console and network are watched."""
        target = (await self.send("Target.createTarget", url="about:blank"))["targetId"]
        self.session = (await self.send("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        for domain in ("Log", "Runtime", "Network", "Page"):
            await self.send(f"{domain}.enable")
        return self

    async def open(self, url: str) -> str:
        """Go there; what went wrong, in Chromium's words, or nothing."""
        return str((await self.send("Page.navigate", url=url)).get("errorText", ""))

    async def value(self, script: str) -> Any:
        """What a JavaScript expression gives, through the debugger: the page's policy does not hold for it."""
        found = await self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, script: str) -> Any:
        """Wait until the expression gives something true."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while not (found := await self.value(script)):
            assert asyncio.get_running_loop().time() < deadline, f"{script} stays {found!r}: {self.messages}"
            await asyncio.sleep(0.1)
        return found


@contextmanager
def chromium(folder: Path, home: Path, policy: dict[str, object]) -> Iterator[str]:
    """A browser with this home and this policy, in a mount namespace of its own; where it is steered from."""
    managed = folder / "policies" / "managed"
    managed.mkdir(parents=True)
    (managed / "policy.json").write_text(json.dumps(policy))
    log = folder / "chromium.log"
    inside = f'mount --bind "{folder}" {_POLICIES} && exec "$@"'
    command = ["unshare", "-rm", "sh", "-c", inside, "sh", _chromium(), *_OPTIONS, f"--user-data-dir={home}/profile"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, "HOME": str(home)}, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield _address(process, log)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)


@asynccontextmanager
async def tab(address: str) -> AsyncIterator[Tab]:
    """A new page of the browser."""
    async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=2**26) as socket:
        made = Tab(socket)
        try:
            yield await made.start()
        finally:
            made.close()


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + PATIENCE
    while (found := _LISTENS.search(log.read_bytes())) is None:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return found[1].decode()


def _chromium() -> str:
    found = shutil.which("chromium")
    assert found, "Debian's chromium is needed: make test-long installs it"
    return found


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
