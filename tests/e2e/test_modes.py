"""Who gets in under which settings, and which requests are refused whoever sends them."""

import http.client
import json
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from support import certs
from support.service import Answer, Client, Quick, Service

GUIDE = """\
server:
  ssl:
    trust-store: 'file:/etc/app/config/tls/truststore.pem'
    trust-store-type: PEM
    client-auth: need
tls:
  enabled: true
"""
INSECURE = "hsmgate.insecure: true\nserver.address: 127.0.0.1\n"


def refused(answer: Answer, status: int, code: int) -> None:
    assert (answer.status, answer.json["errorCode"]) == (status, code), answer
    assert answer.json["reason"].startswith("res.error.")


def test_need_lets_in_who_is_trusted_and_nobody_else(quick_used: Quick) -> None:
    stranger = certs.client("stranger", certs.authority("stranger's root"))
    with quick_used.serve() as service:
        with quick_used.client(service.port) as client:
            assert client.call("GET", "/v1/key").status == 200
        for context in (quick_used.context(certificate=False), _with(quick_used, stranger)):
            with Client(service.port, context) as client, pytest.raises(ssl.SSLError, match=r"ALERT|alert"):
                client.call("GET", "/actuator/health")


def _with(quick: Quick, made: certs.Made) -> ssl.SSLContext:
    pem = quick.folder / "stranger.pem"
    pem.write_bytes(made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.pem)
    context = quick.context(certificate=False)
    context.load_cert_chain(pem)
    return context


def test_want_shows_strangers_the_health_and_nothing_else(quick_used: Quick) -> None:
    quick_used.edit(("client-auth: need", "client-auth: want"))
    with quick_used.serve() as service:
        with Client(service.port, quick_used.context(certificate=False)) as client:
            refused(client.call("GET", "/v1/key"), 401, 400)
            refused(client.create("x"), 401, 400)
            refused(client.call("GET", "/v1/nothing-here"), 401, 400)
            assert client.call("GET", "/actuator/health").json == {"status": "UP"}
        with quick_used.client(service.port) as client:
            assert client.labels() == ["first"]
        stranger = certs.client("stranger", certs.authority("stranger's root"))
        with (
            Client(service.port, _with(quick_used, stranger)) as client,
            pytest.raises(ssl.SSLError, match=r"UNKNOWN_CA|unknown ca"),
        ):
            client.call("GET", "/actuator/health")


def test_none_and_insecure_asks_nobody(quick_used: Quick) -> None:
    quick_used.edit(("client-auth: need", "client-auth: none"), ("hsmgate:\n", "hsmgate:\n  insecure: true\n"))
    with quick_used.serve() as service, Client(service.port, quick_used.context(certificate=False)) as client:
        assert "everybody on this machine may use the keys" in service.text()
        assert client.labels() == ["first"]
        assert client.sign("first", "aGVsbG8=").status == 200
        assert service.stop() == 0
    assert {line["peer"] for line in quick_used.trail() if line["action"] == "POST /v1/synchronousSign"} == {""}


def test_insecure_without_tls_speaks_http_on_loopback(quick_used: Quick) -> None:
    quick_used.yml.write_text(
        f"{INSECURE}hsmgate.data-dir: ../data\nhsm.software.key: 'file:../sealing.key'\n"
        "hsmgate.limits: {header-timeout: 300ms, header-bytes: 2KB}\n"
    )
    with quick_used.serve() as service:
        with Client(service.port, None) as client:
            assert client.labels() == ["first"]
            assert client.call("GET", "/v1/key", headers={"X": "x" * 3000}).status == 431
        with Client(service.port, None) as client:
            refused(client.call("GET", "/v1/key", headers={"Origin": "http://evil.example"}), 403, 400)
        assert service.stop() == 0


def test_the_block_of_a_guide_is_a_complete_configuration(quick: Quick) -> None:
    """Certificate, sealing key and database are made once, below data-dir beside the file."""
    quick.yml.write_text(GUIDE)
    made = quick.config / "data"
    for start in range(2):
        # the client names a responder that does not run here: its PKI is not in this database
        with quick.serve(SERVER_ADDRESS="127.0.0.1", HSMGATE_OCSP_CHECK="off") as service:
            with Client(service.port, quick.context(authority=made / "tls" / "self-signed.pem")) as client:
                assert client.create(f"key-{start}").status == 201
                assert len(client.labels()) == start + 1
            assert ("made" in service.await_line("keystore.sealing-key")) is (start == 0)
            assert ("tls.self-signed" in service.text()) is (start == 0)
            assert "truststore.pem, for /etc/app/config/tls/truststore.pem is absent" in service.text()
            assert service.stop() == 0
    names = {path.name for path in made.iterdir()}
    assert {"audit.log", "hsmgate.db", "sealing.key", "tls"} <= names


