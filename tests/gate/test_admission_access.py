"""Trust, then revocation, then access: how a client certificate, API keys and JWTs combine at the gate."""

import asyncio
from collections.abc import Sequence

import pytest

from hsmgate.errors import Failure, Reason
from hsmgate.gate import keeper as keeper_module
from hsmgate.gate.access import Access
from hsmgate.gate.admission import Connection
from hsmgate.gate.api_keys import ApiKeys
from hsmgate.gate.attempts import BURST
from hsmgate.gate.roles import Demand, Role
from support import certs
from support.stage import ALICE, ROOT, Stage

KEY = (b"x-api-key", b"operation-key")
OTHER_ROLE = (b"x-api-key", b"management-key")
UNKNOWN = (b"x-api-key", b"no-such-key")
OPERATION = Demand(roles=frozenset({Role.KO}))
Headers = Sequence[tuple[bytes, bytes]]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "SECOND_LOOK", 0.0)


def keys() -> Access:
    return Access(ApiKeys({Role.KO: ["operation-key"], Role.KM: ["management-key"]}, lambda: 0.0))


def ask(
    stage: Stage,
    connection: Connection | None,
    *headers: tuple[bytes, bytes],
    demand: Demand = OPERATION,
    address: str = "192.0.2.1",
) -> str | Reason:
    """What the audit line would say, or why it is refused."""
    scope = {"state": {"connection": connection}, "headers": list(headers), "client": (address, 1)}
    try:
        asyncio.run(stage.admission(scope, demand))
    except Failure as failure:
        assert "access" not in scope["state"]
        return failure.reason
    proven = scope["state"].get("access", {})  # type: ignore[attr-defined]
    return ", ".join(proven.values()) or "nothing was asked for"


def test_a_certificate_and_a_key_must_both_pass() -> None:
    stage = Stage(ROOT, access=keys())
    connection = stage.connect(ALICE)
    assert ask(stage, connection, KEY) == "keyOperationToken[0]"
    assert ask(stage, connection) is Reason.MISSING_API_KEY
    assert ask(stage, connection, UNKNOWN) is Reason.INVALID_API_KEY
    assert ask(stage, connection, OTHER_ROLE) is Reason.INVALID_API_KEY
    stage.swap(certs.authority("other"))
    for headers in ([KEY], [], [UNKNOWN]):
        assert ask(stage, connection, *headers) is Reason.UNTRUSTED, "whatever key it has, and before the key"


def test_a_row_without_a_role_asks_a_trusted_peer_for_nothing() -> None:
    stage = Stage(ROOT, access=keys())
    assert ask(stage, stage.connect(ALICE), demand=Demand(token=False, anonymous=True)) == "nothing was asked for"


@pytest.mark.parametrize("client_auth", ["want", "none"])
@pytest.mark.parametrize("insecure", [False, True])
def test_an_anonymous_peer_passes_with_a_key_that_passes(client_auth: str, insecure: bool) -> None:
    stage = Stage(ROOT, client_auth=client_auth, access=keys(), open_to_anonymous=insecure)
    connection = stage.connect(None)
    assert ask(stage, connection, KEY) == "keyOperationToken[0]"
    for headers in ([], [UNKNOWN], [OTHER_ROLE], [KEY, KEY]):
        assert ask(stage, connection, *headers) is Reason.NO_CERTIFICATE, "insecure opens nothing where keys are on"
    assert ask(stage, connection, demand=Demand(anonymous=True)) == "nothing was asked for"


def test_an_anonymous_peer_needs_something_that_passes() -> None:
    stage = Stage(ROOT, client_auth="want", access=keys())
    assert ask(stage, stage.connect(None), KEY, demand=Demand()) is Reason.NO_CERTIFICATE


def test_guesses_are_counted_for_the_certificate_or_the_address() -> None:
    stage = Stage(ROOT, client_auth="want", access=keys())
    alice, nobody = stage.connect(ALICE), stage.connect(None)
    for number in range(BURST):
        ask(stage, alice, (b"x-api-key", b"guess-%d" % number))
        ask(stage, nobody, (b"x-api-key", b"guess-%d" % number), address=f"2001:db8::{number:x}")
    assert ask(stage, alice, KEY) is Reason.INVALID_API_KEY
    assert ask(stage, alice, KEY, address="192.0.2.99") is Reason.INVALID_API_KEY, "another address is the same peer"
    assert ask(stage, nobody, KEY, address="2001:db8::ffff") is Reason.NO_CERTIFICATE, "one IPv6 host has a whole /64"
    assert ask(stage, nobody, KEY, address="2001:db8:0:1::1") == "keyOperationToken[0]"
