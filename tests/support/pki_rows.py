"""A small PKI straight in the database's tables: authorities with their keys in files, certificates, revocations."""

import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import insert, update

from hsmgate.adapters import private_files
from hsmgate.adapters.sql.connect import connect
from hsmgate.adapters.sql.schema import authority, crl, issued
from support import certs
from support.certs import Made


class Pki:
    """`data_dir` is that of a configuration; authorities are called by name."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.database = connect(None, None, None, data_dir)
        self.authorities: dict[str, Made] = {}

    def close(self) -> None:
        self.database.close()

    def authority(self, name: str = "clients", made: Made | None = None, *, key: bool = True) -> Made:
        made = made or certs.authority(f"CA of {name}", private=certs.key("p256", f"authority {name}"))
        pem = made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        if key:
            private_files.write_once(self.data_dir / f"{name}.key", pem)
        (self.data_dir / f"{name}.crt").write_bytes(made.pem)
        with self.database.writing() as connection:
            connection.execute(
                insert(authority).values(
                    name=name,
                    certificate=made.der,
                    sha256=made.sha256,
                    parent=None,
                    signing_key=f"file:{name}.key" if key else "",
                    settings="{}",
                    crl_number=0,
                    created=time.time(),
                )
            )
        self.authorities[name] = made
        return made

    def issue(self, name: str = "clients", subject: str = "client", **how: object) -> Made:
        made = certs.client(subject, self.authorities[name], **how)  # type: ignore[arg-type]
        self.record(name, made)
        return made

    def record(self, name: str, made: Made, not_after: float | None = None) -> None:
        cert = x509.load_der_x509_certificate(made.der)
        with self.database.writing() as connection:
            connection.execute(
                insert(issued).values(
                    authority=name,
                    serial=f"{cert.serial_number:x}",
                    profile="client",
                    subject=cert.subject.rfc4514_string(),
                    not_before=cert.not_valid_before_utc.timestamp(),
                    not_after=cert.not_valid_after_utc.timestamp() if not_after is None else not_after,
                    certificate=made.der,
                    created=time.time(),
                )
            )

    def set(self, name: str, serial: int, at: float | None, reason: str | None) -> None:
        """Revoke, hold, or (with None) release."""
        with self.database.writing() as connection:
            changed = connection.execute(
                update(issued)
                .where(issued.c.authority == name, issued.c.serial == f"{serial:x}")
                .values(revoked_at=at, reason=reason)
            )
            assert changed.rowcount == 1

    def revoke(self, made: Made, reason: str = "keyCompromise", name: str = "clients") -> None:
        self.set(name, serial_of(made), float(int(time.time())), reason)

    def release(self, made: Made, name: str = "clients") -> None:
        self.set(name, serial_of(made), None, None)

    def publish(self, der: bytes, this_update: float, next_update: float, name: str = "clients") -> None:
        with self.database.writing() as connection:
            connection.execute(
                insert(crl).values(authority=name, number=1, this_update=this_update, next_update=next_update, der=der)
            )


def serial_of(made: Made) -> int:
    return x509.load_der_x509_certificate(made.der).serial_number
