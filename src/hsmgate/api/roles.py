"""Which API keys open a row: its own role, and, unless roles are strict, what clients in the field send as well."""

import re

from hsmgate.api.routes import Route
from hsmgate.gate.roles import Demand, Role

# paths -> further roles (README of the contract, its table of disagreements)
LENIENT: tuple[tuple[re.Pattern[str], frozenset[Role]], ...] = (
    (re.compile(r"/v1/synchronousModify"), frozenset({Role.KO})),
    (re.compile(r"/v1/certificate/.+"), frozenset({Role.KO})),
    (re.compile(r"/v1/generateRandom/.+"), frozenset({Role.SV})),
    (re.compile(r"/v1/request/.+"), frozenset({Role.KM})),
)
# their callers prove themselves by signatures inside the body; the contract checks no JWT there
WITHOUT_TOKEN = re.compile(r"/v1/filtered\w+ApprovalTask|/v1/approver(?:Management)?/onboard")


def demand_of(route: Route, *, strict: bool) -> Demand:
    """What the gate asks of who calls this row."""
    return Demand(
        roles=roles_of(route, strict=strict),
        token=route.role is not Role.NONE and not WITHOUT_TOKEN.fullmatch(route.path),
        anonymous=route.anonymous,
    )


def roles_of(route: Route, *, strict: bool) -> frozenset[Role]:
    """Whose keys are accepted; none where no key is needed."""
    if route.role is Role.NONE:
        return frozenset()
    also = [] if strict else [roles for pattern, roles in LENIENT if pattern.fullmatch(route.path)]
    return frozenset({route.role}).union(*also)
