import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hsmgate.errors import Failure, Reason
from hsmgate.pki import bundle, issue
from hsmgate.record import Record

PASSWORD = "Vd8s2kQ0pLz7"


class World(Record):
    """A root, an authority of clients, a client and a server."""

    root: issue.Authority
    client_ca: issue.Authority
    client_key: ec.EllipticCurvePrivateKey
    client: x509.Certificate
    server_key: ec.EllipticCurvePrivateKey
    server: x509.Certificate


@pytest.fixture(scope="module")
def world() -> World:
    now = datetime.now(UTC)
    years, days = issue.validity(now, issue.AUTHORITY_LIFETIME), issue.validity(now, issue.SERVER_LIFETIME)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(4)]
    root = issue.root("root", keys[0], 1, years)
    client_ca = issue.Authority(
        certificate=issue.intermediate("clients", keys[1].public_key(), root, 2, years), key=keys[1]
    )
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    return World(
        root=root,
        client_ca=client_ca,
        client_key=keys[2],
        client=issue.client("a client", keys[2].public_key(), client_ca, 3, days),
        server_key=keys[3],
        server=issue.server(names, keys[3].public_key(), root, 4, days),
    )


@pytest.fixture(scope="module")
def client_p12(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "client.p12"
    chain = [world.client_ca.certificate]
    path.write_bytes(bundle.pkcs12("A Client", world.client_key, world.client, chain, PASSWORD))
    return path


def openssl_pkcs12(path: Path, *options: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    command = ["openssl", "pkcs12", "-in", str(path), "-passin", f"pass:{password}", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_openssl_finds_the_key_the_leaf_and_the_chain(world: World, client_p12: Path) -> None:
    done = openssl_pkcs12(client_p12, "-nodes")
    assert done.returncode == 0, done.stderr
    certificates = x509.load_pem_x509_certificates(done.stdout.encode())
    assert set(certificates) == {world.client, world.client_ca.certificate}
    assert "BEGIN PRIVATE KEY" in done.stdout


def test_key_certificates_and_mac_are_protected_in_the_modern_way(client_p12: Path) -> None:
    done = openssl_pkcs12(client_p12, "-info", "-noout")
    assert "MAC: sha256," in done.stderr
    protected = [line for line in done.stderr.splitlines() if "PBES2" in line]
    assert len(protected) == 2  # the certificates and the key
    for line in protected:
        assert "AES-256-CBC" in line
        assert "hmacWithSHA256" in line
        assert f"Iteration {bundle.ROUNDS}" in line


def test_another_password_does_not_open_it(client_p12: Path) -> None:
    done = openssl_pkcs12(client_p12, "-noout", password=PASSWORD.lower())
    assert "invalid password" in done.stderr


def test_keytool_lists_one_private_key_with_its_chain(client_p12: Path) -> None:
    assert shutil.which("keytool"), "keytool is needed: apt-get install default-jre-headless"
    command = ["keytool", "-J-Duser.language=en", "-list", "-v", "-keystore", str(client_p12), "-storepass", PASSWORD]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Entry type: PrivateKeyEntry" in done.stdout
    assert "Alias name: a client" in done.stdout
    assert "Certificate chain length: 2" in done.stdout


@contextmanager
def openssl_server(world: World, folder: Path) -> Iterator[int]:
    """A TLS server of OpenSSL's that takes clients below the root, and says in a page what it saw."""
    (folder / "server.crt").write_bytes(world.server.public_bytes(Encoding.PEM))
    (folder / "root.crt").write_bytes(world.root.certificate.public_bytes(Encoding.PEM))
    key = world.server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.key").write_bytes(key)
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-Verify", "3", "-verify_return_error", "-www"]
    command += ["-CAfile", "root.crt", "-cert", "server.crt", "-key", "server.key"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            port = next(int(line.rpartition(":")[2]) for line in server.stdout if line.startswith("ACCEPT "))
            yield port
        finally:
            server.kill()


@pytest.mark.parametrize("protocol", ["1.2", "1.3"])
def test_curl_gets_in_with_it_and_not_without(world: World, client_p12: Path, tmp_path: Path, protocol: str) -> None:
    with openssl_server(world, tmp_path) as port:
        curl = ["curl", "-q", "-sS", "--noproxy", "*", "--max-time", "20", f"--tlsv{protocol}", "--tls-max", protocol]
        curl += ["--cacert", str(tmp_path / "root.crt"), f"https://localhost:{port}/"]
        bundled = ["--cert-type", "P12", "--cert", f"{client_p12}:{PASSWORD}"]
        done = subprocess.run([*curl, *bundled], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "Verify return code: 0 (ok)" in done.stdout
        assert f"TLSv{protocol}" in done.stdout
        done = subprocess.run(curl, capture_output=True, text=True, check=False)
        assert done.returncode != 0


@pytest.mark.parametrize("password", ["", "pässword", "line\nbreak"])
def test_passwords_that_tools_read_differently_are_refused(world: World, password: str) -> None:
    with pytest.raises(Failure, match="password") as caught:
        bundle.pkcs12("a", world.client_key, world.client, [], password)
    assert caught.value.reason is Reason.INVALID_INPUT


def test_a_key_of_another_certificate_is_refused(world: World) -> None:
    with pytest.raises(Failure, match="does not belong"):
        bundle.pkcs12("a", world.server_key, world.client, [], PASSWORD)


def test_a_broken_chain_is_refused(world: World) -> None:
    for chain in ([world.root.certificate], [world.client_ca.certificate, world.client_ca.certificate]):
        with pytest.raises(Failure, match="chain is broken"):
            bundle.pkcs12("a", world.client_key, world.client, chain, PASSWORD)
    whole = [world.client_ca.certificate, world.root.certificate]
    assert bundle.pkcs12("a", world.client_key, world.client, whole, PASSWORD)
