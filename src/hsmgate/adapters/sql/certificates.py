"""The rows of certificates, one for each key that has one. Where keys go, adapters/sql/keys.py removes theirs."""

from typing import NamedTuple

from sqlalchemy import bindparam, delete, func, insert, select

from hsmgate.adapters.sql.database import Database
from hsmgate.adapters.sql.schema import key_certificate, stored_key


class CertificateRow(NamedTuple):
    """One certificate as it is stored, in the order of the columns. Read rows may hold any type."""

    key_uuid: str
    tenant: str
    certificate: bytes
    seal: bytes


class CertificateRows:
    """Reads and writes the rows of a tenant. Every method may fail with CONNECTIVITY or INTEGRITY."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database, self._tenant = database, tenant
        mine = key_certificate.c.tenant == bindparam("tenant")
        one = select(key_certificate).where(key_certificate.c.key_uuid == bindparam("uuid"), mine)
        self._one = database.query(one)
        self._count = database.query(select(func.count()).select_from(key_certificate).where(mine))

    def put(self, key_uuid: str, certificate: bytes, seal: bytes) -> bool:
        """Store it in the place of any other of this key; False where the key is gone. Survives a crash."""
        row = CertificateRow(key_uuid, self._tenant, certificate, seal)
        key = select(stored_key.c.uuid).where(stored_key.c.uuid == key_uuid, stored_key.c.tenant == self._tenant)
        with self._database.writing() as connection:
            if connection.execute(key).first() is None:
                return False
            connection.execute(delete(key_certificate).where(key_certificate.c.key_uuid == key_uuid))
            connection.execute(insert(key_certificate).values(row._asdict()))
        return True

    def of(self, key_uuid: str) -> CertificateRow | None:
        rows = self._database.fetch(self._one, key_uuid, self._tenant)
        return CertificateRow._make(rows[0]) if rows else None

    def delete(self, key_uuid: str) -> bool:
        """False when there is none."""
        mine = (key_certificate.c.key_uuid == key_uuid, key_certificate.c.tenant == self._tenant)
        with self._database.writing() as connection:
            found = connection.execute(delete(key_certificate).where(*mine))
        return found.rowcount == 1

    def count(self) -> int:
        return int(self._database.fetch(self._count, self._tenant)[0][0])
