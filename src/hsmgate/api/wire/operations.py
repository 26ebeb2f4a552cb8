"""Bodies of sign and verify (endpoints.md sections 3.1 and 3.2)."""

from typing import Any, Literal

from hsmgate.api.wire.fields import Password, encoded, hexadecimal, octets, optional_octets, password
from hsmgate.api.wire.signatures import RequestSignatureShape
from hsmgate.errors import Failure, Reason
from hsmgate.record import WireRecord
from hsmgate.usecases.mac import CheckMac
from hsmgate.usecases.ports import SignExtra
from hsmgate.usecases.sign import Sign
from hsmgate.usecases.verify import Verify

PayloadType = Literal["UNSPECIFIED", "ISO_20022", "PDF", "BTC", "ETH", "HEX"]
SignatureType = Literal["DER", "RAW", "ETH"]

MOST_PAYLOAD = 64 * 1024  # bytes, decoded


class SignRequest(WireRecord):
    payload: str
    sign_key_name: str
    signature_algorithm: str
    payload_type: PayloadType | None = None
    sign_key_object: Any = None
    key_password: Password = None
    signature_type: SignatureType | None = None
    meta_data: str | None = None
    meta_data_signature: str | None = None
    context: str | None = None
    auxiliary_random_data: str | None = None
    taproot_tweak_data: str | None = None
    merkle_root_data: str | None = None
    signed_approvals: list[str] | None = None


class SignBody(WireRecord):
    """POST /v1/synchronousSign."""

    sign_request: SignRequest
    request_signature: RequestSignatureShape | None = None

    def command(self) -> Sign:
        """Failure: INVALID_PAYLOAD, INVALID_ENCODING, INVALID_INPUT, NOT_IMPLEMENTED."""
        asked = self.sign_request
        refuse_unverified("signKeyObject", asked.sign_key_object)
        refuse_unverified("signedApprovals", asked.signed_approvals)
        refuse_unverified("context", asked.context)
        optional_octets(asked.meta_data, "metaData")  # free data of the caller: well-formed, else unused here
        return Sign(
            label=asked.sign_key_name,
            password=password(asked.key_password),
            algorithm=asked.signature_algorithm,
            payload=_payload(asked.payload, hexed=asked.payload_type == "HEX"),
            form=asked.signature_type or "DER",
            extra=SignExtra(
                auxiliary_random_data=optional_octets(asked.auxiliary_random_data, "auxiliaryRandomData"),
                taproot_tweak=optional_octets(asked.taproot_tweak_data, "taprootTweakData"),
                merkle_root=optional_octets(asked.merkle_root_data, "merkleRootData"),
            ),
        )


class SignAnswer(WireRecord):
    signature: str
    public_nonce: str | None = None


def sign_answer(signature: bytes) -> SignAnswer:
    """The flat form of the answer."""
    return SignAnswer(signature=encoded(signature))


class VerifySignatureRequest(WireRecord):
    sign_key_name: str
    signature_algorithm: str
    payload: str
    signature: str
    sign_key_object: Any = None
    master_key_password: Password = None


class VerifyHmacRequest(WireRecord):
    key_name: str
    payload: str
    signature: str
    key_password: Password = None

    def command(self) -> CheckMac:
        """Failure: INVALID_PAYLOAD, INVALID_ENCODING, INVALID_INPUT."""
        code = octets(self.signature, "signature")
        return CheckMac(self.key_name, message(self.payload), code, password(self.key_password))


class VerifyBody(WireRecord):
    """POST /v1/verify."""

    verify_signature_request: VerifySignatureRequest | None = None
    verify_hmac_request: VerifyHmacRequest | None = None
    request_signature: RequestSignatureShape | None = None

    def command(self) -> Verify | CheckMac:
        """Failure: INVALID_PAYLOAD, INVALID_ENCODING, INVALID_INPUT, NOT_IMPLEMENTED."""
        asked = self.verify_signature_request
        if self.verify_hmac_request is not None:
            if asked is not None:
                raise Failure(Reason.INVALID_INPUT, "Give verifySignatureRequest or verifyHmacRequest, not both.")
            return self.verify_hmac_request.command()
        if asked is None:
            raise Failure(Reason.INVALID_INPUT, "Object missing required field `verifySignatureRequest`")
        refuse_unverified("signKeyObject", asked.sign_key_object)
        password(asked.master_key_password)  # of no use without derived keys, yet never malformed
        return Verify(
            label=asked.sign_key_name,
            algorithm=asked.signature_algorithm,
            payload=_payload(asked.payload, hexed=False),
            signature=octets(asked.signature, "signature"),
        )


class VerifyAnswer(WireRecord):
    signature_valid: bool


def refuse_unverified(name: str, value: object) -> None:
    """What would have to be checked and cannot be is refused, never ignored. Failure: NOT_IMPLEMENTED."""
    if value is not None and value not in ("", []):
        raise Failure(Reason.NOT_IMPLEMENTED, f"{name} is not implemented.")


def message(text: str) -> bytes:
    """A payload in Base64. Failure: INVALID_PAYLOAD."""
    return _payload(text, hexed=False)


def _payload(text: str, *, hexed: bool) -> bytes:
    payload = hexadecimal(text, "payload") if hexed else octets(text, "payload", Reason.INVALID_PAYLOAD)
    if len(payload) > MOST_PAYLOAD:
        raise Failure(Reason.INVALID_PAYLOAD, f"The payload is longer than {MOST_PAYLOAD} bytes.")
    return payload
