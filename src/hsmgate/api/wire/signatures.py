"""The signature that may stand beside the inner object of a body (approvals.md section 6)."""

from hsmgate.api.wire.fields import octets, optional_octets
from hsmgate.record import WireRecord
from hsmgate.usecases.request_signatures import RequestSignature


class RequestSignatureShape(WireRecord):
    """Over the inner object as it was sent. `digestAlgorithm`: SHA-256 ..., or EdDSA."""

    signature: str
    digest_algorithm: str
    public_key: str | None = None
    certificate: str | None = None

    def value(self) -> RequestSignature:
        """Failure: INVALID_ENCODING."""
        return RequestSignature(
            signature=octets(self.signature, "signature of requestSignature"),
            digest=self.digest_algorithm,
            public_key=optional_octets(self.public_key, "publicKey of requestSignature"),
            certificate=optional_octets(self.certificate, "certificate of requestSignature"),
        )
