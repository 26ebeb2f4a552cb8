"""Signers that were made elsewhere: a key and its certificate in one file."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key

from hsmgate.adapters.status_files import file_state
from hsmgate.adapters.store_files import read_file
from hsmgate.errors import Failure, Reason
from hsmgate.pki import delegate, responder
from hsmgate.pki.key_store import read_key_store
from hsmgate.pki.ocsp_signing import SignerKey, check_key
from hsmgate.pki.path import parse
from hsmgate.pki.responder import Signer

OpenKey = Callable[[str], SignerKey]  # `authority.signing_key` of the database -> the key


def open_pair(path: Path, password: str | None) -> tuple[SignerKey, x509.Certificate]:
    """A key and its certificate from PEM, PKCS#12 or JKS. Failure: STORE_UNREADABLE, STORE_UNSUPPORTED, WEAK_..."""
    store = read_key_store(read_file(path), password, str(path))
    return check_key(load_der_private_key(store.key_der, None)), parse(store.chain[0])


class SignerFile:
    """A signer that was made elsewhere, for one issuer; taken anew when its file changes, safe for threads."""

    def __init__(
        self,
        path: Path,
        password: str | None,
        issuer: x509.Certificate,
        now: Callable[[], float],
        log: Any,  # noqa: ANN401 - structlog's
    ) -> None:
        """Failure: STORE_UNREADABLE, EXPIRED, WEAK_CERTIFICATE ..., where it cannot be used at the start."""
        self._path, self._password, self._issuer = path, password, issuer
        self._now, self.log = now, log
        self._lock = threading.Lock()
        self._state = file_state(path)
        self._said = ""
        self._signer = self._opened()

    def current(self) -> Signer:
        """Failure: EXPIRED."""
        if self._now() > self._signer.not_after:
            self.check()
        if self._now() > self._signer.not_after:
            when = f"{datetime.fromtimestamp(self._signer.not_after, UTC):%Y-%m-%dT%H:%M:%SZ}"
            raise Failure(Reason.EXPIRED, f"{self._path}: the signer expired at {when}")
        return self._signer

    def ends(self) -> float | None:
        """When it expires."""
        return self._signer.not_after

    def check(self) -> None:
        """Take a new one; where that cannot be used, the old one signs on."""
        with self._lock:
            try:
                state = file_state(self._path)
                if state != self._state:
                    self._signer, self._state = self._opened(), state
                self._said = ""
            except Failure as failure:
                if self._said != str(failure):
                    self._said = str(failure)
                    self.log.error("responder.signer-kept", detail=f"{failure}; the one before signs on")

    def _opened(self) -> Signer:
        key, certificate = open_pair(self._path, self._password)
        if said := delegate.check(certificate, self._issuer, self._now()):
            self.log.warning("responder.signer-foreign", detail=said)
        return responder.signer(key, certificate, include=certificate != self._issuer)
