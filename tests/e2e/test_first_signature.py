"""A newcomer's first minutes: quickstart, the printed curl line, a key, a signature that openssl verifies."""

import base64
import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from support.pages import ROOT, shell
from support.served import Served
from support.service import Quick

PAYLOAD = b"pay 10 to Alice"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("newcomer")
    done = shell("hsmgate quickstart", folder)
    assert done.returncode == 0, done.stderr
    with Served(folder, "--config", "quickstart/config-files") as served:
        yield served


def answer(served: Served, method: str = "GET", path: str = "", body: object = None) -> tuple[int, Any]:
    """Status and JSON of the printed line's command, pointed at another path."""
    words = [*shlex.split(served.call), "-sS", "-X", method, "-w", "\n%{http_code}"]
    url = next(number for number, word in enumerate(words) if word.startswith("https://"))
    words[url] = words[url].removesuffix("/key") + (path or "/key")
    if body is not None:
        words += ["-H", "Content-Type: application/json", "--data", json.dumps(body)]
    done = shell(shlex.join(words), served.folder)
    assert done.returncode == 0, done.stderr
    content, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(content)


def test_the_printed_line_pasted_gets_200_and_an_array(served: Served) -> None:
    assert served.printed.count("\n") == 3
    assert "--insecure" not in served.printed
    done = shell(served.call, served.folder)
    assert (done.returncode, json.loads(done.stdout)) == (0, []), done.stderr
    assert answer(served) == (200, [])


def test_a_signature_of_a_new_key_verifies_with_openssl(served: Served, tmp_path: Path) -> None:
    key = {"label": "first", "algorithm": "RSA", "keySize": 2048, "attributes": {"sign": True}}
    status, created = answer(served, "POST", "/key", key)
    assert status == 201
    assert answer(served) == (200, ["first"])
    request = {
        "payload": base64.b64encode(PAYLOAD).decode(),
        "signKeyName": "first",
        "signatureAlgorithm": "SHA224_WITH_RSA_PSS",
    }
    status, signed = answer(served, "POST", "/synchronousSign", {"signRequest": request})
    assert status == 200
    for name, content in (
        ("public", base64.b64decode(created["json"]["publicKey"])),
        ("signature", base64.b64decode(signed["signature"])),
        ("payload", PAYLOAD),
        ("other", PAYLOAD + b"0"),
    ):
        (tmp_path / name).write_bytes(content)
    assert "Public-Key: (2048 bit)" in openssl(tmp_path, "pkey", "-pubin", "-inform", "DER", "-in", "public", "-text")
    options = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest", "-signature", "signature"]
    command = ["dgst", "-sha224", "-keyform", "DER", "-verify", "public", *options]
    assert openssl(tmp_path, *command, "payload") == "Verified OK\n"
    assert openssl(tmp_path, *command, "other") == "Verification failure\n"


def openssl(folder: Path, *words: str) -> str:
    done = subprocess.run(["openssl", *words], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout


EXAMPLES = {
    "curl.sh": "sh",
    "client.py": "python",
    "python_client.py": "python",
    "Client.java": "java",
    "client.go": "GOCACHE=$PWD/go go run",
}
SLOW = {"Client.java", "client.go"}  # they are compiled first
examples = pytest.mark.parametrize(
    "example", [pytest.param(name, marks=[pytest.mark.long] if name in SLOW else []) for name in EXAMPLES]
)


def run_example(served: Served, example: str, port: int) -> subprocess.CompletedProcess[str]:
    return shell(
        f"{EXAMPLES[example]} {shlex.quote(str(ROOT / 'examples' / example))} quickstart {port}", served.folder
    )


@examples
def test_the_example_runs_with_its_own_tls_and_leaves_nothing_behind(served: Served, example: str) -> None:
    _, before = answer(served)
    quick = Quick(served.folder / "quickstart")
    lines = len(quick.trail())
    done = run_example(served, example, served.port)
    assert done.returncode == 0, done.stderr
    assert answer(served) == (200, before)
    used = {
        line["detail"]["key"]: line["peer"] for line in quick.trail()[lines:] if line["detail"].get("key") is not None
    }
    assert len(used) == 1
    assert next(iter(used)) in done.stdout
    assert set(used.values()) == {fingerprint(quick)}  # its own TLS showed the certificate: nothing stands between


def fingerprint(quick: Quick) -> str:
    certificate = x509.load_pem_x509_certificate((quick.folder / "client.crt").read_bytes())
    return certificate.fingerprint(SHA256()).hex()


@examples
def test_the_example_fails_where_the_service_refuses(served: Served, example: str) -> None:
    done = run_example(served, example, 1)
    assert done.returncode != 0


def test_every_example_is_tried() -> None:
    assert {path.name for path in (ROOT / "examples").iterdir() if path.is_file()} == set(EXAMPLES)
