"""What goes on beside the requests: watching trust and revocations, saying what changed, ending in order."""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path

from hsmgate import __version__
from hsmgate.adapters import ocsp_http
from hsmgate.adapters.health_socket import OK, serve_health
from hsmgate.adapters.service_manager import ServiceManager, service_manager
from hsmgate.adapters.sql.revocations import REFRESH_SECONDS
from hsmgate.api.dispatch import Dispatcher
from hsmgate.api.openapi.document import Facts, schemes
from hsmgate.errors import Failure
from hsmgate.gate.keeper import Snapshot
from hsmgate.gate.protocol import Gatehouse
from hsmgate.gate.site import SiteRules
from hsmgate.opening import Parts
from hsmgate.pki.token_keys import TokenKey
from hsmgate.usecases.ports import AuditEvent
from hsmgate.usecases.trust_changes import changes
from hsmgate.workers import Place, is_first


def site_rules(parts: Parts, hosts: tuple[str, ...]) -> SiteRules:
    """The names this service answers to: configured, of this host, of the server certificate that is in force."""
    served = parts.keeper.current.server_names if parts.keeper else frozenset()
    return SiteRules(frozenset({socket.gethostname(), *hosts, *served}))


def described(parts: Parts, version: str) -> Facts:
    """What the description of the API says of this service. `version`: of the wire contract."""
    plan = parts.plan
    shown = schemes(plan.client_auth, parts.access.layers, open_to_anonymous=plan.open_to_anonymous)
    return Facts(version, __version__, parts.keystore.capabilities(), shown)


def beside_requests(place: Place | None, socket_file: Path | None) -> tuple[ServiceManager, Path | None]:
    """Whom to tell how it goes, and where to be asked: of several workers the supervisor tells, the first is asked."""
    if place is None:
        return service_manager(os.environ), socket_file
    return ServiceManager(), socket_file if is_first(place) else None


def note(parts: Parts, *events: AuditEvent) -> None:
    """Audit lines of the service itself. It goes on where they cannot be written, and says so."""
    try:
        for event in events:
            parts.audit.append(event)
    except Failure as failure:
        parts.log.error("audit.unwritten", detail=f"{events[0].action} and what follows it: {failure}")


class Course:
    """A service that is up. Its methods are called on the event loop; what blocks goes to `executor`."""

    def __init__(
        self,
        parts: Parts,
        dispatcher: Dispatcher,
        house: Gatehouse | None,
        executor: Executor,
        hosts: tuple[str, ...],
        reload_seconds: float,
        manager: ServiceManager | None = None,
        health_socket: Path | None = None,
    ) -> None:
        self._parts, self._log = parts, parts.log
        self._dispatcher = dispatcher
        self._house = house
        self._executor = executor
        self._hosts = hosts
        self._reload_seconds = reload_seconds
        self._trusted = parts.keeper.current.trust.entries if parts.keeper else ()
        self._manager = manager or ServiceManager()
        self._health_socket = health_socket
        self._url = ""
        jobs = (self._watch_trust, self._watch_token_keys, self._watch_revocations)
        self.background = (*jobs, self._say_health, self._say_alive, self._load_later)

    def started(self, said: str, url: str, announce: Callable[[], None]) -> None:
        """It listens."""
        self._begin()
        self._log.info("started", detail=f"REST-API started: hsmgate {__version__}, {said}", url=url)
        self._url = url
        self._manager.ready(f"serves {url}")
        announce()

    def started_as(self, place: Place) -> None:
        """It listens, as one of several; the supervisor speaks for all."""
        self._begin()
        self._log.info("worker.started", worker=place.number)
        place.tell_ready()

    def _begin(self) -> None:
        if self._parts.keeper is not None:
            self._parts.keeper.on_swap = self._swapped
        if self._parts.token_keys is not None:
            self._parts.token_keys.on_swap = self._new_token_keys

    def ending(self) -> None:
        """The end was asked for; nobody unproven is waited for."""
        self._log.info("ending", detail="requests in flight are finished")
        self._manager.stopping()
        if self._house is not None:
            self._house.census.close_unfinished()

    async def ended(self) -> None:
        """No request is left."""
        await self._parts.breaker.close()
        await self._parts.responders.close()

    async def reload(self) -> None:
        """SIGHUP: take the stores as they are now."""
        self._manager.reloading(time.monotonic())
        try:
            if self._parts.keeper is not None:
                await self._parts.keeper.refresh(force=True)
            if self._parts.token_keys is not None:
                await self._parts.token_keys.refresh(force=True)
        finally:
            self._manager.ready(f"serves {self._url}")

    async def _load_later(self) -> None:
        """It listens already: now for what only questions to responders need."""
        await asyncio.to_thread(ocsp_http.load)

    async def _watch_trust(self) -> None:
        if self._parts.keeper is not None:
            await self._parts.keeper.watch(self._reload_seconds)

    async def _watch_token_keys(self) -> None:
        if self._parts.token_keys is not None:
            await self._parts.token_keys.watch(self._reload_seconds)

    async def _watch_revocations(self) -> None:
        said = ""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await asyncio.to_thread(self._parts.remembered.refresh)
                await asyncio.to_thread(self._parts.own_pki.refresh)
                why = ""
            except Exception as error:
                why = str(error) if isinstance(error, Failure) else f"unexpected: {error!r}"
            if why and why != said:  # said once, not twice a second
                self._log.error("revocations.unreadable", detail=f"{why}; what is known stays in force")
            elif said and not why:
                self._log.info("revocations.readable")
            said = why

    async def _say_health(self) -> None:
        """The local health check. It goes on without where the socket cannot be made, and says so."""
        if self._health_socket is None:
            return
        try:
            await serve_health(self._health_socket, self._health)
        except Failure as failure:
            self._log.warning("health.unavailable", detail=f"hsmgate.health.socket: {failure}; `hsmgate health` fails")

    async def _health(self) -> str:
        try:
            await asyncio.to_thread(self._parts.keystore.ping)
        except Failure as failure:
            return f"{failure.reason.name}: {failure}"
        return OK

    async def _say_alive(self) -> None:
        """That this loop still turns is what the service manager wants to know."""
        while seconds := self._manager.watchdog_seconds:
            self._manager.alive()
            await asyncio.sleep(seconds / 3)

    def _new_token_keys(self, keys: Sequence[TokenKey]) -> None:
        event = AuditEvent("event", "jwt.keys", result="ok", detail={"keys": len(keys)})
        self._executor.submit(note, self._parts, event)

    def _swapped(self, snapshot: Snapshot) -> None:
        """New trust is in force. Its lines are written beside the loop: the audit trail may have to wait."""
        self._dispatcher.rules = site_rules(self._parts, self._hosts)
        before, self._trusted = self._trusted, snapshot.trust.entries
        self._executor.submit(note, self._parts, *changes(before, self._trusted, snapshot.number))
