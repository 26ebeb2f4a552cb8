"""The audit lines of requests: an intent before a key is touched, then what came of it."""

from typing import Literal

from hsmgate.api.plan import Facts
from hsmgate.record import Record
from hsmgate.usecases.ports import Audit, AuditEvent


class Ticket(Record):
    """What all lines of one request share."""

    action: str  # method and path template
    request_id: str
    peer: str  # fingerprint
    revocation: str = ""  # on what evidence the peer counts as unrevoked
    access: dict[str, str] = {}  # which API key and whose JWT passed, in fields of the line


def intent(audit: Audit, ticket: Ticket, facts: Facts) -> None:
    """When this returns the intent survives the process. Failure: AUDIT_UNAVAILABLE, and the key stays untouched."""
    audit.append(_event("intent", ticket, "", facts))


def outcome(audit: Audit, ticket: Ticket, result: str, facts: Facts, *, intended: bool) -> None:
    """`result`: ok or the name of a Reason. In the trail every outcome has its intent, so a decision that
    touched no key stands there as an event. Failure: AUDIT_UNAVAILABLE, and the answer is not given.
    """
    audit.append(_event("outcome" if intended else "event", ticket, result, facts))


def _event(phase: Literal["intent", "outcome", "event"], ticket: Ticket, result: str, facts: Facts) -> AuditEvent:
    return AuditEvent(
        phase=phase,
        action=ticket.action,
        request_id=ticket.request_id,
        peer=ticket.peer,
        result=result,
        detail={**facts, **_grounds(ticket)},
    )


def _grounds(ticket: Ticket) -> Facts:
    """Why the request was let in."""
    return {"revocation": ticket.revocation, **ticket.access} if ticket.revocation else ticket.access
