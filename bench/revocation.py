"""Rows about revocation: what the OCSP check adds to a request, in each freshness, and with the responder down."""

import contextlib
import datetime as dt
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from bench import load, servers

MODES = {
    "OCSP off": {"HSMGATE_OCSP_CHECK": "off"},
    "bounded freshness (30s)": {"HSMGATE_OCSP_FRESHNESS": "30s"},
    "every request": {"HSMGATE_OCSP_FRESHNESS": "every-request"},
}


def _client(place: servers.Place, port: int) -> Path:
    """A client certificate whose AIA names the responder."""
    issuer = x509.load_pem_x509_certificate((place.folder / "config-files/tls/truststore.pem").read_bytes())
    issuer_key = load_pem_private_key((place.folder / "data/pki/keys/clients.key").read_bytes(), None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    where = x509.UniformResourceIdentifier(f"http://127.0.0.1:{port}/")
    cert = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.OCSP, where)]),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    (place.folder / "ocsp.crt").write_bytes(cert.public_bytes(Encoding.PEM))
    target = place.folder / "ocsp-client.pem"
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    target.write_bytes(pem + cert.public_bytes(Encoding.PEM))
    return target


@contextlib.contextmanager
def _responder(place: servers.Place, port: int) -> Iterator[None]:
    files = [
        place.folder / name for name in ("ocsp.crt", "config-files/tls/truststore.pem", "data/pki/keys/clients.key")
    ]
    command = [sys.executable, "-m", "bench.responder", str(port), *map(str, files)]
    with subprocess.Popen(command) as process:
        try:
            servers.wait(port)
            yield
        finally:
            process.kill()


def measure(place: servers.Place, rounds: int, scale: float) -> list[dict[str, float | str]]:
    """One line per mode: server CPU and latency of a keep-alive GET, and the ratios to the check switched off."""
    port = servers.free_port()
    context = load.client_context(place.ca, _client(place, port))
    count = max(load.CONNECTIONS, int(2000 * scale))
    lines: list[dict[str, float | str]] = []
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(servers.hsmgate(place, mode)) for name, mode in MODES.items()}
        results: dict[str, list[tuple[float, float]]] = {name: [] for name in MODES}
        with _responder(place, port):
            for number in range(rounds + 1):
                for name, server in running.items():
                    before, start = server.cpu(), time.monotonic()
                    load.one_by_one(context, server.port, load.request("GET", "/v1/key"), count // 2)
                    one = (time.monotonic() - start) / (count // 2)
                    cpu = (server.cpu() - before) / (count // 2)
                    if number:  # the first round warms up
                        results[name].append((cpu * 1e6, one * 1e6))
        base = results["OCSP off"]
        for name, found in results.items():
            lines.append(
                {
                    "row": f"GET /v1/key, {name}",
                    "cpu_us": statistics.median(cpu for cpu, _ in found),
                    "latency_us": statistics.median(wall for _, wall in found),
                    "cpu_ratio": statistics.median(a[0] / b[0] for a, b in zip(found, base, strict=True) if b[0]),
                    "latency_ratio": statistics.median(a[1] / b[1] for a, b in zip(found, base, strict=True)),
                }
            )
        lines.append(_down(context, running["every request"].port, max(8, count // 8)))
    return lines


def _down(context: ssl.SSLContext, port: int, count: int) -> dict[str, float | str]:
    """The responder is gone: how fast the refusals are once the breaker is open."""
    get = load.request("GET", "/v1/key")
    load.one_by_one(context, port, get, 8, (503,))
    start = time.monotonic()
    load.one_by_one(context, port, get, count, (503,))
    return {"row": "GET /v1/key, responder down (503)", "latency_us": (time.monotonic() - start) / count * 1e6}
