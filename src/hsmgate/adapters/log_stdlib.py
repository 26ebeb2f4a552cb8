"""Brings what libraries say through Python's logging, and its warnings, into the one log."""

import logging
from collections.abc import Iterable

from structlog.typing import FilteringBoundLogger

LIBRARIES = ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "py.warnings")


class Forward(logging.Handler):
    """Passes each record on, as an event named after its library."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        info = record.exc_info[1] if record.exc_info else None
        self._log.log(record.levelno, record.name, detail=message, exc_info=info)


def forward_stdlib(
    log: FilteringBoundLogger, libraries: Iterable[str] = LIBRARIES, level: int = logging.WARNING
) -> None:
    """Send what these loggers say from `level` on to the log, and nowhere else."""
    logging.captureWarnings(True)  # a client's odd certificate makes a library warn: never as raw lines on stderr
    for name in libraries:
        logger = logging.getLogger(name)
        logger.handlers = [Forward(log)]
        logger.propagate = False
        logger.setLevel(level)
