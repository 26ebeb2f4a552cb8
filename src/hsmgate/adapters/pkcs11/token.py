"""A token that heals: sessions, the login and the whole module are made again when they are lost, without restart.

What is tried, in this order: the call again in a new session with a new login; then, where a check shows that the token
itself does not answer, everything is refused with CONNECTIVITY while a thread makes new sessions, and where these fail,
finalises and initialises the module, until the same check passes.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pkcs11
from pkcs11 import PKCS11Error, TokenFlag
from pkcs11.types import PROTECTED_AUTH
from structlog.typing import FilteringBoundLogger

from hsmgate.adapters.pkcs11.library import FunctionList, Library, closing_quietly
from hsmgate.adapters.pkcs11.losses import PIN_REFUSED, describe, failure_of, loss_of
from hsmgate.adapters.pkcs11.objects import find
from hsmgate.adapters.pkcs11.seats import Seat, Seats
from hsmgate.errors import Failure, Reason

T = TypeVar("T")
Check = Callable[[Seat], None]  # raises where the token is not the one that it was, or does not work

CALL_SECONDS = 10.0  # after which a call counts as hanging
LIST_SECONDS = 30.0  # the same for reading all objects
MAKE_SECONDS = 300.0  # the same for searching primes
_LEAST_PAUSE, _MOST_PAUSE = 0.1, 1.0  # between two probes
_DRAIN_SECONDS = 1.0  # for calls that are under way when the module is to be initialised again
_CLOSE_SECONDS = 2.0
_BEGIN_SECONDS = 5.0  # that a token may take to answer at the start


class Token:
    """Runs work in sessions of one token. May be used from any thread."""

    def __init__(
        self,
        library: Library,
        label: str,
        pin: str | None,
        sessions: int,
        log: FilteringBoundLogger,
        call_seconds: float = CALL_SECONDS,
    ) -> None:
        """Find the token and log in. Failure: CONNECTIVITY (none), CONFIG_INVALID (several, PIN refused)."""
        self._library, self._label, self._pin, self._log = library, label, pin, log
        self._call_seconds = call_seconds
        self._check: Check = lambda _seat: None
        self._witness = ""  # label of an object that shows only after a login
        self._keeper: pkcs11.Session | None = None  # the session that logged in
        self._login = threading.Lock()
        self._epoch = 1  # initialisations of the module
        self._turn = 1  # recoveries
        self._started = False
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._lost = ""  # why the token is out of use; empty: it is in use
        self._probing: threading.Thread | None = None
        self._token = self._first_found()
        self._seats = Seats(sessions, lambda: self._epoch)
        try:
            self._first_session()
        except BaseException:
            self.close()
            raise
        self._started = True

    @property
    def token(self) -> pkcs11.Token:
        """The token as it was found last; for what it says of itself."""
        return self._token

    @property
    def manufacturer(self) -> str:
        """Whose module it is."""
        return self._library.manufacturer

    @property
    def functions(self) -> FunctionList | None:
        """Those of its module, where they may be called past python-pkcs11."""
        return self._library.functions

    @property
    def is_up(self) -> bool:
        return not self._lost

    @property
    def hung(self) -> int:
        """Calls that hang inside the module."""
        return self._seats.hung

    def watch(self, check: Check, witness: str) -> None:
        """From now on the token counts as there while `check` passes; `witness` labels a private object of it."""
        self._check, self._witness = check, witness

    def run(self, work: Callable[[Seat], T], seconds: float | None = None) -> T:
        """What `work` gives; it may be run twice, the second time in a new session.

        Failure: CONNECTIVITY (the token is lost, or the call hangs), OVERLOADED, NOT_IMPLEMENTED, KEYSTORE, INTERNAL
        (a forked process), and those of `work`.
        """
        self._library.check_process()
        if self._lost:
            raise self._away()
        limit = seconds or self._call_seconds
        try:
            return self._seats.run(lambda seat: self._attempt(seat, work), limit, lambda: self._lost)
        except TimeoutError:
            self._lose(f"a call takes longer than {limit:g} s")
            raise self._away() from None
        except Failure as failure:
            if _is_pin_refused(failure) and self._started:
                raise self._away() from None
            raise

    def check_login(self, seat: Seat) -> None:
        """Where nothing was found: whether that is so because nobody is logged in. May raise PKCS11Error."""
        if self._witness and not find(seat.session, label=self._witness, private=True):
            raise pkcs11.UserNotLoggedIn

    def check(self, seat: Seat) -> None:
        """Return where the token is the one that it was, and computes. Failure: CONNECTIVITY. May raise PKCS11Error."""
        self._check(seat)

    def renew(self) -> None:
        """Forget all sessions and handles: the next calls make and find them again."""
        with self._lock:
            self._turn += 1

    def ping(self) -> None:
        """Return when the token passes its check. Failure: CONNECTIVITY, OVERLOADED."""
        self.run(self._check)

    def close(self) -> None:
        """End the threads and finalise the module, unless somebody is still inside it."""
        self._closing.set()
        if self._probing is not None:
            self._probing.join(_CLOSE_SECONDS)
        inside = self._probing is not None and self._probing.is_alive()
        if self._seats.close(_CLOSE_SECONDS) and not inside:
            try:
                self._library.finalize()
            except PKCS11Error as error:
                self._log.warning("token.not-finalised", detail=describe(error))

    def _first_found(self) -> pkcs11.Token:
        """Failure: as `Library.token`; CONNECTIVITY (it does not answer)."""
        for is_last in _tries():
            try:
                return self._library.token(self._label)
            except PKCS11Error:
                if is_last:
                    break
        return self._find()

    def _first_session(self) -> None:
        """Failure: as `run`."""
        for is_last in _tries():
            try:
                return self.run(lambda _seat: None)
            except Failure as failure:
                if is_last or failure.reason is not Reason.CONNECTIVITY:
                    raise
        return None

    # on a thread of the seats

    def _attempt(self, seat: Seat, work: Callable[[Seat], T]) -> T:
        try:
            return self._seated(seat, work)
        except PKCS11Error as error:
            if loss_of(error) is None:
                raise failure_of(error) from None
        self._leave(seat)
        try:
            return self._seated(seat, work)
        except PKCS11Error as error:
            if loss_of(error) is None:
                raise failure_of(error) from None
            again = error
        # twice: it is the token, or it is this request, which must not put the token out of use for others
        self._leave(seat)
        try:
            self._seated(seat, self._check)
        except (PKCS11Error, Failure) as error:
            self._lose(f"{describe(again)}, then {describe(error)}")
            raise self._away() from None
        raise failure_of(again) from None

    def _seated(self, seat: Seat, work: Callable[[Seat], T]) -> T:
        """Run the work in a session that is open and logged in."""
        if self._lost:  # looked at while this thread counts as at work: see _initialize_again
            raise self._away()
        if seat.turn != self._turn:
            self._leave(seat)
        if not seat.is_open:
            seat.take(self._new_session(), self._epoch, self._turn)
        return work(seat)

    def _leave(self, seat: Seat) -> None:
        seat.leave(still_there=seat.epoch == self._epoch)

    def _new_session(self) -> pkcs11.Session:
        """Open, and log in where that is needed. May raise PKCS11Error. Failure: CONFIG_INVALID."""
        session = self._open()
        try:
            with self._login:
                if not self._is_logged_in(session):
                    self._log_in()
        except BaseException:
            with closing_quietly():
                session.close()
            raise
        return session

    def _open(self) -> pkcs11.Session:
        try:
            return self._token.open(rw=True)
        except pkcs11.TokenWriteProtected:
            return self._token.open()

    def _is_logged_in(self, session: pkcs11.Session) -> bool:
        """Seen by what only those see who are logged in: the package does not tell otherwise."""
        return bool(self._keeper and self._witness and find(session, label=self._witness, private=True))

    def _log_in(self) -> None:
        """Log in for all sessions of the process, by one that stays open: the package logs out where it closes it."""
        flags = self._token.flags
        if not flags & TokenFlag.LOGIN_REQUIRED:
            return
        pin = PROTECTED_AUTH if self._pin is None and flags & TokenFlag.PROTECTED_AUTHENTICATION_PATH else self._pin
        if pin is None:
            raise Failure(Reason.CONFIG_INVALID, "hsm.pkcs11.pin: the token asks for one")
        try:
            self._keeper = self._token.open(user_pin=pin)
        except pkcs11.UserAlreadyLoggedIn:
            return
        except PIN_REFUSED as error:
            failure = Failure(Reason.CONFIG_INVALID, f"hsm.pkcs11.pin: refused by the token ({describe(error)})", error)
            self._stop(failure)
            raise failure from None

    def _find(self) -> pkcs11.Token:
        try:
            return self._library.token(self._label)
        except PKCS11Error as error:
            raise Failure(Reason.CONNECTIVITY, f"the token does not answer ({describe(error)})") from None

    # lost and found

    def _away(self) -> Failure:
        return Failure(Reason.CONNECTIVITY, f"the token is away: {self._lost}")

    def _lose(self, why: str) -> None:
        """Out of use from now on, until a probe brings it back. Said once."""
        with self._lock:
            if self._lost or self._closing.is_set():
                return
            self._lost = why
            self._probing = threading.Thread(target=self._probe, name="pkcs11-probe", daemon=True)
        self._log.error("token.lost", token=self._label, detail=why)
        self._probing.start()

    def _stop(self, refused: Failure) -> None:
        """Out of use until a restart: each further try would bring the token nearer to locking itself."""
        with self._lock:
            before, self._lost = self._lost, str(refused)
        if self._started and before != self._lost:
            self._log.error("token.pin-refused", token=self._label, detail=f"{refused}; it is not tried again")

    def _probe(self) -> None:
        began, pause = time.monotonic(), _LEAST_PAUSE
        while not self._closing.is_set():
            try:
                self._revive()
            except (PKCS11Error, Failure) as error:
                if _is_pin_refused(error):
                    return
                self._lost = describe(error)
            else:
                self._log.warning("token.back", token=self._label, seconds=round(time.monotonic() - began, 1))
                return
            self._closing.wait(pause)
            pause = min(pause * 2, _MOST_PAUSE)

    def _revive(self) -> None:
        """New sessions if these are enough, else a new initialisation. May raise PKCS11Error. Failure: why not."""
        try:
            self._try_out()
        except (PKCS11Error, Failure) as error:
            if _is_pin_refused(error):
                raise
            self._initialize_again()
            self._try_out()
        with self._lock:
            self._turn += 1
            self._lost = ""
            self._probing = None

    def _initialize_again(self) -> None:
        if not self._seats.wait_idle(_DRAIN_SECONDS):
            raise Failure(
                Reason.CONNECTIVITY,
                f"{self._seats.hung} calls hang inside the module, which cannot be initialised again under them",
            )
        self._epoch += 1
        self._keeper = None
        self._library.finalize()
        self._library.initialize()
        self._token = self._find()

    def _try_out(self) -> None:
        """The check, in a session of this thread's own."""
        seat = Seat()
        seat.take(self._new_session(), self._epoch, self._turn)
        try:
            self._check(seat)
        finally:
            seat.leave(still_there=True)


def _is_pin_refused(error: BaseException) -> bool:
    return isinstance(error, Failure) and isinstance(error.evidence, PIN_REFUSED)


def _tries() -> Iterator[bool]:
    """Whether it is the last. Other processes may be starting over the same token, and be in the way for a moment."""
    end = time.monotonic() + _BEGIN_SECONDS
    while time.monotonic() < end:
        yield False
        time.sleep(_LEAST_PAUSE)
    yield True
