"""Statuses from a CRL: a file that is read again when it changes, or a URL that is asked again in time."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509

from hsmgate.adapters import private_files
from hsmgate.adapters.ocsp_http import Responders
from hsmgate.adapters.status_files import file_state
from hsmgate.adapters.store_files import read_bounded
from hsmgate.errors import Failure, Reason
from hsmgate.pki import crl_reading
from hsmgate.pki.crl_reading import MOST_OCTETS, Crl
from hsmgate.pki.issued import Issued
from hsmgate.usecases.statuses import Window

SKEW = 300.0  # seconds that a CRL's thisUpdate may lie in the future
DOWNLOAD_SECONDS = 60.0
MOST_BETWEEN, LEAST_BETWEEN = 3600.0, 10.0  # seconds from one download to the next


class CrlStatuses:
    """`unlisted`: "good", or "refuse": a serial number that is not listed counts as never issued.

    `kept`: where the newest CRL is kept, so that no older one is believed after a restart.
    """

    def __init__(
        self,
        issuer: x509.Certificate,
        unlisted: str,
        kept: Path | None,
        now: Callable[[], float],
        log: Any,  # noqa: ANN401 - structlog's
    ) -> None:
        self.complete = unlisted != "good"
        self._issuer, self._unlisted, self._kept = issuer, unlisted, kept
        self._now, self.log = now, log
        self._crl: Crl | None = None
        self._said = ""
        self._lock = threading.Lock()
        if kept is not None and kept.exists():
            try:
                self._put(kept.read_bytes(), keep=False)
            except (Failure, OSError) as failure:
                self.log.warning("responder.source-unusable", detail=f"{kept}: {failure}; it is not used")

    def find(self, serial: int) -> Issued | None:
        crl = self._current()
        revoked = crl.revoked.get(serial)
        if revoked is None and self._unlisted != "good":
            return None
        return Issued(not_after=None, revoked=revoked)

    def window(self) -> Window | None:
        crl = self._current()
        return Window(this_update=crl.this_update, next_update=crl.next_update)

    def _current(self) -> Crl:
        crl = self._crl
        if crl is None:
            raise Failure(Reason.OCSP_STALE, "there is no CRL yet")
        if self._now() >= crl.next_update:
            raise Failure(Reason.OCSP_STALE, "the CRL is past its nextUpdate")
        return crl

    def age(self) -> float:
        """Seconds since thisUpdate; infinite before the first CRL."""
        return self._now() - self._crl.this_update if self._crl is not None else float("inf")

    def take(self, content: bytes) -> None:
        """A CRL came: it is taken whole, or the old one stays and the log says why."""
        try:
            with self._lock:
                self._put(content, keep=True)
        except Failure as failure:
            self.complain(str(failure))
        else:
            if self._said:
                self._said = ""
                self.log.info("responder.source-taken", detail="the CRL is in order again")

    def complain(self, why: str) -> None:
        """Say it once."""
        if why != self._said:
            self._said = why
            self.log.error("responder.source-kept", detail=f"{why}; what it said before stays in force")

    def _put(self, content: bytes, *, keep: bool) -> None:
        crl = crl_reading.read(content, self._issuer)
        old, now = self._crl, self._now()
        if crl.this_update > now + SKEW:
            raise Failure(Reason.OCSP_TIME, "the CRL comes from the future")
        if crl.next_update <= now:
            raise Failure(Reason.OCSP_STALE, "the CRL is past its nextUpdate")
        if old is not None and not crl_reading.follows(crl, old):
            raise Failure(Reason.OCSP_STALE, f"a CRL with number {crl.number} comes after number {old.number}")
        if crl.partial and (old is None or old.partial != crl.partial):
            detail = f"the CRL covers only certificates that name {crl.partial}"
            self.log.warning("responder.source-partial", detail=detail)
        if keep and self._kept is not None and (old is None or old.this_update != crl.this_update):
            private_files.make_folder(self._kept.parent)
            private_files.put(self._kept, content)
        self._crl = crl

    def next_look(self) -> float:
        """Seconds to the next download: half of what is left, within bounds."""
        if self._crl is None or self._said:
            return LEAST_BETWEEN
        left = self._crl.next_update - self._now()
        return max(LEAST_BETWEEN, min(MOST_BETWEEN, left / 2))


class CrlFile(CrlStatuses):
    """The CRL is a file."""

    def __init__(
        self,
        path: Path,
        issuer: x509.Certificate,
        unlisted: str,
        kept: Path | None,
        now: Callable[[], float],
        log: Any,  # noqa: ANN401 - structlog's
    ) -> None:
        super().__init__(issuer, unlisted, kept, now, log)
        self._path = path
        self._state: tuple[int, int, int] | None = None
        self._looking = threading.Lock()

    def _current(self) -> Crl:
        self._look()
        return super()._current()

    def _look(self) -> None:
        if not self._looking.acquire(blocking=False):
            return
        try:
            state = file_state(self._path)
            if state != self._state:
                content = read_bounded(self._path, MOST_OCTETS)
                self._state = state
                self.take(content)
        except Failure as failure:
            self._state = None  # to be taken again when it is back, whether it has changed or not
            self.complain(str(failure))
        finally:
            self._looking.release()


async def keep_downloading(source: CrlStatuses, url: str, responders: Responders) -> None:
    """Download again and again; what fails is tried again soon. Runs until it is cancelled."""
    while True:
        try:
            content = await responders.download(url, DOWNLOAD_SECONDS, MOST_OCTETS)
        except Failure as failure:
            source.complain(f"{url}: {failure}")
        else:
            await asyncio.to_thread(source.take, content)
        await asyncio.sleep(source.next_look())
