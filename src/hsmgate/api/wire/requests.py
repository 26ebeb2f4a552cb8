"""Bodies of requests that are answered later (endpoints.md section 4), and of what is asked about them."""

from typing import Annotated, Literal, Protocol

import msgspec

from hsmgate.api.wire.changes import BlockRequest, ModifyRequest, UnblockRequest
from hsmgate.api.wire.ciphers import DecryptRequest
from hsmgate.api.wire.fields import Number, optional_octets, whole
from hsmgate.api.wire.operations import SignRequest
from hsmgate.api.wire.signatures import RequestSignatureShape
from hsmgate.api.wire.wrapping import UnwrapKeyRequest
from hsmgate.domain.attestation import moment
from hsmgate.domain.request import Details, Request
from hsmgate.errors import Failure, Reason
from hsmgate.record import WireRecord

Status = Literal["PENDING", "APPROVED", "EXECUTED", "FAILED", "EXPIRED", "REJECTED", "CANCELLED"]
SortOrder = Literal["CREATION_DATE_ASC", "CREATION_DATE_DESC", "LAST_FETCHED_DATE_ASC", "LAST_FETCHED_DATE_DESC"]
MOST_ON_A_PAGE = 1000
_USUAL_PAGE = 100
_LAST_PAGE = 10**9


class SubmitSignBody(WireRecord):
    """POST /v1/sign."""

    sign_request: SignRequest
    request_signature: RequestSignatureShape | None = None


class SubmittedDecryptRequest(DecryptRequest):
    meta_data: str | None = None
    meta_data_signature: str | None = None


class SubmitDecryptBody(WireRecord):
    """POST /v1/decrypt."""

    decrypt_request: SubmittedDecryptRequest
    request_signature: RequestSignatureShape | None = None


class SubmittedUnwrapRequest(UnwrapKeyRequest):
    meta_data: str | None = None
    meta_data_signature: str | None = None


class SubmitUnwrapBody(WireRecord):
    """POST /v1/unwrap."""

    unwrap_key_request: SubmittedUnwrapRequest
    request_signature: RequestSignatureShape | None = None


class SubmittedModifyRequest(ModifyRequest):
    meta_data: str | None = None
    meta_data_signature: str | None = None


class SubmitModifyBody(WireRecord):
    """POST /v1/modify."""

    modify_request: SubmittedModifyRequest
    request_signature: RequestSignatureShape | None = None


class SubmittedBlockRequest(BlockRequest):
    meta_data: str | None = None
    meta_data_signature: str | None = None


class SubmitBlockBody(WireRecord):
    """POST /v1/block."""

    block_request: SubmittedBlockRequest
    request_signature: RequestSignatureShape | None = None


class SubmittedUnblockRequest(UnblockRequest):
    meta_data: str | None = None
    meta_data_signature: str | None = None


class SubmitUnblockBody(WireRecord):
    """POST /v1/unblock."""

    unblock_request: SubmittedUnblockRequest
    request_signature: RequestSignatureShape | None = None


class _WithMetaData(Protocol):
    @property
    def meta_data(self) -> str | None: ...
    @property
    def meta_data_signature(self) -> str | None: ...


def details_of(asked: _WithMetaData) -> Details:
    """What comes along with a request. Failure: INVALID_ENCODING."""
    return Details(
        meta_data=optional_octets(asked.meta_data, "metaData"),
        meta_data_signature=optional_octets(asked.meta_data_signature, "metaDataSignature"),
    )


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


class RequestAnswer(WireRecord):
    """All members are always there (endpoints.md section 4.1)."""

    id: str
    status: Status
    execution_time: str
    approved_by: list[str]
    not_yet_approved_by: list[str]
    rejected_by: list[str]
    result: str | None


def request_answer(request: Request) -> RequestAnswer:
    """How a request stands."""
    return RequestAnswer(
        id=request.id,
        status=msgspec.convert(request.status, Status),
        execution_time=moment(request.execution_time),
        approved_by=[],
        not_yet_approved_by=[],
        rejected_by=[],
        result=request.result,
    )


class PagingShape(WireRecord):
    page_number: Number = None
    page_size: Number = None
    sort_order: SortOrder | None = None


class FilterBody(WireRecord):
    """POST /v1/filteredRequests. No status: every one."""

    status: Annotated[list[Status], msgspec.Meta(max_length=16)] | None = None
    paging: PagingShape | None = None


class FilteredRequests(WireRecord):
    requests: list[RequestAnswer]


class Filter(WireRecord):
    """What is looked for: `page` counts from 0."""

    statuses: tuple[str, ...]
    newest_first: bool = False
    page: int = 0
    size: int = _USUAL_PAGE


def filter_of(body: FilterBody) -> Filter:
    """The filter with its bounds checked. Failure: INVALID_INPUT."""
    paging = body.paging or PagingShape()
    page, size = whole(paging.page_number, "pageNumber") or 0, whole(paging.page_size, "pageSize")
    if size is not None and not 1 <= size <= MOST_ON_A_PAGE:
        raise Failure(Reason.INVALID_INPUT, f"pageSize is 1 to {MOST_ON_A_PAGE}.")
    if page > _LAST_PAGE:
        raise Failure(Reason.INVALID_INPUT, f"pageNumber is at most {_LAST_PAGE}.")
    newest_first = (paging.sort_order or "").endswith("_DESC")
    return Filter(tuple(dict.fromkeys(body.status or ())), newest_first, page, size or _USUAL_PAGE)
