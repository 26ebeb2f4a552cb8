"""The certificate that is made where none is configured."""

import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from hsmgate.adapters import own_certificate
from hsmgate.adapters.stores import Store, Stores
from hsmgate.errors import Failure, Reason


def test_it_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "below" / "nothing" / "own.pem"
    assert own_certificate.ensure(path)
    made = path.read_bytes()
    assert not own_certificate.ensure(path)
    assert path.read_bytes() == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["own.pem"]


def test_it_is_what_clients_accept(tmp_path: Path) -> None:
    path = tmp_path / "own.pem"
    own_certificate.ensure(path)
    identity = Stores(server=Store(path)).load().identity
    certificate = x509.load_der_x509_certificate(identity.chain[0])
    public = certificate.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert public.curve.name == "secp256r1"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) >= {"localhost"}
    assert {str(address) for address in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1"}
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.not_valid_before_utc < datetime.now(UTC) < certificate.not_valid_after_utc - timedelta(days=3000)
    client = ssl.create_default_context(cafile=str(path))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(path)
    here, there = socket.socketpair()
    with here, there:
        thread = threading.Thread(target=lambda: server.wrap_socket(there, server_side=True).close())
        thread.start()
        client.wrap_socket(here, server_hostname="localhost").close()
        thread.join()


@pytest.mark.parametrize("host", ["UPPER.example", "under_score", "x" * 200, "", "ünïcode", "-x", "a\nb"])
def test_any_host_name_will_do(host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    own_certificate.ensure(tmp_path / "own.pem")
    assert Stores(server=Store(tmp_path / "own.pem")).load().identity.chain


def test_many_that_start_at_once_agree_on_one(tmp_path: Path) -> None:
    path, made = tmp_path / "tls" / "own.pem", []
    threads = [threading.Thread(target=lambda: made.append(own_certificate.ensure(path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False] * 7 + [True]
    assert Stores(server=Store(path)).load()


def test_where_nothing_can_be_written_it_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file" / "own.pem", Path("/proc/nowhere/own.pem")):
        with pytest.raises(Failure) as caught:
            own_certificate.ensure(path)
        assert caught.value.reason is Reason.STORE_UNREADABLE
        assert str(caught.value).startswith("cannot write ")
    (tmp_path / "own.pem").symlink_to("nowhere")
    with pytest.raises(Failure, match="cannot write"):
        own_certificate.ensure(tmp_path / "own.pem")
