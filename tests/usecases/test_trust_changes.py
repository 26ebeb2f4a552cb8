"""What the trail is told of a swap of trust."""

from hsmgate.pki.trust import Role, TrustEntry
from hsmgate.usecases.trust_changes import changes


def entry(name: str, role: Role = Role.PIN) -> TrustEntry:
    return TrustEntry(alias=name, der=name.encode(), sha256=f"{name}-digest", role=role)


def test_what_is_gone_and_what_is_new_is_told_by_name_then_what_is_in_force() -> None:
    told = changes([entry("a"), entry("b")], [entry("b"), entry("c", Role.ISSUER)], 7)
    assert [(one.action, one.detail.get("alias")) for one in told] == [
        ("trust.removed", "a"),
        ("trust.added", "c"),
        ("trust.active", None),
    ]
    assert told[0].detail == {"alias": "a", "sha256": "a-digest", "role": "pin"}
    assert told[1].detail["role"] == "issuer"
    assert told[2].detail == {"snapshot": 7, "entries": 2}
    assert {(one.phase, one.result) for one in told} == {("event", "ok")}


def test_another_role_is_a_change() -> None:
    told = changes([entry("a", Role.ISSUER)], [entry("a", Role.PIN)], 2)
    assert [(one.action, one.detail.get("role")) for one in told[:2]] == [
        ("trust.removed", "issuer"),
        ("trust.added", "pin"),
    ]


def test_another_alias_or_order_is_none() -> None:
    renamed = TrustEntry(alias="z", der=b"a", sha256="a-digest", role=Role.PIN)
    assert [one.action for one in changes([entry("a"), entry("b")], [entry("b"), renamed], 3)] == ["trust.active"]
