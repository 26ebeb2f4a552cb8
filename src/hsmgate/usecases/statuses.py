"""The port through which responder and gate learn what became of a certificate."""

from typing import Protocol

from hsmgate.pki.issued import Issued
from hsmgate.record import Record


class Window(Record):
    """The time for which a source speaks, in Unix seconds: a CRL's thisUpdate and nextUpdate."""

    this_update: float
    next_update: float | None


class Statuses(Protocol):
    """The certificates of one authority. May block; safe for threads."""

    @property
    def complete(self) -> bool:
        """Whether a serial that is not found was never issued. A CRL cannot tell: there it may be a good one."""
        ...

    def find(self, serial: int) -> Issued | None:
        """What is known about this serial number now. Failure: CONNECTIVITY, INTEGRITY."""
        ...

    def window(self) -> Window | None:
        """For which time that holds; None: the source is live, so it holds now. Failure: CONNECTIVITY, OCSP_STALE."""
        ...
