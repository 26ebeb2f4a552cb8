"""Which authorities the responder speaks for: those of the database, as they come, and those that are configured."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from cryptography import x509

from hsmgate.pki.issued import Issued
from hsmgate.pki.responder import Identity, Signer, identities
from hsmgate.usecases.statuses import Statuses, Window


class SignerSource(Protocol):
    """Gives the signer in force."""

    def current(self) -> Signer:
        """Failure: why there is none."""
        ...

    def ends(self) -> float | None:
        """When the signer expires, in Unix seconds; None before there was one."""
        ...

    def check(self) -> None:
        """Called now and then, so that a signer is renewed in time. Failure: as `current`."""
        ...


@dataclass(frozen=True)
class Served:
    """One authority: what it issued, and who signs for it."""

    name: str
    issuer: x509.Certificate
    statuses: Statuses
    signers: SignerSource


class Both:
    """Statuses of two authorities with one name and key: CertIDs do not tell them apart. A revocation wins."""

    def __init__(self, first: Statuses, second: Statuses) -> None:
        self._sources = (first, second)

    @property
    def complete(self) -> bool:
        return all(source.complete for source in self._sources)

    def find(self, serial: int) -> Issued | None:
        found = [issued for source in self._sources if (issued := source.find(serial)) is not None]
        return next((issued for issued in found if issued.revoked is not None), found[0] if found else None)

    def window(self) -> Window | None:
        windows = [window for source in self._sources if (window := source.window()) is not None]
        if not windows:
            return None
        ends = [window.next_update for window in windows if window.next_update is not None]
        return Window(this_update=min(w.this_update for w in windows), next_update=min(ends, default=None))


class Known(Protocol):
    """Authorities that may come and change while we run."""

    def names(self) -> dict[str, str]:
        """SHA-256 of each one's certificate, by its name. Failure: CONNECTIVITY."""
        ...

    def served(self, name: str) -> Served | None:
        """The authority as it is now. Failure: CONNECTIVITY, INTEGRITY."""
        ...


class Registry:
    """Finds an authority by how a CertID names it; safe for threads."""

    def __init__(self, fixed: Iterable[Served], known: Known | None) -> None:
        self._fixed = tuple(fixed)
        self._known = known
        self._lock = threading.Lock()
        self._seen: dict[str, str] = {}
        self._moving: dict[str, Served] = {}
        self._index: dict[Identity, Served] = _indexed(self._fixed)

    def find(self, wanted: Identity) -> Served | None:
        """None: it is nobody of ours, also not since a moment ago. Failure: CONNECTIVITY, INTEGRITY."""
        found = self._index.get(wanted)
        if found is None and self._known is not None and self.refresh():
            found = self._index.get(wanted)
        return found

    def refresh(self) -> bool:
        """Look for new authorities; whether something changed."""
        if self._known is None:
            return False
        names = self._known.names()
        if names == self._seen:
            return False
        with self._lock:
            for name in names.keys() | self._seen.keys():
                if names.get(name) != self._seen.get(name):
                    served = self._known.served(name) if name in names else None
                    self._put(name, served)
            self._seen = names
            self._index = _indexed((*self._fixed, *self._moving.values()))
        return True

    def _put(self, name: str, served: Served | None) -> None:
        if served is None:
            self._moving.pop(name, None)
        else:
            self._moving[name] = served

    def moving(self) -> tuple[Served, ...]:
        """Those of the database."""
        return tuple(self._moving.values())

    def all(self) -> tuple[Served, ...]:
        """Everybody."""
        return (*self._fixed, *self._moving.values())


def _indexed(authorities: Iterable[Served]) -> dict[Identity, Served]:
    index: dict[Identity, Served] = {}
    for served in authorities:
        for name in identities(served.issuer):
            first = index.get(name)
            index[name] = served if first is None else _merged(first, served)
    return index


def _merged(first: Served, second: Served) -> Served:
    return Served(first.name, first.issuer, Both(first.statuses, second.statuses), first.signers)


def renew_signers(registry: Registry, complain: Callable[[Served, Exception], None]) -> None:
    """Look after all signers; one that fails does not hold up the others."""
    for served in registry.all():
        try:
            served.signers.check()
        except Exception as error:
            complain(served, error)
