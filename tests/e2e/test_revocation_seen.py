"""A newcomer sees revocation work: the printed commands, an open connection, the responder, and a new client."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.pages import shell
from support.served import Served
from support.service import Quick

CONFIG = "--config quickstart/config-files"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    done = shell("hsmgate quickstart", tmp_path)
    assert done.returncode == 0, done.stderr
    with Served(tmp_path, "--config", "quickstart/config-files") as opened:
        yield opened


def ran(served: Served, command: str) -> str:
    done = shell(command, served.folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def status_of(served: Served, call: str) -> int:
    return int(ran(served, f"{call} -sS -o answer.json -w '%{{http_code}}'"))


def asked(served: Served) -> tuple[int, str]:
    """What our responder says of the client, judged with a nonce."""
    url = re.search(r"responder\.started url=(http://\S+)", served.log)
    assert url is not None, served.log
    command = (
        f"hsmgate ocsp query quickstart/client.crt --issuer quickstart/config-files/tls/truststore.pem --url {url[1]}"
    )
    done = shell(command, served.folder)
    return done.returncode, done.stdout + done.stderr


def test_call_revoke_and_call_again(served: Served) -> None:
    call, revoke, again = served.printed.splitlines()
    quick = Quick(served.folder / "quickstart")
    with quick.client(served.port) as connection:
        assert connection.labels() == []
        assert status_of(served, call) == 200
        assert asked(served)[0] == 0
        assert "revoked" in ran(served, revoke)
        answer = connection.call("GET", "/v1/key")
        assert (answer.status, answer.json["errorCode"]) == (403, 400)
        assert "revoked by our own authority clients" in answer.json["message"]
        assert answer.headers["connection"] == "close"
    assert status_of(served, again) == 403
    code, said = asked(served)
    assert code == 1
    assert "revoked" in said
    quick.verify_trail()
    trail = quick.trail()
    assert [line["action"] for line in trail if line["action"].startswith("pki.")].count("pki.revoke") == 2
    assert trail[-1]["result"] == "REVOKED" or any(line["result"] == "REVOKED" for line in trail)


def test_a_hold_is_taken_back_and_a_new_client_is_let_in(served: Served) -> None:
    call, revoke, _ = served.printed.splitlines()
    ran(served, f"{revoke} --reason certificateHold")
    assert status_of(served, call) == 403
    ran(served, f"hsmgate pki release quickstart/client.crt {CONFIG}")
    assert status_of(served, call) == 200
    ran(served, f"hsmgate pki issue client second --issuer clients --bundle --out second {CONFIG}")
    password = (served.folder / "second.p12.password").read_text().strip()
    words = shlex.split(call)
    words[words.index("--cert") + 1] = f"second.p12:{password}"
    assert status_of(served, shlex.join(words)) == 200
    ran(served, revoke)
    assert (status_of(served, call), status_of(served, shlex.join(words))) == (403, 200)


def test_the_certificates_name_the_responder(served: Served) -> None:
    for name in ("client.crt", "server.crt", "config-files/tls/truststore.pem"):
        command = ["openssl", "x509", "-in", str(served.folder / "quickstart" / name), "-noout", "-ocsp_uri"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == "http://127.0.0.1:2560\n"
