"""Bodies of synchronousHmac (endpoints.md section 3.3)."""

from hsmgate.api.wire.fields import Password, password
from hsmgate.api.wire.operations import message
from hsmgate.api.wire.signatures import RequestSignatureShape
from hsmgate.record import WireRecord
from hsmgate.usecases.mac import Mac


class HmacRequest(WireRecord):
    key_name: str
    payload: str
    key_password: Password = None


class HmacBody(WireRecord):
    """POST /v1/synchronousHmac."""

    hmac_request: HmacRequest
    request_signature: RequestSignatureShape | None = None

    def command(self) -> Mac:
        """Failure: INVALID_PAYLOAD, INVALID_INPUT, NOT_IMPLEMENTED."""
        asked = self.hmac_request
        return Mac(asked.key_name, message(asked.payload), password(asked.key_password))


class HmacAnswer(WireRecord):
    keyed_hash: str
