"""API keys of a real service, with client certificates and instead of them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.service import Answer, Client, Quick

MANAGEMENT, OLD, NEW = "management-5f0c1b9ea3b1", "operation-77aa20c3d4e5", "operation-9b31c4fedcba"
KEYS = f"""
apiAuthentication:
  enabled: true
  keyManagementToken: '{MANAGEMENT}'
  keyOperationToken: [{OLD}, {NEW}]
"""


def with_keys(quick: Quick, text: str = KEYS) -> None:
    with quick.yml.open("a") as file:
        file.write(text)


def key(value: str) -> dict[str, str]:
    return {"X-API-KEY": value}


def refused(answer: Answer, code: int) -> None:
    assert (answer.status, answer.json["errorCode"]) == (401, code), answer


@pytest.fixture
def silent(quick_used: Quick) -> Iterator[Quick]:
    """Afterwards no key stands in the log, in the audit trail or anywhere below data-dir."""
    yield quick_used
    places = [quick_used.folder / "service.log", *(path for path in quick_used.data.rglob("*") if path.is_file())]
    for path in places:
        content = path.read_bytes()
        assert not re.search(b"management-5f|operation-77|operation-9b|guess-of", content), path
    quick_used.verify_trail()


def test_both_must_pass(silent: Quick) -> None:
    with_keys(silent)
    with silent.serve() as service:
        with silent.client(service.port) as client:
            assert client.call("GET", "/v1/key", headers=key(MANAGEMENT)).json == ["first"]
            refused(client.call("GET", "/v1/key"), 416)
            refused(client.call("GET", "/v1/key", headers=key(OLD)), 631)
            refused(client.call("GET", "/v1/key", headers=key("guess-of-a-key")), 631)
            refused(client.call("GET", "/v1/nowhere"), 416)
            assert client.call("GET", "/v1/nowhere", headers=key(NEW)).status == 404
            assert client.call("GET", "/actuator/health").status == 200
            for operation in (OLD, NEW):  # roll-over: both of the list
                wish = {"signKeyName": "first", "payload": "aGVsbG8=", "signatureAlgorithm": "SHA256_WITH_ECDSA"}
                body = {"signRequest": wish}
                assert client.call("POST", "/v1/synchronousSign", body, key(operation)).status == 200
        assert service.stop() == 0
    trail = silent.trail()
    used = [line["detail"].get("apiKey") for line in trail if line["phase"] == "intent"]
    assert used[-2:] == ["keyOperationToken[0]", "keyOperationToken[1]"]
    assert {"MISSING_API_KEY", "INVALID_API_KEY"} <= {line["result"] for line in trail}


@pytest.mark.parametrize("mode", ["want", "none"])
def test_strangers_pass_with_a_key_alone(silent: Quick, mode: str) -> None:
    silent.edit(("client-auth: need", f"client-auth: {mode}"))
    with_keys(silent)
    with silent.serve() as service:
        with Client(service.port, silent.context(certificate=False)) as client:
            assert client.call("GET", "/v1/key", headers=key(MANAGEMENT)).json == ["first"]
            for headers in ({}, key(OLD), key("guess-of-a-key"), {"Authorization": f"Bearer {MANAGEMENT}"}):
                refused(client.call("GET", "/v1/key", headers=headers), 400)
                refused(client.call("GET", "/v1/nowhere", headers={} if headers == key(OLD) else headers), 400)
        if mode == "want":
            with silent.client(service.port) as client:
                refused(client.call("GET", "/v1/key", headers=key(OLD)), 631)
        assert service.stop() == 0


def test_none_with_keys_needs_neither_truststore_nor_certificate_files(silent: Quick) -> None:
    text = f"server: {{address: 127.0.0.1, ssl: {{client-auth: none}}}}\nhsmgate: {{data-dir: ../data}}\n{KEYS}"
    silent.yml.write_text(f"{text}hsm: {{software: {{key: 'file:../sealing.key'}}}}\n")
    with silent.serve() as service:
        made = silent.data / "tls" / "self-signed.pem"
        with Client(service.port, silent.context(certificate=False, authority=made)) as client:
            assert client.call("GET", "/v1/key", headers=key(MANAGEMENT)).json == ["first"]
            refused(client.call("GET", "/v1/key"), 400)
        assert service.stop() == 0


def test_insecure_opens_nothing_where_keys_are_on_and_roles_can_be_strict(silent: Quick, tmp_path: Path) -> None:
    text = f"hsmgate: {{data-dir: ../data, insecure: true}}\nserver.address: 127.0.0.1\n{KEYS}  strictRoles: true\n"
    silent.yml.write_text(f"{text}hsm: {{software: {{key: 'file:../sealing.key'}}}}\n")
    with silent.serve() as service, Client(service.port, None) as client:
        assert client.call("GET", "/v1/key", headers=key(MANAGEMENT)).json == ["first"]
        refused(client.call("GET", "/v1/key"), 400)
        assert client.call("GET", "/v1/request/none", headers=key(OLD)).status == 404
        refused(client.call("GET", "/v1/request/none", headers=key(MANAGEMENT)), 400)  # strict: not its role's
        assert service.stop() == 0
