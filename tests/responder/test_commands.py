"""`hsmgate ocsp serve` and `hsmgate ocsp query` as an operator runs them."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support import certs
from support.pki_rows import Pki
from support.responder import Responder, http

PATIENCE = 30.0


def hsmgate(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hsmgate", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@contextmanager
def serving(folder: Path, *words: str | Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    log = folder / "responder.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen([sys.executable, "-m", "hsmgate", "ocsp", "serve", *map(str, words)], stderr=stderr)
    try:
        end = time.monotonic() + PATIENCE
        while not (found := re.search(r"responder\.started url=(\S+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.02)
        yield found[1], process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)


def test_serve_and_query(pki: Pki, tmp_path: Path) -> None:
    issuer = pki.authority()
    good, revoked, unknown = pki.issue(subject="good"), pki.issue(subject="revoked"), certs.client("unknown", issuer)
    pki.revoke(revoked)
    for name, made in {"issuer": issuer, "good": good, "revoked": revoked, "unknown": unknown}.items():
        (tmp_path / f"{name}.pem").write_bytes(made.pem)
    (tmp_path / "application.yml").write_text(f"hsmgate.data-dir: '{tmp_path}'\n")
    config = tmp_path / "application.yml"
    with serving(tmp_path, "--config", config, "--listen", "127.0.0.1:0") as (url, process):
        for name, code in {"good": 0, "revoked": 1, "unknown": 1}.items():
            done = hsmgate(
                "ocsp", "query", tmp_path / f"{name}.pem", "--issuer", tmp_path / "issuer.pem", "--url", url, "--json"
            )
            assert done.returncode == code, done.stderr
            said = json.loads(done.stdout)
            assert said["status"] == name
            assert said["nonce"] == "echoed"
            assert said["signer"] == "CN=CA of clients OCSP"
        text = hsmgate(
            "ocsp", "query", tmp_path / "good.pem", "--issuer", tmp_path / "issuer.pem", "--url", url, "--no-nonce"
        )
        assert text.stdout.startswith("status: good\n")
        assert "nonce:" not in text.stdout
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    kept = list((tmp_path / "responder").iterdir())
    assert [path.stat().st_mode & 0o777 for path in kept] == [0o600]
    with serving(tmp_path, "--config", config, "--listen", "127.0.0.1:0"):
        assert [path.read_bytes() for path in (tmp_path / "responder").iterdir()] == [
            path.read_bytes() for path in kept
        ]


def test_query_refuses_what_is_no_answer(tmp_path: Path) -> None:
    issuer = certs.authority("CA")
    leaf = certs.client("leaf", issuer)
    for name, made in {"issuer": issuer, "leaf": leaf}.items():
        (tmp_path / f"{name}.pem").write_bytes(made.pem)
    words: list[str | Path] = ["ocsp", "query", tmp_path / "leaf.pem", "--issuer", tmp_path / "issuer.pem"]
    with Responder(lambda _: http(b"\x30\x03\x0a\x01\x06")) as responder:
        done = hsmgate(*words, "--url", responder.url)
        assert done.returncode == 1
        assert "status: failed\ndetail: the responder refuses to answer: unauthorized" in done.stdout
    done = hsmgate(*words)
    assert done.returncode == 1
    assert done.stderr == "hsmgate: the certificate names no responder: give one with --url\n"
    assert hsmgate(*words, "--hash", "md5").returncode == 1


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1"])
def test_serve_refuses_an_address_that_is_none(tmp_path: Path, listen: str) -> None:
    (tmp_path / "application.yml").write_text("{}\n")
    done = hsmgate("ocsp", "serve", "--config", tmp_path / "application.yml", "--listen", listen)
    assert done.returncode == 1
    assert "must be host:port" in done.stderr
