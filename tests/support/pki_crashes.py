"""`python -m support.pki_crashes FOLDER STEP`: acts of the small PKI, killed at every STEP-th point where it could die.

Each round is a process of its own in a folder of its own, killed (SIGKILL) at one point: before or after a line of the
audit trail, a commit, or a new file. What it was handed before that stands in the folder's file `handed`, a line each.
"""

import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

from hsmgate.adapters import pki_keys, private_files
from hsmgate.adapters.audit_file import FileAudit
from hsmgate.adapters.sql.database import Database
from hsmgate.usecases import issuance_crl, issuance_leaves, issuance_states
from hsmgate.usecases.issuance_leaves import Renewal
from hsmgate.usecases.issuance_states import Selector
from support.small_pki import SmallPki, small_pki


class Points:
    """Counts the points, and dies at one of them."""

    def __init__(self, deadly: int) -> None:
        self._left = deadly

    def pass_one(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            self.pass_one()
            result = function(*arguments, **named)
            self.pass_one()
            return result

        return wrapped

    def install(self, database: Database) -> None:
        from sqlalchemy import event

        FileAudit.append = self.around(FileAudit.append)  # type: ignore[method-assign]
        mock.patch.object(pki_keys, "write_once", self.around(private_files.write_once)).start()
        event.listen(database.engine, "commit", lambda _connection: self.pass_one())
        inner = database.writing

        def writing() -> Any:
            return _After(inner(), self.pass_one)

        database.writing = writing  # type: ignore[method-assign]


class _After:
    """A context that tells when it has ended well."""

    def __init__(self, inner: Any, then: Callable[[], None]) -> None:
        self._inner, self._then = inner, then

    def __enter__(self) -> Any:
        return self._inner.__enter__()

    def __exit__(self, *error: object) -> Any:
        result = self._inner.__exit__(*error)
        if error[0] is None:
            self._then()
        return result


def acts(pki: SmallPki, handed: Callable[[str], None]) -> None:
    """What operators do, in order; each line is told once its act has returned."""
    pki.root()
    handed("authority root")
    pki.authority("issuing", "root")
    handed("authority issuing")
    for name in ("held", "released", "revoked", "renewed"):
        serial = pki.issue(issuer="issuing", subject=f"CN={name}", key=f"file:keys/{name}.key").certified.serial
        handed(f"good {serial:x} {name}")
        if name != "renewed":
            issuance_states.revoke(pki.ports, Selector(serial=serial), "certificateHold")
            handed(f"held {serial:x} {name}")
    for name in ("released", "revoked"):
        found = issuance_states.find(pki.register, Selector(subject=f"CN={name}"), pki.clock())
        if name == "released":
            issuance_states.release(pki.ports, Selector(serial=found.serial))
            handed(f"good {found.serial:x} {name}")
        else:
            issuance_states.revoke(pki.ports, Selector(serial=found.serial), "keyCompromise")
            handed(f"revoked {found.serial:x} {name}")
    old = issuance_states.find(pki.register, Selector(subject="CN=renewed"), pki.clock())
    new = issuance_leaves.renew_leaf(pki.ports, Renewal(leaf=old, key="file:keys/new.key"))
    handed(f"good {new.certified.serial:x} new")
    crl = issuance_crl.make(pki.ports, "issuing")
    handed(f"crl {crl.number} {crl.der.hex()}")


def _round(folder: Path, deadly: int) -> None:
    with small_pki(folder) as pki:  # what is made here is tested with the database: crashes of first starts
        out = os.open(folder / "handed", os.O_WRONLY | os.O_CREAT)
        Points(deadly).install(pki.database)
        acts(pki, lambda line: _write(out, f"{line}\n".encode()))


def _write(descriptor: int, line: bytes) -> None:
    os.write(descriptor, line)


def main() -> None:
    folder, step = Path(sys.argv[1]), int(sys.argv[2])
    for deadly in count(step, step):
        pid = os.fork()
        if not pid:
            try:
                _round(folder / f"{deadly:03}", deadly)
            finally:
                os._exit(0 if sys.exc_info()[0] is None else 1)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code != -signal.SIGKILL:
            sys.exit(code)


if __name__ == "__main__":
    main()
