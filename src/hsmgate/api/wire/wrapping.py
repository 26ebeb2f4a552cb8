"""Bodies of wrap and synchronousUnwrap (endpoints.md sections 3.6 and 3.7)."""

from hsmgate.api.wire.fields import Password, octets, password
from hsmgate.api.wire.keys import RequestedAttributes
from hsmgate.api.wire.operations import refuse_unverified
from hsmgate.api.wire.policies import PolicyShape, policy_of
from hsmgate.api.wire.signatures import RequestSignatureShape
from hsmgate.record import WireRecord
from hsmgate.usecases.wrap import Unwrap, Wrap


class WrapKeyRequest(WireRecord):
    key_to_be_wrapped: str
    wrap_key_name: str
    wrap_method: str
    key_to_be_wrapped_password: Password = None
    wrap_key_password: Password = None


class WrapBody(WireRecord):
    """POST /v1/wrap."""

    wrap_key_request: WrapKeyRequest
    request_signature: RequestSignatureShape | None = None

    def command(self) -> Wrap:
        """Failure: INVALID_INPUT, NOT_IMPLEMENTED."""
        asked = self.wrap_key_request
        return Wrap(
            label=asked.key_to_be_wrapped,
            wrapping_label=asked.wrap_key_name,
            method=asked.wrap_method,
            password=password(asked.key_to_be_wrapped_password),
            wrapping_password=password(asked.wrap_key_password),
        )


class WrapAnswer(WireRecord):
    wrapped_key: str


class UnwrapKeyRequest(WireRecord):
    """`algorithm` is not in the contract: the type of an unwrapped secret key, where it is not AES."""

    wrapped_key: str
    label: str
    attributes: RequestedAttributes
    unwrap_key_name: str
    wrap_method: str
    password: Password = None
    unwrap_key_password: Password = None
    policy: PolicyShape | None = None
    algorithm: str | None = None
    signed_approvals: list[str] | None = None

    def command(self) -> Unwrap:
        """Failure: INVALID_ENCODING, INVALID_INPUT, NOT_IMPLEMENTED."""
        refuse_unverified("signedApprovals", self.signed_approvals)
        return Unwrap(
            wrapped=octets(self.wrapped_key, "wrappedKey"),
            wrapping_label=self.unwrap_key_name,
            method=self.wrap_method,
            label=self.label,
            attributes=self.attributes.value(),
            sensitive_said=self.attributes.sensitive is not None,
            wrapping_password=password(self.unwrap_key_password),
            password=password(self.password),
            algorithm=self.algorithm or None,
            policy=policy_of(self.policy),
        )


class UnwrapBody(WireRecord):
    """POST /v1/synchronousUnwrap."""

    unwrap_key_request: UnwrapKeyRequest
    request_signature: RequestSignatureShape | None = None

    def command(self) -> Unwrap:
        """Failure: as UnwrapKeyRequest.command()."""
        return self.unwrap_key_request.command()
