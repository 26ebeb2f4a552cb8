"""Config -> the OCSP responder, inside `serve` or on its own: its parts, what runs beside it, its end."""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from hsmgate.adapters import listening
from hsmgate.adapters.own_secret import OwnKeystore
from hsmgate.adapters.pki_keys import KEY_PASSPHRASE, SigningKeyStore
from hsmgate.adapters.sql.authorities import AuthorityRows
from hsmgate.adapters.sql.database import Database
from hsmgate.adapters.sql.responder_rows import ResponderRows
from hsmgate.api.problems import answer as problem
from hsmgate.config import Config
from hsmgate.errors import Failure, Reason
from hsmgate.pki.ocsp_signing import SignerKey, check_key
from hsmgate.pki.responder import Policy
from hsmgate.responder.ahead import Ahead
from hsmgate.responder.answers import Answers
from hsmgate.responder.foreign import Foreign, Opened, open_all
from hsmgate.responder.known import KnownAuthorities
from hsmgate.responder.listener import Listener
from hsmgate.responder.registry import Registry, Served, renew_signers
from hsmgate.responder.site import Site
from hsmgate.usecases.ports import Keystore

# One thread answers: several would fight for the interpreter lock, and cost 1.7 times the CPU (make bench).
ASIDE = 2  # threads for what must not wait behind answers nor hold them up: renewing, signing ahead, CRLs
TICK_SECONDS = 30.0


@dataclass
class Ills:
    """What ails a responder, by authority."""

    known: dict[str, str] = field(default_factory=dict)

    def said(self) -> str:
        """For whoever asks about its health; details are for the log."""
        return ", ".join(f"{name}: no signer" if name else "the database cannot be read" for name in self.known)


@dataclass
class Responder:
    """A responder that is not listening yet. Its methods are called on the event loop."""

    registry: Registry
    answers: Answers
    listener: Listener
    executor: ThreadPoolExecutor
    aside: ThreadPoolExecutor
    log: Any
    socket: socket.socket
    ill: "Ills"
    opened: Opened

    def signer_ends(self) -> dict[str, float]:
        """When each signer expires that was needed so far, in Unix seconds."""
        return {served.name: ends for served in self.registry.all() if (ends := served.signers.ends()) is not None}

    async def start(self) -> None:
        """Listen."""
        await self.listener.start(self.socket)
        self.log.info("responder.started", url=listening.url_of(self.socket, "http"))

    async def tick(self) -> None:
        """Runs beside the requests: signers are renewed and new authorities found, also where nobody asks."""
        while True:
            await asyncio.get_running_loop().run_in_executor(self.aside, self.look)
            await asyncio.sleep(TICK_SECONDS)

    def look(self) -> None:
        """Once; blocks."""
        ill: dict[str, str] = {}
        try:
            self.registry.refresh()
        except Failure as failure:
            ill[""] = str(failure)
        renew_signers(self.registry, partial(_complain, ill))
        for name, why in ill.items():
            if self.ill.known.get(name) != why:  # said once
                self.log.error("responder.signer-missing", authority=name, detail=why)
        self.ill.known = ill

    async def stop(self) -> None:
        """Finish what is owed."""
        await self.listener.stop()
        for close in self.opened.closing:
            await close()
        for executor in (self.executor, self.aside):
            executor.shutdown(wait=False, cancel_futures=True)

    @property
    def background(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        """Jobs for as long as it serves."""
        return (self.tick, *self.opened.background)

    def source_ages(self) -> dict[str, float]:
        """Seconds since each source was known to be right."""
        return {name: source.age() for name, source in self.opened.ages.items()}


def _complain(ill: dict[str, str], served: Served, error: Exception) -> None:
    ill[served.name] = str(error) if isinstance(error, Failure) else f"unexpected: {error!r}"


def open_responder(
    config: Config,
    database: Database | None,
    log: Any,  # noqa: ANN401 - structlog's
    keystore: Callable[[], OwnKeystore] | None = None,
) -> Responder:
    """Bind the address and open the sources. `keystore`: where keys of authorities may be.

    Failure: what is wrong with them, in one line.
    """
    given = config.hsmgate.responder
    policy = Policy(unissued=given.unissued, validity=given.validity, archive=given.archive_cutoff)
    kept = config.hsmgate.data_dir / "responder" if database is not None else None
    opened = open_all(_foreign(config), kept, given.validity, time.time, log)
    known, more = None, None
    if database is not None:
        more = ResponderRows(database)
        known = KnownAuthorities(
            AuthorityRows(database),
            more,
            _opener(config, keystore),
            opened.supplied,
            config.hsmgate.data_dir,
            given.delegate_lifetime,
            given.sign_with,
            time.time,
            os.urandom,
            log,
            keystore,
            in_keystore=_in_keystore(given.delegate_key, keystore),
        )
    registry = Registry(opened.served, known)
    answers = Answers(registry, policy, time.time, log)
    executor, aside = ThreadPoolExecutor(1, "responder"), ThreadPoolExecutor(ASIDE, "responder-aside")
    bound = _bound(given.listen)
    if given.pre_sign and more is not None:
        ahead = Ahead(answers, registry, more, aside, given.validity, time.time, log)
        opened.background.append(ahead.run)
    ills = Ills()
    site = Site(answers, more, executor, aside, time.time, given.max_age, ills.said)
    return Responder(registry, answers, Listener(site, problem), executor, aside, log, bound, ills, opened)


def check_sources(config: Config, log: Any) -> None:  # noqa: ANN401 - structlog's
    """Open what is configured, and serve nothing. Failure: CONFIG_INVALID, as `open_responder`."""
    given = config.hsmgate.responder
    open_all(_foreign(config), config.hsmgate.data_dir / "responder", given.validity, time.time, log)


def _foreign(config: Config) -> list[Foreign]:
    """Failure: CONFIG_INVALID."""
    return [
        Foreign(
            name=name,
            issuer=given.issuer,
            signer=given.signer,
            signer_password=given.signer_password,
            index=given.index,
            crl=given.crl,
            crl_url=given.crl_url,
            unlisted=given.unlisted,
        )
        for name, given in config.hsmgate.responder.sources.items()
        if given.issuer is not None and given.signer is not None  # checks.py has refused others
    ]


def _in_keystore(where: str, keystore: Callable[[], OwnKeystore] | None) -> bool:
    """Whether keys of delegates are made there. Failure: CONFIG_INVALID."""
    if where == "keystore" and keystore is None:
        raise Failure(
            Reason.CONFIG_INVALID,
            "hsmgate.responder.delegate-key: keystore is for the responder in the service: this one opens no keystore",
        )
    return where == "keystore"


def _opener(config: Config, keystore: Callable[[], Keystore] | None) -> Callable[[str], SignerKey]:
    """Opens the key of an authority of ours; a passphrase is taken from the environment, or there is none."""
    keys = SigningKeyStore(
        config.hsmgate.data_dir, lambda _reference: os.environ.get(KEY_PASSPHRASE), keystore=keystore
    )
    return lambda reference: check_key(keys.open(reference))


def _bound(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    return listening.bind(host.strip("[]"), int(port), "hsmgate.responder.listen takes another address")
