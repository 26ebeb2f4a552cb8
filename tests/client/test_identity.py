"""client/identity.py: PEM and PKCS#12 files that fit, and each way in which they do not."""

import subprocess
import tempfile
from pathlib import Path

import pytest

from hsmgate.client import P12, Client, Identity, Pem, RequestFailed
from hsmgate.client.identity import tls_context
from support.service import Quick


@pytest.fixture(scope="module")
def files(quick: Quick, identity: P12, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quickstart's client in the forms that openssl writes."""
    folder = tmp_path_factory.mktemp("identity")
    passphrase = f"pass:{identity.passphrase}"
    source = ["openssl", "pkcs12", "-in", str(identity.file), "-passin", passphrase]
    for command in (
        [*source, "-nodes", "-out", "both.pem"],
        [*source, "-nokeys", "-out", "cert.pem"],
        [*source, "-nocerts", "-nodes", "-out", "key.pem"],
        [*source, "-nocerts", "-passout", "pass:s3cret", "-out", "locked.pem"],
        ["openssl", "pkcs12", "-export", "-in", "both.pem", "-passout", "pass:", "-out", "open.p12"],
        [
            "openssl",
            "pkcs12",
            "-export",
            "-in",
            "cert.pem",
            "-nokeys",
            "-passout",
            "pass:s3cret",
            "-out",
            "keyless.p12",
        ],
        ["openssl", "genpkey", "-algorithm", "ED25519", "-out", "other.pem"],
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (folder / "large.pem").write_bytes(bytes((1 << 20) + 1))
    (folder / "empty").touch()
    return folder


def in_folder(identity: Identity, folder: Path) -> Identity:
    if isinstance(identity, P12):
        return P12(folder / identity.file, identity.passphrase)
    return Pem(folder / identity.certificate, folder / identity.key if identity.key else None, identity.passphrase)


@pytest.mark.parametrize(
    "given",
    [Pem("both.pem"), Pem("cert.pem", "key.pem"), Pem("cert.pem", "locked.pem", "s3cret"), P12("open.p12", "")],
)
def test_it_gets_in(given: Identity, files: Path, url: str, ca: Path) -> None:
    with Client(url, ca=ca, identity=in_folder(given, files)) as client:
        assert client.version().version == "2.2.0"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (Pem("nowhere.pem"), "nowhere.pem"),
        (Pem("cert.pem", "nowhere.pem"), "nowhere.pem"),
        (Pem("cert.pem", "locked.pem", "wr0ng"), "passphrase"),
        (Pem("cert.pem", "locked.pem"), "passphrase"),
        (Pem("cert.pem", "locked.pem", "x" * 5000), "passphrase"),
        (Pem("cert.pem", "other.pem"), "no pair"),
        (Pem("cert.pem"), "no pair"),
        (Pem("empty"), "no pair"),
        (Pem("large.pem"), "larger than"),
        (Pem(""), "directory"),
        (P12("nowhere.p12", "s3cret"), "nowhere.p12"),
        (P12("open.p12", "wr0ng"), "passphrase"),
        (P12("keyless.p12", "s3cret"), "no key"),
        (P12("cert.pem", "s3cret"), "no PKCS#12"),
        (P12("empty", "s3cret"), "no PKCS#12"),
        (P12("large.pem", "s3cret"), "larger than"),
    ],
)
def test_it_says_what_is_wrong(given: Identity, says: str, files: Path, ca: Path) -> None:
    with pytest.raises(RequestFailed) as caught:
        tls_context(ca, in_folder(given, files))
    assert caught.value.reason == "client.identity"
    assert says in caught.value.message
    assert not {"s3cret", "wr0ng"} & set(caught.value.message.split())


@pytest.mark.parametrize("name", ["nowhere", "empty", "key.pem", "open.p12", ""])
def test_an_authority_file_that_is_none(name: str, files: Path) -> None:
    with pytest.raises(RequestFailed) as caught:
        tls_context(files / name, None)
    assert caught.value.reason == "client.identity"


def test_passphrases_are_never_shown() -> None:
    for identity in (Pem("a", "b", "s3cret"), P12("a", "s3cret")):
        assert "s3cret" not in repr(identity) + str(identity)
        assert identity.passphrase == "s3cret"


def test_the_key_of_a_bundle_leaves_nothing_behind(
    identity: P12, ca: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tls_context(ca, identity)
    assert list(tmp_path.iterdir()) == []
