"""A real `hsmgate serve` process on 127.0.0.1, and an HTTPS client with the quickstart's certificate."""

import contextlib
import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12

PATIENCE = 60.0  # seconds; a bound for a noisy machine, never the expected time
PROGRAM = (sys.executable, "-W", "error::DeprecationWarning:hsmgate", "-m", "hsmgate")
_STARTED = re.compile(rb" info +started .*url=(?P<scheme>https?)://(?P<host>\S+):(?P<port>\d+)\n")
GONE = (OSError, http.client.HTTPException)  # what a client sees of a service that dies


def environment(**more: str) -> dict[str, str]:
    """The environment of a process, without what would configure the service by accident."""
    ours = re.compile("HSMGATE|SERVER_|SPRING|TLS_|HSM_")
    kept = {name: value for name, value in os.environ.items() if not ours.match(name)}
    return kept | {"HSMGATE_RESPONDER_LISTEN": "127.0.0.1:0"} | more  # of a quickstart's port there is only one


def run(*arguments: str | Path, timeout: float = PATIENCE, **environ: str) -> subprocess.CompletedProcess[str]:
    """One command to its end."""
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment(**environ), timeout=timeout, check=False
    )


class Service:
    """`with Service(folder) as service:` serves until the block ends; then it is killed if it still runs."""

    def __init__(self, config: Path, log: Path, **environ: str) -> None:
        self.config, self.log = config, log
        self.program: tuple[str, ...] = PROGRAM
        self._environ = {"SERVER_PORT": "0", **environ}
        self.process: subprocess.Popen[bytes]
        self.port = 0
        self.seconds_to_listening = 0.0
        self.cpu_to_listening = 0.0

    def launch(self) -> Self:
        """Start the process and return at once."""
        with self.log.open("wb") as stderr:
            self._began = time.monotonic()
            self.process = subprocess.Popen(
                [*self.program, "serve", "--config", str(self.config)],
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=environment(**self._environ),
                start_new_session=True,
            )
        return self

    def await_listening(self) -> Self:
        """Return when it listens; fails with its log when it ends before."""
        while (found := _STARTED.search(self.log.read_bytes())) is None:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.text()}"
            assert time.monotonic() - self._began < PATIENCE, f"it does not listen: {self.text()}"
            time.sleep(0.005)
        self.seconds_to_listening = time.monotonic() - self._began
        self.cpu_to_listening = _cpu_seconds(self.process.pid)
        self.port = int(found["port"])
        return self

    def __enter__(self) -> Self:
        return self.launch().await_listening()

    def __exit__(
        self, _kind: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """SIGKILL: what a crash looks like."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        os.kill(self.process.pid, number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it in order; its exit code."""
        self.send(number)
        return self.process.wait(PATIENCE)

    def text(self) -> str:
        """Its log so far."""
        return self.log.read_text()

    def await_line(self, pattern: str) -> str:
        """The first line of the log that matches."""
        deadline = time.monotonic() + PATIENCE
        while True:
            for line in self.text().splitlines():
                if re.search(pattern, line):
                    return line
            assert time.monotonic() < deadline, f"no {pattern} in {self.text()}"
            assert self.process.poll() is None, f"no {pattern}, and it ended: {self.text()}"
            time.sleep(0.01)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection, kept alive."""

    def __init__(self, port: int, context: ssl.SSLContext | None, timeout: float = PATIENCE) -> None:
        self._connection: http.client.HTTPConnection
        if context is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        else:
            self._connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=context)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.close()

    def call(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None, *, raw: bytes = b""
    ) -> Answer:
        """One request; `body` is sent as JSON."""
        fields = {"Content-Type": "application/json"} | dict(headers or {})
        content = raw or (None if body is None else json.dumps(body).encode())
        self._connection.request(method, path, content, fields)
        answer = self._connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def create(self, label: str, request_id: str = "", **more: object) -> Answer:
        """A P-256 key that may sign and be destroyed, if nothing else is said."""
        attributes = {"sign": True, "destroyable": True}
        body = {"label": label, "algorithm": "EC", "curveOid": "1.2.840.10045.3.1.7", "attributes": attributes} | more
        return self.call("POST", "/v1/key", body, _named(request_id))

    def sign(self, label: str, payload: str, request_id: str = "", algorithm: str = "SHA256_WITH_ECDSA") -> Answer:
        """`payload`: Base64."""
        wish = {"signKeyName": label, "payload": payload, "payloadType": "UNSPECIFIED", "signatureAlgorithm": algorithm}
        return self.call("POST", "/v1/synchronousSign", {"signRequest": wish}, _named(request_id))

    def labels(self) -> list[str]:
        """All keys."""
        answer = self.call("GET", "/v1/key")
        assert answer.status == 200, answer
        return [str(label) for label in answer.json]


def _named(request_id: str) -> dict[str, str]:
    return {"X-Request-Id": request_id} if request_id else {}


class Quick:
    """A quickstart folder, as a client and an operator see it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config-files"
        self.yml = self.config / "application-local.yml"
        self.truststore = self.config / "tls" / "truststore.pem"
        self.data = folder / "data"
        self.audit = self.data / "audit.log"

    def serve(self, **environ: str) -> Service:
        """The service, not started."""
        return Service(self.config, self.folder / "service.log", **environ)

    def context(self, *, certificate: bool = True, authority: Path | None = None) -> ssl.SSLContext:
        """Trust in the quickstart's root, or another one, with the client's certificate or without."""
        context = ssl.create_default_context(cafile=str(authority or self.folder / "ca.crt"))
        if certificate:
            context.load_cert_chain(self._client_pem())
        return context

    def client(self, port: int) -> Client:
        """A client that is let in."""
        return Client(port, self.context())

    def _client_pem(self) -> Path:
        path = self.folder / "client.pem"
        if not path.exists():
            password = (self.folder / "client.p12.password").read_bytes().strip()
            bundle = pkcs12.load_pkcs12((self.folder / "client.p12").read_bytes(), password)
            assert bundle.key is not None
            assert bundle.cert is not None
            certificates = [bundle.cert, *bundle.additional_certs]
            pem = bundle.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            fresh = path.with_name(f"client.{os.getpid()}.pem")
            fresh.write_bytes(pem + b"".join(each.certificate.public_bytes(Encoding.PEM) for each in certificates))
            fresh.rename(path)
        return path

    def edit(self, *changes: tuple[str, str]) -> None:
        """Replace texts of the configuration, each of which must be there."""
        text = self.yml.read_text()
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        self.yml.write_text(text)

    def trail(self) -> list[dict[str, Any]]:
        """The lines of the audit trail, whole ones."""
        whole = self.audit.read_bytes().rpartition(b"\n")[0].splitlines()
        return [json.loads(line) for line in whole]

    def verify_trail(self, *more: str) -> subprocess.CompletedProcess[str]:
        """`hsmgate audit verify`, which must hold."""
        done = run("audit", "verify", self.audit, *more)
        assert done.returncode == 0, done.stderr
        return done


def one_line(stderr: str) -> str:
    """The only line of a refusal."""
    lines = stderr.splitlines()
    refusals = [line for line in lines if line.startswith("hsmgate: ")]
    others = [line for line in lines if not line.startswith("hsmgate: ") and " warning " not in line]
    assert len(refusals) == 1, stderr
    assert not others, stderr
    return refusals[0].removeprefix("hsmgate: ")


def outcomes(trail: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Result by request id, of all requests that came to their end."""
    return {line["requestId"]: line["result"] for line in trail if line["phase"] != "intent" and line["requestId"]}
