"""Where a process joins the trail: behind its last line, behind that of a rotated file, or at a new beginning."""

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec import structs

from hsmgate.adapters import audit_tail
from hsmgate.adapters.audit_tail import Cut, Tail
from hsmgate.domain import audit
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record


class Start(Record):
    """The opened file, locked, and the line that the next one follows."""

    fd: int
    trail: str  # its id
    tail: Tail  # of this file; if it is empty, of the file that it continues, or of nothing
    empty: bool  # whether it still needs its first line
    cuts: tuple[Cut, ...] = ()


@contextmanager
def find_start(path: Path, trail: str) -> Iterator[Start]:
    """Open the trail and lock it; it stays open, except when the block fails. `trail`: id of a new one.

    An empty file continues the youngest rotated one beside it, which is locked meanwhile too: a process that still
    has that one open cannot write behind our back. The older file is always locked first, as when a process follows
    a rotation: one order everywhere, so no deadlock.
    """
    with ExitStack() as on_failure, ExitStack() as meanwhile:
        start = _settled(path, trail)
        while start.empty and (rotated := _last_rotated(path)) is not None:
            older, _ = rotated
            os.close(start.fd)
            before = audit_tail.open_file(older)
            meanwhile.callback(os.close, before)
            audit_tail.lock(before)
            again = _settled(path, trail)
            start = structs.replace(again, cuts=(*start.cuts, *again.cuts))
            on_failure.callback(os.close, start.fd)
            # it may have been continued, and its continuation renamed, before we had the lock: look again
            if start.empty and _last_rotated(path) == rotated and audit_tail.is_named(older, before):
                start = _continuing(start, older, before)
                break
            on_failure.pop_all()
            meanwhile.close()
        else:
            on_failure.callback(os.close, start.fd)
        yield start
        on_failure.pop_all()


@contextmanager
def find_next(path: Path, trail: str, after: Tail) -> Iterator[Start]:
    """Open the file that the path names now, for a process whose own was renamed; that one is locked, and ends `after`.

    While it is locked nobody continues it. But others may have done so before, and theirs may be renamed too.
    Failure(INTEGRITY): what stands there does not continue the trail.
    """
    with ExitStack() as stack:
        start = _settled(path, trail)
        on_failure = stack.enter_context(ExitStack())
        on_failure.callback(os.close, start.fd)
        if start.empty and (rotated := _last_rotated(path)) is not None and rotated[1].seq > after.seq:
            on_failure.close()
            start = stack.enter_context(find_start(path, trail))
        elif start.empty:
            start = structs.replace(start, tail=after)
        if start.trail != trail or start.tail.seq < after.seq or (start.tail.seq == after.seq and not start.empty):
            raise Failure(Reason.INTEGRITY, "the file in place of the audit file does not continue it: move it away")
        yield start
        on_failure.pop_all()


def _settled(path: Path, trail: str) -> Start:
    fd = audit_tail.open_locked(path)
    try:
        audit_tail.drop_early_archive(path, fd)
        tail, cut = audit_tail.settle(fd)
        return Start(
            fd=fd,
            trail=audit_tail.trail_id(fd) if tail else trail,
            tail=tail or Tail(seq=0, hash=audit.ZERO, end=0),
            empty=tail is None,
            cuts=(cut,) if cut else (),
        )
    except BaseException:
        os.close(fd)
        raise


def _continuing(start: Start, older: Path, before: int) -> Start:
    try:
        trail = audit_tail.trail_id(before)
        tail, cut = audit_tail.settle(before)
    except Failure as failure:
        raise Failure(failure.reason, f"it continues {older}, where {failure.detail}") from None
    cuts = (*start.cuts, cut) if cut else start.cuts
    return structs.replace(start, trail=trail, tail=tail or start.tail, cuts=cuts)


def _last_rotated(path: Path) -> tuple[Path, audit.Line] | None:
    """The last rotated file beside the path (`NAME.*` or `NAME-*`, not compressed) and its first line, if there is one.

    The file that was written last tells which trail it is; the trail's own order, which of its files.
    """
    found: list[tuple[int, Path, audit.Line]] = []
    for file in path.parent.iterdir():
        if file.name.startswith((f"{path.name}.", f"{path.name}-")) and file.name != path.name + audit_tail.NEXT:
            status = file.lstat()
            if stat.S_ISREG(status.st_mode) and (first := _first_line(file)):
                found.append((status.st_mtime_ns, file, first))
    if not found:
        return None
    _, _, youngest = max(found, key=lambda each: each[0])
    trail = youngest.detail.get("trail")
    return max(
        ((file, first) for _, file, first in found if first.detail.get("trail") == trail), key=lambda each: each[1].seq
    )


def _first_line(path: Path) -> audit.Line | None:
    """The first line of a trail, whose hash must hold, or None for a file of another kind."""
    with path.open("rb") as file:
        raw = file.readline(audit.MAX_LINE + 1)
    if not raw.startswith(audit_tail.START):
        return None
    try:
        return audit.read(raw)
    except Failure as failure:
        raise Failure(failure.reason, f"beside it {path}: {failure.detail}. {audit_tail.ADVICE}") from None
