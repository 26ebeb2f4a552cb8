"""The queries behind a list of issued certificates: pages by (notAfter, serial), each found through the index."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select

from hsmgate.adapters.sql.schema import issued
from hsmgate.errors import Failure, Reason
from hsmgate.pki.issued import HOLD
from hsmgate.usecases.issuance_ports import Wanted

PAGE = 500  # rows
_STATES: dict[str, Callable[[float], ColumnElement[bool]]] = {
    "good": lambda now: and_(issued.c.revoked_at.is_(None), issued.c.not_after >= now),
    "expired": lambda now: and_(issued.c.revoked_at.is_(None), issued.c.not_after < now),
    "held": lambda _now: issued.c.reason == HOLD,
    "revoked": lambda _now: and_(
        issued.c.revoked_at.is_not(None), or_(issued.c.reason.is_(None), issued.c.reason != HOLD)
    ),
}


def names_of(wanted: Wanted, names: Sequence[str]) -> list[str]:
    """The authorities to list, in order. Failure: INVALID_INPUT (unknown)."""
    if wanted.authority is not None and wanted.authority not in names:
        raise Failure(Reason.INVALID_INPUT, f"there is no authority {wanted.authority}")
    chosen = [wanted.authority] if wanted.authority is not None else list(names)
    return [name for name in chosen if wanted.after is None or name >= wanted.after[0]]


def page(
    name: str, wanted: Wanted, now: float, position: tuple[float, int] | None, size: int
) -> Select[tuple[Any, ...]]:
    """One page of one authority."""
    query = select(issued).where(issued.c.authority == name)
    if position is not None:
        expiry, serial = position[0], f"{position[1]:x}"
        query = query.where(issued.c.not_after >= expiry, or_(issued.c.not_after > expiry, issued.c.serial > serial))
    if wanted.subject is not None:
        query = query.where(issued.c.subject == wanted.subject)
    if wanted.profile is not None:
        query = query.where(issued.c.profile == wanted.profile)
    if wanted.state is not None:
        query = query.where(_STATES[wanted.state](now))
    if wanted.expires_before is not None:
        query = query.where(issued.c.not_after >= now, issued.c.not_after < wanted.expires_before)
    return query.order_by(issued.c.not_after, issued.c.serial).limit(size)
