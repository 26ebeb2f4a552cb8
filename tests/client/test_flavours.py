"""client/flavours.py: both flavours against a service that runs, and against one that means ill."""

import asyncio
import base64
import hmac
import http.server
import inspect
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from hsmgate.client import (
    P12,
    AlternativeName,
    ApiKeys,
    AsyncClient,
    Attributes,
    CertificateContent,
    Client,
    KeyStatus,
    NewRules,
    Policy,
    RequestFailed,
    Rule,
    Subject,
    Token,
    Verified,
    operations,
    request_operations,
)
from hsmgate.client import certificate_operations as made
from hsmgate.client.call import Call
from support.service import Quick

SIGNS = Attributes(sign=True, destroyable=True)
P256 = "1.2.840.10045.3.1.7"
Ask = Callable[[Call[Any]], Any]


def sync_run(url: str, call: Call[Any], **how: Any) -> Any:
    with Client(url, **how) as client:
        return client.run(call)


def async_run(url: str, call: Call[Any], **how: Any) -> Any:
    async def run() -> Any:
        async with AsyncClient(url, **how) as client:
            return await client.run(call)

    return asyncio.run(run())


flavours = pytest.mark.parametrize("run", [sync_run, async_run])


@pytest.fixture(params=[sync_run, async_run], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest, url: str, ca: Path, identity: P12) -> Ask:
    """Either flavour, let in."""
    return lambda call: request.param(url, call, ca=ca, identity=identity)


def test_a_key_from_its_making_to_its_end(ask: Ask) -> None:
    made = ask(operations.create("a key of 'x'", "EC", curve_oid=P256, attributes=SIGNS))
    label = made.json.label
    assert made.json.attributes.sign
    assert made.json.policy is None
    assert made.json.create_time.utcoffset().total_seconds() == 0
    assert label in ask(operations.keys())
    signed = ask(operations.sign(label, b"pay 10", "SHA256_WITH_ECDSA", form="RAW"))
    assert len(signed.signature) == 64
    assert ask(operations.verify(label, b"pay 10", signed.signature, "SHA256_WITH_ECDSA"))
    assert not ask(operations.verify(label, b"pay 11", signed.signature, "SHA256_WITH_ECDSA"))
    assert ask(operations.key(label)).json.key_usage_count == 1
    ask(operations.delete(label))
    with pytest.raises(RequestFailed) as caught:
        ask(operations.key(label))
    assert (caught.value.status, caught.value.error_code) == (404, 650)
    assert caught.value.reason == "res.error.key.not.existent"
    assert label in caught.value.message


def test_service_information(ask: Ask) -> None:
    assert ask(operations.version()).version == "2.2.0"
    assert "REST_API" in ask(operations.licence()).client_flags
    assert ask(operations.health()).status == "UP"

    assert ask(operations.statistics()).private_keys >= 0
    assert b"GET /v1/versionInfo" in ask(operations.log())
    assert len(ask(operations.random(24)).random) == 24
    with pytest.raises(RequestFailed) as caught:
        ask(operations.random(0))
    assert caught.value.error_code == 619


def test_what_is_encrypted_is_decrypted_and_nothing_else(ask: Ask) -> None:
    may = Attributes(encrypt=True, decrypt=True, destroyable=True)
    ask(operations.create("archive", "AES", key_size=256, attributes=may))
    try:
        made = ask(operations.encrypt("archive", b"a page", "AES_GCM", aad=b"1"))
        whole, iv = made.encrypted_payload, made.initialization_vector
        assert whole == made.encrypted_payload_without_message_authentication_code + made.message_authentication_code
        assert ask(operations.decrypt("archive", whole, "AES_GCM", iv=iv, aad=b"1")).payload == b"a page"
        with pytest.raises(RequestFailed) as caught:
            ask(operations.decrypt("archive", whole, "AES_GCM", iv=iv, aad=b"2"))
        assert caught.value.status == 400
    finally:
        ask(operations.delete("archive"))


