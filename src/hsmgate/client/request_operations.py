"""The same for requests that are answered later: submitted, asked for, withdrawn."""

from urllib.parse import quote

import msgspec

from hsmgate.client import endpoints, key_shapes, request_shapes, shapes
from hsmgate.client.call import Call, characters, with_body


def submit_sign(
    label: str,
    payload: bytes,
    algorithm: str,
    *,
    password: str | None = None,
    form: shapes.SignatureType = "DER",
    payload_type: shapes.PayloadType = "UNSPECIFIED",
    meta_data: bytes | None = None,
    meta_data_signature: bytes | None = None,
) -> Call[request_shapes.SignRequestId]:
    """Submit a signature; its result is asked for with `request`."""
    request = shapes.SignRequest(
        payload=payload.hex() if payload_type == "HEX" else msgspec.to_builtins(payload),
        sign_key_name=label,
        signature_algorithm=algorithm,
        payload_type=payload_type,
        key_password=characters(password),
        signature_type=form,
        meta_data=meta_data,
        meta_data_signature=meta_data_signature,
    )
    return with_body(endpoints.SUBMIT_SIGN, request_shapes.SubmitSignBody(request))


def submit_decrypt(
    label: str,
    encrypted_payload: bytes,
    cipher: str,
    *,
    iv: bytes | None = None,
    password: str | None = None,
    tag_length: int | None = None,
    aad: bytes | None = None,
    meta_data: bytes | None = None,
    meta_data_signature: bytes | None = None,
) -> Call[request_shapes.DecryptRequestId]:
    """Submit a decryption; its result is asked for with `request`."""
    request = request_shapes.SubmittedDecryptRequest(
        encrypted_payload=encrypted_payload,
        decrypt_key_name=label,
        cipher_algorithm=cipher,
        key_password=characters(password),
        initialization_vector=iv,
        tag_length=tag_length,
        additional_authentication_data=aad,
        meta_data=meta_data,
        meta_data_signature=meta_data_signature,
    )
    return with_body(endpoints.SUBMIT_DECRYPT, request_shapes.SubmitDecryptBody(request))


def submit_unwrap(
    label: str,
    wrapped_key: bytes,
    wrapping: str,
    method: str,
    *,
    attributes: shapes.Attributes,
    password: str | None = None,
    wrapping_password: str | None = None,
    policy: shapes.Policy | None = None,
    algorithm: str | None = None,
    meta_data: bytes | None = None,
    meta_data_signature: bytes | None = None,
) -> Call[request_shapes.UnwrapRequestId]:
    """Submit an unwrapping; the key `label` is there when the request is EXECUTED."""
    request = request_shapes.SubmittedUnwrapRequest(
        wrapped_key=wrapped_key,
        label=label,
        attributes=attributes,
        unwrap_key_name=wrapping,
        wrap_method=method,
        password=characters(password),
        unwrap_key_password=characters(wrapping_password),
        policy=policy,
        algorithm=algorithm,
        meta_data=meta_data,
        meta_data_signature=meta_data_signature,
    )
    return with_body(endpoints.SUBMIT_UNWRAP, request_shapes.SubmitUnwrapBody(request))


def submit_modify(
    label: str,
    rules: key_shapes.NewRules,
    *,
    password: str | None = None,
    meta_data: bytes | None = None,
    meta_data_signature: bytes | None = None,
) -> Call[request_shapes.ModifyKeyRequestId]:
    """Submit new rules in the place of those of a key's policy."""
    request = request_shapes.SubmittedModifyRequest(
        label, rules, characters(password), meta_data=meta_data, meta_data_signature=meta_data_signature
    )
    return with_body(endpoints.SUBMIT_MODIFY, request_shapes.SubmitModifyBody(request))


def submit_block(
    label: str,
    *,
    password: str | None = None,
    meta_data: bytes | None = None,
    meta_data_signature: bytes | None = None,
) -> Call[request_shapes.BlockKeyRequestId]:
    """Submit that every use of a key that has a policy be refused."""
    request = request_shapes.SubmittedBlockRequest(
        label, characters(password), meta_data=meta_data, meta_data_signature=meta_data_signature
    )
    return with_body(endpoints.SUBMIT_BLOCK, request_shapes.SubmitBlockBody(request))


def submit_unblock(
    label: str,
    *,
    password: str | None = None,
    meta_data: bytes | None = None,
    meta_data_signature: bytes | None = None,
) -> Call[request_shapes.UnblockKeyRequestId]:
    """Submit that it be allowed again."""
    request = request_shapes.SubmittedUnblockRequest(
        label, characters(password), meta_data=meta_data, meta_data_signature=meta_data_signature
    )
    return with_body(endpoints.SUBMIT_UNBLOCK, request_shapes.SubmitUnblockBody(request))


def request(id: str) -> Call[request_shapes.RequestState]:  # noqa: A002 - the contract's name
    """How a request stands, with its result when it is EXECUTED."""
    return Call(endpoints.REQUEST, endpoints.REQUEST.path.replace("{id}", quote(id, safe="")))


def withdraw(id: str) -> Call[shapes.Nothing]:  # noqa: A002
    """Cancel a request that is open, remove one that is settled."""
    return Call(endpoints.WITHDRAW, endpoints.WITHDRAW.path.replace("{id}", quote(id, safe="")))


def requests(
    *statuses: request_shapes.RequestStatus, page: int = 0, size: int = 100, newest_first: bool = False
) -> Call[request_shapes.FilteredRequests]:
    """Requests with one of these statuses, or all; `page` counts from 0."""
    order: request_shapes.SortOrder = "CREATION_DATE_DESC" if newest_first else "CREATION_DATE_ASC"
    return with_body(endpoints.REQUESTS, request_shapes.FilterBody(statuses, request_shapes.Paging(page, size, order)))
