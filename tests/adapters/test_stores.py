"""The server's key and the truststore, read from their files together; and a look that tells every change."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from hsmgate.adapters.stores import Store, Stores
from hsmgate.errors import Failure, Reason
from support import certs
from support.certs import Made

ROOT = certs.authority("root")
SERVER = certs.make("localhost", ROOT)
CLIENT = certs.client("client", ROOT)


def key_pem(made: Made) -> bytes:
    return made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "server.pem").write_bytes(key_pem(SERVER) + SERVER.pem + ROOT.pem)
    (tmp_path / "trust.pem").write_bytes(ROOT.pem + CLIENT.pem)
    return tmp_path


def stores(folder: Path, **more: object) -> Stores:
    given = {"server": Store(folder / "server.pem"), "trust": Store(folder / "trust.pem")} | more
    return Stores(**given)  # type: ignore[arg-type]


def test_everything_is_read_together(folder: Path) -> None:
    pins, issuers = frozenset({"a" * 64}), frozenset({"b" * 64})
    material = stores(folder, pins=pins, issuers=issuers).load()
    assert material.identity.chain == (SERVER.der, ROOT.der)
    assert material.identity.key_der == SERVER.key_der
    assert [der for _, der in material.entries] == [ROOT.der, CLIENT.der]
    assert (material.pins, material.issuers) == (pins, issuers)


def test_without_a_truststore_there_are_no_entries(folder: Path) -> None:
    assert stores(folder, trust=None).load().entries == ()


def test_key_and_certificates_may_be_two_files(folder: Path) -> None:
    (folder / "server.pem").write_bytes(SERVER.pem.rstrip())
    (folder / "server.key").write_bytes(key_pem(SERVER))
    material = stores(folder, key_file=folder / "server.key").load()
    assert material.identity.chain == (SERVER.der,)
    (folder / "server.key").write_bytes(key_pem(CLIENT))
    with pytest.raises(Failure) as caught:
        stores(folder, key_file=folder / "server.key").load()
    assert caught.value.reason is Reason.STORE_UNREADABLE


def test_passwords_and_hints_reach_their_readers(folder: Path) -> None:
    assert isinstance(SERVER.key, ec.EllipticCurvePrivateKey)
    p12 = serialize_key_and_certificates(
        b"server", SERVER.key, x509.load_der_x509_certificate(SERVER.der), None, BestAvailableEncryption(b"secret")
    )
    (folder / "server.p12").write_bytes(p12)
    right = stores(folder, server=Store(folder / "server.p12", "secret"), key_alias="SERVER")
    assert right.load().identity.chain == (SERVER.der,)
    for wrong in (
        stores(folder, server=Store(folder / "server.p12", "Secret")),
        stores(folder, server=Store(folder / "server.p12")),
        stores(folder, server=Store(folder / "server.p12", "secret"), key_alias="other"),
    ):
        with pytest.raises(Failure) as caught:
            wrong.load()
        assert caught.value.reason is Reason.STORE_UNREADABLE
        assert str(caught.value).startswith(str(folder / "server.p12"))
        assert "secret" not in str(caught.value).lower()


@pytest.mark.parametrize("name", ["server.pem", "trust.pem"])
def test_a_failure_names_the_file(name: str, folder: Path) -> None:
    for content in (b"", b"nonsense"):
        (folder / name).write_bytes(content)
        with pytest.raises(Failure) as caught:
            stores(folder).load()
        assert str(folder / name) in str(caught.value)
    (folder / name).unlink()
    with pytest.raises(Failure, match=f"{name}: No such file"):
        stores(folder).load()


def test_a_look_tells_every_change_and_nothing_else(folder: Path) -> None:
    (folder / "server.key").write_bytes(key_pem(SERVER))
    looked = stores(folder, key_file=folder / "server.key")
    seen = {looked.look()}
    for name in ("server.pem", "trust.pem", "server.key"):
        before = (folder / name).read_bytes()
        (folder / name).write_bytes(before + b"\n")
        seen.add(looked.look())
        (folder / name).unlink()
        seen.add(looked.look())
        (folder / name).mkdir()
        seen.add(looked.look())
        (folder / name).rmdir()
        (folder / name).write_bytes(before)
        seen.add(looked.look())
    assert len(seen) == 10
    (folder / "other.pem").write_bytes(ROOT.pem)
    assert looked.look() in seen


def test_a_truststore_may_be_a_folder_whose_files_change(folder: Path) -> None:
    (folder / "trusted").mkdir()
    (folder / "trusted" / "root.pem").write_bytes(ROOT.pem)
    looked = stores(folder, trust=Store(folder / "trusted"))
    assert [der for _, der in looked.load().entries] == [ROOT.der]
    before = looked.look()
    (folder / "trusted" / "client.der").write_bytes(CLIENT.der)
    assert looked.look() != before
    assert {der for _, der in looked.load().entries} == {ROOT.der, CLIENT.der}


def test_neither_a_password_nor_a_key_is_ever_printed(folder: Path) -> None:
    made = stores(folder, server=Store(folder / "server.pem", "geheim"), key_password="geheim")
    assert "geheim" not in f"{made!r} {made} {made.server!r} {made.load()!r}"


def test_the_warnings_of_a_truststore_come_along(folder: Path) -> None:
    (folder / "trust.pem").write_bytes(ROOT.pem + ROOT.pem)
    assert stores(folder).load().warnings
