"""Keeps the keys that JWTs are verified with: watches their files, takes new ones whole or keeps the old ones."""

import asyncio
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from hsmgate.errors import Failure
from hsmgate.gate import keeper
from hsmgate.pki.token_keys import TokenKey

Keys = tuple[TokenKey, ...]


class TokenKeeper:
    """Holds `current`. `load` reads the files (Failure when they are bad), `look` gives a cheap digest of them."""

    def __init__(self, load: Callable[[], Keys], look: Callable[[], bytes], log: FilteringBoundLogger) -> None:
        """Failure: as `load`."""
        self._load = load
        self._look = look
        self._log = log
        self._busy = asyncio.Lock()
        self._taken = look()
        self.on_swap: Callable[[Keys], None] = lambda _keys: None
        self.current = load()

    async def watch(self, interval: float) -> None:
        """Look every `interval` seconds until cancelled."""
        while True:
            await asyncio.sleep(interval)
            await self.refresh()

    async def refresh(self, *, force: bool = False) -> None:
        """Take what the files say now, if two looks agree; `force` takes it even when nothing changed."""
        async with self._busy:
            seen = await asyncio.to_thread(self._look)
            if seen == self._taken and not force:
                return
            await asyncio.sleep(keeper.SECOND_LOOK)
            if await asyncio.to_thread(self._look) != seen:
                return  # still being written: the next look takes it
            try:
                found = await asyncio.to_thread(self._load)
            except Exception as error:
                self._taken = seen  # said once
                why = str(error) if isinstance(error, Failure) else f"unexpected: {error!r}"
                self._log.error("jwt.kept", detail=f"the new keys are refused, the old ones stay: {why}")
                return
            if await asyncio.to_thread(self._look) != seen:
                return
            self._taken, self.current = seen, found
            self._log.info("jwt.keys", keys=len(found))
            self.on_swap(found)
