"""client/conversation.py: what is repeated, what never is, and what a refusal becomes."""

from typing import Any

import msgspec
import pytest

from hsmgate.client import ApiKeys, Attributes, RequestFailed, operations
from hsmgate.client.access import Access
from hsmgate.client.call import Call
from hsmgate.client.conversation import Ask, NoReply, Outcome, Pause, Reply, converse

READ = operations.keys()
WRITE = operations.sign("orders", b"x", "EDDSA")
UNSENT = NoReply("client.connect", "refused", unsent=True)
BROKEN = NoReply("client.connection", "broke")
BUSY = Reply(503, {"retry-after": "2", "x-request-id": "theirs"}, b'{"errorCode":2,"reason":"res.error.connectivity"}')
FOUND = Reply(200, {}, b'["orders"]')
WRONG_KEY = Reply(401, {}, b'{"errorCode":631,"reason":"res.error.invalid.api.key","message":"no"}')
OTHER_401 = Reply(401, {}, b'{"errorCode":400,"reason":"res.error.security.not.allowed","message":"no"}')
NO_ACCESS = Access(ApiKeys(), None)


class Told:
    """A conversation in which the service says these things, one after the other."""

    def __init__(self, call: Call[Any], *outcomes: Outcome, access: Access = NO_ACCESS, retries: int = 2) -> None:
        self.asked: list[Ask] = []
        self.pauses: list[float] = []
        left = list(outcomes)
        steps = converse(call, access, "ours", retries)
        step = next(steps)
        try:
            while True:
                if isinstance(step, Pause):
                    self.pauses.append(step.seconds)
                    step = steps.send(None)
                else:
                    self.asked.append(step)
                    step = steps.send(left.pop(0))
        except StopIteration as done:
            self.answer = done.value
        assert not left

    @property
    def keys(self) -> list[str | None]:
        return [ask.headers.get("X-API-KEY") for ask in self.asked]


def failing(call: Call[Any], *outcomes: Outcome, access: Access = NO_ACCESS, retries: int = 2) -> RequestFailed:
    with pytest.raises(RequestFailed) as caught:
        Told(call, *outcomes, access=access, retries=retries)
    return caught.value


def test_an_answer_is_decoded_and_asked_for_once() -> None:
    told = Told(READ, FOUND)
    assert (told.answer, told.pauses, len(told.asked)) == (["orders"], [], 1)
    (ask,) = told.asked
    assert (ask.method, ask.path, ask.content) == ("GET", "/v1/key", b"")
    assert ask.headers["X-Request-Id"] == "ours"
    assert "Content-Type" not in ask.headers


def test_a_read_that_was_not_sent_is_sent_again_a_little_later_each_time() -> None:
    told = Told(READ, UNSENT, UNSENT, FOUND)
    assert told.answer == ["orders"]
    assert 0 < told.pauses[0] < told.pauses[1] < 1


def test_a_read_waits_as_long_as_the_service_asks() -> None:
    assert Told(READ, BUSY, FOUND).pauses == [2.0]
    at_once = Reply(503, {"retry-after": "0"}, BUSY.body)
    assert Told(READ, at_once, FOUND).pauses == [0.0]


def test_it_gives_up() -> None:
    assert failing(READ, UNSENT, UNSENT, UNSENT).reason == "client.connect"
    assert failing(READ, BUSY, BUSY, BUSY).status == 503
    assert failing(READ, UNSENT, retries=0).reason == "client.connect"


@pytest.mark.parametrize("outcome", [UNSENT, BROKEN, BUSY])
def test_what_uses_or_changes_a_key_is_never_repeated(outcome: Outcome) -> None:
    for call in (
        WRITE,
        operations.create("orders", "ED", attributes=Attributes(sign=True)),
        operations.delete("orders"),
    ):
        failing(call, outcome)


@pytest.mark.parametrize("wished", ["", "11", "-1", "1.5", "٣", "1e1", "Fri, 27 Nov 2026 09:00:00 GMT", "9" * 5000])
def test_no_wait_for_what_is_too_long_or_no_number(wished: str) -> None:
    failing(READ, Reply(503, {"retry-after": wished}, BUSY.body))


def test_no_repetition_without_retry_after_nor_of_what_broke_on_the_way() -> None:
    failing(READ, Reply(503, {}, BUSY.body))
    failing(READ, BROKEN)
    failing(READ, NoReply("client.timeout", "late"))
    failing(READ, Reply(500, {"retry-after": "1"}, BUSY.body))


