"""The API keys of a request: which are known, whose they are, and what is said about the others."""

import contextlib
import hmac
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from hsmgate.errors import Failure, Reason
from hsmgate.gate.access import Access
from hsmgate.gate.api_keys import ApiKeys
from hsmgate.gate.attempts import BURST
from hsmgate.gate.roles import EVERY_ROLE, Demand, Role

KEYS = {
    Role.KM: ["management-0", "management-1"],
    Role.KO: ["operation-0", "shared-key"],
    Role.SV: ["shared-key"],
    Role.AP: [],
}


@pytest.fixture
def keys() -> ApiKeys:
    return ApiKeys(KEYS, lambda: 0.0)


def refused(keys: ApiKeys, shown: Sequence[bytes], *roles: Role, peer: str = "p") -> Reason:
    with pytest.raises(Failure) as caught:
        keys.judge(shown, frozenset(roles), peer)
    for value in shown:
        assert not value.strip() or value.decode("latin-1") not in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize(
    ("shown", "role", "name"),
    [
        (b"management-0", Role.KM, "keyManagementToken[0]"),
        (b"management-1", Role.KM, "keyManagementToken[1]"),
        (b" operation-0\t", Role.KO, "keyOperationToken[0]"),
        (b"shared-key", Role.KO, "keyOperationToken[1]"),
        (b"shared-key", Role.SV, "serviceToken[0]"),
    ],
)
def test_a_key_opens_its_role(keys: ApiKeys, shown: bytes, role: Role, name: str) -> None:
    assert keys.judge([shown], frozenset({role}), "p") == name
    assert keys.judge([shown], EVERY_ROLE, "p").split("[")[0] in {one.value for one in EVERY_ROLE}


@pytest.mark.parametrize("shown", [[], [b""], [b" \t"], [b"", b" "]])
def test_no_key(keys: ApiKeys, shown: list[bytes]) -> None:
    assert refused(keys, shown, Role.KM) is Reason.MISSING_API_KEY


@pytest.mark.parametrize(
    "shown",
    [
        [b"operation-0"],  # of another role
        [b"management-"],
        [b"management-00"],
        [b"MANAGEMENT-0"],
        [b"management-0\0"],
        [b"management-0,management-1"],
        [b"management-0", b"management-0"],
        [b"", b"management-0"],
        [b"\xff\xfe"],
        [b"x" * 30_000],
    ],
)
def test_another_key(keys: ApiKeys, shown: list[bytes]) -> None:
    assert refused(keys, shown, Role.KM) is Reason.INVALID_API_KEY


def test_a_role_without_keys_opens_to_nobody(keys: ApiKeys) -> None:
    for key in (b"management-0", b"operation-0", b"shared-key", b"None", b"none"):
        assert refused(keys, [key], Role.AP) is Reason.INVALID_API_KEY
    assert refused(keys, [], Role.AP) is Reason.MISSING_API_KEY


def test_all_keys_are_compared_whichever_it_is(keys: ApiKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []
    compare: Callable[[Any, Any], bool] = hmac.compare_digest

    def counting(known: bytes, mark: bytes) -> bool:
        compared.append(known)
        return compare(known, mark)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    for key in (b"management-0", b"operation-0", b"nothing like it"):
        compared.clear()
        with contextlib.suppress(Failure):
            keys.judge([key], frozenset({Role.KM}), "p")
        assert len(compared) == sum(map(len, KEYS.values()))


def test_no_key_is_kept_in_memory(keys: ApiKeys) -> None:
    refused(keys, [b"a-wrong-guess"], Role.KM)
    kept = repr([vars(keys), vars(keys._attempts), [vars(peer) for peer in keys._attempts._peers.values()]])
    assert not any(key in kept for given in (*KEYS.values(), ["a-wrong-guess"]) for key in given)


def test_who_guesses_learns_nothing_from_the_right_key(keys: ApiKeys) -> None:
    assert keys.judge([b"operation-0"], frozenset({Role.KO}), "p")
    for number in range(BURST):
        assert refused(keys, [b"guess-%d" % number], Role.KM) is Reason.INVALID_API_KEY
    assert refused(keys, [b"management-0"], Role.KM) is Reason.INVALID_API_KEY
    assert keys.judge([b"operation-0"], frozenset({Role.KO}), "p"), "the key in use goes on working"
    assert keys.judge([b"management-0"], frozenset({Role.KM}), "q"), "for another peer too"


def test_the_key_of_another_role_is_no_guess(keys: ApiKeys) -> None:
    for _ in range(3 * BURST):
        assert refused(keys, [b"operation-0"], Role.KM) is Reason.INVALID_API_KEY
    assert keys.judge([b"management-0"], frozenset({Role.KM}), "p")


class Bearer:
    """Tokens that are one word."""

    def judge(self, shown: Sequence[bytes]) -> dict[str, str]:
        if list(shown) != [b"Bearer good"]:
            raise Failure(Reason.INVALID_TOKEN if shown else Reason.MISSING_TOKEN)
        return {"jwtSubject": "alice"}


KEY, WRONG = (b"x-api-key", b"operation-0"), (b"x-api-key", b"operation-9")
TOKEN, FORGED = (b"authorization", b"Bearer good"), (b"authorization", b"Bearer bad")
OPERATION = Demand(roles=frozenset({Role.KO}))


BOTH, BY_KEY, BY_TOKEN, NOTHING = (
    {"jwtSubject": "alice", "apiKey": "keyOperationToken[0]"},
    {"apiKey": "keyOperationToken[0]"},
    {"jwtSubject": "alice"},
    dict[str, str](),
)
Wanted = dict[str, str] | Reason


@pytest.mark.parametrize(
    ("headers", "demand", "both", "only_keys", "only_tokens"),
    [
        ([KEY, TOKEN], OPERATION, BOTH, BY_KEY, BY_TOKEN),
        ([KEY], OPERATION, Reason.MISSING_TOKEN, BY_KEY, Reason.MISSING_TOKEN),
        ([TOKEN], OPERATION, Reason.MISSING_API_KEY, Reason.MISSING_API_KEY, BY_TOKEN),
        ([], OPERATION, Reason.MISSING_TOKEN, Reason.MISSING_API_KEY, Reason.MISSING_TOKEN),
        ([KEY, FORGED], OPERATION, Reason.INVALID_TOKEN, BY_KEY, Reason.INVALID_TOKEN),
        ([WRONG, TOKEN], OPERATION, Reason.INVALID_API_KEY, Reason.INVALID_API_KEY, BY_TOKEN),
        ([KEY], Demand(OPERATION.roles, token=False), BY_KEY, BY_KEY, NOTHING),
        ([TOKEN], Demand(), BY_TOKEN, NOTHING, BY_TOKEN),
        ([], Demand(token=False), NOTHING, NOTHING, NOTHING),
    ],
)
def test_layers_that_are_on_must_all_pass(
    keys: ApiKeys,
    headers: list[tuple[bytes, bytes]],
    demand: Demand,
    both: Wanted,
    only_keys: Wanted,
    only_tokens: Wanted,
) -> None:
    cases = [(Access(keys, Bearer()), both), (Access(keys), only_keys), (Access(None, Bearer()), only_tokens)]
    for access, wanted in cases:
        assert access.on
        if isinstance(wanted, Reason):
            with pytest.raises(Failure) as caught:
                access.judge(headers, demand, "p")
            assert caught.value.reason is wanted
        else:
            assert access.judge(headers, demand, "p") == wanted
    assert not Access().on
    assert Access().judge(headers, demand, "p") == {}