def test_requests_are_submitted_asked_for_and_withdrawn(ask: Ask) -> None:
    may = Attributes(sign=True, decrypt=True, destroyable=True)
    ask(operations.create("later", "RSA", key_size=2048, attributes=may))
    try:
        id_ = ask(request_operations.submit_sign("later", b"x", "SHA256_WITH_RSA", meta_data=b"{}")).sign_request_id
        state = ask(request_operations.request(id_))
        assert state.status == "EXECUTED"
        assert ask(operations.verify("later", b"x", base64.b64decode(state.result), "SHA256_WITH_RSA"))
        sealed = ask(operations.encrypt("later", b"x", "RSA_PADDING_OAEP_WITH_SHA256")).encrypted_payload
        other = ask(
            request_operations.submit_decrypt("later", sealed, "RSA_PADDING_OAEP_WITH_SHA256")
        ).decrypt_request_id
        assert ask(request_operations.request(other)).result == base64.b64encode(b"x").decode()
        newest = ask(request_operations.requests("EXECUTED", size=1, newest_first=True)).requests
        assert [one.id for one in newest] == [other]
        ask(request_operations.withdraw(id_))
        with pytest.raises(RequestFailed) as caught:
            ask(request_operations.request(id_))
        assert caught.value.error_code == 651
    finally:
        ask(operations.delete("later"))


def test_certificates_are_made_read_and_removed(ask: Ask) -> None:
    algorithm, may = "SHA256_WITH_ECDSA", Attributes(sign=True, destroyable=True)
    for name in ("issues", "served"):
        ask(operations.create(name, "EC", curve_oid="1.2.840.10045.3.1.7", attributes=may))
    try:
        authority = CertificateContent(Subject("Issuing", country="CH"), ("KEY_CERT_SIGN",), authority=True)
        root = ask(made.self_sign("issues", algorithm, authority, 30)).certificate
        names = (AlternativeName("DNS", "www.example.com"),)
        asked = ask(made.request_certificate("served", algorithm, CertificateContent("www", names=names)))
        request = asked.certificate_signing_request
        answer = ask(
            made.sign_certificate("issues", algorithm, request, days=7, copy_extensions=True, key_name="served")
        )
        found = ask(made.certificate("served"))
        assert (answer.label, found.certificate) == ("served", answer.certificate)
        leaf = x509.load_der_x509_certificate(found.raw_certificate)
        leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(root.encode()))
        assert ask(made.import_certificate("served", found.raw_certificate)).certificate == found.certificate
        for later in (
            made.submit_certificate_request("served", algorithm, CertificateContent("www"), meta_data=b"{}"),
            made.submit_self_sign("served", algorithm, CertificateContent("www"), 1),
            made.submit_sign_certificate("issues", algorithm, request),
        ):
            result = ask(request_operations.request(ask(later).sign_request_id)).result
            assert result is not None
            assert result.startswith("-----BEGIN ")
        ask(made.delete_certificate("served"))
        with pytest.raises(RequestFailed) as caught:
            ask(made.certificate("served"))
        assert caught.value.error_code == 650
    finally:
        for name in ("issues", "served"):
            ask(operations.delete(name))


def test_keys_come_in_travel_and_go_out(ask: Ask) -> None:
    may, secret = Attributes(unwrap=True, sign=True, extractable=True, destroyable=True), bytes(range(32))
    ask(operations.import_key("brought", "AES", secret_key=secret, attributes=may))
    ask(operations.import_key("code", "HMACSHA256", secret_key=secret, attributes=may))
    try:
        exported = ask(operations.export("brought"))
        assert (exported.secret_key, exported.private_key) == (secret, None)
        assert "secret_key" not in repr(exported)
        assert ask(operations.hmac("code", b"x")).keyed_hash == hmac.digest(secret, b"x", "sha256")
        wrapped = ask(operations.wrap("code", "brought", "AES_WRAP")).wrapped_key
        assert wrapped == aes_key_wrap(secret, secret)
        ask(operations.unwrap("again", wrapped, "brought", "AES_WRAP", attributes=may, algorithm="HMACSHA256"))
        assert ask(operations.export("again")).secret_key == secret
        ask(operations.delete("again"))
        ask(operations.change_password("code", new="n3w"))
        assert ask(operations.hmac("code", b"x", password="n3w")).keyed_hash
        ask(operations.change_password("code", password="n3w"))
    finally:
        ask(operations.delete("brought"))
        ask(operations.delete("code"))


