"""hsmgate key: a key from its making to its end at the command line, and each way in which that fails."""

import base64
import hashlib
import hmac
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hsmgate.cli import key_use
from support.forks import Done, Forks
from support.service import PROGRAM, Quick, environment, one_line


class Shell:
    """`hsmgate key` against the served quickstart."""

    def __init__(self, quick: Quick, commands: Forks, port: int) -> None:
        self.quick, self.folder, self._commands, self.port = quick, quick.folder, commands, port

    def run(self, *words: str | Path, **environ: Any) -> Done:
        return self._commands.run("key", *words, cwd=self.folder, SERVER_PORT=str(self.port), **environ)

    def ask(self, *words: str | Path, **environ: str) -> str:
        done = self.run(*words, "--config", ".", **environ)
        assert (done.code, done.err) == (0, ""), done
        return done.out

    def refusal(self, *words: str | Path, **environ: str) -> str:
        done = self.run(*words, **environ)
        assert (done.code, done.out) == (1, ""), done
        return one_line(done.err)


@pytest.fixture(scope="module")
def shell(used: Path, tmp_path_factory: pytest.TempPathFactory, commands: Forks) -> Iterator[Shell]:
    quick = Quick(Path(shutil.copytree(used, tmp_path_factory.mktemp("key") / "quickstart")))
    with quick.serve() as service:
        yield Shell(quick, commands, service.port)


def test_a_signature_from_the_command_line_verifies(shell: Shell) -> None:
    made = shell.ask("create", "orders", "--algorithm", "EC", "--curve", "P-256", "--attribute", "sign",
                     "--attribute", "destroyable", "--attribute", "modifiable=false")  # fmt: skip
    assert "attributes\talwaysSensitive destroyable neverExtractable sensitive sign\n" in made
    assert "orders\n" in shell.ask("list")
    assert "orders" in json.loads(shell.ask("list", "--json"))
    assert shell.ask("show", "orders").splitlines()[0] == "label\torders"
    payload, signature, octets = (shell.folder / name for name in ("payload", "signature", "octets"))
    payload.write_bytes(b"pay 10")
    signature.write_text(shell.ask("sign", "orders", "--algorithm", "SHA256_WITH_ECDSA", payload))
    verify = ("verify", "orders", signature, "--algorithm", "SHA256_WITH_ECDSA")
    assert shell.ask(*verify, payload) == "the signature verifies\n"
    octets.write_bytes(base64.b64decode(signature.read_text()))
    assert shell.ask("verify", "orders", octets, payload, "--raw", "--algorithm", "SHA256_WITH_ECDSA")
    (shell.folder / "other").write_bytes(b"pay 11")
    assert shell.refusal(*verify, "other", "--config", ".") == "the signature does not verify"
    attested = json.loads(shell.ask("show", "orders", "--json"))
    assert attested["json"]["keyUsageCount"] == 1
    assert attested["xml"].startswith("<")
    assert shell.ask("delete", "orders") == "deleted orders\n"
    said = shell.refusal("show", "orders", "--config", ".")
    assert "A key with the name 'orders' does not exist." in said
    assert "errorCode 650" in said


