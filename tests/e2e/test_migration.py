"""`hsmgate check --from-tsb` on a folder of the vendor's service, as it is; then `serve` on the same folder."""

import json
import subprocess
from pathlib import Path

import pytest

from support import certs
from support.forks import Forks
from support.service import one_line

BLOCK = """\
spring:
  datasource:
    url: jdbc:mariadb://127.0.0.1:1/securosys?sslMode=false
    username: replace-me
    password: replace-me
    driverClassName: org.mariadb.jdbc.Driver
hsm:
  host: hsm.example
  port: 2300
  user: PARTITION
  setupPassword: setup-secret
  encryptionPassword: encryption-secret
general:
  maxTimestampDiffApprovalClient: 600
tee:
  approvalInformations:
    - host: tee.example
      port: 8899
apiAuthentication:
  enabled: false
  keyManagementToken: tsb-x-token_secret
server:
  ssl:
    trust-store: 'file:/etc/app/config/tls/securosys-ska-truststore-server.jks'
    trust-store-password: store-secret
    trust-store-type: jks
    client-auth: need
logging.config: /etc/app/config/log/logback.xml
"""
ROOT = certs.authority("root")
OLD = certs.make("intermediate", ROOT)  # no basicConstraints, as the guide's


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "config-files"
    (folder / "tls").mkdir(parents=True)
    (folder / "log").mkdir()
    (folder / "log/logback.xml").write_text("<configuration/>")
    (folder / "application-local.yml").write_text(BLOCK)
    store = folder / "tls/securosys-ska-truststore-server.jks"
    for alias, made in (("root", ROOT), ("intermediate", OLD)):
        (tmp_path / "one.pem").write_bytes(made.pem)
        subprocess.run(
            [
                *("keytool", "-importcert", "-noprompt", "-storepass", "store-secret", "-alias", alias),
                *("-file", str(tmp_path / "one.pem"), "-keystore", str(store)),
            ],
            check=True,
            capture_output=True,
            timeout=60,
        )
    return folder


def test_a_folder_of_the_vendors_as_it_is(config: Path, commands: Forks) -> None:
    before = {path: path.read_bytes() for path in config.rglob("*") if path.is_file()}
    done = commands.run("check", "--from-tsb", "--config", config)
    assert done.code == 1
    assert "mariadb://127.0.0.1:1/securosys: the database is not answering (2003)" in one_line(done.err)
    rows = {line.split("\t")[0]: line.split("\t")[1] for line in done.out.splitlines() if line.count("\t") == 3}
    assert rows["spring.datasource.url"] == "changed"
    assert rows["server.ssl.trust-store"] == "used"
    assert rows["tee.approvalInformations[0].host"] == "without meaning"
    assert (
        f"intermediate lets in this one certificate; if it may issue: hsmgate.trust.issuers: [{OLD.sha256}]" in done.out
    )
    assert "Keys in the vendor's HSM are not copied." in done.out
    assert "secret" not in done.out + done.err
    assert {path: path.read_bytes() for path in config.rglob("*") if path.is_file()} == before

    without = commands.run("check", "--from-tsb", "--config", config, SPRING_DATASOURCE_URL="")
    assert (without.code, without.err) == (0, "")
    assert without.out.endswith("\nok: hsmgate serve would start with these files\n")
    assert {path: path.read_bytes() for path in config.rglob("*") if path.is_file()} == before


def test_the_same_for_a_program(config: Path, commands: Forks) -> None:
    done = commands.run("check", "--from-tsb", "--json", "--config", config, SPRING_DATASOURCE_URL="")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert set(found) == {"files", "keys", "entries", "stays_behind", "refusal"}
    assert found["refusal"] == ""
    assert {entry["alias"]: entry["role"] for entry in found["entries"]} == {"root": "issuer", "intermediate": "pin"}
    assert {key["verdict"] for key in found["keys"]} == {"used", "changed", "without meaning"}


def test_an_unknown_key_is_shown_with_all_others_and_refused(config: Path, commands: Forks) -> None:
    yml = config / "application-local.yml"
    yml.write_text(f"{BLOCK}mine.own: 1\n")
    done = commands.run("check", "--from-tsb", "--config", config, SPRING_DATASOURCE_URL="")
    assert done.code == 1
    assert "mine.own\tunknown\t" in done.out
    assert "intermediate\tpin\t" in done.out
    assert "unknown key mine.own" in one_line(done.err)


def test_a_truststore_that_cannot_be_read_is_the_reason(config: Path, commands: Forks) -> None:
    yml = config / "application-local.yml"
    yml.write_text(BLOCK.replace("trust-store-password: store-secret", "trust-store-password: other"))
    done = commands.run("check", "--from-tsb", "--config", config, SPRING_DATASOURCE_URL="")
    assert done.code == 1
    assert "the password is wrong" in one_line(done.err)
    assert "server.ssl.trust-store\tused" in done.out
