"""Certificates of our own authorities: the database says what became of them, at once and without HTTP."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hsmgate.errors import Failure, Reason
from hsmgate.pki import path as paths
from hsmgate.pki.issued import Issued
from hsmgate.pki.ocsp import Evidence
from hsmgate.pki.ocsp_issuer import proves_issuer


class Authorities(Protocol):
    """Our own authorities and what they issued. Blocks; safe for threads. Failure: CONNECTIVITY, INTEGRITY."""

    def certificates(self) -> list[tuple[str, bytes]]:
        """Name and certificate (DER) of every authority."""
        ...

    def find(self, name: str, serial: int) -> Issued | None:
        """What became of a certificate; None: it was never issued."""
        ...


class OwnPki:
    """Judges by name and key of the issuer, as a CertID does (RFC 6960 4.1.1). `timeout` in seconds."""

    def __init__(self, authorities: Authorities, timeout: float, *, waits_for_nobody: bool = False) -> None:
        """Read the authorities once. `waits_for_nobody`: they answer so fast that a hop to a thread would cost more.

        Failure: CONNECTIVITY, INTEGRITY, BAD_CERTIFICATE.
        """
        self._authorities = authorities
        self._waits_for_nobody = waits_for_nobody
        self._timeout = timeout
        self._names: dict[tuple[bytes, bytes], str] = {}
        self._certs: list[x509.Certificate] = []
        self.number = 0  # of changes: plans that were made for another number are made anew
        self.refresh()

    def refresh(self) -> None:
        """Take the authorities as they are now. Blocks. Failure: CONNECTIVITY, INTEGRITY, BAD_CERTIFICATE."""
        found = [(name, paths.parse(der)) for name, der in self._authorities.certificates()]
        names = {_key(cert): name for name, cert in found}
        if names != self._names:
            self._names, self._certs = names, [cert for _, cert in found]
            self.number += 1

    def issuer_of(self, cert: x509.Certificate) -> x509.Certificate | None:
        """The authority of ours that signed it."""
        return next((candidate for candidate in self._certs if proves_issuer(cert, candidate)), None)

    def name_of(self, issuer: x509.Certificate | None) -> str:
        """Which authority of ours this issuer is; empty: none."""
        return self._names.get(_key(issuer), "") if issuer is not None and self._names else ""

    async def look_up(self, asked: Sequence[tuple[str, int]]) -> list[Issued | None]:
        """What became of each certificate (name of the authority, serial number), as of now; all in one visit.

        Failure: CONNECTIVITY (never allowed to pass).
        """
        if self._waits_for_nobody:
            return self._look_up(asked)
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.to_thread(self._look_up, asked)
        except TimeoutError:
            raise Failure(Reason.CONNECTIVITY, "the database does not answer in time") from None

    def _look_up(self, asked: Sequence[tuple[str, int]]) -> list[Issued | None]:
        return [self._authorities.find(name, serial) for name, serial in asked]

    def verdict(self, name: str, serial: int, issued: Issued | None, asked_at: float) -> Evidence:
        """Evidence of GOOD, as of `asked_at` (Unix seconds). Failure: REVOKED, STATUS_UNKNOWN."""
        evidence = _evidence(name, serial, asked_at)
        if issued is None:
            why = f"our own authority {name} never issued the certificate"
            raise Failure(Reason.STATUS_UNKNOWN, why, evidence)
        if issued.revoked is not None:
            why = f"the certificate is revoked by our own authority {name} ({issued.revoked.reason})"
            raise Failure(Reason.REVOKED, why, evidence)
        return evidence


def _evidence(name: str, serial: int, now: float) -> Evidence:
    return Evidence(
        serial=f"{serial:x}",
        this_update=now,
        next_update=None,
        produced_at=now,
        responder=f"our own authority {name}",
        digest="",  # there is no response
        nonce_echoed=True,
    )


def _key(issuer: x509.Certificate) -> tuple[bytes, bytes]:
    spki = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return issuer.subject.public_bytes(), spki
