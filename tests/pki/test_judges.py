"""What the small PKI issues, before judges that are not ours: pkilint, Java, pyca's verifier, NSS, curl's readers."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.verification import PolicyBuilder, Store

from hsmgate.pki import bundle, extensions, names
from hsmgate.usecases import issuance_crl, issuance_states
from hsmgate.usecases.issuance_leaves import Handed
from hsmgate.usecases.issuance_ports import AuthoritySettings
from hsmgate.usecases.issuance_states import Selector
from support import go_rules, pki_linter, store_tools
from support.small_pki import SmallPki, certificate, small_pki

JAVA = Path(__file__).parents[1] / "support/java/Paths.java"
KINDS = ("p256", "p384", "rsa2048", "ed25519")
PROFILES = ("server", "client", "responder")
PASSWORD = "Vd8s2kQ0pLz7"
KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallPki]:
    points = extensions.Points(
        ocsp=("http://ocsp.example.com/",),
        ca_issuers=("http://pki.example.com/ca.crt",),
        crl=("http://pki.example.com/ca.crl",),
    )
    within = extensions.Constraints(permitted=(names.subtree("dns:example.com"), names.subtree("ip:192.0.2.0/24")))
    with small_pki(tmp_path_factory.mktemp("judged") / "pki") as made:
        for kind in KINDS:
            made.root(f"root-{kind}", kind)
            settings = AuthoritySettings(points=points)
            made.authority(f"ca-{kind}", f"root-{kind}", kind, settings=settings, constraints=within)
        yield made


@pytest.fixture(scope="module")
def issued(pki: SmallPki) -> dict[tuple[str, str], Handed]:
    return {(kind, profile): issue(pki, kind, profile) for kind in KINDS for profile in PROFILES}


def issue(pki: SmallPki, kind: str, profile: str) -> Handed:
    more = {"names": (x509.DNSName("gate.example.com"), names.general_name("ip:192.0.2.7"))}
    subject = f"CN=the {profile},O=Example,C=CH"  # without other names Java takes what looks like a host for one
    return pki.issue(profile, subject, issuer=f"ca-{kind}", kind=kind, **(more if profile == "server" else {}))


def test_a_linter_finds_nothing(pki: SmallPki, issued: dict[tuple[str, str], Handed]) -> None:
    ders = [handed.certified.certificate or b"" for handed in issued.values()]
    ders += [entry.certificate for entry in pki.register.authorities()]
    assert len(ders) == 20
    for der in ders:
        assert pki_linter.certificate(der) == []


def test_the_linter_finds_something_where_there_is_something() -> None:
    found = {finding.code for finding in pki_linter.certificate(store_tools.issued("a", KEY, "b", KEY))}
    assert "pkix.authority_key_identifier_extension_absent" in found, found


def test_a_linter_finds_nothing_in_crls(pki: SmallPki) -> None:
    for kind in KINDS:
        for reason in ("unspecified", "keyCompromise", "certificateHold"):
            serial = issue(pki, kind, "client").certified.serial
            issuance_states.revoke(pki.ports, Selector(serial=serial), reason)
        assert pki_linter.crl(issuance_crl.make(pki.ports, f"ca-{kind}").der) == []


def test_java_validates_every_path_and_knows_what_is_revoked(
    pki: SmallPki, issued: dict[tuple[str, str], Handed], tmp_path: Path
) -> None:
    expected = {}
    for (kind, profile), handed in issued.items():
        expected[str(laid_out(tmp_path / f"{kind}-{profile}", handed))] = "ok"
    gone = issue(pki, "p256", "client")
    issuance_states.revoke(pki.ports, Selector(serial=gone.certified.serial), "keyCompromise")
    crls = [issuance_crl.make(pki.ports, name).der for name in ("ca-p256", "root-p256")]
    for name, handed, verdict in (("good", issued["p256", "client"], "ok"), ("gone", gone, "revoked")):
        folder = laid_out(tmp_path / name, handed)
        (folder / "crls").mkdir()
        for number, der in enumerate(crls):
            (folder / "crls" / f"{number}.crl").write_bytes(der)
        expected[str(folder)] = verdict
    command = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", str(JAVA), *expected]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = dict(line.split("\t") for line in done.stdout.splitlines())
    assert found.keys() == expected.keys()
    for path, verdict in expected.items():
        assert verdict in found[path], path


@pytest.mark.long
def test_go_validates_every_path(pki: SmallPki, issued: dict[tuple[str, str], Handed], tmp_path: Path) -> None:
    good = [laid_out(tmp_path / f"{kind}-{profile}", handed) for (kind, profile), handed in issued.items()]
    other = issue(pki, "p256", "server")
    strange = laid_out(tmp_path / "strange", other)  # below another root
    (strange / "anchor.pem").write_bytes((tmp_path / "p384-server/anchor.pem").read_bytes())
    found = go_rules.verdicts([*good, strange], tmp_path / "cache")
    assert {found[folder] for folder in good} == {"ok"}, found
    assert "unknown authority" in found[strange]


def laid_out(folder: Path, handed: Handed) -> Path:
    folder.mkdir()
    chain = [handed.certified.certificate or b"", *handed.chain]
    pems = [x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in chain]
    (folder / "chain.pem").write_bytes(b"".join(pems[:-1]))
    (folder / "anchor.pem").write_bytes(pems[-1])
    return folder


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "ed25519"])  # which the web's rules do not know
def test_the_rules_of_the_web_accept_servers(issued: dict[tuple[str, str], Handed], kind: str) -> None:
    handed = issued[kind, "server"]
    above = [x509.load_der_x509_certificate(der) for der in handed.chain]
    verifier = PolicyBuilder().store(Store([above[-1]])).build_server_verifier(x509.DNSName("gate.example.com"))
    assert verifier.verify(certificate(handed), above[:-1]) == [certificate(handed), *above]


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kind", ["p256", pytest.param("rsa2048", marks=pytest.mark.long)])
def test_bundles_open_in_nss_openssl_and_java(pki: SmallPki, tmp_path: Path, kind: str, legacy: bool) -> None:
    handed = pki.issue(issuer=f"ca-{kind}", kind=kind, key=f"file:keys/{kind}-{legacy}.key")
    key = load_pem_private_key((pki.folder / f"keys/{kind}-{legacy}.key").read_bytes(), None)
    above = [x509.load_der_x509_certificate(der) for der in handed.chain[:-1]]
    content = bundle.pkcs12("a client", key, certificate(handed), above, PASSWORD, legacy=legacy)  # type: ignore[arg-type]
    (tmp_path / "client.p12").write_bytes(content)
    (tmp_path / "root.pem").write_bytes(x509.load_der_x509_certificate(handed.chain[-1]).public_bytes(Encoding.PEM))

    def run(*words: str) -> str:
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    info = run("openssl", "pkcs12", "-info", "-in", "client.p12", "-nokeys", "-passin", f"pass:{PASSWORD}")
    assert ("MAC: sha1," if legacy else "MAC: sha256,") in info
    assert ("pbeWithSHA1And3-KeyTripleDES-CBC" if legacy else "AES-256-CBC") in info
    keytool = ("keytool", "-J-Duser.language=en", "-J-XX:TieredStopAtLevel=1", "-list", "-v", "-keystore", "client.p12")
    listed = run(*keytool, "-storepass", PASSWORD)
    assert "Entry type: PrivateKeyEntry" in listed
    assert "Certificate chain length: 2" in listed
    run("certutil", "-N", "-d", "sql:.", "--empty-password")
    run("certutil", "-A", "-d", "sql:.", "-n", "root", "-t", "CT,,", "-i", "root.pem")
    run("pk12util", "-i", "client.p12", "-d", "sql:.", "-W", PASSWORD)
    assert "certificate is valid" in run("certutil", "-V", "-d", "sql:.", "-n", "a client", "-u", "C")
    assert "a client" in run("certutil", "-K", "-d", "sql:.")
