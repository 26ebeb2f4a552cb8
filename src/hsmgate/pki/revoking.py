"""What a revocation, a hold or a release makes of a certificate's state (X.509 8.5.2.2, RFC 5280 5.3.1)."""

from hsmgate.errors import Failure, Reason
from hsmgate.pki.issued import HOLD, REASONS, Revoked


def revoked(state: Revoked | None, reason: str, now: float) -> Revoked:
    """The state after a revocation, or a hold, at `now` (Unix seconds).

    A hold may become a revocation, which then counts from the hold on. Failure: INVALID_INPUT (unknown reason),
    REVOKED (it is revoked for good, or on hold already).
    """
    if reason not in REASONS:
        raise Failure(Reason.INVALID_INPUT, f"{reason[:40]!a} is no reason; there are: {', '.join(REASONS)}")
    if state is None:
        return Revoked(at=float(int(now)), reason=reason)
    if state.reason != HOLD:
        raise Failure(Reason.REVOKED, f"it is revoked already ({state.reason}), which is final")
    if reason == HOLD:
        raise Failure(Reason.REVOKED, "it is on hold already")
    return Revoked(at=state.at, reason=reason)


def released(state: Revoked | None) -> None:
    """The state after a release. Failure: INVALID_INPUT (it is not on hold), REVOKED (for good)."""
    if state is None:
        raise Failure(Reason.INVALID_INPUT, "it is not on hold")
    if state.reason != HOLD:
        raise Failure(Reason.REVOKED, f"it is revoked ({state.reason}), which is final: only a hold can be released")
