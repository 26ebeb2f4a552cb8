"""Publishes CRLs as files: always the newest one of the register, whatever the order of those who write."""

from pathlib import Path

from hsmgate.adapters import public_files
from hsmgate.errors import Failure
from hsmgate.pki import crl
from hsmgate.usecases import issuance_crl
from hsmgate.usecases.issuance_ports import IssuancePorts, Register

_PEM = {".pem", ".txt"}


def publish(register: Register, authority: str, path: Path) -> bool:
    """Put the newest CRL of the authority in place, PEM where the name ends so, else DER; whether the file changed.

    It is done again after a crash between storing and publishing. Failure: STORE_UNREADABLE, CONNECTIVITY.
    """
    with public_files.in_turn(path):
        newest = register.crl(authority)
        if newest is None:
            return False
        content = crl.pem(newest.der) if path.suffix.lower() in _PEM else newest.der
        if path.is_file() and path.read_bytes() == content:
            return False
        public_files.replace(path, content)
        return True


def keep_fresh(ports: IssuancePorts, folder: Path) -> dict[str, Failure]:
    """Make the CRLs that are due, and put the newest ones in place; what failed and why, by authority.

    For a service to call every minute or so, in a thread: it blocks, but lets others run. Never fails, unless the
    register cannot be read: CONNECTIVITY, INTEGRITY.
    """
    failed = issuance_crl.make_due(ports)
    for entry in ports.register.authorities():
        try:
            if entry.settings.crl_file:
                publish(ports.register, entry.name, folder / entry.settings.crl_file)
        except Failure as failure:
            failed.setdefault(entry.name, failure)
    return failed
