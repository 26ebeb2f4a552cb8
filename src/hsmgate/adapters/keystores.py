"""Opens the configured keystore: database, sealing key, backend."""

import os.path
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from structlog.typing import FilteringBoundLogger

from hsmgate.adapters.sealing_key import (
    Passphrase,
    SealingKey,
    configured_sealing_key,
    make_sealing_key_file,
    read_sealing_key,
)
from hsmgate.adapters.sealing_rotation import successor
from hsmgate.adapters.software import SoftwareKeystore
from hsmgate.adapters.sql.database import Database
from hsmgate.adapters.sql.keys import read_keystore
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record
from hsmgate.usecases.ports import Keystore

if TYPE_CHECKING:
    from hsmgate.adapters.pkcs11.keystore import TokenKeystore

OWN_KEY = "sealing.key"


class TokenSettings(Record):
    """hsm.pkcs11."""

    module: Path
    label: str
    pin: str | None
    sessions: int


def open_software(
    database: Database,
    key_file: Path | None,
    key: str | None,
    data_dir: Path,
    attestation_label: str,
    now: Callable[[], float],
    log: FilteringBoundLogger,
) -> SoftwareKeystore:
    """The software keystore; where no sealing key is configured, one is made below `data_dir` once.

    Failure: CONFIG_INVALID, STORE_UNREADABLE, CONNECTIVITY, INTEGRITY.
    """
    if key_file is None and key is None:
        secret: SealingKey | Passphrase = _own_key(database, data_dir / OWN_KEY, log)
    else:
        secret = configured_sealing_key(key, key_file, data_dir)
    try:
        keystore = SoftwareKeystore(database, secret, now, attestation_label)
    except Failure:
        _check_rotation(key_file or data_dir / OWN_KEY)
        raise
    _check_name(keystore, attestation_label)
    return keystore


def open_token(
    database: Database,
    given: TokenSettings,
    attestation_label: str,
    now: Callable[[], float],
    log: FilteringBoundLogger,
    *,
    rehearsal: bool,
) -> "TokenKeystore":
    """The keys of a PKCS#11 token. In a rehearsal nothing is stored in it.

    Failure: CONFIG_INVALID (module, token, PIN, or a token that the database does not belong to), CONNECTIVITY,
    INTEGRITY.
    """
    from hsmgate.adapters.pkcs11.keystore import TokenKeystore  # here: who has no token starts without
    from hsmgate.adapters.pkcs11.library import Library
    from hsmgate.adapters.pkcs11.token import Token

    token = Token(Library(given.module), given.label, given.pin, given.sessions, log)
    try:
        keystore = TokenKeystore(database, token, now, log, attestation_label, rehearsal=rehearsal)
        _check_name(keystore, attestation_label)
    except BaseException:
        token.close()
        raise
    return keystore


def _check_name(keystore: Keystore, attestation_label: str) -> None:
    """Found out now and not at the first request; so is a table of keys that is not there, or not ours."""
    try:
        keystore.find(attestation_label)
    except Failure as failure:
        if failure.reason is Reason.KEY_NOT_FOUND:
            return
        raise
    raise Failure(
        Reason.CONFIG_INVALID,
        f"hsm.attestation-key-name: {attestation_label} is the name of a client's key: choose another",
    )


def _check_rotation(path: Path) -> None:
    """A key that does not fit because the change to its successor was interrupted. Failure: CONFIG_INVALID."""
    if successor(path).exists():
        raise Failure(
            Reason.CONFIG_INVALID,
            f"the sealing key was being changed, and that was interrupted ({successor(path)} is there):"
            " `hsmgate keystore reseal` brings it to its end",
        )


def _own_key(database: Database, path: Path, log: FilteringBoundLogger) -> SealingKey:
    """Made at the first start only: a new key beside a database that was sealed with another would just look right."""
    if read_keystore(database) is not None and not os.path.lexists(path):
        raise Failure(
            Reason.CONFIG_INVALID,
            f"no hsm.software.key is configured and {path} is gone, with which the keys are sealed: put its copy back",
        )
    made = make_sealing_key_file(path)
    log.warning(
        "keystore.sealing-key",
        detail=f"no hsm.software.key is configured: {'made' if made else 'using'} {path}, beside the keys that it"
        " seals; keep it elsewhere, and a copy of it",
    )
    return read_sealing_key(path)
