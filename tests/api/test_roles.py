"""Whose API key opens what: the matrix of the contract, lenient and strict."""

import re

import pytest

from hsmgate.api.plan import Answer, Plan
from hsmgate.api.roles import demand_of, roles_of
from hsmgate.api.routes import ROUTES, Role, Route

KM, KO, AP, SV, AM = Role.KM, Role.KO, Role.AP, Role.SV, Role.AM

# paths -> (lenient, strict), as the README of the contract has them with its choices 1 to 4
MATRIX: list[tuple[str, set[Role], set[Role]]] = [
    (r"/v1/key(/.+)?", {KM}, {KM}),
    (r"/v1/(importedKey|derivedKey|dataObject|dataObject/.+|attestation/.+)", {KM}, {KM}),
    (r"/v1/(modify|rotate|xpub/.+)", {KM}, {KM}),
    (r"/v1/synchronousModify", {KM, KO}, {KM}),
    (r"/v1/certificate/.+", {KM, KO}, {KM}),
    (r"/v1/(synchronousSign|verify|synchronousHmac|encrypt|synchronousDecrypt|wrap|synchronousUnwrap)", {KO}, {KO}),
    (r"/v1/(synchronousBlock|synchronousUnblock|fileEncrypt|synchronousFileDecrypt|createRfcTimestamp)", {KO}, {KO}),
    (r"/v1/generateRandom/.+", {KO, SV}, {KO}),
    (r"/v1/(sign|decrypt|unwrap|block|unblock|filteredRequests)", {KO}, {KO}),
    (r"/v1/request/.+", {KM, KO}, {KO}),
    (r"/v1/(filtered\w+ApprovalTask|approval|task|approver/onboard)", {AP}, {AP}),
    (r"/v1/(versionInfo|licenseInfo|keystore/statistics|hsm/log|hsm/log/.+)", {SV}, {SV}),
    (r"/v1/approverManagement/.+", {AM}, {AM}),
    (r"/|/swagger-ui.*|/v3/api-docs.*|/actuator/.+", set(), set()),
]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.action)
def test_every_row_has_the_roles_of_the_contract(route: Route) -> None:
    ((_, lenient, strict),) = [row for row in MATRIX if re.fullmatch(row[0], route.path)]
    assert roles_of(route, strict=False) == lenient
    assert roles_of(route, strict=True) == strict


def row(path: str, role: Role) -> Route:
    return Route("POST", path, role, lambda _params, _body: Plan({}, lambda _ports: Answer({})))


@pytest.mark.parametrize(
    ("path", "role", "lenient"),
    [
        ("/v1/synchronousModify", KM, {KM, KO}),
        ("/v1/certificate/synchronous/request", KM, {KM, KO}),
        ("/v1/certificate/{keyName}", KM, {KM, KO}),
        ("/v1/generateRandom/{length}", KO, {KO, SV}),
        ("/v1/request/{id}", KO, {KM, KO}),
        ("/v1/modify", KM, {KM}),
        ("/v1/filteredRequests", KO, {KO}),
    ],
)
def test_what_clients_in_the_field_send_is_lent(path: str, role: Role, lenient: set[Role]) -> None:
    assert roles_of(row(path, role), strict=False) == lenient
    assert roles_of(row(path, role), strict=True) == {role}


@pytest.mark.parametrize(
    ("path", "token"),
    [
        ("/v1/filteredSignApprovalTask", False),
        ("/v1/filteredAllApprovalTask", False),
        ("/v1/approver/onboard", False),
        ("/v1/approverManagement/onboard", False),
        ("/v1/filteredRequests", True),
        ("/v1/approval", True),
        ("/v1/approverManagement/create", True),
        ("/v1/key", True),
    ],
)
def test_where_no_jwt_is_asked_for(path: str, token: bool) -> None:
    assert demand_of(row(path, AP), strict=False).token is token


def test_only_rows_without_a_role_ask_for_nothing() -> None:
    free = {route.action for route in ROUTES if not demand_of(route, strict=False).roles}
    assert free == {route.action for route in ROUTES if route.role is Role.NONE}
    assert all(demand_of(route, strict=True).anonymous for route in ROUTES if route.role is Role.NONE)