def test_keys_are_blocked_and_their_rules_changed(ask: Ask) -> None:
    ask(operations.create("ruled", "ED", attributes=SIGNS, policy=Policy()))
    try:
        ask(operations.block("ruled"))
        with pytest.raises(RequestFailed) as caught:
            ask(operations.sign("ruled", b"x", "EDDSA"))
        assert caught.value.error_code == 701
        ask(operations.unblock("ruled"))
        ask(operations.sign("ruled", b"x", "EDDSA"))
        ask(operations.modify("ruled", NewRules(rule_block=Rule([Token(60, 0)]))))
        policy = ask(operations.key("ruled")).json.policy
        assert policy is not None
        assert policy.rule_block == Rule([Token(60, 0, groups=[])])
        assert policy.rule_use is None
    finally:
        ask(operations.delete("ruled"))


def test_changes_of_keys_are_submitted(ask: Ask) -> None:
    may, secret = Attributes(unwrap=True, sign=True, extractable=True, destroyable=True), bytes(range(32))
    ask(operations.import_key("brought", "AES", secret_key=secret, attributes=may))
    ask(operations.create("ruled", "ED", attributes=SIGNS, policy=Policy()))
    submitted: list[Call[Any]] = [
        request_operations.submit_unwrap(
            "arrived", aes_key_wrap(secret, secret), "brought", "AES_WRAP", attributes=may, meta_data=b"{}"
        ),
        request_operations.submit_block("ruled", meta_data=b"{}"),
        request_operations.submit_unblock("ruled"),
        request_operations.submit_modify("ruled", NewRules(rule_block=Rule([Token(60, 0)]))),
    ]
    try:
        for call in submitted:
            (id_,) = msgspec.structs.astuple(ask(call))
            state = ask(request_operations.request(id_))
            assert (state.status, state.result) == ("EXECUTED", "")
        assert ask(operations.export("arrived")).secret_key == secret
        assert ask(operations.key("ruled")).json.policy.rule_block == Rule([Token(60, 0, groups=[])])
    finally:
        for label in ("brought", "arrived", "ruled"):
            ask(operations.delete(label))


def test_a_key_has_the_address_that_it_was_made_with(ask: Ask) -> None:
    made = ask(operations.create("coins", "ED", attributes=SIGNS, policy=Policy(), address_format="XLM"))
    try:
        address = ask(operations.address("coins")).address
        assert address == made.json.public_key[-32:]
        assert (made.json.address_truncated.address, made.json.address_truncated.format) == (
            address.hex().upper(),
            "XLM",
        )
    finally:
        ask(operations.delete("coins"))


