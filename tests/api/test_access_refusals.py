"""Every row of the table x every wrong credential, with a client certificate and without: nothing passes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hsmgate.api.dispatch import Dispatcher
from hsmgate.api.roles import roles_of
from hsmgate.api.routes import ROUTES, Role, Route
from hsmgate.gate.access import Access
from hsmgate.gate.api_keys import ApiKeys
from hsmgate.gate.roles import EVERY_ROLE
from hsmgate.gate.site import SiteRules
from hsmgate.gate.tokens import TokenJudge, TokenRules
from hsmgate.pki.token_keys import read
from hsmgate.usecases.ports import Ports
from support.api import LICENCE, NOW, ListAudit, ListLog
from support.asgi_client import HOST, JSON, Headers, Response, scope_of, send
from support.rows import sample_path
from support.stage import ALICE, ROOT, Stage
from support.tokens import AUDIENCE, claims, pem, rsa_key, token

GUARDED = [route for route in ROUTES if route.role is not Role.NONE]
KEYS = {role: [f"key-of-{role.value}", f"next-of-{role.value}"] for role in EVERY_ROLE}
TRUSTED = read(pem(rsa_key()), "issuer.pem")
guarded = pytest.mark.parametrize("route", GUARDED, ids=lambda route: route.action)


class Untouchable:
    """A keystore that nothing may reach."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the keystore was reached: {name}")


class House:
    """The dispatcher behind a real gate: `proven` requests come with a client certificate."""

    def __init__(self, executor: ThreadPoolExecutor, *, strict: bool = False, tokens: bool = False) -> None:
        judge = TokenJudge(lambda: TRUSTED, TokenRules(audience=(AUDIENCE,))) if tokens else None
        self.stage = Stage(ROOT, client_auth="want", access=Access(ApiKeys(KEYS, lambda: 0.0), judge))
        self.audit, self.log = ListAudit(), ListLog()
        ports = Ports(Untouchable(), self.audit, lambda: NOW, LICENCE, "2.2.0")
        rules = SiteRules(frozenset())
        self.app = Dispatcher(ports, self.stage.admission, executor, rules, self.log, strict_roles=strict)
        self.connections = {True: self.stage.connect(ALICE), False: self.stage.connect(None)}

    def call(self, route: Route, *headers: tuple[bytes, bytes], proven: bool, path: str = "") -> Response:
        fields: Headers = [HOST, JSON, (b"content-length", b"2"), *headers]
        path = path or sample_path(route)
        scope = scope_of(route.method, path, fields, {"connection": self.connections[proven]})
        return send(self.app, scope, b"{}")


@pytest.fixture
def house(executor: ThreadPoolExecutor) -> House:
    return House(executor)


def refused(response: Response) -> tuple[int, int]:
    assert set(response.json) == {"errorCode", "reason", "message"}
    assert type(response.json["errorCode"]) is int
    assert response.json["reason"].startswith("res.error.")
    return response.status, response.json["errorCode"]


WRONG: dict[str, tuple[list[tuple[bytes, bytes]], int]] = {
    "no API key": ([], 416),
    "an empty one": ([(b"x-api-key", b"")], 416),
    "an unknown one": ([(b"x-api-key", b"key-of-nobody")], 631),
    "the start of one": ([(b"x-api-key", b"key-of-")], 631),
    "the hash sign": ([(b"x-api-key", b"#")], 631),
    "two of them": ([(b"x-api-key", b"key-of-keyOperationToken"), (b"x-api-key", b"key-of-keyManagementToken")], 631),
    "not ASCII": ([(b"x-api-key", b"\xff\x80")], 631),
    "as a bearer": ([(b"authorization", b"Bearer key-of-keyOperationToken")], 416),
}


@guarded
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_api_key(house: House, route: Route, name: str) -> None:
    headers, code = WRONG[name]
    assert refused(house.call(route, *headers, proven=True)) == (401, code)
    assert [(line.action, line.peer, line.phase) for line in house.audit.lines] == [
        (route.action, ALICE.sha256, "event")
    ]
    assert refused(house.call(route, *headers, proven=False)) == (401, 400), "never 631 without a certificate"
    assert len(house.audit.lines) == 1


