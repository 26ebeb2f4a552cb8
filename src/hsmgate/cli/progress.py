"""Shows that long work goes on: a bar on a terminal, else a line each 10 s; nothing in the first 2 s."""

from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from rich import progress
from rich.console import Console

QUIET_SECONDS = 2.0
LINE_SECONDS = 10.0


class Progress:
    """Used as a context; `show` as often as one likes. `monotonic`: seconds from a clock that never goes back."""

    def __init__(self, what: str, stream: TextIO, monotonic: Callable[[], float]) -> None:
        self._what, self._stream, self._monotonic = what, stream, monotonic
        self._next = 0.0
        self._bar: progress.Progress | None = None
        self._task = progress.TaskID(0)

    def __enter__(self) -> Self:
        self._next = self._monotonic() + (QUIET_SECONDS if self._stream.isatty() else LINE_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, done: int, whole: int) -> None:
        """Tell how far the work is, in any unit."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done)
        elif (now := self._monotonic()) < self._next:
            return
        elif self._stream.isatty():
            self._bar = progress.Progress(console=Console(file=self._stream), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._what, total=whole, completed=done)
        else:
            self._next = now + LINE_SECONDS
            print(f"{self._what}: {100 * done // max(whole, 1)} %", file=self._stream, flush=True)
