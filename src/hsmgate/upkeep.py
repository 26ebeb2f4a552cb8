"""What is done for requests beside them: those of dead processes are given up, old ones are forgotten."""

import asyncio

from structlog.typing import FilteringBoundLogger

from hsmgate.errors import Failure
from hsmgate.usecases import requests
from hsmgate.usecases.ports import Ports

EVERY_SECONDS = 30.0


class Upkeep:
    """Any number of processes may do this at once: what is done is claimed through the database."""

    def __init__(self, ports: Ports, keep_seconds: float, log: FilteringBoundLogger) -> None:
        self._ports, self._keep, self._log = ports, keep_seconds, log
        self._said = ""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.to_thread(self.once)
            await asyncio.sleep(EVERY_SECONDS)

    def once(self) -> None:
        """One round; it goes on at the next where this one fails, and says so once."""
        try:
            given_up = requests.sweep(self._ports)
            while requests.forget(self._ports, self._keep):
                pass
        except Exception as error:
            why = str(error) if isinstance(error, Failure) else f"unexpected: {error!r}"
            if why != self._said:
                self._log.error("requests.upkeep", detail=why)
            self._said = why
            return
        self._said = ""
        if given_up:
            self._log.warning(
                "requests.failed", detail=f"{given_up} requests whose process died are FAILED, and not executed again"
            )
