"""Signed bodies: verified on the octets that came, before their row does anything with them."""

import hashlib
from typing import Any

import msgspec

from hsmgate.api.plan import Fact
from hsmgate.api.wire.fields import optional_octets
from hsmgate.api.wire.signatures import RequestSignatureShape
from hsmgate.errors import Failure, Reason
from hsmgate.usecases import request_signatures
from hsmgate.usecases.request_signatures import RequestSignature

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def check(body: Any, octets: bytes, signers: frozenset[bytes], *, uses_key: bool) -> dict[str, Fact]:  # noqa: ANN401
    """What the audit lines say of the signature of a decoded body. `signers`: SubjectPublicKeyInfo of those who may
    sign; with any, every request that uses a key must be signed by one of them.

    Failure: REQUEST_SIGNER_NOT_ALLOWED, SIGNATURE_INVALID, INVALID_ENCODING, INVALID_INPUT, INVALID_CERTIFICATE.
    """
    if not hasattr(body, "request_signature"):
        return {}
    shape = body.request_signature
    if not isinstance(shape, RequestSignatureShape):
        if signers and uses_key:
            raise Failure(Reason.REQUEST_SIGNER_NOT_ALLOWED, "The request must be signed.")
        return {}
    given = shape.value()
    if signers and uses_key and request_signatures.signer_of(given) not in signers:
        raise Failure(Reason.REQUEST_SIGNER_NOT_ALLOWED, "The signer of the request is not one of those who may.")
    name, inner = _inner(body)
    # of a member that is named twice the last counts, for the decoder of the body as for this one
    request_signatures.verify(given, bytes(_members.decode(octets)[name]))
    return {"signer": hashlib.sha256(given.certificate or given.public_key or b"").hexdigest(), **_meta(given, inner)}


def _inner(body: Any) -> tuple[str, Any]:  # noqa: ANN401
    """The one object beside the signature, and its name."""
    for field in msgspec.structs.fields(body):
        value = getattr(body, field.name)
        if field.name != "request_signature" and value is not None:
            return field.encode_name, value
    raise Failure(Reason.INVALID_INPUT, "requestSignature stands beside nothing that it could sign.")


def _meta(given: RequestSignature, inner: Any) -> dict[str, Fact]:  # noqa: ANN401
    data = optional_octets(getattr(inner, "meta_data", None), "metaData")
    signature = optional_octets(getattr(inner, "meta_data_signature", None), "metaDataSignature")
    if data is None or signature is None:
        return {}
    return {"metaDataSigned": request_signatures.meta_data_holds(given, data, signature)}
