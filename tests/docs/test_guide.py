"""docs/guide.md: the page is run from top to bottom, and each row of its table has its test here."""

import contextlib
import http.client
import json
import re
import shutil
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from hsmgate.cli.trust_place import Place
from hsmgate.config import load, transport
from hsmgate.errors import Failure
from support.issuer_answers import IssuerAnswers
from support.pages import ROOT, Walk, blocks, shell
from support.responder import Responder
from support.served import Served, environment, refused

PAGE = ROOT / "docs/guide.md"
CLIENT, STORE = "client-singed-by-inermediate", "securosys-ska-truststore-server.jks"
P12 = "client-truststore-CLIENT_SIGNED_BY_INTERMEDIATE.p12"
KINDS = {  # what openssl writes into the extensions of (intermediate, client)
    "v1": None,  # none at all: OpenSSL before 3.2, without an extension file
    "bare": ("subjectKeyIdentifier = hash", "subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid"),
    "v3": ("basicConstraints = critical, CA:TRUE", "basicConstraints = CA:FALSE\nextendedKeyUsage = clientAuth"),
}
NO_CERTIFICATE = re.compile(r"alert (certificate required|handshake failure)|certificate required", re.IGNORECASE)


def run(text: str, folder: Path, **more: str) -> str:
    done = shell(text, folder, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Got(NamedTuple):
    """What curl got: the HTTP status, 0 where there was none."""

    status: int
    body: str
    error: str


def curl(served: Served, folder: Path, *words: str, path: str = "/v1/key") -> Got:
    command = ["curl", "-sS", "--insecure", "-w", "\n%{http_code}", *words]
    done = subprocess.run(
        [*command, f"https://localhost:{served.port}{path}"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    body, _, status = done.stdout.rpartition("\n")
    return Got(int(status), body, done.stderr)


def p12(name: str = P12) -> list[str]:
    return ["--cert-type", "P12", "--cert", f"{name}:secret"]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """The reader who got as far as the certificates."""
    reader = Walk(PAGE, tmp_path_factory.mktemp("walk")).until("## The first way: trust the client")
    yield reader
    reader.stop()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificates of the page, and the same with other extensions: intermediate-KIND.crt, client-KIND.p12.

    Only `walk` pays for keys of 4096 bits.
    """
    folder = tmp_path_factory.mktemp("made")
    for block in blocks(PAGE, "sh")[:4]:
        run(block.replace("4096", "2048"), folder)
    for kind, extensions in KINDS.items():
        options = ["", ""]
        for number, lines in enumerate(extensions or ()):
            (folder / f"{kind}-{number}.ext").write_text(f"{lines}\n")
            options[number] = f"-extfile {kind}-{number}.ext"
        run(
            f"""
            openssl x509 -req -in intermediate.csr -CA ca.crt -CAkey ca.key -CAcreateserial {options[0]} \
                -out intermediate-{kind}.crt
            openssl x509 -req -in {CLIENT}.csr -CA intermediate-{kind}.crt -CAkey intermediate.key -CAcreateserial \
                {options[1]} -out client-{kind}.crt
            openssl pkcs12 -export -password pass:secret -inkey {CLIENT}.key -in client-{kind}.crt \
                -out client-{kind}.p12
            """,
            folder,
        )
    return folder


def prepared(folder: Path, *certificates: Path, storetype: str = "PKCS12") -> Path:
    """A folder with the page's configuration and a truststore of these certificate files."""
    (configuration,) = [block for block in blocks(PAGE, "yaml") if block.startswith("# config-files")]
    (folder / "config-files/tls").mkdir(parents=True)
    (folder / "config-files/application-local.yml").write_text(configuration)
    for certificate in certificates:
        keytool(folder / "config-files/tls" / STORE, certificate, storetype)
    return folder


@pytest.fixture(scope="module")
def pinned(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The service of the first way; a second client, `client-v3`, is trusted too."""
    folder = prepared(tmp_path_factory.mktemp("serve") / "pinned", made / f"{CLIENT}.crt", made / "client-v3.crt")
    with Served(folder) as served:
        yield served


def keytool(store: Path, certificate: Path, storetype: str) -> None:
    run(
        f"""keytool -importcert -noprompt -storetype {storetype} -storepass secret \
            -alias {certificate.stem} -file '{certificate}' -keystore '{store}'""",
        store.parent,
    )


def fingerprint(certificate: Path) -> str:
    said = run(f"openssl x509 -noout -fingerprint -sha256 -in '{certificate}'", certificate.parent)
    return said.rpartition("=")[2].strip().replace(":", "").lower()


# the page


def test_the_page_runs_from_the_first_command_to_the_last(walk: Walk) -> None:
    walk.until()
    walk.stop()
    assert walk.count == len(re.findall("^```[a-z]", PAGE.read_text(), re.MULTILINE))


def test_every_row_of_the_table_names_a_test_of_this_file() -> None:
    rows = re.findall(r"^\| .+ \| .+ \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    named = {name for row in rows[1:] for name in re.findall(r"`(\w+)`", row)}
    assert len(rows) > 20
    assert all(re.fullmatch(r"`test_\w+`", row) for row in rows[1:])
    assert named <= {name for name in globals() if name.startswith("test_")}


def test_the_configuration_has_the_printed_keys_and_values() -> None:
    (block,) = [block for block in blocks(PAGE, "yaml") if block.startswith("# config-files")]
    assert yaml.safe_load(block) == {
        "server": {
            "ssl": {
                "trust-store": f"file:/etc/app/config/tls/{STORE}",
                "trust-store-password": "secret",
                "trust-store-type": "jks",
                "client-auth": "need",
            }
        }
    }


# certificates


def test_openssl_makes_what_the_page_says(walk: Walk) -> None:
    def text(name: str) -> str:
        return run(f"openssl x509 -noout -text -in {name}.crt", walk.folder)

    assert "CA:TRUE" in text("ca")
    version = [int(n) for n in re.findall(r"\d+", run("openssl version", walk.folder))[:2]]
    expected = "Version: 1 (0x0)" if version < [3, 2] else "Version: 3 (0x2)"
    for name in ("intermediate", CLIENT):
        assert expected in text(name)
        assert "Basic Constraints" not in text(name)


@pytest.mark.parametrize(
    ("key", "extensions", "let_in"),
    [
        ("-newkey ec -pkeyopt ec_paramgen_curve:P-256", "extendedKeyUsage = clientAuth", True),
        ("-newkey ed25519", "subjectKeyIdentifier = hash", True),
        ("-newkey rsa:2048", "keyUsage = digitalSignature", True),
        ("-newkey rsa:1024", "extendedKeyUsage = clientAuth", False),
        ("-newkey ec -pkeyopt ec_paramgen_curve:P-256", "extendedKeyUsage = serverAuth", False),
    ],
)
def test_certificates_of_another_pki_are_let_in(tmp_path: Path, key: str, extensions: str, let_in: bool) -> None:
    (tmp_path / "client.ext").write_text(f"{extensions}\n")
    run(
        f"""
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=ca -keyout ca.key -out ca.crt
        openssl req -new {key} -nodes -subj /CN=client -keyout client.key -out client.csr
        openssl x509 -req -in client.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile client.ext -out client.crt
        """,
        tmp_path,
    )
    place = Place(tmp_path / "ca.crt", None, None, None)
    if let_in:
        assert place.verdict([tmp_path / "client.crt"]).startswith("let in by issuer:ca")
    else:
        with pytest.raises(Failure):
            place.verdict([tmp_path / "client.crt"])


# keytool


def test_keytool_adds_nothing_where_nobody_answers(made: Path, tmp_path: Path) -> None:
    printed = f"keytool -importcert -keystore store.jks -alias one -file {made / CLIENT}.crt -storepass secret"
    assert shell(printed, tmp_path).returncode == 0
    assert not (tmp_path / "store.jks").exists()
    run(f"echo yes | {printed}", tmp_path)
    assert "let in by pin:one" in run(
        f"hsmgate trust test --store store.jks {made / CLIENT}.crt", tmp_path, HSMGATE_STORE_PASSWORD="secret"
    )


# both ways


def test_both_ways_with_each_format(made: Path, tmp_path: Path) -> None:
    """The client in the truststore works as it is; the intermediate where it may issue, by itself or as named.

    Two services look at one truststore: `named` has the fingerprints of the two intermediates that do not say that
    they may issue.
    """
    folder = prepared(tmp_path / "here", made / "intermediate-v3.crt")
    other = prepared(tmp_path / "named")
    (other / "config-files/tls").rmdir()
    (other / "config-files/tls").symlink_to(folder / "config-files/tls")
    names = ",".join(fingerprint(made / f"intermediate-{kind}.crt") for kind in ("v1", "bare"))
    more = {"HSMGATE_TRUST_RELOAD": "100ms"}
    with Served(folder, **more) as unnamed, Served(other, **more, HSMGATE_TRUST_ISSUERS=names) as named:
        for storetype, kind in (("JKS", "v1"), ("PKCS12", "bare"), ("JKS", "v3")):
            client = p12(f"client-{kind}.p12")
            _swap(folder, made / f"client-{kind}.crt", storetype, unnamed, named)
            assert curl(unnamed, made, *client)[:2] == (200, "[]"), (storetype, kind)
            _swap(folder, made / f"intermediate-{kind}.crt", storetype, unnamed, named)
            assert curl(named, made, *client)[:2] == (200, "[]"), (storetype, kind)
            end = len(unnamed.log)
            got = curl(unnamed, made, *client)
            if kind == "v3":
                assert got[:2] == (200, "[]")
            else:
                assert (got.status, "unknown ca" in got.error) == (0, True), (storetype, kind)
                line = f"hsmgate.trust.issuers: [{fingerprint(made / f'intermediate-{kind}.crt')}]"
                unnamed.logged(f"handshake.refused .*{re.escape(line)}", since=end)


def _swap(folder: Path, certificate: Path, storetype: str, *services: Served) -> None:
    """Replace the truststore by one with this entry alone, and wait until it is in force."""
    store = folder / "config-files/tls" / STORE
    new = store.with_name("new")
    keytool(new, certificate, storetype)
    assert new.read_bytes()[:4] == bytes.fromhex("feedfeed") or storetype == "PKCS12"
    ends = [len(served.log) for served in services]
    new.replace(store)
    for served, end in zip(services, ends, strict=True):
        served.logged(rf"trust\.added .*{fingerprint(certificate)} (?s:.)*trust\.active", since=end)


# client-auth


def test_need_ends_the_handshake_of_others(made: Path, pinned: Served) -> None:
    assert curl(pinned, made, *p12())[:2] == (200, "[]")
    for version in ("1.2", "1.3"):
        words = ["--tlsv1.2", "--tls-max", version]
        none = curl(pinned, made, *words, path="/actuator/health")
        assert (none.status, bool(NO_CERTIFICATE.search(none.error))) == (0, True), none
        other = curl(pinned, made, *words, *p12("client-bare.p12"))
        assert (other.status, "unknown ca" in other.error) == (0, True), other


def test_want_lets_others_see_health_only(made: Path, tmp_path: Path) -> None:
    with Served(prepared(tmp_path / "here", made / f"{CLIENT}.crt"), SERVER_SSL_CLIENT_AUTH="want") as served:
        assert curl(served, made, *p12())[:2] == (200, "[]")
        anonymous = curl(served, made)
        assert anonymous.status == 401
        assert json.loads(anonymous.body)["errorCode"] == 400
        assert curl(served, made, path="/actuator/health").status == 200
        stranger = curl(served, made, *p12("client-v3.p12"), path="/actuator/health")
        assert (stranger.status, "unknown ca" in stranger.error) == (0, True)


def test_none_is_refused_but_on_this_machine_alone(made: Path, tmp_path: Path) -> None:
    folder = prepared(tmp_path / "here", made / f"{CLIENT}.crt")
    assert "anybody could use the keys" in refused(folder, SERVER_SSL_CLIENT_AUTH="none")
    more = {"SERVER_SSL_CLIENT_AUTH": "none", "HSMGATE_INSECURE": "true"}
    with pytest.raises(Failure, match=r"set server\.address to 127\.0\.0\.1"):
        transport(load(folder / "config-files", None, more, folder))
    with Served(folder, **more) as served:
        assert curl(served, made)[:2] == (200, "[]")
        assert "hsmgate.insecure is on" in served.log


# curl, start and stop


def test_the_printed_curl_options_work(made: Path, pinned: Served) -> None:
    url = f"https://localhost:{pinned.port}/v1/key"
    assert run(f"curl -v --insecure --cert-type P12 --cert {P12}:secret {url}", made) == "[]"


def test_down_and_up_keep_keys_and_certificates(made: Path, tmp_path: Path) -> None:
    folder = prepared(tmp_path / "here", made / f"{CLIENT}.crt")
    certificate = folder / "config-files/data/tls/self-signed.pem"
    key = {"label": "kept", "algorithm": "ED", "attributes": {"sign": True}}
    with Served(folder) as served:
        done = curl(served, made, *p12(), "-H", "Content-Type: application/json", "-d", json.dumps(key))
        assert done.status == 201, done.body
        before = certificate.read_bytes()
        assert served.stop() == 0
    with Served(folder) as served:
        assert curl(served, made, *p12())[:2] == (200, '["kept"]')
    assert certificate.read_bytes() == before


# trust that changes


def test_a_removed_client_gets_403_on_its_open_connection(made: Path, pinned: Served) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(made / "client-v3.crt", made / f"{CLIENT}.key")
    connection = http.client.HTTPSConnection("127.0.0.1", pinned.port, context=context, timeout=20)

    def ask() -> http.client.HTTPResponse:
        connection.request("GET", "/v1/key")
        return connection.getresponse()

    with contextlib.closing(connection):
        answer = ask()
        assert (answer.status, answer.read()) == (200, b"[]")
        end = len(pinned.log)
        run("hsmgate trust remove client-v3", pinned.folder)
        pinned.logged(r"trust\.active", since=end)
        answer = ask()
        assert (answer.status, answer.headers["Connection"]) == (403, "close")
        assert json.loads(answer.read())["reason"] == "res.error.security.not.allowed"


def test_a_change_of_trust_stands_in_log_and_audit_trail(made: Path, pinned: Served) -> None:
    digest, end = fingerprint(made / "intermediate-v3.crt"), len(pinned.log)
    run(f"hsmgate trust add --alias ca {made}/intermediate-v3.crt", pinned.folder)
    pinned.logged(rf"trust\.added alias=ca sha256={digest} role=issuer", since=end)
    run("hsmgate trust remove ca", pinned.folder)
    pinned.logged(rf"trust\.removed alias=ca sha256={digest}(?s:.)*trust\.active", since=end)
    run("hsmgate audit verify config-files/data/audit.log", pinned.folder)
    lines = (pinned.folder / "config-files/data/audit.log").read_text().splitlines()
    events = [row["action"] for row in map(json.loads, lines) if row["detail"].get("sha256") == digest]
    assert events == ["trust.added", "trust.removed"]


# OCSP


@pytest.fixture(scope="module")
def issuer(made: Path) -> Iterator[tuple[IssuerAnswers, Responder]]:
    """The intermediate's responder; the client's certificate names it, made as the page says."""
    (block,) = [block for block in blocks(PAGE, "sh") if "ocsp.example.com" in block]
    answers = IssuerAnswers(made / "intermediate-v3.crt", made / "intermediate.key")
    with Responder(answers) as responder:
        run(block.replace("ocsp.example.com", f"127.0.0.1:{responder.port}"), made)
        yield answers, responder


@pytest.fixture(scope="module")
def issued(
    made: Path, issuer: tuple[IssuerAnswers, Responder], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A service that trusts the intermediate, and so what it issues."""
    with Served(prepared(tmp_path_factory.mktemp("serve") / "issued", made / "intermediate-v3.crt")) as served:
        yield served


ASKED = p12("client-with-responder.p12")


def test_the_status_is_asked_for_at_each_request(
    made: Path, issued: Served, issuer: tuple[IssuerAnswers, Responder]
) -> None:
    answers, responder = issuer
    answers.says, before = "good", len(responder.queries)
    url = f"https://localhost:{issued.port}/v1/key"
    run(f"curl -sS --insecure {' '.join(ASKED)} {url} {url} {url}", made)  # on one connection
    assert len(responder.queries) - before == 3
    for says, status in (("unknown", 403), ("good", 200), ("revoked", 403)):
        answers.says = says
        assert curl(issued, made, *ASKED).status == status, says


def test_without_an_answer_the_request_is_refused(
    made: Path, issued: Served, issuer: tuple[IssuerAnswers, Responder], tmp_path: Path
) -> None:
    answers, _ = issuer
    answers.says = "good"
    time.sleep(1.1)  # so that this good answer is newer, by its whole seconds, than any revocation before it
    assert curl(issued, made, *ASKED).status == 200
    answers.says = "nothing"
    got = curl(issued, made, "-D", "-", *ASKED)
    assert got.status == 503
    assert "retry-after" in got.body.lower()
    folder = prepared(tmp_path / "here", made / "intermediate-v3.crt")
    with Served(folder, HSMGATE_OCSP_ON_FAILURE="allow") as served:
        assert curl(served, made, *ASKED).status == 200
        assert "hsmgate.ocsp.on-failure is allow" in served.log


def test_a_pin_that_names_a_responder_needs_its_issuer(
    made: Path, issuer: tuple[IssuerAnswers, Responder], tmp_path: Path
) -> None:
    issuer[0].says = "good"
    folder = prepared(tmp_path / "here", made / "client-with-responder.crt")
    with Served(folder) as served:
        assert curl(served, made, *ASKED).status == 403
        served.logged(r"reason=OCSP_NO_ISSUER .*hsmgate\.ocsp\.issuers: ")
    shutil.copy(made / "intermediate-v3.crt", folder / "config-files/tls")
    with Served(folder, HSMGATE_OCSP_ISSUERS="file:tls/intermediate-v3.crt") as served:
        assert curl(served, made, *ASKED).status == 200
        assert curl(served, made, *p12()).status == 0  # that certificate makes nobody trusted


def test_a_responder_of_our_own_is_started(made: Path, tmp_path: Path) -> None:
    folder = prepared(tmp_path / "here", made / f"{CLIENT}.crt")
    with Served(folder, HSMGATE_RESPONDER_LISTEN="127.0.0.1:0") as served:
        found = served.logged(r"responder\.started url=(\S+)")
        with urllib.request.urlopen(f"{found[1]}/health", timeout=20) as answer:
            assert answer.read() == b"ok\n"