def test_the_next_api_key_is_tried_with_any_call_and_remembered() -> None:
    access = Access(ApiKeys(key_operation=("old", "new"), key_management="other"), None)
    signed = Reply(200, {}, b'{"signature":"AAAA"}')
    assert Told(WRITE, WRONG_KEY, signed, access=access).keys == ["old", "new"]
    assert Told(WRITE, signed, access=access).keys == ["new"]
    assert Told(WRITE, WRONG_KEY, signed, access=access).keys == ["new", "old"]
    assert Told(READ, FOUND, access=access).keys == ["other"]
    assert Told(operations.health(), Reply(200, {}, b'{"status":"UP"}'), access=access).keys == [None]


def test_api_keys_end_and_other_refusals_try_none() -> None:
    access = Access(ApiKeys(key_operation=("a", "b", "c")), None)
    assert failing(WRITE, WRONG_KEY, WRONG_KEY, WRONG_KEY, access=access).error_code == 631
    assert failing(WRITE, OTHER_401, access=access).error_code == 400
    assert failing(WRITE, WRONG_KEY).error_code == 631
    assert Told(WRITE, Reply(200, {}, b'{"signature":"AAAA"}'), access=access).keys == ["a"]


def test_a_bearer_token_goes_along() -> None:
    told = Told(READ, FOUND, access=Access(ApiKeys(), "t0ken"))
    assert told.asked[0].headers["Authorization"] == "Bearer t0ken"
    assert "t0ken" not in repr(told.asked[0])


@pytest.mark.parametrize("bad", ["", " t0ken", "t0ken\r\nX: y", "t0kenä", "t0ken\0"])
def test_what_no_header_can_hold_is_refused_unsaid(bad: str) -> None:
    for keys, bearer in ((ApiKeys(service=(bad,)), None), (ApiKeys(), bad)):
        with pytest.raises(RequestFailed) as caught:
            Access(keys, bearer)
        assert caught.value.reason == "client.option"
        assert "t0ken" not in str(caught.value)


def test_a_refusal_has_everything_that_the_service_said() -> None:
    body = b'{"errorCode":650,"reason":"res.error.key.not.existent","message":"A key ...","more":1}'
    failure = failing(WRITE, Reply(404, {"x-request-id": "theirs"}, body))
    assert (failure.error_code, failure.reason, failure.status) == (650, "res.error.key.not.existent", 404)
    assert (failure.message, failure.request_id) == ("A key ...", "theirs")
    assert str(failure) == "A key ... (res.error.key.not.existent, HTTP 404, errorCode 650, request theirs)"
    assert failing(WRITE, BROKEN).request_id == "ours"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"errorCode":"650","reason":"x"}', b"\xff", b"[" * 100_000])
def test_what_is_no_error_of_the_contract_is_told(body: bytes) -> None:
    failure = failing(WRITE, Reply(502, {}, body))
    assert (failure.reason, failure.status, failure.error_code) == ("client.answer", 502, None)


@pytest.mark.parametrize("body", [b"[1]", b"{}", b"null", b"[", b'["\xff"]', b"[" * 100_000])
def test_an_answer_of_another_shape_is_a_failure(body: bytes) -> None:
    failure = failing(READ, Reply(200, {}, body))
    assert (failure.reason, failure.status) == ("client.answer", 200)


@pytest.mark.parametrize("status", [100, 202, 204, 301, 302, 304])
def test_only_200_and_201_are_answers(status: int) -> None:
    assert failing(READ, Reply(status, {"location": "https://elsewhere/"}, FOUND.body)).status == status


def test_an_empty_body_says_that_it_is_done() -> None:
    assert Told(operations.delete("orders"), Reply(200, {}, b"")).answer is not None


def test_passwords_travel_as_characters_and_are_never_shown() -> None:
    call = operations.sign("orders", b"pay", "EDDSA", password="se,\u00e4cret", form="RAW")
    sent = msgspec.json.decode(call.content)["signRequest"]
    assert sent == {
        "payload": "cGF5",
        "signKeyName": "orders",
        "signatureAlgorithm": "EDDSA",
        "payloadType": "UNSPECIFIED",
        "keyPassword": list("se,\u00e4cret"),
        "signatureType": "RAW",
    }
    assert "cret" not in repr(call)
    assert "cret" not in repr(Told(call, Reply(200, {}, b'{"signature":"AAAA"}')).asked)
    assert (
        "keyPassword" not in msgspec.json.decode(operations.sign("o", b"", "EDDSA", password="").content)["signRequest"]
    )


def test_hex_payloads_and_names_in_paths() -> None:
    call = operations.sign("orders", b"\x00\xff", "NONE_WITH_ECDSA", payload_type="HEX")
    assert msgspec.json.decode(call.content)["signRequest"]["payload"] == "00ff"
    assert operations.attestation_key("a/../b?c#ä").path == "/v1/attestation/a%2F..%2Fb%3Fc%23%C3%A4"
