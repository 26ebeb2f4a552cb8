"""Threads with one session each, through which all calls of a token go; a call that hangs costs one of these only."""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

import pkcs11

from hsmgate.adapters.pkcs11.library import closing_quietly
from hsmgate.errors import Failure, Reason

T = TypeVar("T")
_LOOK = 1.0  # seconds between two looks whether there is hope
_HANDLES = 4096  # remembered for one session


class Seat:
    """A thread's session and the objects found through it. `epoch` tells which initialisation of the module they are
    of, `turn` after which recovery they were made.
    """

    def __init__(self) -> None:
        self.epoch = 0
        self.turn = 0
        self._session: pkcs11.Session | None = None
        self._objects: dict[str, Any] = {}

    @property
    def is_open(self) -> bool:
        return self._session is not None

    @property
    def session(self) -> pkcs11.Session:
        assert self._session is not None, "the token opens sessions before it lets work use them"
        return self._session

    def take(self, session: pkcs11.Session, epoch: int, turn: int) -> None:
        self._session, self.epoch, self.turn = session, epoch, turn

    def remembered(self, name: str, find: Callable[[], T]) -> T:
        """What `find` gave the first time in this session. Finding costs more than signing."""
        found = self._objects.get(name)
        if found is None:
            if len(self._objects) >= _HANDLES:
                self._objects.clear()
            found = self._objects[name] = find()
        return found

    def forget(self, name: str) -> None:
        self._objects.pop(name, None)

    def leave(self, *, still_there: bool) -> None:
        """Let go of the session; it is closed where it may still exist."""
        session, self._session = self._session, None
        self._objects.clear()
        if session is not None and still_there:
            with closing_quietly():
                session.close()


class _Job(Generic[T]):
    """One call: its work, and what came of it. `done` is a lock that is held until then: an Event costs more."""

    def __init__(self, work: Callable[[Seat], T]) -> None:
        self.work = work
        self.done = threading.Lock()
        self.done.acquire()
        self.begun = False
        self.dropped = False  # nobody waits for it any more
        self.replaced = False  # its thread has a successor
        self.result: T | None = None
        self.error: BaseException | None = None

    def begin(self) -> bool:
        """Whether anybody still waits for it."""
        self.begun = not self.dropped
        return self.begun


class Seats:
    """At most `size` calls at once. Threads whose call hangs are given up and replaced, up to as many again.

    `epoch` tells the present initialisation of the module: sessions of earlier ones are gone with it.
    """

    def __init__(self, size: int, epoch: Callable[[], int]) -> None:
        self._size = size
        self._epoch = epoch
        self._queue: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._busy = 0
        self._hung = 0
        self._threads = 0
        with self._lock:
            for _ in range(size):
                self._start()

    @property
    def hung(self) -> int:
        """Threads that are inside the module and that nobody waits for."""
        return self._hung

    def run(self, work: Callable[[Seat], T], seconds: float, hopeless: Callable[[], object]) -> T:
        """What `work` gives, on a thread with a session; waited for `seconds`, and not where it is hopeless.

        Failure: OVERLOADED (no thread came free in time); and what `work` raises. May raise TimeoutError: it hangs.
        """
        job = _Job(work)
        self._queue.put(job)
        end = time.monotonic() + seconds
        while not job.done.acquire(timeout=min(_LOOK, max(end - time.monotonic(), 0.0))):
            if time.monotonic() >= end or hopeless():
                self._give_up(job)
                break
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]

    def wait_idle(self, seconds: float) -> bool:
        """Wait until no thread is at work; False: some are, and perhaps hang."""
        with self._idle:
            return self._idle.wait_for(lambda: self._busy == 0, seconds)

    def close(self, seconds: float) -> bool:
        """End the threads; False: some are still inside the module."""
        for _ in range(self._threads):
            self._queue.put(None)
        with self._idle:
            return self._idle.wait_for(lambda: self._threads == 0, seconds)

    def _give_up(self, job: _Job[T]) -> None:
        with self._lock:
            if job.done.acquire(blocking=False):  # it came at the last moment
                return
            job.dropped = True
            if not job.begun:
                raise Failure(Reason.OVERLOADED, "all sessions of the token are in use")
            self._hung += 1
            job.replaced = self._hung <= self._size
            if job.replaced:
                self._start()
        raise TimeoutError

    def _start(self) -> None:
        self._threads += 1
        threading.Thread(target=self._serve, name="pkcs11", daemon=True).start()

    def _serve(self) -> None:
        seat = Seat()
        while self._serve_one(seat, self._queue.get()):
            pass
        with self._idle:  # its session is left to C_Finalize
            self._threads -= 1
            self._idle.notify_all()

    def _serve_one(self, seat: Seat, job: _Job[Any] | None) -> bool:
        """Whether the thread goes on."""
        if job is None:
            return False
        with self._lock:
            if not job.begin():
                return True
            self._busy += 1
        try:
            job.result = job.work(seat)
        except BaseException as error:  # it belongs to whoever waits
            job.error = error
        if job.replaced:  # inside the count of those at work: nobody initialises the module meanwhile
            seat.leave(still_there=seat.epoch == self._epoch())
        with self._idle:
            self._busy -= 1
            if self._busy == 0:
                self._idle.notify_all()
            if job.dropped:
                self._hung -= 1
            else:
                job.done.release()
            return not job.replaced