def test_raw_goes_from_pipe_to_pipe_and_not_to_a_terminal(shell: Shell) -> None:
    shell.ask("create", "raw", "--algorithm", "ED", "--curve", "Ed25519", "--attribute", "sign")
    command = [*PROGRAM, "key", "sign", "raw", "--algorithm", "EDDSA", "--raw", "--config", "."]
    environ = environment(SERVER_PORT=str(shell.port))
    done = subprocess.run(command, cwd=shell.folder, env=environ, input=b"x", capture_output=True, check=True)
    assert len(done.stdout) == 64
    ours, theirs = pty.openpty()
    try:
        shown = subprocess.run(
            command, cwd=shell.folder, env=environ, input=b"x", stdout=theirs, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert shown.returncode == 1
    assert "terminal" in one_line(shown.stderr.decode())


def test_what_is_encrypted_is_decrypted(shell: Shell) -> None:
    attributes = [word for name in ("encrypt", "decrypt") for word in ("--attribute", name)]
    shell.ask("create", "archive", "--algorithm", "AES", "--size", "256", *attributes)
    page, aad, sealed = (shell.folder / name for name in ("page", "aad", "sealed"))
    page.write_bytes(b"\x00page\xff")
    aad.write_bytes(b"1")
    cipher = ("--cipher", "AES_GCM")
    sealed.write_text(shell.ask("encrypt", "archive", *cipher, page, "--aad-file", aad))
    opened = shell.ask("decrypt", "archive", *cipher, sealed, "--aad-file", aad)
    assert base64.b64decode(opened) == page.read_bytes()
    assert "HTTP 400" in shell.refusal("decrypt", "archive", *cipher, sealed, "--config", ".")
    assert "not what is wanted" in shell.refusal("decrypt", "archive", *cipher, page, "--config", ".")


def test_key_passwords_come_from_file_or_variable(shell: Shell) -> None:
    (shell.folder / "word").write_text("pä$$\n")
    shell.ask("create", "locked", "--algorithm", "ED", "--curve", "Ed25519", "--attribute", "sign",
              "--attribute", "destroyable", "--key-password-file", "word")  # fmt: skip
    sign = ("sign", "locked", "--algorithm", "EDDSA", "word")
    assert shell.ask(*sign, HSMGATE_KEY_PASSWORD="pä$$") == shell.ask(*sign, "--key-password-file", "word")
    said = shell.refusal(*sign, "--config", ".", HSMGATE_KEY_PASSWORD="wr0ng")
    assert "errorCode 620" in said
    assert "wr0ng" not in said
    shell.ask("delete", "locked", "--key-password-file", "word")


def test_a_code_of_an_hmac_key(shell: Shell) -> None:
    secret, payload = bytes(range(32)), shell.folder / "coded"
    payload.write_bytes(b"pay 10")
    shell.ask("create", "mac", "--algorithm", "HMACSHA256", "--attribute", "sign", "--attribute", "destroyable")
    made = base64.b64decode(shell.ask("hmac", "mac", payload))
    assert len(made) == hashlib.sha256().digest_size
    assert base64.b64decode(shell.ask("hmac", "mac", payload)) == made
    shell.ask("delete", "mac")
    key = {"label": "mac", "algorithm": "HMACSHA256", "secretKey": base64.b64encode(secret).decode()}
    with shell.quick.client(shell.port) as client:
        assert client.call("POST", "/v1/key/import/plain", {**key, "attributes": {"sign": True}}).status == 201
    assert base64.b64decode(shell.ask("hmac", "mac", payload)) == hmac.digest(secret, b"pay 10", "sha256")


def test_requests_are_listed_looked_at_and_deleted(shell: Shell) -> None:
    wish = {"signKeyName": "first", "payload": "eA==", "signatureAlgorithm": "SHA256_WITH_ECDSA"}
    with shell.quick.client(shell.port) as client:
        first, second = (client.call("POST", "/v1/sign", {"signRequest": wish}).json["signRequestId"] for _ in range(2))
        result = client.call("GET", f"/v1/request/{first}").json["result"]
    listed = [line.split("\t") for line in shell.ask("request", "list").splitlines()]
    assert [(row[0], row[1]) for row in listed] == [(second, "EXECUTED"), (first, "EXECUTED")]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", listed[0][2])
    assert shell.ask("request", "list", "--oldest-first", "--size", "1").startswith(first)
    assert shell.ask("request", "list", "--size", "1", "--page", "1").startswith(first)
    assert shell.ask("request", "list", "--status", "FAILED", "--status", "PENDING") == ""
    assert json.loads(shell.ask("request", "list", "--json"))[1]["result"] == result
    shown = dict(line.split("\t") for line in shell.ask("request", "get", first).splitlines())
    assert (shown["id"], shown["status"], shown["result"]) == (first, "EXECUTED", result)
    assert json.loads(shell.ask("request", "get", first, "--json"))["approvedBy"] == []
    assert shell.ask("request", "delete", first) == f"deleted {first}\n"
    for word in ("get", "delete"):
        assert "errorCode 651" in shell.refusal("request", word, first, "--config", ".")


def test_policies_come_from_a_file(shell: Shell) -> None:
    (shell.folder / "policy.json").write_text('{"ruleUse": {"tokens": null}, "keyStatus": {"blocked": true}}')
    create = ("create", "ruled", "--algorithm", "ED", "--curve", "Ed25519", "--attribute", "sign")
    made = json.loads(shell.ask(*create, "--policy", "policy.json", "--id", "07", "--json"))
    assert made["json"]["policy"]["keyStatus"] == {"blocked": True}
    assert made["json"]["id"] == "07"
    assert "errorCode 701" in shell.refusal("sign", "ruled", "--algorithm", "EDDSA", "policy.json", "--config", ".")


def test_the_service_and_the_client_can_be_named_in_full(shell: Shell) -> None:
    url = f"https://localhost:{shell.port}/v1"
    words = ("list", "--url", url, "--ca", "ca.crt", "--p12", "client.p12", "--passphrase-file", "client.p12.password")
    done = shell.run(*words)
    assert (done.code, done.err) == (0, "")
    passphrase = (shell.folder / "client.p12.password").read_text().strip()
    named = {"HSMGATE_URL": url, "HSMGATE_CA": "ca.crt", "HSMGATE_CLIENT_P12": "client.p12"}
    assert shell.run("list", **named, HSMGATE_CLIENT_PASSPHRASE=passphrase, HSMGATE_API_KEY="x").out == done.out
    said = shell.refusal("list", **named, HSMGATE_CLIENT_PASSPHRASE="wr0ng")
    assert "client.p12" in said
    assert "wr0ng" not in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["list"], "name the service"),
        (["list", "--config", "/"], "is no quickstart"),
        (["list", "--url", "ftp://x"], "https://host:8080"),
        (["list", "--url", "https://localhost:1", "--ca", "nowhere"], "cannot read nowhere"),
        (["list", "--url", "https://127.0.0.1:1", "--ca", "ca.crt"], "cannot be reached"),
        (["list", "--config", ".", "--p12", "client.p12", "--cert", "ca.crt"], "not both"),
        (["list", "--config", ".", "--cert-key", "sealing.key"], "needs --cert"),
        (["list", "--config", ".", "--api-key-file", "nowhere"], "cannot read nowhere"),
        (["sign", "first", "--algorithm", "NONE", "ca.crt", "--config", "."], "errorCode"),
        (["sign", "first", "--algorithm", "SHA256_WITH_ECDSA", "nowhere", "--config", "."], "cannot read nowhere"),
        (["sign", "first", "--algorithm", "SHA256_WITH_ECDSA", "/dev/zero", "--config", "."], "is larger than"),
        (["verify", "first", "ca.crt", "ca.crt", "--algorithm", "SHA256_WITH_ECDSA", "--config", "."], "not Base64"),
        (["create", "x", "--algorithm", "ED", "--attribute", "fly", "--config", "."], "is none of"),
        (["create", "x", "--algorithm", "ED", "--attribute", "sign=yes", "--config", "."], "is none of"),
        (["create", "x", "--algorithm", "ED", "--policy", "ca.crt", "--config", "."], "not what is wanted"),
        (["create", "first", "--algorithm", "ED", "--curve", "Ed25519", "--attribute", "sign", "--config", "."], "608"),
    ],
)
def test_what_fails_is_one_line(shell: Shell, words: list[str], says: str) -> None:
    assert says in shell.refusal(*words)


def test_without_the_library_it_says_what_to_install(shell: Shell) -> None:
    script = "import sys; sys.modules['httpx2'] = None; import hsmgate.cli; hsmgate.cli.main()"
    command = [sys.executable, "-c", script, "key", "list", "--config", "."]
    done = subprocess.run(command, cwd=shell.folder, capture_output=True, text=True, env=environment(), check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert one_line(done.stderr) == "hsmgate.client needs httpx2: pip install 'hsmgate[client]'"


def test_completion_knows_what_is_offered() -> None:
    assert "P-256" not in key_use.curves("")
    assert key_use.curves("secp256")[:2] == ["secp256r1", "secp256k1"]
    assert "AES_GCM" in key_use.ciphers("aes")
    assert key_use.key_types("E") == ["EC", "ED"]
    assert key_use.attributes("sl") == ["slip10"]
    assert "EDDSA" in key_use.signature_algorithms("ed")
    done = subprocess.run(
        [PROGRAM[0], "-m", "hsmgate"],
        env=environment(
            _HSMGATE_COMPLETE="complete_bash", COMP_WORDS="hsmgate key sign x --algorithm EDD", COMP_CWORD="5"
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["EDDSA"], done
