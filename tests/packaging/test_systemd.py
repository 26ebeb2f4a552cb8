"""packaging/systemd: the unit is one that systemd takes, is as closed as it says, and the program lives within it."""

import re
import shutil
from pathlib import Path

import pytest

from hsmgate.config import load
from support.unit import UNIT, analyze, values

EXPOSURE = 2.5  # of `systemd-analyze security`, where 0 is nothing and 10 everything


def test_systemd_takes_every_line(tmp_path: Path) -> None:
    """The program is where the unit says, below another root; so is what the unit builds on."""
    program = tmp_path / values("ExecStart")[0].split()[0].lstrip("/")
    program.parent.mkdir(parents=True)
    program.symlink_to("/bin/true")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("=/opt/hsmgate", f"={tmp_path}/opt/hsmgate"))
    done = analyze("verify", "--man=no", "--recursive-errors=no", unit)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    unit.write_text(f"{unit.read_text()}\n[Service]\nNoSuchLine=yes\n")
    assert "NoSuchLine" in analyze("verify", "--man=no", "--recursive-errors=no", unit).stderr, (
        "it looks at all of them"
    )


def test_it_is_closed(tmp_path: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={int(EXPOSURE * 10)}", UNIT)
    assert done.returncode == 0, done.stdout
    found = re.search(r"Overall exposure level for hsmgate\.service: ([0-9.]+)", done.stdout)
    assert found
    assert float(found[1]) < EXPOSURE
    (tmp_path / UNIT.name).write_text("[Service]\nExecStart=/bin/true\n")
    open_one = analyze("security", "--offline=true", f"--threshold={int(EXPOSURE * 10)}", tmp_path / UNIT.name)
    assert open_one.returncode != 0, "the judge judges"


def test_its_credentials_are_read_by_the_configuration(tmp_path: Path) -> None:
    """As the comment in the unit shows it."""
    credentials = [line.split(":")[0] for line in values("LoadCredential")]
    shown = re.search(r"Example: (server\S+: .*)$", UNIT.read_text(), re.MULTILINE)
    assert shown
    for name in credentials:
        (tmp_path / name).write_text(f"secret of {name}\n")
    lines = [shown[1], 'hsm.software.key: "${file:${CREDENTIALS_DIRECTORY}/sealing-key}"']
    (tmp_path / "application-local.yml").write_text("\n".join(lines))
    given = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    given |= dict(line.split("=", 1) for line in values("Environment"))
    config = load(tmp_path, None, given, tmp_path)
    assert config.server.ssl.key_store_password == "secret of key-store-password"
    assert config.hsm.software.key == "secret of sealing-key"
    assert config.hsm.software.key_file == tmp_path / "sealing-key"
    assert str(config.hsmgate.data_dir) == "/var/lib/hsmgate"
    assert str(config.hsmgate.health.socket) == "/run/hsmgate/health.sock"


@pytest.fixture(autouse=True)
def _there() -> None:
    assert shutil.which("systemd-analyze"), "sh scripts/debian-packages systemd-analyze=systemd"