def test_an_attestation_verifies_with_openssl(ask: Ask, tmp_path: Path) -> None:
    made = ask(operations.create("attested", "EC", curve_oid=P256, attributes=SIGNS))
    ask(operations.delete("attested"))
    key = ask(operations.attestation_key(made.attestation_key_name))
    for name, content in (("key", key.public_key), ("sig", made.xml_signature), ("xml", made.xml.encode())):
        (tmp_path / name).write_bytes(content)
    command = ["openssl", "dgst", "-sha256", "-keyform", "DER", "-verify", "key", "-signature", "sig", "xml"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout == b"Verified OK\n"


def test_key_passwords(ask: Ask) -> None:
    ask(operations.create("locked", "ED", attributes=SIGNS, curve_oid="1.3.101.112", password="pä$$"))
    try:
        for wrong in (None, "other"):
            with pytest.raises(RequestFailed) as caught:
                ask(operations.sign("locked", b"x", "EDDSA", password=wrong))
            assert caught.value.error_code == 620
        assert len(ask(operations.sign("locked", b"x", "EDDSA", password="pä$$")).signature) == 64
    finally:
        ask(operations.delete("locked", password="pä$$"))


def test_policies_go_and_come(ask: Ask) -> None:
    policy = Policy(rule_use=Rule(tokens=[]), key_status=KeyStatus(blocked=True))
    made = ask(operations.create("ruled", "ED", curve_oid="1.3.101.112", attributes=SIGNS, policy=policy, id="07"))
    assert (made.json.policy.key_status.blocked, made.json.policy.rule_use.tokens, made.json.id) == (True, [], "07")
    with pytest.raises(RequestFailed) as caught:
        ask(operations.sign("ruled", b"x", "EDDSA"))
    assert (caught.value.status, caught.value.error_code) == (500, 701)
    ask(operations.delete("ruled"))


def test_the_request_id_of_a_failure_is_that_of_the_audit_trail(quick: Quick, ask: Ask) -> None:
    with pytest.raises(RequestFailed) as caught:
        ask(operations.sign("nowhere", b"x", "EDDSA"))
    assert any(line["requestId"] == caught.value.request_id for line in quick.trail())


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_the_url_may_end_as_clients_write_it(url: str, suffix: str, ca: Path, identity: P12) -> None:
    with Client(url + suffix, ca=ca, identity=identity) as client:
        assert isinstance(client.keys(), list)


def test_methods_are_typed_and_described(url: str) -> None:
    client = Client(url)
    verified: Verified | None = None
    assert str(inspect.signature(client.sign)).startswith("(label: str, payload: bytes, algorithm: str, *, password")
    assert client.sign.__doc__ == operations.sign.__doc__
    assert inspect.iscoroutinefunction(AsyncClient.sign)
    assert verified is None
    assert repr(client) == f"Client({url!r})"


@flavours
def test_without_a_certificate_or_with_another_authority(run: Any, url: str, ca: Path, identity: P12) -> None:
    with pytest.raises(RequestFailed) as caught:
        run(url, operations.keys(), ca=ca)
    assert caught.value.reason == "client.connection"
    assert "certificate" in caught.value.message.lower()
    for other in (None, Path(__file__).parent / "nowhere"):
        with pytest.raises(RequestFailed) as caught:
            run(url, operations.keys(), ca=other, identity=identity)
        assert caught.value.reason == ("client.connect" if other is None else "client.identity")
        assert "certificate" in caught.value.message or "cannot read" in caught.value.message


@flavours
def test_the_name_of_the_service_must_be_in_its_certificate(run: Any, url: str, ca: Path, identity: P12) -> None:
    run(url.replace("localhost", "127.0.0.1"), operations.keys(), ca=ca, identity=identity)
    with pytest.raises(RequestFailed) as caught:
        run(url.replace("localhost", "127.1"), operations.keys(), ca=ca, identity=identity)
    assert "not accepted" in caught.value.message


@flavours
def test_nobody_there(run: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(RequestFailed) as caught:
        run(f"https://127.0.0.1:{port}", operations.keys(), retries=1)
    assert caught.value.reason == "client.connect"
    assert caught.value.status is None
    assert caught.value.request_id


@pytest.mark.parametrize(
    "url",
    [
        "", "localhost", "localhost:8080", "ftp://localhost", "https://", "https://a:b@localhost", "https://u@localhost",
        "https://localhost:99999", "https://localhost:0", "https://[::1", "https://localhost/?a=b", "https://localhost#x",
        "http://example.com", "http://localhost.example.com:80",
    ],
)  # fmt: skip
def test_urls_that_are_none_or_not_safe(url: str) -> None:
    with pytest.raises(RequestFailed) as caught:
        Client(url)
    assert caught.value.reason == "client.option"
    assert "a:b" not in str(caught.value)


class Ill(http.server.BaseHTTPRequestHandler):
    """Answers as the path of its base URL wishes; remembers what it was sent."""

    seen: list[dict[str, str]] = []
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.seen.append(dict(self.headers.items()))
        getattr(self, self.path.split("/")[1])()

    def _headers(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def huge(self) -> None:
        self._headers(200, Content_Length=1 << 40)
        part = bytes(1 << 20)
        try:
            while True:
                self.wfile.write(part)
        except OSError:
            self.close_connection = True

    def bomb(self) -> None:
        self._headers(200, Content_Encoding="gzip", Content_Length=4)
        self.wfile.write(b"\x1f\x8b\x08\x00")

    def elsewhere(self) -> None:
        self._headers(302, Location="/found/v1/key", Content_Length=0)

    def found(self) -> None:
        self._headers(200, Content_Length=2)
        self.wfile.write(b"[]")

    def page(self) -> None:
        self._headers(502, Content_Length=6, Content_Type="text/html")
        self.wfile.write(b"<html>")

    def cut(self) -> None:
        self._headers(200, Content_Length=100)
        self.wfile.write(b"[")
        self.close_connection = True

    def silent(self) -> None:
        self.close_connection = True
        self.connection.recv(1)

    def busy(self) -> None:
        first = sum("/busy" in one["X-Path"] for one in self.seen if "X-Path" in one) == 0
        self.seen[-1]["X-Path"] = self.path
        if not first:
            self.found()
            return
        body = b'{"errorCode":2,"reason":"res.error.connectivity","message":"later"}'
        self._headers(503, Retry_After=0, Content_Length=len(body))
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def ill() -> Iterator[str]:
    Ill.seen.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ill) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@flavours
@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("huge", "client.answer"),
        ("bomb", "client.answer"),
        ("elsewhere", "client.answer"),
        ("page", "client.answer"),
        ("cut", "client.connection"),
        ("silent", "client.timeout"),
    ],
)
def test_a_service_that_means_ill(run: Any, ill: str, way: str, reason: str) -> None:
    with pytest.raises(RequestFailed) as caught:
        run(f"{ill}/{way}", operations.keys(), timeout=0.5 if way == "silent" else 30.0)
    assert caught.value.reason == reason
    assert len(Ill.seen) == 1  # nothing was followed or repeated


