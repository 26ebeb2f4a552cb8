"""Keeps the snapshot of trust: watches its files, proves what is new, swaps it whole or keeps the old one."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto
from structlog.typing import FilteringBoundLogger

from hsmgate.errors import Failure
from hsmgate.gate.proof import prove
from hsmgate.gate.tls import TlsSettings, build_context, verification_store
from hsmgate.pki import path as paths
from hsmgate.pki.material import Material
from hsmgate.pki.trust import Role, TrustSet, build

SECOND_LOOK = 0.2  # seconds between the two equal looks that a change needs
EXPIRY_WARNING = 30 * 86_400  # seconds


@dataclass(frozen=True)
class Snapshot:
    """Trust at one moment; immutable. `number` grows with every swap."""

    number: int
    trust: TrustSet
    context: SSL.Context
    server_names: frozenset[str]
    store: crypto.X509Store  # for peers that are judged anew


def names_of(der: bytes) -> frozenset[str]:
    """Host names that a server certificate stands for, lower case."""
    cert = paths.parse(der)
    try:
        san = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return frozenset(name.lower() for name in san.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        return frozenset(str(a.value).lower() for a in cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME))


def expiry_warnings(trust: TrustSet, now: float) -> list[str]:
    """One line for each entry that is expired, not yet valid, or expires within 30 days."""
    lines = []
    for entry in trust.entries:
        cert = paths.parse(entry.der)
        end, start = cert.not_valid_after_utc.timestamp(), cert.not_valid_before_utc.timestamp()
        when = f"{cert.not_valid_after_utc:%Y-%m-%d}"
        if now > end:
            lines.append(f"truststore entry {entry.alias} ({entry.sha256}) expired on {when}: it lets nobody in")
        elif now < start:
            lines.append(f"truststore entry {entry.alias} ({entry.sha256}) is not yet valid: it lets nobody in")
        elif end - now < EXPIRY_WARNING:
            lines.append(f"truststore entry {entry.alias} ({entry.sha256}) expires on {when}")
    return lines


class TrustKeeper:
    """Holds `current`. `load` reads the files (Failure when they are bad), `look` gives a cheap digest of them."""

    def __init__(
        self,
        load: Callable[[], Material],
        look: Callable[[], bytes],
        settings: TlsSettings,
        now: Callable[[], float],
        log: FilteringBoundLogger,
    ) -> None:
        self._load = load
        self._look = look
        self._settings = settings
        self._now = now
        self._log = log
        self._taken = look()
        self._busy = asyncio.Lock()  # one refresh at a time: a slow one must not undo a later one
        self.on_swap: Callable[[Snapshot], None] = lambda _snapshot: None
        self.current = self._build(load(), number=1)

    @property
    def client_auth(self) -> str:
        """need | want | none."""
        return self._settings.client_auth

    def _build(self, material: Material, number: int) -> Snapshot:
        trust = build(material.entries, material.issuers, material.pins)
        context = build_context(material.identity, trust, self._settings)
        prove(context, trust, self._settings, self._now)
        for line in (*material.warnings, *trust.warnings, *expiry_warnings(trust, self._now())):
            self._log.warning("trust.warning", detail=line)
        return Snapshot(number, trust, context, names_of(material.identity.chain[0]), verification_store(trust))

    async def watch(self, interval: float) -> None:
        """Look every `interval` seconds until cancelled."""
        while True:
            await asyncio.sleep(interval)
            try:
                await self.refresh()
            except Exception:
                self._log.exception("trust.watch", detail="the look at the stores failed; the old trust stays")

    async def refresh(self, *, force: bool = False) -> None:
        """Take what the files say now, if two looks agree; `force` takes it even when nothing changed."""
        async with self._busy:
            await self._refresh(force=force)

    async def _refresh(self, *, force: bool) -> None:
        seen = await asyncio.to_thread(self._look)
        if seen == self._taken and not force:
            return
        while True:
            await asyncio.sleep(SECOND_LOOK)
            again = await asyncio.to_thread(self._look)
            if again == seen:
                break
            seen = again
        try:
            material = await asyncio.to_thread(self._load)
            if await asyncio.to_thread(self._look) != seen:
                return  # changed while it was read: the next look takes it
            snapshot = await asyncio.to_thread(self._build, material, self.current.number + 1)
        except Exception as error:
            self._taken = seen  # said once: what is refused is not tried again until it changes
            why = str(error) if isinstance(error, Failure) else f"unexpected: {error!r}"
            self._log.error("trust.kept", detail=f"the new trust is refused, the old one stays: {why}")
            return
        self._taken = seen
        self._swap(snapshot)

    def _swap(self, snapshot: Snapshot) -> None:
        before = {entry.sha256: entry for entry in self.current.trust.entries}
        after = {entry.sha256: entry for entry in snapshot.trust.entries}
        self.current = snapshot
        for digest in before.keys() - after.keys():
            self._log.warning("trust.removed", alias=before[digest].alias, sha256=digest)
        for digest in after.keys() - before.keys():
            self._log.info("trust.added", alias=after[digest].alias, sha256=digest, role=after[digest].role.value)
        issuers = sum(entry.role is not Role.PIN for entry in snapshot.trust.entries)
        self._log.info(
            "trust.active", snapshot=snapshot.number, issuers=issuers, pins=len(snapshot.trust.entries) - issuers
        )
        self.on_swap(snapshot)
