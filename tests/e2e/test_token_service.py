"""The service over a token: keys are made and used, a lost token is told as the contract has it, and comes back."""

import json
import shlex
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hsmgate.cli.quickstart import quickstart
from support.hsm_tokens import SOFTHSM, Place, softhsm
from support.pages import shell
from support.served import PATIENCE, Served, environment

CONFIG = ("--config", "quickstart/config-files")
SIGN = {
    "signRequest": {
        "payload": "aGVsbG8=",
        "payloadType": "UNSPECIFIED",
        "signKeyName": "made",
        "signatureAlgorithm": "SHA256_WITH_ECDSA",
        "signatureType": "DER",
    }
}
KEY = {"label": "made", "algorithm": "EC", "curveOid": "1.2.840.10045.3.1.7", "attributes": {"sign": True}}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    quickstart(tmp_path / "quickstart", datetime.now(UTC), "localhost")
    return softhsm(tmp_path / "token")


def settings(place: Place, **more: str) -> dict[str, str]:
    token = {"HSM_PKCS11_MODULE": str(SOFTHSM), "HSM_PKCS11_TOKEN": place.label, "HSM_PKCS11_PIN": place.pin or ""}
    return {"HSM_BACKEND": "pkcs11", **token, **place.environment, **more}


@pytest.fixture
def served(place: Place, tmp_path: Path) -> Iterator[Served]:
    with Served(tmp_path, *CONFIG, **settings(place)) as service:
        yield service


def call(served: Served, path: str, body: object = None) -> tuple[int, str, object]:
    """Status, headers in lower case, and the decoded body."""
    more = () if body is None else ("-H", "Content-Type: application/json", "--data", json.dumps(body))
    line = served.call.replace("/v1/key", path)
    done = shell(f"{line} -sS -i {shlex.join(more)}", served.folder)
    head, _, content = done.stdout.replace("\r\n", "\n").partition("\n\n")
    return int(head.split()[1]), head.lower(), json.loads(content) if content else None


def test_keys_are_used_in_the_token_and_a_lost_one_is_503_until_it_is_back(
    served: Served, place: Place, tmp_path: Path
) -> None:
    assert call(served, "/v1/key", KEY)[0] == 201
    assert call(served, "/v1/synchronousSign", SIGN)[0] == 200
    assert b"made" in place.tool("--list-objects")
    assert call(served, "/actuator/health")[0] == 200
    tokens = tmp_path / "token/tokens"
    tokens.rename(tokens.with_name("away"))
    status, head, body = call(served, "/v1/synchronousSign", SIGN)
    assert status == 503
    assert "\nretry-after: " in head
    assert isinstance(body, dict)
    assert (body["errorCode"], body["reason"]) == (2, "res.error.connectivity")
    assert str(tmp_path) not in str(body)
    assert call(served, "/actuator/health")[0] == 503
    served.logged("token.lost")
    tokens.with_name("away").rename(tokens)
    served.logged("token.back")
    assert call(served, "/v1/synchronousSign", SIGN)[0] == 200
    assert call(served, "/actuator/health")[0] == 200
    assert served.stop() == 0
    assert place.pin not in served.log.replace(str(served.port), "").split()


def test_check_tries_the_token_and_names_what_is_not_used(place: Place, tmp_path: Path) -> None:
    for number in ("01", "02"):
        place.tool("--keypairgen", "--key-type", "EC:prime256v1", "--label", "twice", "--id", number)
    database = tmp_path / "quickstart/data/hsmgate.db"
    before = database.read_bytes()
    done = check(tmp_path, settings(place))
    assert done.returncode == 0, done.stderr
    assert "keystore: pkcs11, 0 keys" in done.stdout
    assert "warning: token lab: 2 keys are called 'twice': none of them is used" in done.stderr
    assert b"hsmgate" not in place.tool("--list-objects")  # it makes nothing
    assert database.read_bytes() == before
    for more, said in (
        ({"HSM_PKCS11_PIN": "9999"}, "hsm.pkcs11.pin: refused by the token"),
        ({"HSM_PKCS11_TOKEN": "other"}, "no token is called other"),
        ({"HSM_PKCS11_MODULE": "/usr/lib/none.so"}, "there is no file /usr/lib/none.so"),
    ):
        done = check(tmp_path, settings(place, **more))
        assert done.returncode == 1
        assert said in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr


def check(folder: Path, more: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = ["hsmgate", "check", *CONFIG]
    return subprocess.run(
        command, cwd=folder, env=environment(**more), capture_output=True, text=True, check=False, timeout=PATIENCE
    )


def test_it_starts_and_ends_in_order_many_times(place: Place, tmp_path: Path) -> None:
    for _ in range(3):
        began = time.monotonic()
        with Served(tmp_path, *CONFIG, **settings(place)) as service:
            assert call(service, "/v1/key")[0] == 200
            assert service.stop() == 0
        assert time.monotonic() - began < PATIENCE
        assert "Traceback" not in service.log


def test_an_authority_signs_with_a_key_in_the_token(place: Place, tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("open sesame\n")
    options = "--config quickstart/config-files --passphrase-file passphrase"
    made = "--config quickstart/config-files --keystore house-key --new-passphrase-file passphrase --out house.crt"
    for command in (
        f"hsmgate pki init house {made}",
        f"hsmgate pki issue client billing --issuer house --out billing {options}",
        "openssl verify -CAfile house.crt billing.crt",
    ):
        done = shell(command, tmp_path, **settings(place))
        assert done.returncode == 0, done.stderr
    assert b"house-key" in place.tool("--list-objects", "--type", "privkey")
    assert not (tmp_path / "quickstart/data/pki/keys/house.key").exists()
