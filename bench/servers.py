"""The two servers under measurement, on loopback, with the same certificates and TLS settings."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12

_TICKS = os.sysconf("SC_CLK_TCK")
_NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  keepalive_requests 1000000;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.pem;
    ssl_client_certificate {folder}/truststore.pem;
    ssl_verify_client on;
    ssl_verify_depth 3;
    ssl_session_cache off;
    ssl_session_tickets off;
    ssl_protocols TLSv1.2 TLSv1.3;
    default_type application/json;
    location / {{ return 200 '{answer}'; }}
  }}
}}
"""


@dataclass
class Server:
    """A running server: where it listens, and the processes whose CPU counts."""

    name: str
    port: int
    pids: list[int]

    def cpu(self) -> float:
        """CPU seconds spent so far, user and system."""
        total = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / _TICKS


@dataclass
class Place:
    """A quickstart folder and the client's certificate in it, as files that `ssl` can load."""

    folder: Path
    client_pem: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_place(folder: Path) -> Place:
    """A quickstart, and its bundles as PEM."""
    subprocess.run([sys.executable, "-m", "hsmgate", "quickstart", str(folder)], check=True, stdout=subprocess.DEVNULL)
    client = folder / "client.pem"
    password = (folder / "client.p12.password").read_text().strip()
    _to_pem(folder / "client.p12", password, client)
    return Place(folder, client)


def _to_pem(bundle: Path, password: str, target: Path) -> None:
    key, cert, others = pkcs12.load_key_and_certificates(bundle.read_bytes(), password.encode())
    assert key is not None
    assert cert is not None
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    text += b"".join(one.public_bytes(Encoding.PEM) for one in (cert, *others))
    target.write_bytes(text)


def wait(port: int) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


def with_own_pki(place: Place) -> dict[str, str]:
    """Settings: as the quickstart has it, each request reads in its PKI that the client is not revoked."""
    return {"HSMGATE_DATA_DIR": str(place.folder / "data")}


@contextlib.contextmanager
def hsmgate(place: Place, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """The service itself, one process; `settings` go into its environment, OCSP is off where they are silent."""
    port = free_port()
    own = {
        "SERVER_PORT": str(port),
        "HSMGATE_RESPONDER_LISTEN": "127.0.0.1:0",
        "HSMGATE_DATA_DIR": str(place.folder / f"data-{port}"),
    }
    environ = {**os.environ, **own, **(settings or {"HSMGATE_OCSP_CHECK": "off"})}
    command = [sys.executable, "-m", "hsmgate", "serve", "--config", str(place.folder / "config-files")]
    with (
        (place.folder / "serve.log").open("wb") as log,
        subprocess.Popen(command, env=environ, stdout=log, stderr=log) as process,
    ):
        try:
            wait(port)
            yield Server("hsmgate", port, [process.pid])
        finally:
            process.terminate()


@contextlib.contextmanager
def nginx(place: Place, answer: str) -> Iterator[Server]:
    """nginx with one worker that answers a constant."""
    folder = place.folder / "nginx"
    folder.mkdir()
    config = (place.folder / "config-files").glob("application*.yml")
    text = next(config).read_text()
    password = text.split("key-store-password:")[1].split("'")[1]
    _to_pem(place.folder / "config-files/tls/server.p12", password, folder / "server.pem")
    shutil.copy(place.folder / "config-files/tls/truststore.pem", folder / "truststore.pem")
    # nginx trusts roots only, so the client CA is completed by its root
    with (folder / "truststore.pem").open("ab") as store:
        store.write((place.folder / "ca.crt").read_bytes())
    port = free_port()
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=port, answer=answer))
    command = [
        shutil.which("nginx") or "/usr/sbin/nginx",
        "-c",
        str(folder / "nginx.conf"),
        "-g",
        "user root;" if os.geteuid() == 0 else "",
    ]
    with subprocess.Popen([part for part in command if part]) as process:
        try:
            wait(port)
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            yield Server("nginx", port, [process.pid, *map(int, children)])
        finally:
            process.terminate()
