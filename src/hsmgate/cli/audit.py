"""`hsmgate audit verify`: proves that a trail is whole, and prints the head that is worth keeping elsewhere."""

import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from hsmgate.adapters.audit_read import Source, sources
from hsmgate.cli.progress import Progress
from hsmgate.domain.audit import Chain
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record

_BETWEEN_REPORTS = 4096  # lines


class Report(Record):
    """What holds of a trail."""

    trail: str  # its id
    files: int
    lines: int
    first_seq: int
    last_seq: int
    head: str  # hash of the last line
    unanswered: int  # intents without outcome
    since: int | None = None  # lines after the head that was given


def verify(files: Sequence[Path], head: str | None = None) -> int:
    """Verify the trail and print what holds of it, remarks on stderr; returns the exit code 0.

    Failure: INTEGRITY with file:line and what is wrong; INVALID_INPUT, STORE_UNREADABLE.
    """
    report = judge(files, head or "", Progress("verifying", sys.stderr, time.monotonic))
    for name, value in rows(report):
        print(f"{name:<10} {value}")
    for line in remarks(report):
        print(line, file=sys.stderr)
    return 0


def judge(files: Sequence[Path], head: str, progress: Progress) -> Report:
    """Check every line of the files, given in any order. `head`: a hash printed earlier, or empty.

    Failure: as `verify`.
    """
    wanted = head.strip().lower()
    if wanted and not re.fullmatch("[0-9a-f]{64}", wanted):
        raise Failure(Reason.INVALID_INPUT, "--head takes the 64 hex digits that an earlier verification printed")
    with sources(files) as found, progress:
        return judge_sources(found, wanted, progress)


def judge_sources(found: Sequence[Source], wanted: str, progress: Progress) -> Report:
    """Check every line of opened files, the older ones first. Failure: INTEGRITY."""
    chain = Chain(wanted)
    whole, before = sum(source.size for source in found), 0
    for source in found:
        for position in _added(chain, source):
            progress.show(before + position, whole)
        before += source.size
    if not found:
        raise Failure(Reason.INTEGRITY, "no line to verify: the files are empty")
    if wanted and not chain.wanted_seq:
        raise Failure(
            Reason.INTEGRITY,
            f"no line up to seq {chain.seq} has the head {wanted}: the trail was cut or rewritten since that head "
            "was noted, or the file with that line is not given",
        )
    return Report(
        trail=chain.trail,
        files=len(found),
        lines=chain.lines,
        first_seq=chain.first,
        last_seq=chain.seq,
        head=chain.head,
        unanswered=chain.unanswered,
        since=chain.seq - chain.wanted_seq if wanted else None,
    )


def rows(report: Report) -> list[tuple[str, str]]:
    """The result as names and values."""
    found = [
        ("trail", report.trail),
        ("files", str(report.files)),
        ("lines", str(report.lines)),
        ("first-seq", str(report.first_seq)),
        ("last-seq", str(report.last_seq)),
        ("head", report.head),
    ]
    if report.since is not None:
        found.append(("since-head", str(report.since)))
    return found


def remarks(report: Report) -> list[str]:
    """What is no error, but a person should know."""
    found = []
    if report.first_seq > 1:
        found.append(f"note: the trail begins at seq {report.first_seq}; earlier files are not given")
    if report.unanswered:
        found.append(
            f"warning: {report.unanswered} intents have no outcome: in progress, or the process died between the two"
        )
    return found


def _added(chain: Chain, source: Source) -> Iterator[int]:
    """Add the lines of a file to the chain; yields the position in it from time to time."""
    number = 0
    try:
        for number, line in enumerate(source.lines(), 1):
            chain.add(line)
            if number % _BETWEEN_REPORTS == 0:
                yield source.position()
    except OSError as error:
        raise Failure(Reason.STORE_UNREADABLE, f"{source.path}: {error.strerror}") from None
    except Failure as failure:
        raise Failure(failure.reason, f"{source.path}:{number}: {failure.detail}") from None
