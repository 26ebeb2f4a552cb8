"""Authorities that are configured: whose certificates, where their status comes from, who signs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from cryptography import x509

from hsmgate.adapters.ocsp_http import Responders
from hsmgate.adapters.signer_files import SignerFile
from hsmgate.adapters.status_crls import CrlFile, CrlStatuses, keep_downloading
from hsmgate.adapters.status_files import IndexStatuses
from hsmgate.adapters.store_files import read_file
from hsmgate.errors import Failure, Reason
from hsmgate.pki import path as paths
from hsmgate.pki import truststore
from hsmgate.pki.trust import fingerprint
from hsmgate.record import Record
from hsmgate.responder.registry import Served, SignerSource
from hsmgate.usecases.statuses import Statuses


class Foreign(Record):
    """One authority. Without `index`, `crl` and `crl_url` its statuses are those of the database."""

    name: str
    issuer: Path
    signer: Path
    signer_password: str | None = None
    index: Path | None = None
    crl: Path | None = None
    crl_url: str | None = None
    unlisted: str = "refuse"


class Aged(Protocol):
    """A source that can grow old."""

    def age(self) -> float:
        """Seconds since it was known to be right."""
        ...


@dataclass
class Opened:
    """What the configuration amounts to. `supplied`: signers for authorities of the database, by SHA-256."""

    served: list[Served] = field(default_factory=list)
    supplied: dict[str, SignerSource] = field(default_factory=dict)
    ages: dict[str, Aged] = field(default_factory=dict)
    background: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    closing: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    open: bool = False  # a CRL's unlisted serial numbers count as good


def open_all(
    sources: list[Foreign],
    kept: Path | None,
    patience: float,
    now: Callable[[], float],
    log: Any,  # noqa: ANN401 - structlog's
) -> Opened:
    """Open every one. `kept`: a folder for CRLs; `patience`: seconds for which a broken index is put up with.

    Failure: CONFIG_INVALID that names the source.
    """
    opened = Opened()
    for source in sources:
        try:
            _open(source, opened, kept, patience, now, log)
        except Failure as failure:
            detail = f"hsmgate.responder.sources.{source.name}: {failure}"
            raise Failure(Reason.CONFIG_INVALID, detail) from None
    return opened


def _open(
    source: Foreign,
    opened: Opened,
    kept: Path | None,
    patience: float,
    now: Callable[[], float],
    log: Any,  # noqa: ANN401
) -> None:
    entries = truststore.read(read_file(source.issuer), None, str(source.issuer)).entries
    issuer = paths.parse(entries[0].der)
    signers = SignerFile(source.signer, source.signer_password, issuer, now, log)
    statuses = _statuses(source, issuer, opened, kept, patience, now, log)
    if statuses is None:
        if kept is None:
            raise Failure(Reason.CONFIG_INVALID, "needs an index or a CRL, as there is no database")
        opened.supplied[fingerprint(entries[0].der)] = signers
        return
    opened.served.append(Served(source.name, issuer, statuses, signers))
    opened.ages[source.name] = statuses  # type: ignore[assignment]
    if source.unlisted == "good" and not source.index:
        opened.open = True
        log.warning(
            "responder.unlisted-good",
            detail=f"{source.name}: a certificate that its CRL does not list counts as good, also one never issued",
        )


def _statuses(
    source: Foreign,
    issuer: x509.Certificate,
    opened: Opened,
    kept: Path | None,
    patience: float,
    now: Callable[[], float],
    log: Any,  # noqa: ANN401
) -> Statuses | None:
    if source.index is not None:
        return IndexStatuses(source.index, patience, now, log)
    place = kept / f"{source.name}.crl" if kept is not None else None
    if source.crl is not None:
        return CrlFile(source.crl, issuer, source.unlisted, place, now, log)
    if source.crl_url is None:
        return None
    url = source.crl_url
    statuses = CrlStatuses(issuer, source.unlisted, place, now, log)
    responders = Responders((urlsplit(url).hostname or "",))

    async def download() -> None:
        await keep_downloading(statuses, url, responders)

    opened.background.append(download)
    opened.closing.append(responders.close)
    return statuses
