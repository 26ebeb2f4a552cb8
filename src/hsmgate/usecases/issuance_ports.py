"""What issuing certificates needs from the world, and the records that it keeps there."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

from hsmgate.pki.crl import Entry
from hsmgate.pki.extensions import Points
from hsmgate.pki.issued import Revoked
from hsmgate.record import Record
from hsmgate.usecases.ports import Audit

AUTHORITY = "authority"  # profile of the certificates of authorities; those of leaves are pki.issue.PROFILES
IMPORTED = "imported"
DAY = 86400.0


class AuthoritySettings(Record):
    """What an authority writes into certificates, and how it publishes its CRL; times in seconds."""

    points: Points = Points()
    crl_every: float = DAY  # a new CRL is due after this time
    crl_lifetime: float = 7 * DAY  # nextUpdate: how long verifiers may use one
    crl_file: str = ""  # where it is published; relative to the folder of the PKI; empty: in the database only


class AuthorityEntry(Record):
    """One authority. `signing_key`: file:PATH or keystore:LABEL; empty: its key is not here. `created`: Unix seconds.

    `parent`: the authority here that signed its certificate; None: itself, or one that is not here.
    """

    name: str
    certificate: bytes  # DER
    sha256: str
    parent: str | None
    signing_key: str
    settings: AuthoritySettings
    crl_number: int
    created: float


class Certified(Record):
    """One certificate that was issued; times in Unix seconds. `certificate` None: imported without it."""

    authority: str
    serial: int
    profile: str
    subject: str  # RFC 4514
    not_before: float
    not_after: float
    certificate: bytes | None
    created: float
    revoked: Revoked | None = None


class StoredCrl(Record):
    """The newest CRL of an authority; times in Unix seconds."""

    number: int
    this_update: float
    next_update: float
    der: bytes


class Wanted(Record):
    """Which certificates a list shows. `after`: goes on behind this (authority, serial)."""

    authority: str | None = None
    subject: str | None = None
    profile: str | None = None
    state: str | None = None  # good | held | revoked | expired
    expires_before: float | None = None
    after: tuple[str, int] | None = None
    limit: int | None = None


class Book(Protocol):
    """The register inside one transaction, which nobody else writes to meanwhile."""

    def authority(self, name: str) -> AuthorityEntry | None: ...

    def authorities(self) -> list[AuthorityEntry]: ...

    def add_authority(self, entry: AuthorityEntry) -> None:
        """Failure: INVALID_INPUT (the name, or the certificate, is there already)."""
        ...

    def change_authority(self, entry: AuthorityEntry) -> None:
        """Replace what is known of the authority of this name."""
        ...

    def take_crl_number(self, name: str) -> int:
        """The next number, which is then nobody else's."""
        ...

    def find(self, name: str, serial: int) -> Certified | None: ...

    def add(self, certified: Certified) -> None:
        """Failure: INVALID_INPUT (the authority issued this serial number already)."""
        ...

    def find_all(self, name: str, serials: Sequence[int]) -> dict[int, Certified]:
        """Those that are there; at most a thousand."""
        ...

    def add_all(self, certified: Sequence[Certified]) -> None:
        """Many at once, none of which is there."""
        ...

    def mark(self, name: str, serial: int, revoked: Revoked | None) -> None:
        """Set, change or take back a revocation."""
        ...

    def revoked(self, name: str, since: float) -> list[Entry]:
        """What a CRL lists: the revoked certificates that expire, or were revoked, at `since` or later; by serial."""
        ...

    def crl(self, name: str) -> StoredCrl | None: ...

    def put_crl(self, name: str, crl: StoredCrl) -> bool:
        """Store it unless there is a newer one; whether it was stored."""
        ...


class Register(Protocol):
    """Authorities and what they issued. Every method may fail with CONNECTIVITY or INTEGRITY."""

    def writing(self) -> AbstractContextManager[Book]:
        """One transaction, committed when the block ends well; the write lock is taken at its begin."""
        ...

    def authority(self, name: str) -> AuthorityEntry | None: ...

    def authorities(self) -> list[AuthorityEntry]:
        """All, by name."""
        ...

    def of_serial(self, serial: int) -> list[Certified]:
        """Whoever issued it: serial numbers of imported authorities may be the same."""
        ...

    def listed(self, wanted: Wanted, now: float) -> Iterator[Certified]:
        """By authority, then expiry, then serial; never held in memory as a whole."""
        ...

    def crl(self, name: str) -> StoredCrl | None: ...


class SigningKeys(Protocol):
    """Where private keys are, by reference: file:PATH or keystore:LABEL."""

    def make(self, reference: str, kind: str) -> CertificateIssuerPrivateKeyTypes:
        """Make and store a key. Failure: INVALID_INPUT (unknown kind), STORE_UNREADABLE, KEY_EXISTS (is there)."""
        ...

    def open(self, reference: str) -> CertificateIssuerPrivateKeyTypes:
        """The key, or an object that signs with it. Failure: STORE_UNREADABLE, KEY_NOT_FOUND, KEY_PASSWORD_MISMATCH."""
        ...

    def forget(self, reference: str) -> None:
        """Remove a key that was made a moment ago and came to nothing. Never fails."""
        ...


@dataclass(frozen=True)
class IssuancePorts:
    """Everything that issuing may touch. `now`: Unix seconds; `octets`: random ones; `operator`: who acts."""

    register: Register
    keys: SigningKeys
    audit: Audit
    now: Callable[[], float]
    octets: Callable[[int], bytes]
    operator: str
