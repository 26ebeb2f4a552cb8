"""CRLs of our own authorities, made anew when they are due, as long as the service runs."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

from hsmgate.adapters import crl_files
from hsmgate.adapters.pki_keys import KEY_PASSPHRASE, SigningKeyStore
from hsmgate.adapters.sql.register import SqlRegister
from hsmgate.config import Config
from hsmgate.errors import Failure
from hsmgate.opening import Parts
from hsmgate.usecases.issuance_ports import IssuancePorts
from hsmgate.workers import Place, is_first

TICK_SECONDS = 60.0


class Publisher:
    """One for a service, however many workers it has."""

    def __init__(self, config: Config, parts: Parts) -> None:
        self._folder, self._log = config.hsmgate.data_dir, parts.log
        passphrase = os.environ.get(KEY_PASSPHRASE)
        keys = SigningKeyStore(self._folder, lambda _reference: passphrase, keystore=lambda: parts.keystore)
        register = SqlRegister(parts.database)
        self._ports = IssuancePorts(register, keys, parts.audit, time.time, os.urandom, "hsmgate serve")
        self._said: dict[str, str] = {}

    async def run(self) -> None:
        """Looks once a minute; what goes wrong is said once."""
        while True:
            said = await asyncio.to_thread(self._look)
            for name, why in said.items():
                if self._said.get(name) != why:
                    self._log.error("crl.not-made", authority=name, detail=why)
            self._said = said
            await asyncio.sleep(TICK_SECONDS)

    def _look(self) -> dict[str, str]:
        try:
            return {name: str(failure) for name, failure in crl_files.keep_fresh(self._ports, self._folder).items()}
        except Failure as failure:
            return {"": str(failure)}


def publishing(config: Config, parts: Parts, place: Place | None) -> tuple[Callable[[], Awaitable[None]], ...]:
    """The background job, for the service or the first of its workers."""
    return (Publisher(config, parts).run,) if is_first(place) else ()
