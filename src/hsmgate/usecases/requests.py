"""Requests that are answered later: submitted, looked at, cancelled. Free rules: they are executed at once."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from hsmgate.domain.request import EXECUTED, FAILED, PENDING, Details, Request
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record
from hsmgate.usecases.ports import AuditEvent, Ports, Requests

CLAIM_SECONDS = 120.0  # by then a request is settled, or the process that had claimed it is dead
# what only shows when the key is used; all else is wrong with the request, and refused at its submission
_OF_EXECUTION = frozenset({Reason.KEYSTORE, Reason.DECRYPT_FAILED, Reason.UNWRAP_FAILED})


class Done(Record):
    """What a request came to, in words of the contract, and a remark where the key should not be used like this."""

    result: str = ""  # where nothing is to be handed out
    remark: str = ""


@dataclass(frozen=True)
class Submission:
    """`check` refuses what is wrong before anything is stored; `run` uses the key. Both may raise any Failure."""

    id: str
    kind: str
    label: str
    check: Callable[[Ports], object]
    run: Callable[[Ports], Done]
    details: Details


def submit(ports: Ports, wish: Submission) -> str:
    """Store the request, execute it once, store what came of it; a remark where that is no result.

    From the first write on it is claimed by this process: no other executes it, and none does so later. If this one
    dies it becomes FAILED. Failure: those of `check` and `run` that are not of the execution.
    """
    store = _store(ports)
    wish.check(ports)
    now = ports.now()
    request = Request(wish.id, wish.kind, wish.label, PENDING, created=now, execution_time=now)
    store.begin(request, wish.details, now + CLAIM_SECONDS)
    try:
        done = wish.run(ports)
    except Failure as failure:
        if failure.reason not in _OF_EXECUTION:
            with suppress(Failure):  # else it becomes FAILED; nobody was told of it
                store.remove(wish.id)
            raise
        store.settle(wish.id, FAILED, None)
        return f"FAILED: {failure}"
    except BaseException:
        with suppress(Failure):
            store.settle(wish.id, FAILED, None)
        raise
    if not store.settle(wish.id, EXECUTED, done.result):
        return "cancelled, or given up as that of a dead process, while it was executed: its result is dropped"
    return done.remark


def find(ports: Ports, request_id: str) -> Request:
    """A request as it stands. Where results are handed out once, it is gone before its result is given.

    Failure: REQUEST_NOT_FOUND, INTEGRITY.
    """
    found = _store(ports).find(request_id)
    if found is not None and found.status == PENDING:
        sweep(ports)
        found = _store(ports).find(request_id)
    if found is None or (_handed_out_once(ports, found) and not _store(ports).remove(request_id)):
        raise Failure(Reason.REQUEST_NOT_FOUND, "There is no request with this id.")
    return found


def listed(ports: Ports, statuses: tuple[str, ...], *, newest_first: bool, page: int, size: int) -> list[Request]:
    """Requests in one of these states (none named: in any), by the time of their submission. Failure: INTEGRITY.

    Without their results, where those are handed out once.
    """
    sweep(ports)
    found = _store(ports).page(statuses, newest_first=newest_first, offset=page * size, most=size)
    return [msgspec.structs.replace(one, result=None) if _handed_out_once(ports, one) else one for one in found]


def withdraw(ports: Ports, request_id: str) -> None:
    """Cancel a request that is open, remove one that is not. Failure: REQUEST_NOT_FOUND."""
    store = _store(ports)
    if not store.cancel(request_id) and not store.remove(request_id):
        raise Failure(Reason.REQUEST_NOT_FOUND, "There is no request with this id.")


def sweep(ports: Ports) -> int:
    """Give up requests whose process died: never executed again, FAILED for all to see. How many they were."""

    def note(request_id: str, label: str) -> None:
        detail: dict[str, str | int | bool | None] = {"request": request_id, "key": label}
        ports.audit.append(AuditEvent("event", "request.failed", result="CONNECTIVITY", detail=detail))

    return _store(ports).give_up(ports.now(), note)


def forget(ports: Ports, keep_seconds: float) -> int:
    """Remove settled requests that were submitted longer ago than this. How many they were."""
    return _store(ports).remove_older(ports.now() - keep_seconds)


def key_deleted(ports: Ports, label: str) -> None:
    """Cancel the open requests of a key that is gone."""
    if ports.requests is not None:
        ports.requests.cancel_of(label)


def _handed_out_once(ports: Ports, found: Request) -> bool:
    return ports.results_once and found.result is not None


def _store(ports: Ports) -> Requests:
    if ports.requests is None:
        raise Failure(Reason.NOT_IMPLEMENTED, "Requests that are answered later are not served here.")
    return ports.requests
