"""Rows about our own OCSP responder: server CPU of an answer, live and kept, beside openssl's bare signature."""

import contextlib
import datetime as dt
import re
import socket
import statistics
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bench import servers

CONNECTIONS = 8
SERIAL = 0x1234


def _material(folder: Path) -> bytes:
    """A CA, its delegate and an index of a thousand certificates; the request about one of them."""
    key, delegate_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench CA")]), dt.datetime.now(dt.UTC)

    def signed(subject: str, public: ec.EllipticCurvePublicKey, *extensions: x509.ExtensionType) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(key, hashes.SHA256())

    issuer = signed("bench CA", key.public_key(), x509.BasicConstraints(ca=True, path_length=None))
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
    delegate = signed("bench responder", delegate_key.public_key(), usage, x509.OCSPNoCheck())
    pem = delegate_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "ca.crt").write_bytes(issuer.public_bytes(Encoding.PEM))
    (folder / "signer.pem").write_bytes(pem + delegate.public_bytes(Encoding.PEM))
    lines = [f"V\t390101000000Z\t\t{SERIAL + number:04X}\tunknown\t/CN=x\n" for number in range(1000)]
    (folder / "index.txt").write_text("".join(lines))
    digest = hashes.Hash(hashes.SHA1())
    digest.update(name.public_bytes())
    key_hash = x509.SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(digest.finalize(), key_hash, SERIAL, hashes.SHA1())
    return builder.build().public_bytes(Encoding.DER)


@contextlib.contextmanager
def _running(folder: Path) -> Iterator[servers.Server]:
    port = servers.free_port()
    command = [sys.executable, "-m", "hsmgate", "ocsp", "serve", "--listen", f"127.0.0.1:{port}"]
    files = ["--issuer", "ca.crt", "--index", "index.txt", "--signer", "signer.pem"]
    with subprocess.Popen([*command, *files], cwd=folder, stderr=subprocess.DEVNULL) as process:
        try:
            servers.wait(port)
            yield servers.Server("responder", port, [process.pid])
        finally:
            process.kill()


def _load(port: int, message: bytes, count: int) -> None:
    def one(share: int) -> None:
        with socket.create_connection(("127.0.0.1", port), 30) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(share):
                connection.sendall(message)
                data = b""
                while (end := data.find(b"\r\n\r\n")) < 0:
                    data += connection.recv(65536)
                assert data.startswith(b"HTTP/1.1 200 "), data
                length = int(re.search(rb"content-length: (\d+)", data)[1])  # type: ignore[index]
                while len(data) < end + 4 + length:
                    data += connection.recv(65536)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(one, [count // CONNECTIONS] * CONNECTIONS))


def _openssl() -> float:
    """Microseconds of one P-256 signature; openssl tells how many it makes in a second."""
    done = subprocess.run(
        ["openssl", "speed", "-mr", "-seconds", "1", "ecdsap256"], capture_output=True, text=True, check=True
    )
    found = re.search(r"^\+F\d+:\d+:256:([0-9.]+):", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return 1e6 / float(found[1])


def measure(folder: Path, rounds: int, scale: float) -> list[dict[str, float | str]]:
    """One line each for live and kept answers: server CPU, and answers per second of it; openssl last."""
    folder.mkdir()
    request = _material(folder)
    path = quote(b64encode(request).decode(), safe="")
    head = f"Host: a\r\nContent-Type: application/ocsp-request\r\nContent-Length: {len(request)}\r\n\r\n"
    messages = {
        "OCSP answer, live (POST)": f"POST / HTTP/1.1\r\n{head}".encode() + request,
        "OCSP answer, kept (GET)": f"GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    }
    count = max(CONNECTIONS, int(4000 * scale))
    results: dict[str, list[float]] = {name: [] for name in messages}
    bare = []
    with _running(folder) as server:
        for number in range(rounds + 1):
            for name, message in messages.items():
                before = server.cpu()
                _load(server.port, message, count)
                if number:  # the first round warms up
                    results[name].append((server.cpu() - before) / count * 1e6)
            if number:
                bare.append(_openssl())
    lines: list[dict[str, float | str]] = []
    for name, found in (*results.items(), ("P-256 signature, openssl speed", bare)):
        cpu = statistics.median(found)
        lines.append({"row": name, "cpu_us": cpu, "per_s_and_core": 1e6 / cpu})
    return lines
