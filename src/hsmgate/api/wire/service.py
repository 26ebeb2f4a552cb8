"""Bodies of the service endpoints (endpoints.md sections 1 and 2.13)."""

import msgspec

from hsmgate.record import WireRecord
from hsmgate.usecases.ports import Statistics


class VersionInfo(WireRecord):
    version: str = msgspec.field(name="Version")


class LicenseInfo(WireRecord):
    client_flags: tuple[str, ...]


class AttestationKey(WireRecord):
    """`certificate`: null while the attestation key has none."""

    label: str
    certificate: str | None
    public_key: str


class RandomOctets(WireRecord):
    random: str


class KeystoreStatistics(WireRecord):
    """Counts of what is held for clients; null: not counted, or without a bound."""

    private_keys: int
    public_keys: int
    secret_keys: int
    certificates: int
    data_objects: int
    invalidated_keys: int | None
    used_size_bytes: int
    max_size_bytes: int | None
    remaining_objects: int | None


def keystore_statistics(held: Statistics, certificates: int) -> KeystoreStatistics:
    """The answer. Every private key has its public half; there are no data objects in this version."""
    return KeystoreStatistics(
        private_keys=held.private_keys,
        public_keys=held.private_keys,
        secret_keys=held.secret_keys,
        certificates=certificates,
        data_objects=0,
        invalidated_keys=None,
        used_size_bytes=held.used_bytes,
        max_size_bytes=held.most_bytes,
        remaining_objects=held.remaining_keys,
    )


class Health(WireRecord):
    status: str = "UP"
