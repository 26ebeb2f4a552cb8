import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from hsmgate.cli import quickstart, quickstart_pki
from hsmgate.cli.quickstart import Quickstart, curl_line
from hsmgate.config.load import load
from hsmgate.errors import Failure, Reason
from hsmgate.pki.key_store import read_key_store

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Quickstart:
    """One quickstart that no test changes."""
    return quickstart.quickstart(tmp_path_factory.mktemp("here") / "quickstart", NOW, "gate-1.example")


@pytest.fixture
def copied(made: Quickstart, tmp_path: Path) -> Path:
    """A quickstart of one's own, to be damaged."""
    return Path(shutil.copytree(made.folder, tmp_path / "quickstart"))


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_writes_exactly_the_files_that_it_names_and_only_for_their_owner(made: Quickstart) -> None:
    assert made.created
    beside = {"data/audit.log", "data/hsmgate.db.lock", "data/hsmgate.db.use"}  # remade where they are gone
    assert set(contents(made.folder)) == set(quickstart.FILES) | beside
    for path in (made.folder, *made.folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_second_run_keeps_every_byte(copied: Path) -> None:
    before = contents(copied)
    again = quickstart.quickstart(copied, NOW + timedelta(days=1), "another-host")
    assert not again.created
    assert contents(copied) == before


def test_two_quickstarts_share_no_key_and_no_password(made: Quickstart, tmp_path: Path) -> None:
    other = quickstart.quickstart(tmp_path / "other", NOW, "gate-1.example")
    first, second = contents(made.folder), contents(other.folder)
    assert sorted(name for name in first if first[name] == second[name]) == [
        quickstart.MARKER, "data/hsmgate.db.lock", "data/hsmgate.db.use"
    ]  # fmt: skip
    serials = {certificate(q.folder / f"{n}.crt").serial_number for q in (made, other) for n in ("ca", "client")}
    assert len(serials) == 4


@pytest.mark.parametrize("name", quickstart.FILES)
@pytest.mark.parametrize("damage", ["removed", "emptied"])
def test_an_incomplete_quickstart_is_refused_and_left_as_it_is(copied: Path, name: str, damage: str) -> None:
    if damage == "removed":
        (copied / name).unlink()
    else:
        (copied / name).write_bytes(b"")
    before = contents(copied)
    with pytest.raises(Failure) as caught:
        quickstart.quickstart(copied, NOW, "host")
    assert caught.value.reason is Reason.CONFIG_INVALID
    expected = "is no quickstart" if name == quickstart.MARKER else f"is incomplete: {name} missing"
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
    assert contents(copied) == before


KILLED = """
import os, pathlib, sys
from datetime import UTC, datetime
from hsmgate.adapters import private_files
from hsmgate.cli.quickstart import quickstart
left, write = int(sys.argv[2]), private_files.write_once
def counted(path, content):
    global left
    if left == 0:
        os.kill(os.getpid(), 9)
    left -= 1
    write(path, content)
private_files.write_once = counted
quickstart(pathlib.Path(sys.argv[1]), datetime.now(UTC), "host")
"""


@pytest.mark.parametrize("files", [0, 1, 5, len(quickstart.FILES) - len(quickstart_pki.FILES) - 1])
def test_a_run_killed_in_the_middle_is_made_good_by_the_next(tmp_path: Path, files: int) -> None:
    folder = tmp_path / "quickstart"
    done = subprocess.run([sys.executable, "-c", KILLED, folder, str(files)], check=False)
    assert done.returncode == -9
    assert not folder.exists()
    assert quickstart.quickstart(folder, NOW, "host").created
    assert [path.name for path in tmp_path.iterdir()] == ["quickstart"]


def test_a_folder_in_other_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("mine", "file"):
        with pytest.raises(Failure, match="is no quickstart"):
            quickstart.quickstart(tmp_path / name, NOW, "host")
    assert contents(tmp_path) == {"mine/work.txt": b"mine", "file": b"mine"}


@pytest.mark.parametrize("folder", [".", "..", "a\nb"])
def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    with pytest.raises(Failure) as caught:
        quickstart.quickstart(Path(folder), NOW, "host")
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert list((tmp_path / "work").iterdir()) == []


def test_the_truststore_lets_in_clients_and_not_servers(made: Quickstart, tmp_path: Path) -> None:
    truststore = made.config / "tls" / "truststore.pem"
    assert certificate(truststore).subject.rfc4514_string() == "CN=hsmgate quickstart clients"

    def verdict(leaf: str, purpose: str, anchors: Path, *options: str) -> int:
        command = ["openssl", "verify", "-x509_strict", "-purpose", purpose, *options, "-CAfile", str(anchors)]
        return subprocess.run([*command, str(made.folder / leaf)], capture_output=True, check=False).returncode

    assert verdict("client.crt", "sslclient", truststore, "-partial_chain") == 0
    assert verdict("server.crt", "sslclient", truststore, "-partial_chain") != 0
    assert verdict("server.crt", "sslserver", made.folder / "ca.crt") == 0
    assert verdict("client.crt", "sslserver", made.folder / "ca.crt") != 0


def test_keys_and_certificates_belong_together(made: Quickstart) -> None:
    for name, path in (("root", made.folder / "ca.crt"), ("clients", made.config / "tls/truststore.pem")):
        key = load_pem_private_key((made.folder / f"data/pki/keys/{name}.key").read_bytes(), None)
        assert key.public_key() == certificate(path).public_key()
    assert made.expires == certificate(made.folder / "server.crt").not_valid_after_utc


def test_the_server_is_named_as_this_machine_is(made: Quickstart) -> None:
    names = certificate(made.folder / "server.crt").extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["localhost", "gate-1.example"]
    assert sorted(map(str, names.value.get_values_for_type(x509.IPAddress))) == ["127.0.0.1", "::1"]


@pytest.mark.parametrize(
    ("host_name", "names"),
    [
        ("VM.Example.", ["localhost", "vm.example"]),
        ("localhost", ["localhost"]),
        ("", ["localhost"]),
        ("my_machine", ["localhost"]),
        ("-x", ["localhost"]),
        ("bücher", ["localhost"]),
        ("10.0.0.1", ["localhost"]),
        ("a" * 64, ["localhost"]),
    ],
)
def test_a_host_name_that_dns_cannot_hold_is_left_out(host_name: str, names: list[str]) -> None:
    given = [name.value for name in quickstart.server_names(host_name) if isinstance(name, x509.DNSName)]
    assert given == names


def test_the_configuration_loads_and_opens_what_it_names(made: Quickstart) -> None:
    config = load(made.config, None, {}, made.folder)
    assert config.warnings == ()
    assert (config.server.address, config.server.port) == ("127.0.0.1", 8080)
    ssl = config.server.ssl
    assert ssl.client_auth == "need"
    assert ssl.trust_store is not None
    assert ssl.trust_store.resolve() == made.config / "tls/truststore.pem"
    assert ssl.key_store is not None
    store = read_key_store(ssl.key_store.read_bytes(), ssl.key_store_password, "server.p12")
    assert x509.load_der_x509_certificate(store.chain[0]) == certificate(made.folder / "server.crt")
    sealing_key = config.hsm.software.key_file
    assert sealing_key is not None
    assert sealing_key.resolve() == made.folder / "sealing.key"
    assert config.hsmgate.data_dir.resolve() == made.folder / "data"
    assert not sealing_key.resolve().is_relative_to(config.hsmgate.data_dir.resolve())


def test_another_port_comes_from_the_environment(made: Quickstart) -> None:
    assert load(made.config, None, {"SERVER_PORT": "9443"}, made.folder).server.port == 9443


def test_passwords_and_sealing_key_have_the_form_that_needs_no_quoting(made: Quickstart) -> None:
    assert re.fullmatch(r"[A-Za-z0-9]{24}\n", (made.folder / "client.p12.password").read_text())
    assert re.fullmatch(r"[0-9a-f]{64}\n", (made.folder / "sealing.key").read_text())


def test_the_printed_line_in_full(made: Quickstart, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made.folder.parent)
    password = (made.folder / "client.p12.password").read_text().strip()
    assert curl_line(Path("quickstart"), 8080) == (
        "curl --cacert quickstart/ca.crt --cert-type P12 "
        f"--cert quickstart/client.p12:{password} https://localhost:8080/v1/key"
    )


@contextmanager
def openssl_server(folder: Path) -> Iterator[int]:
    """A TLS server of OpenSSL's with the quickstart's own server key store and truststore."""
    config = load(folder / "config-files", None, {}, folder)
    ssl = config.server.ssl
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-Verify", "3", "-verify_return_error", "-www"]
    assert ssl.key_store is not None
    assert ssl.key_store_password is not None
    store = load_pkcs12(ssl.key_store.read_bytes(), ssl.key_store_password.encode())
    assert isinstance(store.key, ec.EllipticCurvePrivateKey)
    key = store.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.key").write_bytes(key)
    command += ["-partial_chain", "-CAfile", "config-files/tls/truststore.pem"]
    command += ["-cert", "server.crt", "-key", "server.key"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            yield next(int(line.rpartition(":")[2]) for line in server.stdout if line.startswith("ACCEPT "))
        finally:
            server.kill()


@pytest.mark.parametrize("name", ["quickstart", 'it\'s a $(false) "test"', "a:b\\c", "-dash"])
def test_the_printed_line_pasted_into_a_shell_gets_an_answer(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    copied.rename(tmp_path / name)
    with openssl_server(tmp_path / name) as port:
        line = curl_line(Path(name), port)
        assert "--insecure" not in line
        assert "\n" not in line
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "no_proxy": "localhost"}
        done = subprocess.run(
            ["sh", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=30
        )
    assert done.returncode == 0, done.stderr
    assert "Verify return code: 0 (ok)" in done.stdout


def test_the_line_of_an_absolute_folder_works_from_anywhere(made: Quickstart) -> None:
    words = shlex.split(curl_line(made.folder, 1))
    assert Path(words[words.index("--cacert") + 1]) == made.folder / "ca.crt"


def test_no_line_without_the_password(copied: Path) -> None:
    (copied / "client.p12.password").unlink()
    with pytest.raises(Failure, match=r"cannot read .*client\.p12\.password"):
        curl_line(copied, 8080)


def test_keytool_reads_both_bundles(made: Quickstart) -> None:
    config = load(made.config, None, {}, made.folder)
    password = (made.folder / "client.p12.password").read_text().strip()
    stores = {made.folder / "client.p12": password, config.server.ssl.key_store: config.server.ssl.key_store_password}
    for store, secret in stores.items():
        command = ["keytool", "-J-Duser.language=en", "-list", "-keystore", str(store), "-storepass", str(secret)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "PrivateKeyEntry" in done.stdout, done.stdout


def test_a_configuration_knows_its_quickstart(made: Quickstart, tmp_path: Path) -> None:
    assert quickstart.beside(made.config) == made.folder
    assert quickstart.beside(made.config / "application-local.yml") == made.folder
    assert quickstart.beside(made.folder) is None
    (tmp_path / "config-files").mkdir()
    assert quickstart.beside(tmp_path / "config-files") is None


def test_what_is_said(made: Quickstart) -> None:
    (said,) = quickstart.lines(made, NOW)
    assert said.startswith(f"made {made.folder}: ")
    assert said.endswith(f"start: hsmgate serve --config {made.folder}/config-files")
    kept = quickstart.quickstart(made.folder, NOW, "host")
    first, second = quickstart.lines(kept, NOW + timedelta(days=398))
    assert first.startswith(f"kept {made.folder} as it is")
    assert second.startswith(f"warning: the certificates in {made.folder} expired on ")
