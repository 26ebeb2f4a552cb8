"""Audit trails for tests, made line by line without the adapter."""

from collections.abc import Iterable, Sequence

from hsmgate.domain import audit
from hsmgate.domain.audit import Line, Phase
from hsmgate.errors import Failure

TIME = "2026-01-02T03:04:05.678901Z"

Step = tuple[Phase, str]  # phase and request id


def line(
    seq: int,
    prev: str,
    phase: Phase = "event",
    request_id: str = "",
    action: str = "GET /v1/key",
    detail: dict[str, audit.Scalar] | None = None,
) -> Line:
    return Line(
        seq=seq,
        time=TIME,
        phase=phase,
        action=action,
        request_id=request_id,
        peer="",
        result="ok",
        detail=detail or {},
        prev=prev,
    )


def first(seq: int = 1, prev: str = audit.ZERO, trail: str = "t-1") -> Line:
    action = audit.BEGAN if seq == 1 else audit.CONTINUED
    return line(seq, prev, action=action, detail=dict(audit.first_detail(trail, "1.0")))


def trail(steps: Iterable[Step]) -> list[bytes]:
    """A whole trail: its first line and one for each step."""
    raw, prev = audit.write(first())
    lines = [raw]
    for phase, request_id in steps:
        raw, prev = audit.write(line(len(lines) + 1, prev, phase, request_id))
        lines.append(raw)
    return lines


def why_broken(lines: Sequence[bytes]) -> str:
    """What the chain says against these lines; empty if nothing."""
    chain = audit.Chain()
    try:
        for raw in lines:
            chain.add(raw)
    except Failure as failure:
        return failure.detail
    return ""
