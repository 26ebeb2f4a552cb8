"""The delegated OCSP signing certificate of one authority: made, kept, renewed at half of its life."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509

from hsmgate.adapters.delegate_keys import DelegateKeys
from hsmgate.errors import Failure, Reason
from hsmgate.pki import delegate, issue, responder
from hsmgate.pki import path as paths
from hsmgate.pki.ocsp_signing import SignerKey
from hsmgate.pki.responder import Signer

RETRY_SECONDS = 60.0  # after a renewal that failed


class DelegateKeeper:
    """Gives the signer that is in force; safe for threads.

    `open_key` opens the key of the authority, only when a delegate is made; `record` writes the new certificate into
    the database before anybody sees it; `keys`: where its key is.
    """

    def __init__(
        self,
        issuer: x509.Certificate,
        open_key: Callable[[], SignerKey],
        record: Callable[[x509.Certificate], None],
        is_revoked: Callable[[int], bool],
        keys: DelegateKeys,
        lifetime: timedelta,
        now: Callable[[], float],
        random: Callable[[int], bytes],
        log: Any,  # noqa: ANN401 - structlog's
    ) -> None:
        self._issuer = issuer
        self._open_key = open_key
        self._record = record
        self._is_revoked = is_revoked
        self._keys = keys
        self._lifetime = lifetime
        self._now, self._random, self.log = now, random, log
        self._lock = threading.Lock()
        self._signer: Signer | None = None
        self._serial = 0
        self._renew_at = 0.0

    def current(self) -> Signer:
        """The signer. Failure: why there is none, as the key of the authority cannot be opened."""
        signer, now = self._signer, self._now()
        if signer is not None and now < self._renew_at:
            return signer
        with self._lock:
            if self._signer is None:
                self._take_kept(now)
            if self._signer is None or now >= self._renew_at:
                self._renew(now)
            assert self._signer is not None
            return self._signer

    def ends(self) -> float | None:
        """When the signer in force expires, in Unix seconds."""
        return self._signer.not_after if self._signer is not None else None

    def check(self) -> None:
        """Now and then: renew in time, also where nobody asks; a delegate that was revoked is replaced."""
        if self._signer is not None and self._is_revoked(self._serial):
            with self._lock:
                self._signer = None
                self._keys.drop()
        self.current()

    def _take_kept(self, now: float) -> None:
        try:
            kept = self._keys.kept()
            if kept is None:
                return
            key, certificate = kept
            if said := delegate.check(certificate, self._issuer, now):
                raise Failure(Reason.OCSP_RESPONDER, said)
            if self._is_revoked(certificate.serial_number):
                raise Failure(Reason.OCSP_RESPONDER, "it is revoked")
        except Failure as failure:
            if failure.reason in {Reason.CONNECTIVITY, Reason.OVERLOADED}:
                raise  # it may be as good as ever, behind a token that is away
            self.log.warning(
                "responder.delegate-unusable",
                detail=f"{paths.name_of(self._issuer)}: {failure}; another one is made",
            )
            self._keys.drop()
            return
        self._use(key, certificate)

    def _renew(self, now: float) -> None:
        try:
            key, certificate = self._made(now)
        except Failure as failure:
            if self._signer is None or now >= self._signer.not_after:
                raise
            self._renew_at = now + RETRY_SECONDS
            self.log.error(
                "responder.delegate-not-renewed",
                detail=f"{paths.name_of(self._issuer)}: {failure}; the old one signs on",
                until=f"{datetime.fromtimestamp(self._signer.not_after, UTC):%Y-%m-%dT%H:%M:%SZ}",
            )
            return
        self._use(key, certificate)
        self.log.info(
            "responder.delegate-made",
            authority=paths.name_of(self._issuer),
            serial=f"{certificate.serial_number:x}",
            until=f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
        )

    def _made(self, now: float) -> tuple[SignerKey, x509.Certificate]:
        """A new one, in the database and kept before it is used."""
        authority = issue.Authority(certificate=self._issuer, key=self._open_key())
        valid = delegate.term(datetime.fromtimestamp(now, UTC), self._lifetime, self._issuer)
        key = self._keys.make()
        serial = issue.serial_number(self._random(issue.SERIAL_OCTETS))
        certificate = delegate.make(key.public_key(), authority, serial, valid)
        self._record(certificate)
        self._keys.keep(key, certificate)
        return key, certificate

    def _use(self, key: SignerKey, certificate: x509.Certificate) -> None:
        self._signer = responder.signer(key, certificate, include=True)
        self._serial = certificate.serial_number
        self._renew_at = delegate.renew_at(certificate)
