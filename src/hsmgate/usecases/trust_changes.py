"""What a swap of trust changed, as lines of the audit trail: who was let in from when until when can be proven."""

from collections.abc import Iterable

from hsmgate.pki.trust import TrustEntry
from hsmgate.usecases.ports import AuditEvent


def changes(before: Iterable[TrustEntry], after: Iterable[TrustEntry], snapshot: int) -> list[AuditEvent]:
    """A line for each entry that is gone, that is new, or whose role changed; then which snapshot is in force."""
    old = {(entry.sha256, entry.role): entry for entry in before}
    new = {(entry.sha256, entry.role): entry for entry in after}
    gone = [_event("trust.removed", old[one]) for one in old if one not in new]
    come = [_event("trust.added", new[one]) for one in new if one not in old]
    active = AuditEvent("event", "trust.active", result="ok", detail={"snapshot": snapshot, "entries": len(new)})
    return [*gone, *come, active]


def _event(action: str, entry: TrustEntry) -> AuditEvent:
    detail: dict[str, str | int | bool | None] = {
        "alias": entry.alias,
        "sha256": entry.sha256,
        "role": entry.role.value,
    }
    return AuditEvent("event", action, result="ok", detail=detail)
