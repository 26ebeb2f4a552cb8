"""From a decoded request to its plan, for what is answered later: one row of words for each kind of request."""

import uuid
from collections.abc import Callable
from urllib.parse import parse_qsl

import msgspec

from hsmgate.api import calls, key_calls
from hsmgate.api.plan import Answer, Fact, Plan
from hsmgate.api.wire.changes import BlockBody, ModifyBody, UnblockBody
from hsmgate.api.wire.ciphers import DecryptBody
from hsmgate.api.wire.fields import encoded
from hsmgate.api.wire.operations import SignBody
from hsmgate.api.wire.requests import (
    BlockKeyRequestId,
    DecryptRequestId,
    FilterBody,
    FilteredRequests,
    ModifyKeyRequestId,
    SignRequestId,
    SubmitBlockBody,
    SubmitDecryptBody,
    SubmitModifyBody,
    SubmitSignBody,
    SubmitUnblockBody,
    SubmitUnwrapBody,
    UnblockKeyRequestId,
    UnwrapRequestId,
    details_of,
    filter_of,
    request_answer,
)
from hsmgate.api.wire.wrapping import UnwrapBody
from hsmgate.domain.request import Details
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record, WireRecord
from hsmgate.usecases import change_key, requests
from hsmgate.usecases import encrypt as ciphers
from hsmgate.usecases import sign as signing
from hsmgate.usecases import wrap as wrapping
from hsmgate.usecases.ports import Ports
from hsmgate.usecases.requests import Done, Submission

Params = tuple[str, ...]
_NOTHING: dict[str, str] = {}
_LONGEST_ID = 64


class Kind(Record):
    """A kind of request, and how its id is answered."""

    name: str
    answer: Callable[[str], WireRecord]


SIGN = Kind("sign", SignRequestId)
DECRYPT = Kind("decrypt", DecryptRequestId)
UNWRAP = Kind("unwrap", UnwrapRequestId)
MODIFY = Kind("modify", ModifyKeyRequestId)
BLOCK = Kind("block", BlockKeyRequestId)
UNBLOCK = Kind("unblock", UnblockKeyRequestId)


class _Asked(Record):
    """What a request of any kind amounts to. `like`: the plan of the same done synchronously, for what it says of it.

    `label` is that of the key that is used.
    """

    like: Plan
    label: str
    check: Callable[[Ports], object]
    run: Callable[[Ports], Done]


def submit_sign(_: Params, body: SubmitSignBody) -> Plan:
    """POST /v1/sign."""
    same = SignBody(body.sign_request)
    command = same.command()
    asked = _Asked(
        calls.sign((), same),
        command.label,
        lambda ports: signing.check(ports, command),
        lambda ports: Done(encoded(signing.sign(ports, command))),
    )
    return _submitted(SIGN, asked, details_of(body.sign_request))


def submit_decrypt(_: Params, body: SubmitDecryptBody) -> Plan:
    """POST /v1/decrypt."""
    command = body.decrypt_request.command()

    def run(ports: Ports) -> Done:
        done = ciphers.decrypt(ports, command)
        return Done(encoded(done.payload), done.remark)

    like = key_calls.decrypt((), DecryptBody(body.decrypt_request))
    asked = _Asked(like, command.label, lambda ports: ciphers.check_decryption(ports, command), run)
    return _submitted(DECRYPT, asked, details_of(body.decrypt_request))


def submit_unwrap(_: Params, body: SubmitUnwrapBody) -> Plan:
    """POST /v1/unwrap. The key that it makes is asked for by its name."""
    command = body.unwrap_key_request.command()

    def run(ports: Ports) -> Done:
        wrapping.store_unwrapped(ports, command)
        return Done()

    like = key_calls.unwrap((), UnwrapBody(body.unwrap_key_request))
    asked = _Asked(like, command.wrapping_label, lambda ports: wrapping.check_unwrapping(ports, command), run)
    return _submitted(UNWRAP, asked, details_of(body.unwrap_key_request))


