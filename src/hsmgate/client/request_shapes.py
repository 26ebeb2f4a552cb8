"""The same of requests that are answered later."""

from datetime import datetime
from typing import Literal

from hsmgate.client.key_shapes import BlockRequest, ModifyRequest, UnblockRequest, UnwrapKeyRequest
from hsmgate.client.shapes import DecryptRequest, SignRequest
from hsmgate.record import WireRecord

RequestStatus = Literal["PENDING", "APPROVED", "EXECUTED", "FAILED", "EXPIRED", "REJECTED", "CANCELLED"]
SortOrder = Literal["CREATION_DATE_ASC", "CREATION_DATE_DESC", "LAST_FETCHED_DATE_ASC", "LAST_FETCHED_DATE_DESC"]


class SubmitSignBody(WireRecord):
    sign_request: SignRequest


class SubmittedDecryptRequest(DecryptRequest, omit_defaults=True):
    meta_data: bytes | None = None
    meta_data_signature: bytes | None = None


class SubmitDecryptBody(WireRecord):
    decrypt_request: SubmittedDecryptRequest


class SubmittedUnwrapRequest(UnwrapKeyRequest, omit_defaults=True):
    meta_data: bytes | None = None
    meta_data_signature: bytes | None = None


class SubmitUnwrapBody(WireRecord):
    unwrap_key_request: SubmittedUnwrapRequest


class SubmittedModifyRequest(ModifyRequest, omit_defaults=True):
    meta_data: bytes | None = None
    meta_data_signature: bytes | None = None


class SubmitModifyBody(WireRecord):
    modify_request: SubmittedModifyRequest


class SubmittedBlockRequest(BlockRequest, omit_defaults=True):
    meta_data: bytes | None = None
    meta_data_signature: bytes | None = None


class SubmitBlockBody(WireRecord):
    block_request: SubmittedBlockRequest


class SubmittedUnblockRequest(UnblockRequest, omit_defaults=True):
    meta_data: bytes | None = None
    meta_data_signature: bytes | None = None


class SubmitUnblockBody(WireRecord):
    unblock_request: SubmittedUnblockRequest


class SignRequestId(WireRecord):
    sign_request_id: str


class DecryptRequestId(WireRecord):
    decrypt_request_id: str


class UnwrapRequestId(WireRecord):
    unwrap_request_id: str


class ModifyKeyRequestId(WireRecord):
    modify_key_request_id: str


class BlockKeyRequestId(WireRecord):
    block_key_request_id: str


class UnblockKeyRequestId(WireRecord):
    unblock_key_request_id: str


class RequestState(WireRecord):
    """How a request stands; `result` in Base64, of an executed one."""

    id: str
    status: RequestStatus
    execution_time: datetime
    approved_by: list[str]
    not_yet_approved_by: list[str]
    rejected_by: list[str]
    result: str | None


class Paging(WireRecord, omit_defaults=True):
    page_number: int | None = None
    page_size: int | None = None
    sort_order: SortOrder | None = None


class FilterBody(WireRecord, omit_defaults=True):
    status: tuple[RequestStatus, ...] = ()
    paging: Paging | None = None


class FilteredRequests(WireRecord):
    requests: list[RequestState]
