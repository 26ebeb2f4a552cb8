"""`hsmgate pki import`: an `openssl ca` folder becomes an authority here."""

import sys
import time
from pathlib import Path

from cryptography import x509

from hsmgate.adapters import pki_keys
from hsmgate.adapters.openssl_folder import OpensslFolder
from hsmgate.adapters.private_files import make_folder, write_once
from hsmgate.cli import pki_read
from hsmgate.cli.pki_place import Place, Where, opened
from hsmgate.cli.progress import Progress
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record
from hsmgate.usecases.issuance_import import Foreign, take_over


class Row(Record):
    """What came of it."""

    authority: str
    added: int
    changed: int
    known: int
    key: str


def import_(where: Where, name: str, folder: Path, certificate: Path, key: Path | None) -> Row:
    """Take it over, or what was added since. Failure: as issuance_import.take_over; STORE_UNREADABLE."""
    source = OpensslFolder(folder)
    authority = x509.load_der_x509_certificate(pki_read.first_certificate(folder / certificate))
    with Progress("importing", sys.stderr, time.monotonic) as progress, opened(where, make=True) as place:
        lines = source.check()
        there = place.register.authority(name)
        if key is not None:
            reference = _copied(place, name, folder / key, where, authority)
        else:
            reference = there.signing_key if there else ""
        foreign = Foreign(name=name, certificate=authority, key=reference, crl_number=source.crl_number())
        entries = source.entries(lambda number: progress.show(number, lines))
        done = take_over(place.ports, foreign, entries, source.certificate_of)
    return Row(authority=name, added=done.added, changed=done.changed, known=done.known, key=reference)


def _copied(place: Place, name: str, key: Path, where: Where, authority: x509.Certificate) -> str:
    """The key beside our own ones, as it is, under the passphrase that it has. Failure: INVALID_INPUT, KEY_EXISTS."""
    content = pki_keys.read(key)
    private = pki_keys.loaded(content, lambda: where.passphrases.opening(f"file:{key}"), str(key))
    if private.public_key() != authority.public_key():
        raise Failure(Reason.INVALID_INPUT, f"{key} is not the key of the authority's certificate")
    reference = place.key_of(name, None)
    path = place.folder / reference.removeprefix(pki_keys.FILE)
    if path.exists():
        if path.read_bytes() != content:
            raise Failure(Reason.KEY_EXISTS, f"{path} is there already, and is another key")
        return reference
    make_folder(path.parent)
    write_once(path, content)
    return reference
