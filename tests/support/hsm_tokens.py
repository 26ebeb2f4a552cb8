"""PKCS#11 tokens of a test: SoftHSM2 in a folder of its own, by a module of its own.

A module is loaded once in a process, and SoftHSM reads its configuration when it is initialised. So each token gets a
copy of the module's file: for the loader that is another module, with its own state.
"""

import io
import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from hsmgate.adapters import sql
from hsmgate.adapters.log import make_log
from hsmgate.adapters.pkcs11.keystore import TokenKeystore
from hsmgate.adapters.pkcs11.library import Library
from hsmgate.adapters.pkcs11.token import CALL_SECONDS, Token

SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN, LABEL = "1234", "lab"
NOW = 1_700_000_000.0


@dataclass(frozen=True)
class Place:
    """A token in a folder: what it takes to open it, here or by another tool."""

    module: Path
    environment: dict[str, str]
    label: str = LABEL
    pin: str | None = PIN
    log: io.StringIO = field(default_factory=io.StringIO)

    def run(self, *command: str, data: bytes = b"", check: bool = True) -> bytes:
        """Run another tool with this token's environment."""
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, input=data, capture_output=True, check=False, timeout=60
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def tool(self, *arguments: str, module: Path | None = None) -> bytes:
        """OpenSC's pkcs11-tool, logged in."""
        login = ("--login", "--pin", self.pin) if self.pin else ()
        given = module or self.module
        return self.run("pkcs11-tool", "--module", str(given), "--token-label", self.label, *login, *arguments)

    def events(self, name: str) -> list[dict[str, object]]:
        """What was logged under this name."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in lines if line["event"] == name]


def softhsm(folder: Path, module: Path = SOFTHSM) -> Place:
    """A new SoftHSM2 token; its files are in `folder`/tokens."""
    tokens = folder / "tokens"
    tokens.mkdir(parents=True)
    configuration = folder / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n"
    )
    own = folder / "module.so"
    shutil.copy(module, own)
    place = Place(own, {"SOFTHSM2_CONF": str(configuration)})
    place.run("softhsm2-util", "--init-token", "--free", "--label", LABEL, "--so-pin", PIN, "--pin", PIN)
    return place


def open_token(place: Place, *, sessions: int = 4, call_seconds: float = CALL_SECONDS, pin: str | None = None) -> Token:
    """Log in to it, in this process."""
    os.environ.update(place.environment)
    log = make_log(place.log, now=time.time, monotonic=time.monotonic, json=True)
    return Token(Library(place.module), place.label, pin or place.pin, sessions, log, call_seconds)


def open_keystore(
    place: Place, data_dir: Path, token: Token | None = None, *, rehearsal: bool = False
) -> TokenKeystore:
    """The keystore port over it, with a database in `data_dir`."""
    used = token or open_token(place)
    log = make_log(place.log, now=time.time, monotonic=time.monotonic, json=True)
    try:
        database = sql.connect(None, None, None, data_dir)
        return TokenKeystore(database, used, lambda: NOW, log, rehearsal=rehearsal)
    except BaseException:
        used.close()
        raise


def nss(folder: Path) -> Place:
    """A new database of NSS softokn. Its module takes its parameters in C_Initialize: see stub.Stub(reserved=...)."""
    secret = folder / "pin"
    secret.write_text(PIN)
    place = Place(_softokn(), {}, label="NSS Certificate DB")
    place.run("certutil", "-N", "-d", f"sql:{folder}", "-f", str(secret))
    return place


def nss_parameters(folder: Path) -> str:
    """What softokn wants to be told."""
    return f"configdir='sql:{folder}' certPrefix='' keyPrefix='' secmod='secmod.db' flags="


def _softokn() -> Path:
    return next(Path("/usr/lib").glob("*/libsoftokn3.so"))
