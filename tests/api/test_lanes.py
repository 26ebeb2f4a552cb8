"""api/lanes.py: costly requests take turns, fairly and within bounds; quick ones are never behind them."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, cast

import msgspec
import pytest

from hsmgate import app
from hsmgate.api import lanes
from hsmgate.api.lanes import LANES, Bounds, Cost, Lane
from hsmgate.api.routes import ROUTES
from hsmgate.api.wire.certificates import (
    CertificateFields,
    CsrBody,
    ImportCertificateBody,
    SelfSignBody,
    SignCertificateBody,
)
from hsmgate.api.wire.changes import PasswordBody
from hsmgate.api.wire.keys import CreateKeyBody, KeyBody, RequestedAttributes
from hsmgate.api.wire.material import ImportBody
from hsmgate.api.wire.operations import SignBody, SignRequest
from hsmgate.api.wire.requests import FilterBody
from hsmgate.api.wire.wrapping import UnwrapBody, UnwrapKeyRequest
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import Keystore
from support.api import Api
from support.asgi_client import Response, send_pieces
from support.asgi_client import scope_of as asgi_scope

HOST, JSON = (b"host", b"localhost"), (b"content-type", b"application/json")


def bounds(at_once: int = 1, most_waiting: int = 8, most_of_one: int = 8, patience: float = 10) -> Bounds:
    return Bounds(at_once, most_waiting, most_of_one, patience)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_peers_alternate_and_each_keeps_its_order() -> None:
    async def run() -> list[str]:
        lane, served = Lane(bounds()), list[str]()

        async def work(peer: str, name: str) -> None:
            await lane.enter(peer)
            served.append(name)
            await asyncio.sleep(0)
            lane.leave()

        names = ["a0", "a1", "a2", "a3", "b1", "b2", "c1"]
        await asyncio.gather(*(work(name[0], name) for name in names))
        return served

    assert asyncio.run(run()) == ["a0", "a1", "b1", "c1", "a2", "b2", "a3"]


def test_so_many_at_once_and_no_turn_is_lost() -> None:
    async def run() -> int:
        lane, inside, most = Lane(bounds(at_once=2, most_waiting=50, most_of_one=50)), 0, 0

        async def work() -> None:
            nonlocal inside, most
            await lane.enter("a")
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1
            lane.leave()

        tasks = [asyncio.create_task(work()) for _ in range(40)]
        await settle()
        for task in tasks[5:25]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(1):  # both turns are there again
            await lane.enter("b")
            await lane.enter("b")
        return most

    assert asyncio.run(run()) == 2


def test_a_turn_that_came_as_its_owner_left_is_passed_on() -> None:
    async def run() -> None:
        lane = Lane(bounds())
        await lane.enter("a")
        waiting = [asyncio.create_task(lane.enter(peer)) for peer in ("a", "b")]
        await settle()
        lane.leave()  # the turn is the first one's now, who is cancelled before he can take it
        waiting[0].cancel()
        async with asyncio.timeout(1):
            await waiting[1]
        assert waiting[0].cancelled()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("limits", "peers"), [(bounds(most_waiting=2), ["b", "c"]), (bounds(most_of_one=2), ["a", "a"])]
)
def test_too_many_are_turned_away(limits: Bounds, peers: list[str]) -> None:
    async def run() -> None:
        lane = Lane(limits)
        await lane.enter("a")
        waiting = [asyncio.create_task(lane.enter(peer)) for peer in peers]
        await settle()
        with pytest.raises(Failure) as caught:
            await lane.enter("a")
        assert caught.value.reason is Reason.OVERLOADED
        waiting.pop().cancel()
        await settle()
        waiting.append(asyncio.create_task(lane.enter("a")))  # there is room again
        await settle()
        assert not waiting[-1].done()
        for _ in range(2):
            lane.leave()
        await asyncio.gather(*waiting)

    asyncio.run(run())


def test_nobody_waits_for_ever() -> None:
    async def run() -> None:
        lane = Lane(bounds(patience=0.02))
        await lane.enter("a")
        with pytest.raises(Failure, match="in time") as caught:
            await lane.enter("b")
        assert caught.value.reason is Reason.OVERLOADED
        lane.leave()
        await lane.enter("c")

    asyncio.run(run())


def creation(algorithm: str | None = None, oid: str | None = None, password: str | None = None) -> CreateKeyBody:
    return CreateKeyBody("a", RequestedAttributes(), password, algorithm=algorithm, algorithm_oid=oid)


def test_what_costs_what() -> None:
    assert lanes.of_creation(creation("RSA", password="p")) is Cost.PRIMES
    assert lanes.of_creation(creation(oid="1.2.840.113549.1.1.1")) is Cost.PRIMES
    assert lanes.of_creation(creation("EC", password="p")) is Cost.PASSWORD
    assert lanes.of_creation(creation("EC", oid="1.2.840.113549.1.1.1")) is Cost.QUICK
    assert lanes.of_creation(creation("no such type")) is Cost.QUICK
    assert lanes.of_key(KeyBody("a", ["p"])) is Cost.PASSWORD
    assert lanes.of_key(KeyBody("a", [])) is lanes.of_key(KeyBody("a", "")) is lanes.of_key(KeyBody("a")) is Cost.QUICK
    asked = SignRequest(payload="", sign_key_name="a", signature_algorithm="x")
    assert lanes.of_signature(SignBody(asked)) is Cost.QUICK
    assert lanes.of_signature(SignBody(SignRequest("", "a", "x", key_password="p"))) is Cost.PASSWORD


ABOUT = {"signKeyName": "", "signatureAlgorithm": "", "certificateSigningRequest": ""}


@pytest.mark.parametrize(
    ("path", "body", "costs"),
    [
        (
            "/v1/encrypt",
            {"encryptRequest": {"payload": "", "encryptKeyName": "", "cipherAlgorithm": ""}},
            ["keyPassword"],
        ),
        (
            "/v1/synchronousDecrypt",
            {"decryptRequest": {"encryptedPayload": "", "decryptKeyName": "", "cipherAlgorithm": ""}},
            ["keyPassword"],
        ),
        ("/v1/synchronousHmac", {"hmacRequest": {"keyName": "", "payload": ""}}, ["keyPassword"]),
        ("/v1/verify", {"verifyHmacRequest": {"keyName": "", "payload": "", "signature": ""}}, ["keyPassword"]),
        (
            "/v1/wrap",
            {"wrapKeyRequest": {"keyToBeWrapped": "", "wrapKeyName": "", "wrapMethod": ""}},
            ["keyToBeWrappedPassword", "wrapKeyPassword"],
        ),
        (
            "/v1/synchronousUnwrap",
            {
                "unwrapKeyRequest": {
                    "wrappedKey": "",
                    "label": "",
                    "attributes": {},
                    "unwrapKeyName": "",
                    "wrapMethod": "AES_WRAP_EC",
                }
            },
            ["password", "unwrapKeyPassword"],
        ),
        ("/v1/synchronousBlock", {"blockRequest": {"blockKeyName": ""}}, ["keyPassword"]),
        ("/v1/synchronousUnblock", {"unblockRequest": {"unblockKeyName": ""}}, ["keyPassword"]),
        ("/v1/synchronousModify", {"modifyRequest": {"modifyKeyName": "", "policy": {}}}, ["keyPassword"]),
        ("/v1/certificate/request", {"csrSignRequest": ABOUT}, ["keyPassword"]),
        ("/v1/certificate/selfsign", {"selfSignCertificateRequest": ABOUT}, ["keyPassword"]),
        ("/v1/certificate/sign", {"signCertificateRequest": ABOUT}, ["keyPassword"]),
    ],
)
def test_a_password_anywhere_takes_its_turn(path: str, body: dict[str, dict[str, object]], costs: list[str]) -> None:
    (route,) = [route for route in ROUTES if route.path == path]
    assert route.body is not None

    def cost(**more: object) -> Cost:
        ((name, inner),) = body.items()
        return route.cost(msgspec.json.decode(msgspec.json.encode({name: inner | more}), type=route.body))

    assert cost() is Cost.QUICK
    for name in costs:
        assert cost(**{name: "secret"}) is cost(**{name: ["s"]}) is Cost.PASSWORD
        assert cost(**{name: []}) is Cost.QUICK


@pytest.mark.parametrize("body", [CsrBody, SelfSignBody, SignCertificateBody])
def test_a_password_of_a_certificate_takes_its_turn(body: type[CertificateFields]) -> None:
    for password, cost in ((None, Cost.QUICK), ([], Cost.QUICK), (["s"], Cost.PASSWORD), ("s", Cost.PASSWORD)):
        assert lanes.of_certificate(msgspec.convert(ABOUT | {"keyPassword": password}, body)) is cost


def test_keys_whose_primes_are_proven_take_their_turn() -> None:
    for algorithm, expected in (("RSA", Cost.PRIMES), ("DSA", Cost.PRIMES), ("EC", Cost.QUICK), ("AES", Cost.QUICK)):
        assert lanes.of_import(ImportBody("a", algorithm)) is expected
    assert lanes.of_import(ImportBody("a", "AES", "secret")) is Cost.PASSWORD
    for method, expected in (
        ("AES_WRAP_RSA", Cost.PRIMES),
        ("AES_WRAP_PAD_DSA", Cost.PRIMES),
        ("AES_WRAP", Cost.QUICK),
    ):
        asked = UnwrapKeyRequest("", "a", RequestedAttributes(), "b", method)
        assert lanes.of_unwrapping(UnwrapBody(asked)) is expected
    assert lanes.of_change(PasswordBody("a", new_password="x")) is Cost.PASSWORD


def test_a_body_with_a_key_password_has_its_cost() -> None:
    without = {None, FilterBody, ImportCertificateBody}
    for route in ROUTES:  # all other bodies may hold one
        assert (route.cost is not lanes.quick) == (route.body not in without), route.action


def test_workers_are_left_for_what_is_quick() -> None:
    assert sum(lane.at_once for lane in LANES.values()) < app.THREADS


class Slow:
    """A keystore that searches for primes until the test lets it find some."""

    def __init__(self) -> None:
        self.busy, self.go = Event(), Event()

    def create(self, *_: object) -> Any:
        self.busy.set()
        self.go.wait(10)
        raise Failure(Reason.KEYSTORE, "none found")

    def labels(self) -> list[str]:
        return []


RSA = b'{"label":"r","algorithm":"RSA","keySize":8192,"attributes":{"sign":true}}'


def post(api: Api) -> Coroutine[Any, Any, Response]:
    headers = [HOST, JSON, (b"content-length", str(len(RSA)).encode())]
    message = {"type": "http.request", "body": RSA, "more_body": False}
    return send_pieces(api.app, asgi_scope("POST", "/v1/key", headers), [message])


def test_quick_requests_pass_while_primes_are_searched_for() -> None:
    slow = Slow()

    async def run(api: Api) -> list[int]:
        creating = [asyncio.create_task(post(api)) for _ in range(4)]
        await asyncio.to_thread(slow.busy.wait, 10)
        async with asyncio.timeout(5):
            quick = await send_pieces(api.app, asgi_scope("GET", "/v1/key", [HOST]), [])
        assert not any(task.done() for task in creating)
        slow.go.set()
        return [quick.status, *(response.status for response in await asyncio.gather(*creating))]

    with ThreadPoolExecutor(2) as pool:
        try:
            assert asyncio.run(run(Api(cast("Keystore", slow), pool))) == [200, 500, 500, 500, 500]
        finally:
            slow.go.set()


def test_who_waited_is_judged_again_and_who_waits_in_vain_is_in_the_trail() -> None:
    slow = Slow()

    async def run(api: Api) -> list[int]:
        first = asyncio.create_task(post(api))
        await asyncio.to_thread(slow.busy.wait, 10)
        second = asyncio.create_task(post(api))
        await asyncio.sleep(0.03)
        third = await post(api)
        api.refusal = Failure(Reason.REVOKED, "revoked")
        slow.go.set()
        return [third.status, (await first).status, (await second).status]

    with ThreadPoolExecutor(2) as pool:
        api = Api(cast("Keystore", slow), pool, judged_for=0.01, lanes={Cost.PRIMES: bounds(most_waiting=1)})
        try:
            assert asyncio.run(run(api)) == [503, 500, 403]
        finally:
            slow.go.set()
    assert api.audit.brief() == [
        ("intent", "POST /v1/key", ""),
        ("event", "POST /v1/key", "OVERLOADED"),
        ("outcome", "POST /v1/key", "KEYSTORE"),
        ("event", "POST /v1/key", "REVOKED"),
    ]
