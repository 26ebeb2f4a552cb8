"""A request that is answered later: its states, and what is told of it (approvals.md section 2)."""

from hsmgate.record import Record

PENDING = "PENDING"
APPROVED = "APPROVED"
EXECUTED = "EXECUTED"
FAILED = "FAILED"
EXPIRED = "EXPIRED"
REJECTED = "REJECTED"
CANCELLED = "CANCELLED"
STATUSES = (PENDING, APPROVED, EXECUTED, FAILED, EXPIRED, REJECTED, CANCELLED)


class Request(Record):
    """One request. Times in Unix seconds; `kind`: sign, decrypt ...; `result`: as it is answered, once EXECUTED."""

    id: str
    kind: str
    label: str  # of the key
    status: str
    created: float
    execution_time: float
    result: str | None = None


class Details(Record):
    """What a request carries for those who look at it, as octets: `meta_data` is the caller's own."""

    meta_data: bytes | None = None
    meta_data_signature: bytes | None = None
