"""Bodies that change keys: password, block, unblock, modify (endpoints.md sections 2.7 and 3.8)."""

from msgspec import UNSET, UnsetType

from hsmgate.api.wire.fields import Password, password
from hsmgate.api.wire.operations import refuse_unverified
from hsmgate.api.wire.policies import RuleShape, rule_of
from hsmgate.api.wire.signatures import RequestSignatureShape
from hsmgate.record import WireRecord
from hsmgate.usecases.change_key import ModifyKey


class PasswordBody(WireRecord):
    """POST /v1/key/changePassword."""

    label: str
    password: Password = None
    new_password: Password = None


class BlockRequest(WireRecord):
    block_key_name: str
    key_password: Password = None
    signed_approvals: list[str] | None = None


class BlockBody(WireRecord):
    """POST /v1/synchronousBlock."""

    block_request: BlockRequest
    request_signature: RequestSignatureShape | None = None

    def checked(self) -> tuple[str, str | None]:
        """Label and password. Failure: INVALID_INPUT, NOT_IMPLEMENTED."""
        refuse_unverified("signedApprovals", self.block_request.signed_approvals)
        return self.block_request.block_key_name, password(self.block_request.key_password)


class UnblockRequest(WireRecord):
    unblock_key_name: str
    key_password: Password = None
    signed_approvals: list[str] | None = None


class UnblockBody(WireRecord):
    """POST /v1/synchronousUnblock."""

    unblock_request: UnblockRequest
    request_signature: RequestSignatureShape | None = None

    def checked(self) -> tuple[str, str | None]:
        """Label and password. Failure: INVALID_INPUT, NOT_IMPLEMENTED."""
        refuse_unverified("signedApprovals", self.unblock_request.signed_approvals)
        return self.unblock_request.unblock_key_name, password(self.unblock_request.key_password)


class NewRules(WireRecord):
    """A rule that is not there keeps what it was; null frees it. keyStatus is not a rule, and is passed over."""

    rule_use: RuleShape | UnsetType | None = UNSET
    rule_block: RuleShape | UnsetType | None = UNSET
    rule_unblock: RuleShape | UnsetType | None = UNSET
    rule_modify: RuleShape | UnsetType | None = UNSET


class ModifyRequest(WireRecord):
    modify_key_name: str
    policy: NewRules
    key_password: Password = None
    signed_approvals: list[str] | None = None

    def command(self) -> ModifyKey:
        """Failure: INVALID_INPUT, NOT_IMPLEMENTED."""
        refuse_unverified("signedApprovals", self.signed_approvals)
        given = {name: getattr(self.policy, name) for name in NewRules.__struct_fields__}
        rules = {name: rule_of(shape) for name, shape in given.items() if shape is not UNSET}
        return ModifyKey(self.modify_key_name, password(self.key_password), rules)


class ModifyBody(WireRecord):
    """POST /v1/synchronousModify."""

    modify_request: ModifyRequest
    request_signature: RequestSignatureShape | None = None

    def command(self) -> ModifyKey:
        """Failure: as ModifyRequest.command()."""
        return self.modify_request.command()