def submit_modify(_: Params, body: SubmitModifyBody) -> Plan:
    """POST /v1/modify."""
    command = body.modify_request.command()

    def run(ports: Ports) -> Done:
        change_key.modify(ports, command)
        return Done()

    like = key_calls.modify((), ModifyBody(body.modify_request))
    asked = _Asked(like, command.label, lambda ports: change_key.check_modifying(ports, command), run)
    return _submitted(MODIFY, asked, details_of(body.modify_request))


def submit_block(_: Params, body: SubmitBlockBody) -> Plan:
    """POST /v1/block."""
    same = BlockBody(body.block_request)
    label, given = same.checked()

    def run(ports: Ports) -> Done:
        change_key.block(ports, label, given)
        return Done()

    asked = _Asked(
        key_calls.block((), same), label, lambda ports: change_key.check_blocking(ports, label, blocked=True), run
    )
    return _submitted(BLOCK, asked, details_of(body.block_request))


def submit_unblock(_: Params, body: SubmitUnblockBody) -> Plan:
    """POST /v1/unblock."""
    same = UnblockBody(body.unblock_request)
    label, given = same.checked()

    def run(ports: Ports) -> Done:
        change_key.unblock(ports, label, given)
        return Done()

    asked = _Asked(
        key_calls.unblock((), same), label, lambda ports: change_key.check_blocking(ports, label, blocked=False), run
    )
    return _submitted(UNBLOCK, asked, details_of(body.unblock_request))


def find(params: Params, _body: None) -> Plan:
    """GET /v1/request/{id}."""
    request_id = _id(params[0])
    return Plan({"request": request_id}, lambda ports: Answer(request_answer(requests.find(ports, request_id))))


def withdraw(params: Params, _body: None) -> Plan:
    """DELETE /v1/request/{id}."""
    request_id = _id(params[0])

    def run(ports: Ports) -> Answer:
        requests.withdraw(ports, request_id)
        return Answer(_NOTHING)

    return Plan({"request": request_id}, run)


def filtered(_: Params, body: FilterBody) -> Plan:
    """POST /v1/filteredRequests."""
    wanted = filter_of(body)

    def run(ports: Ports) -> Answer:
        found = requests.listed(
            ports, wanted.statuses, newest_first=wanted.newest_first, page=wanted.page, size=wanted.size
        )
        return Answer(FilteredRequests([request_answer(one) for one in found]))

    return Plan({}, run)


def filtered_by_query(params: Params, _body: None) -> Plan:
    """GET /v1/filteredRequests?status=PENDING&status=FAILED&pageNumber=0&pageSize=10&sortOrder=CREATION_DATE_DESC."""
    try:
        pairs = parse_qsl(params[-1], keep_blank_values=True, strict_parsing=bool(params[-1]), max_num_fields=32)
        given = {name: value for name, value in pairs if name != "status"}
        statuses = [value for name, value in pairs if name == "status"]
        body = msgspec.convert({"status": statuses or None, "paging": given}, FilterBody, strict=False)
    except (ValueError, msgspec.ValidationError) as error:
        raise Failure(Reason.INVALID_INPUT, f"The query is not understood: {error}"[:300]) from None
    return filtered(params, body)


def _submitted(kind: Kind, asked: _Asked, details: Details) -> Plan:
    request_id = str(uuid.uuid4())
    facts: dict[str, Fact] = {"request": request_id, **asked.like.facts}
    wish = Submission(request_id, kind.name, asked.label, asked.check, asked.run, details)

    def run(ports: Ports) -> Answer:
        remark = requests.submit(ports, wish)
        return Answer(kind.answer(request_id), remark)

    return Plan(facts, run, asked.like.guesses)


def _id(text: str) -> str:
    if len(text) > _LONGEST_ID:
        raise Failure(Reason.REQUEST_NOT_FOUND, "There is no request with this id.")
    return text
