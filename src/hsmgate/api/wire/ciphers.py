"""Bodies of encrypt and synchronousDecrypt (endpoints.md sections 3.4 and 3.5)."""

from typing import Any

from hsmgate.api.wire.fields import Number, Password, encoded, octets, optional_octets, password, whole
from hsmgate.api.wire.operations import MOST_PAYLOAD, refuse_unverified
from hsmgate.api.wire.signatures import RequestSignatureShape
from hsmgate.domain.cipher import Encrypted
from hsmgate.errors import Failure, Reason
from hsmgate.record import WireRecord
from hsmgate.usecases.encrypt import Decrypt, Encrypt

_MOST_CIPHERTEXT = MOST_PAYLOAD + 32  # bytes: what a payload grows by padding and tag


class EncryptRequest(WireRecord):
    payload: str
    encrypt_key_name: str
    cipher_algorithm: str
    key_password: Password = None
    tag_length: Number = None
    additional_authentication_data: str | None = None


class EncryptBody(WireRecord):
    """POST /v1/encrypt."""

    encrypt_request: EncryptRequest
    request_signature: RequestSignatureShape | None = None

    def command(self) -> Encrypt:
        """Failure: INVALID_PAYLOAD, INVALID_ENCODING, INVALID_INPUT, NOT_IMPLEMENTED."""
        asked = self.encrypt_request
        return Encrypt(
            label=asked.encrypt_key_name,
            cipher=asked.cipher_algorithm,
            payload=_payload(asked.payload, "payload", MOST_PAYLOAD),
            password=password(asked.key_password),
            tag_length=whole(asked.tag_length, "tagLength"),
            aad=_aad(asked.additional_authentication_data),
        )


class EncryptAnswer(WireRecord):
    """Without a tag, the two forms of the payload are the same."""

    encrypted_payload: str
    encrypted_payload_without_message_authentication_code: str
    initialization_vector: str | None
    message_authentication_code: str | None


def encrypt_answer(made: Encrypted) -> EncryptAnswer:
    """The answer for a ciphertext."""
    return EncryptAnswer(
        encrypted_payload=encoded(made.ciphertext + (made.tag or b"")),
        encrypted_payload_without_message_authentication_code=encoded(made.ciphertext),
        initialization_vector=None if made.iv is None else encoded(made.iv),
        message_authentication_code=None if made.tag is None else encoded(made.tag),
    )


class DecryptRequest(WireRecord):
    encrypted_payload: str
    decrypt_key_name: str
    cipher_algorithm: str
    key_password: Password = None
    initialization_vector: str | None = None
    tag_length: Number = None
    additional_authentication_data: str | None = None
    derivation_value: Any = None
    signed_approvals: list[str] | None = None

    def command(self) -> Decrypt:
        """Failure: INVALID_PAYLOAD, INVALID_ENCODING, INVALID_INPUT, NOT_IMPLEMENTED."""
        refuse_unverified("signedApprovals", self.signed_approvals)
        refuse_unverified("derivationValue", self.derivation_value)
        return Decrypt(
            label=self.decrypt_key_name,
            cipher=self.cipher_algorithm,
            payload=_payload(self.encrypted_payload, "encryptedPayload", _MOST_CIPHERTEXT),
            password=password(self.key_password),
            iv=optional_octets(self.initialization_vector, "initializationVector"),
            tag_length=whole(self.tag_length, "tagLength"),
            aad=_aad(self.additional_authentication_data),
        )


class DecryptBody(WireRecord):
    """POST /v1/synchronousDecrypt."""

    decrypt_request: DecryptRequest
    request_signature: RequestSignatureShape | None = None

    def command(self) -> Decrypt:
        """Failure: as DecryptRequest.command()."""
        return self.decrypt_request.command()


class DecryptAnswer(WireRecord):
    payload: str


def _payload(text: str, name: str, most: int) -> bytes:
    payload = octets(text, name, Reason.INVALID_PAYLOAD)
    if len(payload) > most:
        raise Failure(Reason.INVALID_PAYLOAD, f"{name} is longer than {most} bytes.")
    return payload


def _aad(text: str | None) -> bytes:
    return optional_octets(text, "additionalAuthenticationData") or b""
