"""A small PKI in a folder, with real parts: SQLite, key files, audit trail; the clock is what the test says."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cryptography import x509

from hsmgate.adapters.audit_file import open_audit
from hsmgate.adapters.pki_keys import SigningKeyStore
from hsmgate.adapters.private_files import make_folder, write_once
from hsmgate.adapters.sql import Database, connect
from hsmgate.adapters.sql.authorities import AuthorityRows
from hsmgate.adapters.sql.register import SqlRegister
from hsmgate.pki import names
from hsmgate.usecases import issuance_authorities, issuance_leaves
from hsmgate.usecases.issuance_leaves import Handed, NewLeaf
from hsmgate.usecases.issuance_ports import AuthorityEntry, AuthoritySettings, IssuancePorts
from support.database_servers import DatabasePlace


@dataclass
class Clock:
    """Unix seconds, moved by hand."""

    at: float = field(default_factory=lambda: float(int(time.time())))

    def __call__(self) -> float:
        return self.at


@dataclass
class SmallPki:
    """An open PKI."""

    folder: Path
    database: Database
    ports: IssuancePorts
    clock: Clock

    @property
    def register(self) -> SqlRegister:
        return SqlRegister(self.database)

    @property
    def reads(self) -> AuthorityRows:
        """What responder and gate see."""
        return AuthorityRows(self.database)

    @property
    def trail(self) -> Path:
        return self.folder / "audit.log"

    def root(self, name: str = "root", kind: str = "p256", *, path_length: int | None = 1) -> AuthorityEntry:
        return self.authority(name, None, kind, path_length=path_length)

    def authority(
        self,
        name: str,
        issuer: str | None,
        kind: str = "p256",
        *,
        path_length: int | None = 0,
        settings: AuthoritySettings = AuthoritySettings(),  # noqa: B008 - frozen
        **more: object,
    ) -> AuthorityEntry:
        wanted = issuance_authorities.NewAuthority(
            name=name,
            subject=names.subject(f"CN=the authority {name[:20].strip()}.,O=Example"),
            key=f"file:keys/{name}.key",
            kind=kind,
            path_length=path_length,
            settings=settings,
            **more,  # type: ignore[arg-type]
        )
        if issuer is None:
            return issuance_authorities.init(self.ports, wanted)
        return issuance_authorities.intermediate(self.ports, wanted, issuer)

    def issue(self, profile: str = "client", subject: str | None = "CN=a client", **more: object) -> Handed:
        if profile == "server":
            more.setdefault("names", (x509.DNSName("gate.example"),))
        values: dict[str, object] = {
            "key": f"file:keys/{os.urandom(8).hex()}.key",
            "subject": None if subject is None else names.subject(subject),
            **more,
        }
        return issuance_leaves.issue_leaf(self.ports, NewLeaf(profile=profile, **values))  # type: ignore[arg-type]


@cache
def _fresh() -> bytes:
    """A database with its tables, made once in a process: migrations cost more than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        connect("sqlite:///pki.db", None, None, Path(folder)).close()
        return (Path(folder) / "pki.db").read_bytes()


@contextmanager
def small_pki(folder: Path, clock: Clock | None = None, place: DatabasePlace | None = None) -> Iterator[SmallPki]:
    """Open the PKI in `folder`, made if it is not there; its database is `place`, or else a file in the folder."""
    clock = clock or Clock()
    make_folder(folder)
    if place is None and not (folder / "pki.db").exists():
        write_once(folder / "pki.db", _fresh())
    database = connect("sqlite:///pki.db", None, None, folder) if place is None else place.connect()
    audit = open_audit(folder / "audit.log", now=clock, trail="a-trail", version="test")
    ports = IssuancePorts(SqlRegister(database), SigningKeyStore(folder), audit, clock, os.urandom, "an operator")
    try:
        yield SmallPki(folder, database, ports, clock)
    finally:
        audit.close()
        database.close()


def certificate(handed: Handed) -> x509.Certificate:
    return x509.load_der_x509_certificate(handed.certified.certificate or b"")
