"""A real `openssl ca` folder becomes an authority here: the same certificates, the same states."""

import subprocess
from pathlib import Path

import pytest
from cryptography import x509

from hsmgate.errors import Failure, Reason
from hsmgate.pki import openssl_ca
from support.pki_cli import PkiCli

CONFIG = """\
[ca]
default_ca = own
[own]
dir = .
database = index.txt
new_certs_dir = newcerts
certificate = cacert.pem
private_key = private/cakey.pem
serial = serial
crlnumber = crlnumber
default_md = sha256
default_days = 90
default_crl_days = 7
policy = any
unique_subject = no
[any]
organizationName = optional
commonName = supplied
[req]
distinguished_name = dn
[dn]
"""


class OpensslCa:
    """`openssl ca` in a folder, as its manual shows it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("newcerts", "private"):
            (folder / name).mkdir(parents=True)
        (folder / "index.txt").touch()
        (folder / "serial").write_text("0a\n")
        (folder / "crlnumber").write_text("11\n")
        (folder / "ca.cnf").write_text(CONFIG)
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "private/cakey.pem"]
        extensions = ("basicConstraints=critical,CA:TRUE", "keyUsage=keyCertSign,cRLSign")
        added = [word for extension in extensions for word in ("-addext", extension)]
        words = ["-out", "cacert.pem", "-subj", "/CN=old", "-days", "900", *added]
        self.openssl("req", "-config", "ca.cnf", "-x509", *key, *words)
        (folder / "private/cakey.pem").chmod(0o600)

    def openssl(self, *words: str) -> str:
        done = subprocess.run(["openssl", *words], cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def issue(self, subject: str) -> None:
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "leaf.key"]
        self.openssl("req", "-config", "ca.cnf", *key, "-out", "leaf.csr", "-subj", subject)
        self.openssl("ca", "-config", "ca.cnf", "-batch", "-in", "leaf.csr", "-notext", "-out", "leaf.pem")

    def revoke(self, serial: str, *words: str) -> None:
        self.openssl("ca", "-config", "ca.cnf", "-revoke", f"newcerts/{serial}.pem", *words)


@pytest.fixture
def old(tmp_path: Path) -> OpensslCa:
    made = OpensslCa(tmp_path / "old")
    for name in ("one", "two", "three", "four"):
        made.issue(f"/O=Example, Inc/CN={name}")
    made.revoke("0B", "-crl_reason", "keyCompromise")
    made.revoke("0C", "-crl_hold", "holdInstructionReject")
    return made


@pytest.fixture
def pki(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PkiCli:
    return PkiCli(tmp_path, monkeypatch)


def states(pki: PkiCli) -> list[tuple[str, str, str]]:
    return sorted((row[0], row[3], row[6]) for row in pki.ok("list", "--kind", "imported").rows)


ALL = [
    ("a", "good", ""),
    ("b", "revoked", "keyCompromise"),
    ("c", "held", "certificateHold"),
    ("d", "good", ""),
]


def test_everything_is_taken_over_once(old: OpensslCa, pki: PkiCli) -> None:
    words = ("import", "old", "old", "--key", "private/cakey.pem")
    assert pki.ok(*words).rows == [["old", "4", "0", "0", "file:keys/old.key"]]
    assert states(pki) == ALL
    assert pki.ok(*words).rows == [["old", "0", "0", "4", "file:keys/old.key"]]
    assert states(pki) == ALL
    old.issue("/CN=five")
    old.revoke("0D")
    assert pki.ok(*words).rows == [["old", "1", "1", "3", "file:keys/old.key"]]
    assert pki.ok("status", "d").rows[0][3] == "revoked"


def test_it_goes_on_where_openssl_ended(old: OpensslCa, pki: PkiCli) -> None:
    pki.ok("import", "old", "old", "--key", "private/cakey.pem")
    pki.ok("issue", "client", "six")
    verify = ["openssl", "verify", "-CAfile", "old/cacert.pem", "six.crt"]
    assert subprocess.run(verify, cwd=pki.folder, capture_output=True, check=False).returncode == 0
    pki.ok("crl", "--out", "old.crl")
    crl = x509.load_der_x509_crl((pki.folder / "old.crl").read_bytes())
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 0x11
    assert [entry.serial_number for entry in crl] == [0xB, 0xC]
    pki.ok("release", "0C")
    assert pki.ok("import", "old", "old").rows[0][:4] == ["old", "0", "1", "3"], "openssl's hold counts again"


def test_what_is_revoked_here_stays_so(old: OpensslCa, pki: PkiCli) -> None:
    pki.ok("import", "old", "old")
    pki.ok("revoke", "0a", "--reason", "superseded")
    pki.ok("import", "old", "old")
    assert ("a", "revoked", "superseded") in states(pki)
    assert pki.no("issue", "client", "x", "--issuer", "old") == "the key of old is not here: sign where it is"


def test_certificates_come_with_it_where_they_are(old: OpensslCa, pki: PkiCli) -> None:
    (old.folder / "newcerts/0A.pem").unlink()
    pki.ok("import", "old", "old")
    assert pki.ok("status", "0a").rows[0][6] == "CN=one,O=Example\\, Inc"
    assert pki.no("export", "0a") == "it was imported without its certificate"
    assert pki.ok("export", "0b").out == (old.folder / "newcerts/0B.pem").read_text()


def test_a_certificate_that_the_authority_did_not_sign_is_refused(old: OpensslCa, pki: PkiCli) -> None:
    (old.folder / "newcerts/0A.pem").write_bytes((old.folder / "newcerts/0B.pem").read_bytes())
    assert pki.no("import", "old", "old") == "0A.pem is not a certificate that this authority signed"
    assert pki.ok("authorities").out == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("V\t", "X\t"), "line 1: its status is not V, R or E"),
        (("\t0A\t", "\t../../etc/passwd\t"), "line 1: its serial number is not hexadecimal"),
        (("keyCompromise", "boredom"), "line 2: its reason for the revocation is not known"),
        (("Z\t", "z\t"), "it has a date that is none"),
        (("\t0D\t", "\t0D"), "line 4: it has not the 6 fields of index.txt"),
        (("\tunknown\t", "\t" + "x" * 9000 + "\t"), "line 1: it has no end: it is too long"),
    ],
)
def test_an_index_is_taken_whole_or_not_at_all(old: OpensslCa, pki: PkiCli, change: tuple[str, str], said: str) -> None:
    text = old.folder.joinpath("index.txt").read_text()
    assert change[0] in text
    old.folder.joinpath("index.txt").write_text(text.replace(*change))
    assert said in pki.no("import", "old", "old")
    assert pki.ok("list").out == ""


def test_other_folders_keys_and_names_are_refused(old: OpensslCa, pki: PkiCli) -> None:
    assert "it has no index.txt" in pki.no("import", "x", "old/newcerts")
    assert "the name of an authority" in pki.no("import", "a bad name", "old")
    old.openssl("genpkey", "-algorithm", "ed25519", "-out", "other.pem")
    assert "is not the key of the authority" in pki.no("import", "old", "old", "--key", "other.pem")
    assert not (pki.folder / "pki/keys/old.key").exists()
    pki.ok("import", "old", "old")
    pki.ok("init", "taken")
    assert pki.no("import", "taken", "old") == "there is another authority taken already"


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("/C=CH/O=Example/CN=a", "CN=a,O=Example,C=CH"),
        ("/O=a/b/CN=c", "CN=c,O=a/b"),
        ("/O=Z\\xC3\\xBCrich/CN=c", "CN=c,O=Zürich"),
        ("/UNHEARD=x/CN=c", "/UNHEARD=x/CN=c"),
        ("nothing", "nothing"),
    ],
)
def test_subjects_of_openssl(text: str, subject: str) -> None:
    line = f"V\t300101000000Z\t\t01\tunknown\t{text}"
    assert openssl_ca.listed(line).subject == subject


def test_times_of_both_forms() -> None:
    def expiry(text: str) -> float | None:
        return openssl_ca.listed(f"V\t{text}\t\t01\tunknown\t/CN=a").issued.not_after

    assert expiry("491231235959Z") == 2524607999
    assert expiry("20500101000000Z") == 2524608000
    assert (expiry("500101000000Z") or 0) < 0
    with pytest.raises(Failure) as caught:
        expiry("301301000000Z")
    assert caught.value.reason is Reason.STORE_UNREADABLE