@guarded
@pytest.mark.parametrize("strict", [False, True])
def test_a_key_of_another_role(executor: ThreadPoolExecutor, route: Route, strict: bool) -> None:
    house = House(executor, strict=strict)
    for role in EVERY_ROLE:
        for key in KEYS[role]:
            may = role in roles_of(route, strict=strict)
            for proven, code in ((True, 631), (False, 400)):
                response = house.call(route, (b"x-api-key", key.encode()), proven=proven)
                if may:
                    assert response.status != 401, (role, response)
                else:
                    assert refused(response) == (401, code), role
                assert key not in response.body.decode()
    written = repr([house.audit.lines, house.log.lines])
    assert not any(key in written for keys in KEYS.values() for key in keys)


BAD_TOKENS: dict[str, tuple[Callable[[], bytes | None], int]] = {
    "no token": (lambda: None, 406),
    "no algorithm": (lambda: token(b"", "none"), 617),
    "no signature": (lambda: token(rsa_key(), "RS256").rpartition(b".")[0] + b".", 617),
    "HMAC with the public key": (lambda: token(pem(rsa_key()), "HS256"), 617),
    "HMAC that says RS256": (lambda: token(pem(rsa_key()), "RS256"), 617),
    "another key": (lambda: token(rsa_key("stranger"), "RS256"), 617),
    "kid that is a path": (lambda: token(b"", "HS256", header={"kid": "../../../dev/null"}), 617),
    "expired": (lambda: token(rsa_key(), "RS256", claims(exp=1)), 617),
    "another audience": (lambda: token(rsa_key(), "RS256", claims(aud="another")), 617),
    "not yet": (lambda: token(rsa_key(), "RS256", claims(nbf=2**33)), 617),
    "critical extension": (lambda: token(rsa_key(), "RS256", header={"crit": ["x"], "x": 1}), 617),
    "huge": (lambda: token(rsa_key(), "RS256", claims(x="y" * 9000)), 617),
}


@guarded
@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_bad_token(executor: ThreadPoolExecutor, route: Route, name: str) -> None:
    house = House(executor, tokens=True)
    make, code = BAD_TOKENS[name]
    made = make()
    headers = [] if made is None else [(b"authorization", b"Bearer " + made)]
    for role in EVERY_ROLE:
        key = (b"x-api-key", KEYS[role][0].encode())
        assert refused(house.call(route, *headers, key, proven=True)) == (401, code)
        assert refused(house.call(route, *headers, key, proven=False)) == (401, 400)
    assert made is None or made.split(b".")[1] not in repr([house.audit.lines, house.log.lines]).encode()


@guarded
def test_a_good_token_opens_nothing_without_its_key(executor: ThreadPoolExecutor, route: Route) -> None:
    house = House(executor, tokens=True)
    bearer = (b"authorization", b"Bearer " + token(rsa_key(), "RS256"))
    assert refused(house.call(route, bearer, proven=True)) == (401, 416)
    assert refused(house.call(route, bearer, proven=False)) == (401, 400)


def test_a_path_that_does_not_exist_is_told_to_who_has_any_key(house: House) -> None:
    nowhere = ROUTES[0]
    for role in EVERY_ROLE:
        response = house.call(nowhere, (b"x-api-key", KEYS[role][1].encode()), proven=True, path="/v1/nowhere")
        assert refused(response) == (404, 102)
    assert refused(house.call(nowhere, proven=True, path="/v1/nowhere")) == (401, 416)
    unknown = house.call(nowhere, (b"x-api-key", b"guess-of-a-key"), proven=True, path="/v1/nowhere")
    assert refused(unknown) == (401, 631)
    assert refused(house.call(nowhere, proven=False, path="/v1/nowhere")) == (401, 400)


def test_the_audit_trail_says_whose_key_it_was(house: House) -> None:
    (route,) = [route for route in ROUTES if route.action == "GET /v1/versionInfo"]
    assert house.call(route, (b"x-api-key", b"next-of-serviceToken"), proven=True).status == 200
    assert house.call(route, (b"x-api-key", b"key-of-serviceToken"), proven=False).status == 200
    assert [(line.peer, line.detail["apiKey"]) for line in house.audit.lines] == [
        (ALICE.sha256, "serviceToken[1]"),
        ("", "serviceToken[0]"),
    ]
