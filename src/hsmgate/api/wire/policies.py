"""Policies on the wire (approvals.md section 1) and as domain values; lenient where clients are known to be."""

from hsmgate.api.wire.fields import Number, whole
from hsmgate.domain.policy import Approval, Group, Policy, Rule, Token
from hsmgate.errors import Failure, Reason
from hsmgate.record import WireRecord


class ApprovalShape(WireRecord):
    type: str
    name: str | None = None
    value: str | None = None


class GroupShape(WireRecord):
    quorum: int | float
    approvals: list[ApprovalShape]
    name: str | None = None


class TokenShape(WireRecord):
    timelock: int | float
    timeout: int | float
    name: str | None = None
    groups: list[GroupShape] | None = None


class RuleShape(WireRecord):
    tokens: list[TokenShape] | None = None


class KeyStatusShape(WireRecord):
    blocked: bool | None = None


class PolicyShape(WireRecord):
    """Request and response have the same shape; a response says everything."""

    rule_use: RuleShape | None = None
    rule_block: RuleShape | None = None
    rule_unblock: RuleShape | None = None
    rule_modify: RuleShape | None = None
    key_status: KeyStatusShape | None = None


def policy_of(shape: PolicyShape | None) -> Policy | None:
    """The domain value; null tokens and groups are none. Failure: INVALID_INPUT (numbers)."""
    if shape is None:
        return None
    return Policy(
        rule_use=rule_of(shape.rule_use),
        rule_block=rule_of(shape.rule_block),
        rule_unblock=rule_of(shape.rule_unblock),
        rule_modify=rule_of(shape.rule_modify),
        blocked=bool(shape.key_status and shape.key_status.blocked),
    )


def shape_of(policy: Policy | None) -> PolicyShape | None:
    """The wire form of a stored policy."""
    if policy is None:
        return None
    return PolicyShape(
        rule_use=_rule_shape(policy.rule_use),
        rule_block=_rule_shape(policy.rule_block),
        rule_unblock=_rule_shape(policy.rule_unblock),
        rule_modify=_rule_shape(policy.rule_modify),
        key_status=KeyStatusShape(policy.blocked),
    )


def rule_of(shape: RuleShape | None) -> Rule | None:
    """The domain value; null tokens are none. Failure: INVALID_INPUT (numbers)."""
    return None if shape is None else Rule(tuple(_token_of(token) for token in shape.tokens or ()))


def _token_of(shape: TokenShape) -> Token:
    return Token(
        name=shape.name,
        timelock=_number(shape.timelock, "timelock"),
        timeout=_number(shape.timeout, "timeout"),
        groups=tuple(_group_of(group) for group in shape.groups or ()),
    )


def _group_of(shape: GroupShape) -> Group:
    approvals = tuple(Approval(a.type, a.name, a.value) for a in shape.approvals)
    return Group(shape.name, _number(shape.quorum, "quorum"), approvals)


def _number(value: Number, name: str) -> int:
    number = whole(value, name)
    if number is None:
        raise Failure(Reason.INVALID_INPUT, f"{name} is needed.")
    return number


def _rule_shape(rule: Rule | None) -> RuleShape | None:
    return None if rule is None else RuleShape([_token_shape(token) for token in rule.tokens])


def _token_shape(token: Token) -> TokenShape:
    groups = [_group_shape(group) for group in token.groups]
    return TokenShape(timelock=token.timelock, timeout=token.timeout, name=token.name, groups=groups)


def _group_shape(group: Group) -> GroupShape:
    approvals = [ApprovalShape(a.type, a.name, a.value) for a in group.approvals]
    return GroupShape(quorum=group.quorum, approvals=approvals, name=group.name)
