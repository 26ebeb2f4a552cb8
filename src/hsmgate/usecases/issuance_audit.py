"""Every act of issuing stands in the audit trail twice: what was about to be done, and what came of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from hsmgate.errors import Failure
from hsmgate.usecases.issuance_ports import IssuancePorts
from hsmgate.usecases.ports import AuditEvent

Detail = dict[str, str | int | bool | None]

# the actions, each described in docs/reference/audit.md
INIT = "pki.init"
INTERMEDIATE = "pki.intermediate"
REQUEST = "pki.request"
INSTALL = "pki.install"
SETTINGS = "pki.settings"
ISSUE = "pki.issue"
RENEW = "pki.renew"
REVOKE = "pki.revoke"
RELEASE = "pki.release"
CRL = "pki.crl"
IMPORT = "pki.import"
ACTIONS = (INIT, INTERMEDIATE, REQUEST, INSTALL, SETTINGS, ISSUE, RENEW, REVOKE, RELEASE, CRL, IMPORT)


@contextmanager
def audited(ports: IssuancePorts, action: str, **detail: str | int | bool | None) -> Iterator[Detail]:
    """Write the intent, then the outcome with what the block adds to the detail. When the block ends well the outcome
    is written before anything is handed out.

    Failure: AUDIT_UNAVAILABLE (before the block: nothing is done; after it: it is done, and nothing is handed out).
    """
    request_id = ports.octets(12).hex()
    found: Detail = {"operator": ports.operator, **detail}
    ports.audit.append(AuditEvent("intent", action, request_id, detail=found))
    result = "INTERNAL"
    found = dict(found)
    try:
        yield found
        result = "ok"
    except Failure as failure:
        result = failure.reason.name
        raise
    finally:
        ports.audit.append(AuditEvent("outcome", action, request_id, result=result, detail=found))
