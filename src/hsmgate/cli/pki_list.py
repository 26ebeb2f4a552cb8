"""`hsmgate pki list`: what it is asked for, and printing it as it comes."""

import sys
from collections.abc import Iterator

from hsmgate.cli import pki_rows, tables
from hsmgate.cli.pki_read import duration
from hsmgate.errors import Failure, Reason
from hsmgate.pki.issue import PROFILES
from hsmgate.usecases.issuance_ports import AUTHORITY, IMPORTED, Register, Wanted

_STATES = ("good", "held", "revoked", "expired")
_KINDS = (AUTHORITY, *PROFILES, IMPORTED)
_TERMINAL_ROWS = 100


def wanted(
    issuer: str | None,
    expiring: str | None,
    state: str | None,
    kind: str | None,
    limit: int | None,
    after: str | None,
    now: float,
) -> Wanted:
    """The options as a question. Failure: INVALID_INPUT."""
    if state is not None and state not in _STATES:
        raise Failure(Reason.INVALID_INPUT, f"--state is one of: {', '.join(_STATES)}")
    if kind is not None and kind not in _KINDS:
        raise Failure(Reason.INVALID_INPUT, f"--kind is one of: {', '.join(_KINDS)}")
    within = duration(expiring, "--expiring")
    return Wanted(
        authority=issuer,
        profile=kind,
        state=state,
        expires_before=None if within is None else now + within,
        after=None if after is None else _after(after),
        limit=limit or (_TERMINAL_ROWS if sys.stdout.isatty() else None),
    )


def show(register: Register, question: Wanted, now: float, *, as_json: bool) -> None:
    """Print the rows; where a page is full, how to go on, on stderr. Failure: INVALID_INPUT, CONNECTIVITY."""
    shown = 0
    last = ""

    def rows() -> Iterator[pki_rows.Certificate]:
        nonlocal shown, last
        for certified in register.listed(question, now):
            shown, last = shown + 1, f"{certified.authority}:{certified.serial:x}"
            yield pki_rows.certificate(certified, now)

    tables.stream(rows(), as_json=as_json)
    if shown == question.limit:
        print(f"there may be more: --after {last}", file=sys.stderr)


def _after(text: str) -> tuple[str, int]:
    name, colon, serial = text.rpartition(":")
    try:
        if colon and name and len(serial) <= 40:
            return name, int(serial, 16)
    except ValueError:
        pass
    raise Failure(Reason.INVALID_INPUT, "--after takes AUTHORITY:SERIAL, as the end of a page shows it")