@flavours
def test_it_waits_and_asks_again(run: Any, ill: str) -> None:
    assert run(f"{ill}/busy", operations.keys()) == []
    assert len(Ill.seen) == 2
    assert Ill.seen[0]["X-Request-Id"] == Ill.seen[1]["X-Request-Id"]


@flavours
def test_nothing_of_the_environment_counts(run: Any, ill: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password netrcsecret\n")
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(netrc))
    assert run(f"{ill}/found", operations.keys()) == []
    assert "Authorization" not in Ill.seen[0]


@flavours
def test_secrets_are_sent_and_never_logged(run: Any, ill: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    keys = ApiKeys(key_management="k3y-secret")
    assert run(f"{ill}/found", operations.keys(), api_keys=keys, bearer="b3arer-secret") == []
    assert Ill.seen[0]["X-API-KEY"] == "k3y-secret"
    assert Ill.seen[0]["Authorization"] == "Bearer b3arer-secret"
    assert caplog.records  # the library does log
    assert "secret" not in caplog.text
    assert "secret" not in repr(keys) + str(keys)


def test_nothing_of_the_service_is_imported() -> None:
    script = "import sys, hsmgate.client; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    modules = done.stdout.split()
    ours = {name for name in modules if name.startswith("hsmgate.") and not name.startswith("hsmgate.client")}
    assert ours == {"hsmgate.record"}
    assert not {"uvicorn", "uvloop", "sqlalchemy", "aiohttp", "OpenSSL", "yaml", "typer", "rich"} & set(modules)


def test_without_httpx2_it_says_what_to_install() -> None:
    script = "import sys; sys.modules['httpx2'] = None\nimport hsmgate.client"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith("hsmgate.client needs httpx2: pip install 'hsmgate[client]'\n")


def test_what_is_sent_is_what_the_records_say() -> None:
    call = operations.create("k", "AES", key_size=256, attributes=Attributes(decrypt=True, encrypt=True))
    assert msgspec.json.decode(call.content) == {
        "label": "k",
        "algorithm": "AES",
        "keySize": 256,
        "attributes": {"decrypt": True, "encrypt": True},
    }
