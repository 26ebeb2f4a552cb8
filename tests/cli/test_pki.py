"""`hsmgate pki` as an operator meets it."""

import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from support.pki_cli import PkiCli


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        made = PkiCli(tmp_path_factory.mktemp("fresh"), patch)
        made.ok("init", "root", "--subject", "CN=A root,O=Example", "--out", "root.crt")
        made.ok("intermediate", "issuing", "--issuer", "root", "--ocsp", "http://ocsp.example/")
        yield made.folder


@pytest.fixture
def pki(fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PkiCli:
    return PkiCli(Path(shutil.copytree(fresh, tmp_path, dirs_exist_ok=True)), monkeypatch)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_life_of_a_client(pki: PkiCli) -> None:
    (row,) = pki.ok("issue", "client", "CN=billing,O=Example", "--issuer", "issuing", "--bundle").rows
    serial, authority, profile, subject, _, files = row
    assert (authority, profile, subject) == ("issuing", "client", "CN=billing,O=Example")
    assert [Path(file).name for file in files.split()] == [
        "billing.crt",
        "billing.key",
        "billing.p12",
        "billing.p12.password",
    ]
    assert mode(pki.folder / "billing.crt") == 0o644
    for secret in ("billing.key", "billing.p12", "billing.p12.password"):
        assert mode(pki.folder / secret) == 0o600
    verify = ["openssl", "verify", "-CAfile", "root.crt", "-untrusted", "billing.crt", "billing.crt"]
    assert subprocess.run(verify, cwd=pki.folder, capture_output=True, check=False).returncode == 0
    assert pki.ok("status", serial).rows[0][3] == "good"
    assert pki.ok("revoke", "billing.crt", "--reason", "certificateHold").rows[0][3] == "held"
    assert pki.ok("release", "CN=billing,O=Example").rows[0][3] == "good"
    assert pki.ok("revoke", f"0x{serial.upper()}", "--reason", "keyCompromise").rows[0][3] == "revoked"
    assert pki.no("release", serial).startswith("it is revoked (keyCompromise)")
    assert pki.no("revoke", serial) == "it is revoked already (keyCompromise), which is final"
    (found,) = pki.ok("status", serial, "--json").json
    assert (found["state"], found["reason"]) == ("revoked", "keyCompromise")
    audited = pki.hsmgate("audit", "verify", "pki/audit.log")
    assert audited.code == 0, audited.err


def test_files_are_never_overwritten_and_nothing_is_issued_for_them(pki: PkiCli) -> None:
    (pki.folder / "billing.key").write_text("mine")
    assert pki.no("issue", "client", "billing", "--issuer", "issuing").endswith("give another name with --out")
    assert (pki.folder / "billing.key").read_text() == "mine"
    assert [row[2] for row in pki.ok("list").rows] == ["authority"]


def test_a_certificate_whose_file_was_lost_is_exported(pki: PkiCli) -> None:
    (row,) = pki.ok("issue", "server", "--name", "dns:gate.example", "--issuer", "issuing").rows
    whole = (pki.folder / "gate.example.crt").read_text()
    (pki.folder / "gate.example.crt").unlink()
    exported = pki.ok("export", row[0], "--chain").out
    assert exported.startswith(whole)
    assert exported == whole + (pki.folder / "root.crt").read_text()
    assert pki.ok("export", "root").out == (pki.folder / "root.crt").read_text()


def test_passphrases_come_from_files_and_variables(pki: PkiCli) -> None:
    (pki.folder / "secret").write_text("correct horse\nmore\n")
    pki.ok("init", "locked", "--new-passphrase-file", "secret", "--path-length", "0")
    pem = (pki.folder / "pki/keys/locked.key").read_bytes()
    assert b"ENCRYPTED" in pem
    load_pem_private_key(pem, b"correct horse")
    assert pki.no("issue", "client", "a", "--issuer", "locked").endswith("needs its passphrase")
    pki.ok("issue", "client", "a", "--issuer", "locked", "--passphrase-file", "secret")
    pki.setenv("HSMGATE_KEY_PASSPHRASE", "wrong")
    assert pki.no("issue", "client", "b", "--issuer", "locked").endswith("the passphrase is wrong")
    pki.setenv("HSMGATE_KEY_PASSPHRASE", "correct horse")
    pki.setenv("HSMGATE_NEW_KEY_PASSPHRASE", "of the leaf")
    pki.ok("issue", "client", "b", "--issuer", "locked", "--bundle")
    load_pem_private_key((pki.folder / "b.key").read_bytes(), b"of the leaf")


def test_without_a_terminal_nobody_is_asked(pki: PkiCli) -> None:
    assert pki.no("init", "asked", "--ask-passphrase").startswith("there is no terminal to ask")


def test_a_key_that_others_can_read_is_not_used(pki: PkiCli) -> None:
    (pki.folder / "pki/keys/issuing.key").chmod(0o644)
    assert "chmod 600 it" in pki.no("issue", "client", "a", "--issuer", "issuing")


def test_lists_are_cut_into_pages(pki: PkiCli) -> None:
    for number in range(5):
        pki.ok("issue", "client", f"client-{number}", "--issuer", "issuing", "--lifetime", f"{number + 1}d")
    assert [row[5] for row in pki.ok("list", "--issuer", "issuing").rows] == [f"CN=client-{n}" for n in range(5)]
    page = pki.ok("list", "--limit", "2")
    assert [row[5] for row in page.rows] == ["CN=client-0", "CN=client-1"]
    after = page.err.strip().rpartition(" ")[2]
    page = pki.ok("list", "--limit", "9", "--after", after)
    assert [row[5] for row in page.rows] == ["CN=client-2", "CN=client-3", "CN=client-4", "CN=issuing"]
    assert page.err == ""
    assert len(pki.ok("list", "--expiring", "60h", "--json").json) == 2
    assert pki.ok("list", "--state", "revoked", "--json").json == []
    pki.ok("revoke", "CN=client-3")
    assert [row[5] for row in pki.ok("list", "--state", "revoked").rows] == ["CN=client-3"]
    assert pki.no("list", "--state", "bad").startswith("--state is one of")
    assert "behind" not in pki.no("list", "--after", "issuing")


def test_crls_are_numbered_published_and_made_when_due(pki: PkiCli) -> None:
    pki.ok("settings", "issuing", "--crl-file", "../issuing.crl", "--crl-url", "http://pki.example/issuing.crl")
    assert [row["number"] for row in pki.ok("crl", "--json").json] == [1, 1]
    pki.ok("issue", "client", "a", "--issuer", "issuing")
    pki.ok("revoke", "a.crt")
    (again,) = pki.ok("crl", "issuing", "--if-due", "--json").json
    assert (again["number"], again["made"]) == (1, False)
    (pki.folder / "issuing.crl").unlink()
    pki.ok("crl", "--if-due")
    assert len(x509.load_der_x509_crl((pki.folder / "issuing.crl").read_bytes())) == 0, "what was lost is put back"
    pki.ok("crl", "issuing", "--out", "issuing.pem")
    (entry,) = x509.load_pem_x509_crl((pki.folder / "issuing.pem").read_bytes())
    assert f"{entry.serial_number:x}" == pki.ok("status", "a.crt").rows[0][0]
    check = ["openssl", "verify", "-crl_check", "-CAfile", "both.pem", "-CRLfile", "issuing.pem", "a.crt"]
    both = pki.ok("export", "issuing", "--chain").out
    (pki.folder / "both.pem").write_text(both)
    done = subprocess.run(check, cwd=pki.folder, capture_output=True, text=True, check=False)
    assert "certificate revoked" in done.stderr
    assert "exclude each other" in pki.no("crl", "--config", "x", "--pki", "y")


def test_an_offline_root(pki: PkiCli) -> None:
    pki.ok("request", "second", "--pki", "online", "--out", "second.csr")
    pki.ok("sign-request", "second.csr", "--issuer", "root", "--out", "second.crt")
    pki.ok("install", "root", "root.crt", "--without-key", "--pki", "online")
    (row,) = pki.ok("install", "second", "second.crt", "--pki", "online").rows
    assert row[:2] == ["second", "root"]
    pki.ok("issue", "client", "a", "--pki", "online")
    verify = ["openssl", "verify", "-CAfile", "root.crt", "-untrusted", "a.crt", "a.crt"]
    assert subprocess.run(verify, cwd=pki.folder, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("issue", "king", "a"), "the profiles are: server, client, responder"),
        (("issue", "client"), "the subject gives no file name"),
        (("issue", "server", "a", "--issuer", "issuing"), "needs at least one name"),
        (("issue", "client", "a", "--name", "gate"), "begins with its kind"),
        (("issue", "client", "a", "--name", "dns:a b"), "is not a name that a certificate can hold"),
        (("issue", "client", "a", "--issuer", "nobody"), "there is no authority nobody; there are: issuing, root"),
        (("issue", "client", "a"), "name the authority; those with a key here: issuing, root"),
        (("issue", "client", "a", "--lifetime", "long"), "--lifetime must be a duration"),
        (("issue", "client", "a", "--key-type", "p7", "--issuer", "root"), "is no kind of key"),
        (("issue", "client", "a", "--csr", "root.crt", "--issuer", "root"), "holds no request"),
        (("issue", "client", "a", "--csr", "no.csr"), "cannot read no.csr"),
        (("issue", "client", "a", "--csr", "root.crt", "--bundle"), "see hsmgate pki bundle"),
        (("init", "root"), "there is an authority root already"),
        (("init", "a/b"), "the name of an authority"),
        (("init", "x", "--keystore", "label"), "give --config"),
        (("init", "x", "--ocsp", "ftp://x"), "no http or https URL"),
        (("init", "x", "--permit", "ip:10.0.0.1/8"), "is not a name constraint"),
        (("init", "x", "--crl-every", "8d"), "must be due before"),
        (("intermediate", "x", "--issuer", "issuing"), "may issue leaves only"),
        (("revoke", "abc123"), "no certificate with serial number abc123 was issued here"),
        (("revoke", "missing.crt"), "missing.crt: No such file"),
        (("revoke", "root.crt"), "was not issued here"),
        (("revoke", "CN=issuing", "--reason", "boredom"), "is no reason; there are"),
        (("release", "CN=issuing"), "it is not on hold"),
        (("renew", "CN=issuing"), "only server, client and responder certificates are renewed"),
        (("status", "x", "--pki", "nowhere"), "there is no PKI in nowhere: hsmgate pki init makes one"),
        (("export", "nothing"), "nothing: No such file"),
        (("crl", "--out", "x.crl"), "name it"),
        (("install", "x", "root.crt", "--without-key"), "already"),
    ],
)
def test_what_is_refused_in_one_line(pki: PkiCli, words: tuple[str, ...], said: str) -> None:
    assert said in pki.no(*words)
    assert sorted(path.name for path in pki.folder.iterdir()) == ["pki", "root.crt"]
    assert sorted(path.name for path in (pki.folder / "pki/keys").iterdir()) == ["issuing.key", "root.key"]


def test_without_a_place_the_configuration_is_looked_for(pki: PkiCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HSMGATE_PKI")
    assert "configuration" in pki.no("authorities")
