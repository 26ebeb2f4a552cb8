"""What an authority knows about a certificate that it issued: one value for responder, CRL and gate."""

from hsmgate.record import Record

# CRLReason names of RFC 5280 5.3.1 as pyca writes them; removeFromCRL is no state of a certificate, it ends one
REASONS = (
    "unspecified",
    "keyCompromise",
    "cACompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "certificateHold",
    "privilegeWithdrawn",
    "aACompromise",
)
HOLD = "certificateHold"  # the one reason that can be taken back


class Revoked(Record):
    """Since when and why; `at` in Unix seconds, whole ones as GeneralizedTime writes them."""

    at: float
    reason: str = "unspecified"


class Issued(Record):
    """A certificate that was issued. `not_after` in Unix seconds; None where the source does not tell (a CRL)."""

    not_after: float | None
    revoked: Revoked | None = None
