"""The audit trail in a file that several processes append to: whole lines or none, one chain over all rotations."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from hsmgate.adapters import audit_tail
from hsmgate.adapters.audit_start import Start, find_next, find_start
from hsmgate.adapters.audit_sync import Batch
from hsmgate.adapters.audit_tail import Cut, Tail
from hsmgate.domain import audit
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import AuditEvent

MAX_BYTES = 256 * 2**20


def open_audit(
    path: Path,
    *,
    now: Callable[[], float],
    trail: str,
    version: str,
    fsync: bool = False,
    max_bytes: int = MAX_BYTES,
) -> "FileAudit":
    """Open the trail for appending, continue it, or begin a new one with the id `trail`. Open it after a fork.

    Failure: INTEGRITY (the end of the trail does not hold, or others may write it), AUDIT_UNAVAILABLE.
    """
    try:
        with find_start(path, trail) as start:
            return FileAudit(path, start, now=now, version=version, fsync=fsync, max_bytes=max_bytes)
    except Failure as failure:
        raise Failure(failure.reason, f"{path}: {failure.detail}") from None
    except OSError as error:
        raise _unavailable(error, f"{path}: ") from error


class FileAudit:
    """Appends to the trail; safe for threads. Made by `open_audit`."""

    def __init__(
        self,
        path: Path,
        start: Start,
        *,
        now: Callable[[], float],
        version: str,
        fsync: bool,
        max_bytes: int,
    ) -> None:
        """Write what the start of the file owes to the trail, and let the lock go."""
        self.trail = start.trail
        self._path, self._fd, self._tail = path, start.fd, start.tail
        self._now, self._version, self._fsync = now, version, fsync
        self._max_bytes = self._rotate_at = max_bytes
        self._writing = threading.Lock()
        self._turn, self._syncing = threading.Condition(), False
        self._batch = Batch()  # what the next sync is for
        self._foreign = False  # whether other processes wrote since the last sync
        self._refusal = ""  # why nothing may be appended until a restart
        self._owed: list[AuditEvent] = []  # recoveries that still need their line
        for cut in start.cuts:
            self._owe(cut)
        if start.empty:
            self._start_file(self._fd, audit.CONTINUED if start.tail.seq else audit.BEGAN)
        self._write(self._fd, [])
        self._synced_end = self._tail.end
        if fsync:
            os.fdatasync(self._fd)
            audit_tail.sync_folder(path)
        audit_tail.unlock(self._fd)

    @property
    def head(self) -> tuple[int, str]:
        """Seq and hash of the last line that this process knows of: worth keeping elsewhere."""
        return self._tail.seq, self._tail.hash

    def append(self, event: AuditEvent) -> None:
        """Write one line; when it returns the line survives the process, with `fsync` the loss of power too.

        Failure(AUDIT_UNAVAILABLE): nothing of the line remains, or nothing is taken any more until it is repaired.
        """
        try:
            with self._writing:
                self._put(event)
                batch = self._batch
            if self._fsync:
                self._commit(batch)
        except Failure as failure:
            raise Failure(Reason.AUDIT_UNAVAILABLE, failure.detail) from None
        except OSError as error:
            raise _unavailable(error) from error

    def recent(self, most: int) -> bytes:
        """The last whole lines of the file that is written now, at most `most` bytes. Failure: AUDIT_UNAVAILABLE."""
        return audit_tail.recent(self._path, most)

    def close(self) -> None:
        """Let the file go."""
        with self._writing:
            self._batch.close()
            if self._fd >= 0:
                os.close(self._fd)
            self._fd, self._refusal = -1, "the audit trail is closed"

    # -- writing: under self._writing and the lock on the file

    def _put(self, event: AuditEvent) -> None:
        if self._refusal:
            raise Failure(Reason.AUDIT_UNAVAILABLE, self._refusal)
        audit_tail.lock(self._fd)
        try:
            if not audit_tail.is_named(self._path, self._fd):
                self._follow()
            self._catch_up()
            if self._tail.end >= self._rotate_at:
                self._rotate()
            self._write(self._fd, [event])
        finally:
            audit_tail.unlock(self._fd)

    def _catch_up(self) -> None:
        """Take in what others wrote since, and cut off what one of us left unfinished."""
        size = os.fstat(self._fd).st_size
        if size == self._tail.end:
            return
        if size < self._tail.end:
            raise Failure(
                Reason.AUDIT_UNAVAILABLE,
                "the audit file became shorter than what was written to it (copytruncate, or tampering): "
                "move it to another folder, a new file then continues the trail",
            )
        tail, cut = audit_tail.settle(self._fd)
        self._owe(cut)
        if tail is None or tail.seq < self._tail.seq:
            raise Failure(Reason.INTEGRITY, "the audit file ends before the last line that was written to it")
        self._foreign = self._foreign or tail.end > self._tail.end
        self._tail = tail

    def _write(self, fd: int, events: list[AuditEvent]) -> None:
        """Append the owed lines and these: all of them, or nothing."""
        data, seq, prev = b"", self._tail.seq, self._tail.hash
        for event in [*self._owed, *events]:
            seq += 1
            raw, prev = audit.write(_line(event, seq, self._now(), prev))
            data += raw
        done = 0
        try:
            while done < len(data):
                done += os.write(fd, data[done:])
        except OSError:
            self._undo(fd)
            raise
        self._owed.clear()
        self._tail = Tail(seq=seq, hash=prev, end=self._tail.end + len(data))

    def _undo(self, fd: int) -> None:
        try:
            if os.fstat(fd).st_size > self._tail.end:
                os.ftruncate(fd, self._tail.end)
        except OSError as error:
            # `_catch_up` finds the rest and tries again before anything else is written
            raise Failure(
                Reason.AUDIT_UNAVAILABLE,
                f"the audit trail cannot be written, and half a line cannot be removed from it ({error.strerror}): "
                "every request is refused until the disk can be written again",
            ) from error

    def _start_file(self, fd: int, action: str) -> None:
        """Write the first line of a file; the tail is still that of the file before."""
        self._tail = Tail(seq=self._tail.seq, hash=self._tail.hash, end=0)
        owed, self._owed = self._owed, []
        detail = dict(audit.first_detail(self.trail, self._version))
        try:
            self._write(fd, [AuditEvent(phase="event", action=action, result="ok", detail=detail)])
        finally:
            self._owed = owed

    def _owe(self, cut: Cut | None) -> None:
        if cut is not None:
            detail: dict[str, str | int | bool | None] = {"bytes": cut.length, "sha256": cut.sha256}
            self._owed.append(AuditEvent(phase="event", action=audit.RECOVERED, result="ok", detail=detail))

    # -- rotation

    def _follow(self) -> None:
        """The path names another file, or none (logrotate): go on there, in the same chain."""
        if os.fstat(self._fd).st_size >= self._tail.end:
            self._catch_up()  # a file that became shorter was moved aside: what we wrote last still counts
        before = self._tail
        try:
            with find_next(self._path, self.trail, before) as start:
                for cut in start.cuts:
                    self._owe(cut)
                self._tail = start.tail
                if start.empty:
                    self._start_file(start.fd, audit.CONTINUED)
                if self._fsync:
                    audit_tail.sync_folder(self._path)
        except BaseException:
            self._tail = before
            raise
        self._swap(start.fd)

    def _rotate(self) -> None:
        """Begin the next file, name the full one after its last line, and swap them in one step."""
        before = self._tail
        prepared = self._path.with_name(self._path.name + audit_tail.NEXT)
        archive = audit_tail.archive_of(self._path, before)
        fd = -1
        try:
            audit_tail.drop_early_archive(self._path, self._fd)
            prepared.unlink(missing_ok=True)
            fd = audit_tail.open_file(prepared, os.O_CREAT | os.O_EXCL)
            audit_tail.lock(fd)
            self._start_file(fd, audit.CONTINUED)
            if self._fsync:
                os.fdatasync(fd)
            os.link(self._path, archive, follow_symlinks=False)
            prepared.replace(self._path)
        except (OSError, Failure):
            # a trail that cannot be split goes on growing; the next try comes after a sixteenth of the limit
            self._tail, self._rotate_at = before, before.end + self._max_bytes // 16
            if fd >= 0:
                os.close(fd)
            with suppress(OSError):
                prepared.unlink(missing_ok=True)
            return
        self._swap(fd)
        if self._fsync:
            audit_tail.sync_folder(self._path)

    def _swap(self, fd: int) -> None:
        old, self._fd = self._fd, fd
        self._rotate_at, self._foreign, self._synced_end = self._max_bytes, False, 0
        audit_tail.unlock(old)
        if self._fsync:
            self._batch.keep(old)  # lines in it may still wait for their sync
        else:
            os.close(old)

    # -- group commit: concurrent appends share one fdatasync

    def _commit(self, batch: Batch) -> None:
        """Return when the batch is on the disk: the first to come syncs it, for all who wrote meanwhile."""
        with self._turn:
            self._turn.wait_for(lambda: batch.done or not self._syncing)
            leads = not batch.done
            self._syncing = self._syncing or leads
        if leads:
            try:
                self._sync(batch)
            finally:
                with self._turn:
                    self._syncing = False
                    self._turn.notify_all()
        batch.check()

    def _sync(self, batch: Batch) -> None:
        with self._writing:
            batch.keep(os.dup(self._fd))  # first, since it may fail: the batch then stays the current one
            self._batch = Batch()
            end, fd = self._tail.end, self._fd
            self._foreign, foreign = False, self._foreign
        try:
            batch.sync()
        except OSError as error:
            self._unsynced(batch, error, foreign=foreign)
        else:
            with self._writing:
                if fd == self._fd:
                    self._synced_end = end

    def _unsynced(self, batch: Batch, error: OSError, *, foreign: bool) -> None:
        """The disk did not take the lines. None of them was answered: cut them off, if they are all ours."""
        with self._writing:
            failed, self._batch = [batch, self._batch], Batch()
            detail = f"the audit trail cannot be synced ({error.strerror})"
            try:
                if foreign or batch.files > 1 or failed[1].files or not self._cut_unsynced():
                    self._refusal = f"{detail}: nothing is taken until a restart"
            except (OSError, Failure):
                self._refusal = f"{detail}, nor cut back: nothing is taken until a restart"
            for one in failed:
                one.fail(self._refusal or detail)

    def _cut_unsynced(self) -> bool:
        audit_tail.lock(self._fd)
        try:
            self._catch_up()
            if self._foreign or not audit_tail.is_named(self._path, self._fd):
                return False
            os.ftruncate(self._fd, self._synced_end)
            tail, _ = audit_tail.settle(self._fd)
            if tail is None:
                return False
            self._tail = tail
            return True
        finally:
            audit_tail.unlock(self._fd)


def _line(event: AuditEvent, seq: int, at: float, prev: str) -> audit.Line:
    stamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")
    return audit.Line(
        seq=seq,
        time=stamp.replace("+00:00", "Z"),
        phase=event.phase,
        action=event.action,
        request_id=event.request_id,
        peer=event.peer,
        result=event.result,
        detail=event.detail,
        prev=prev,
    )


def _unavailable(error: OSError, where: str = "") -> Failure:
    return Failure(Reason.AUDIT_UNAVAILABLE, f"{where}the audit trail cannot be written: {error.strerror or error}")
