"""schemathesis holds the service to its own description, through the mutual-TLS gate."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.service import Quick, Service, environment

pytestmark = pytest.mark.timeout(600)  # keys of every type are made, on a machine that may be busy
RULES = """
[checks]
# what the contract answers with 500 (see IN_HSM), what is not implemented, and what is away
not_a_server_error.expected-statuses = ["2xx", "4xx", 500, 501, 503]
"""
IN_HSM = {"APPROVALS_MISSING", "UNWRAP_FAILED"}  # errorCode 701; clients wait for its 500
OTHERS = {
    "INTERNAL",
    "KEYSTORE",
    "INTEGRITY",
    "STORE_UNREADABLE",
    "CONFIG_INVALID",
    "CONFIG_MISSING",
}  # no 500 but those
EXCLUDED = (
    "positive_data_acceptance",  # no schema says which key exists, and which algorithm it is of
    "allow_header_conformance",  # a key may be called `attributes`, so DELETE is allowed there
)


@pytest.fixture
def served(quick_used: Quick) -> Iterator[Service]:
    with quick_used.serve() as service:
        yield service


def description(quick: Quick, service: Service) -> dict[str, Any]:
    with quick.client(service.port) as client:
        answer = client.call("GET", "/v3/api-docs")
    assert answer.status == 200
    document: dict[str, Any] = answer.json
    return document


def schemathesis(
    quick: Quick, service: Service, document: dict[str, Any], folder: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    """Run it over a description, with the client's certificate."""
    quick.context()  # sees to client.pem
    (folder / "schemathesis.toml").write_text(RULES)
    (folder / "openapi.json").write_text(json.dumps(document))
    certificate = ["--request-cert", str(quick.folder / "client.pem"), "--tls-verify", str(quick.folder / "ca.crt")]
    program = [str(Path(sys.executable).parent / "st"), "--config-file", "schemathesis.toml", "run", "openapi.json"]
    url = f"https://localhost:{service.port}"
    fixed = ["--seed", "20", "--no-color", "--exclude-checks", ",".join(EXCLUDED), "--request-timeout", "100"]
    return subprocess.run(
        [*program, "-u", url, *certificate, *fixed, *options],
        cwd=folder,
        env=environment(NO_PROXY="localhost"),
        capture_output=True,
        text=True,
        check=False,
    )


def check(quick: Quick, service: Service, folder: Path, *options: str) -> None:
    document = description(quick, service)
    done = schemathesis(quick, service, document, folder, *options)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr
    operations = sum(len(item) for item in document["paths"].values())
    assert f"Selected: {operations}/{operations}" in done.stdout
    assert f"Tested: {operations}\n" in done.stdout
    assert "request.failed" not in service.text()
    assert set(re.findall(r" status=500 reason=(\w*)", service.text())) <= IN_HSM
    assert not {line["result"] for line in quick.trail() if "result" in line} & OTHERS  # the log leaves out floods
    assert service.process.poll() is None
    quick.verify_trail()


def test_the_service_does_what_it_says(quick_used: Quick, served: Service, tmp_path: Path) -> None:
    check(quick_used, served, tmp_path, "--phases", "examples,fuzzing", "--max-examples", "1")


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_the_service_does_what_it_says_in_every_corner(quick_used: Quick, served: Service, tmp_path: Path) -> None:
    phases = "examples,coverage,fuzzing,stateful"
    check(quick_used, served, tmp_path, "--phases", phases, "--max-examples", "60", "--continue-on-failure")


def test_a_description_that_lies_would_be_found(quick_used: Quick, served: Service, tmp_path: Path) -> None:
    document = description(quick_used, served)
    document["components"]["schemas"]["VersionInfo"]["required"].append("build")
    options = ("--phases", "fuzzing", "--max-examples", "1", "--include-path", "/v1/versionInfo")
    done = schemathesis(quick_used, served, document, tmp_path, *options)
    assert done.returncode == 1
    assert "build" in done.stdout