def test_the_environment_overrides_the_file(quick_used: Quick) -> None:
    with quick_used.serve(SERVER_SSL_CLIENT_AUTH="want", SERVER_ADDRESS="::1") as service:
        assert f"url=https://[::1]:{service.port}" in service.text()
        connection = ssl.create_default_context(cafile=str(quick_used.folder / "ca.crt"))
        over = http.client.HTTPSConnection("::1", service.port, context=connection, timeout=30)
        over.request("GET", "/v1/key")
        assert over.getresponse().status == 401
        over.close()


def test_log_lines_as_json(quick_used: Quick) -> None:
    with quick_used.yml.open("a") as file:
        file.write("\nhsmgate.log.format: json\n")
    service = quick_used.serve().launch()
    try:
        while b'"started"' not in service.log.read_bytes():
            assert service.process.poll() is None, service.text()
        assert service.stop() == 0
        events = [json.loads(line)["event"] for line in service.text().splitlines()]
        assert events == ["responder.started", "started", "ending"]
    finally:
        service.kill()


@pytest.fixture(scope="module")
def served(used: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Quick, Service]]:
    """One service for requests that change nothing."""
    quick = Quick(Path(shutil.copytree(used, tmp_path_factory.mktemp("served") / "quickstart")))
    with quick.yml.open("a") as file:
        file.write("\nhsmgate.hosts: ['keys.example', '*.wild.example']\n")
    with quick.serve() as service:
        yield quick, service
        assert service.stop() == 0
        assert "Traceback" not in service.text()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost"}, 200),
        ({"Host": "LOCALHOST:1"}, 200),
        ({"Host": "203.0.113.9"}, 200),
        ({"Host": "[::1]:8080"}, 200),
        ({"Host": "gate.example:443"}, 200),  # in the server's certificate
        ({"Host": "keys.example"}, 200),
        ({"Host": "a.wild.example"}, 200),
        ({"Host": "a.b.wild.example"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost.evil.example"}, 403),
        ({"Host": "localhost@evil.example"}, 403),
        ({"Host": ""}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "gate.example", "Origin": "https://gate.example:8443"}, 200),
        ({"Host": "gate.example", "Origin": "https://localhost"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
    ],
)
def test_where_a_request_may_come_from(headers: dict[str, str], status: int, served: tuple[Quick, Service]) -> None:
    quick, service = served
    with quick.client(service.port) as client:
        for method, path in (("GET", "/v1/key"), ("GET", "/actuator/health"), ("POST", "/v1/verify")):
            answer = client.call(method, path, {} if method == "POST" else None, headers)
            if status == 403:
                refused(answer, 403, 400)
            else:
                assert answer.status == (400 if method == "POST" else 200)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 400),
        ("application/json; charset=utf-8", 400),
        ("Application/JSON", 400),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/jsonx", 415),
        ("", 415),
    ],
)
def test_a_body_that_is_not_json_is_refused_before_it_is_read(
    kind: str, status: int, served: tuple[Quick, Service]
) -> None:
    quick, service = served
    with quick.client(service.port) as client:
        answer = client.call("POST", "/v1/verify", headers={"Content-Type": kind}, raw=b"{}")
        assert answer.status == status
        assert answer.json["errorCode"] == 600


def test_the_names_of_a_new_server_certificate_are_served_at_once(quick_used: Quick) -> None:
    root = certs.authority("new root")
    names = certs.alternative_names(x509.DNSName("renewed.example"), x509.DNSName("localhost"))
    renewed = certs.make("renewed.example", root, [names, certs.constraints(ca=False)])
    with quick_used.serve() as service, quick_used.client(service.port) as client:
        old, new = {"Host": "gate.example"}, {"Host": "renewed.example"}
        assert client.call("GET", "/v1/key", headers=old).status == 200
        refused(client.call("GET", "/v1/key", headers=new), 403, 400)
        key = renewed.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        fresh = quick_used.config / "tls" / "new.p12"
        fresh.write_bytes(key + renewed.pem)
        fresh.rename(quick_used.config / "tls" / "server.p12")
        service.await_line("trust.active")
        assert client.call("GET", "/v1/key", headers=new).status == 200
        refused(client.call("GET", "/v1/key", headers=old), 403, 400)
        assert service.stop() == 0
