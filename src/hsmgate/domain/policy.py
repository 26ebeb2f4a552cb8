"""Approval policies (Smart Key Attributes) as values; contract: approvals.md section 1."""

from hsmgate.record import Record


class Approval(Record):
    """One approver of a group. `type`: certificate | public_key | onboarded_approver_certificate."""

    type: str
    name: str | None = None
    value: str | None = None


class Group(Record):
    """N of M: `quorum` of the `approvals` are needed."""

    name: str | None
    quorum: int
    approvals: tuple[Approval, ...]


class Token(Record):
    """One alternative of a rule. Times in seconds; timeout 0 never expires; no groups: always fulfilled."""

    name: str | None
    timelock: int = 0
    timeout: int = 0
    groups: tuple[Group, ...] = ()


class Rule(Record):
    """Alternatives; none means that the operation is free."""

    tokens: tuple[Token, ...] = ()

    @property
    def free(self) -> bool:
        """Whether the operation needs neither approvals nor waiting."""
        return not self.tokens or any(not token.groups and token.timelock == 0 for token in self.tokens)


class Policy(Record):
    """The four rules of a key and whether it is blocked. A key whose policy is None can never get one."""

    rule_use: Rule | None = None
    rule_block: Rule | None = None
    rule_unblock: Rule | None = None
    rule_modify: Rule | None = None
    blocked: bool = False

    @property
    def use_is_free(self) -> bool:
        """Whether the key may be used without approvals."""
        return self.rule_use is None or self.rule_use.free
