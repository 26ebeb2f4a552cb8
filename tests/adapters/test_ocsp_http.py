"""Asking over HTTP: what goes out, where it may go, and what becomes of odd connections."""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from hsmgate.adapters.ocsp_http import Responders
from hsmgate.adapters.resolver import Resolver
from hsmgate.errors import Failure, Reason
from hsmgate.pki.ocsp import MAX_RESPONSE
from support.responder import Query, Reply, Responder, after, http

T = TypeVar("T")
Job = Callable[[Responders], Awaitable[T]]


def with_pool(job: Job[T], allowed: tuple[str, ...] = (), resolver: Resolver | None = None) -> T:
    async def run() -> T:
        pool = Responders(allowed, resolver)
        try:
            return await job(pool)
        finally:
            await pool.close()

    return asyncio.run(run())


async def outcome(pool: Responders, url: str, timeout: float = 2.0) -> bytes | Reason:  # noqa: ASYNC109
    try:
        return await pool.ask(url, b"request", timeout)
    except Failure as failure:
        return failure.reason


def ask(url: str, timeout: float = 2.0, **given: Any) -> bytes | Reason:
    return with_pool(lambda pool: outcome(pool, url, timeout), **given)


def echo(query: Query) -> Reply:
    return http(b"answer to " + query.body, headers=["Set-Cookie: a=b; Path=/", "Set-Cookie: c=d"])


# what goes out
def test_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1/")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1/")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:1/")
    with Responder(echo) as responder:

        async def twice(pool: Responders) -> list[bytes | Reason]:
            return [await outcome(pool, f"{responder.url}/a%2Fb/?q=%20x") for _ in range(2)]

        assert with_pool(twice) == [b"answer to request"] * 2
        assert responder.connections == 1
    for query in responder.queries:
        assert query.line == "POST /a%2Fb/?q=%20x HTTP/1.1"
        assert query.headers == {
            "host": f"127.0.0.1:{responder.port}",
            "content-type": "application/ocsp-request",
            "accept": "application/ocsp-response",
            "user-agent": "hsmgate",
            "content-length": "7",
        }


def test_redirects_are_not_followed() -> None:
    with Responder(lambda _query: http(b"", "302 Found", headers=[f"Location: {target.url}/"])) as responder, target:
        assert ask(responder.url) is Reason.OCSP_HTTP
    assert target.connections == 0
    assert len(responder.queries) == 1


target = Responder(echo)


# how long
def test_one_deadline_covers_everything() -> None:
    with Responder(lambda _query: after(5, http(b"late"))) as responder:
        start = time.monotonic()
        assert ask(responder.url, 0.2) is Reason.OCSP_NO_ANSWER
        assert time.monotonic() - start < 1.0


def test_a_name_that_is_looked_up_for_ever() -> None:
    over = threading.Event()

    def look_up(*_arguments: object, **_more: object) -> list[tuple[Any, ...]]:
        over.wait(20)
        raise OSError

    try:
        resolver = Resolver(look_up)

        async def many(pool: Responders) -> list[bytes | Reason]:
            return list(await asyncio.gather(*(outcome(pool, "http://slow.example/", 0.2) for _ in range(50))))

        assert with_pool(many, resolver=resolver) == [Reason.OCSP_NO_ANSWER] * 50
        assert len(resolver._threads._threads) == 1  # one look-up for all of them
    finally:
        over.set()


# connections
def test_a_pooled_connection_that_was_closed_is_replaced_once() -> None:
    said: list[Reply] = [http(b"first"), Reply([], "close"), http(b"second")]
    with Responder(lambda _query: said.pop(0)) as responder:

        async def twice(pool: Responders) -> list[bytes | Reason]:
            return [await outcome(pool, responder.url) for _ in range(2)]

        assert with_pool(twice) == [b"first", b"second"]
        assert (responder.connections, len(responder.queries)) == (2, 3)


def test_a_new_connection_that_is_closed_is_no_answer() -> None:
    with Responder(lambda _query: Reply([], "close")) as responder:
        assert ask(responder.url) is Reason.OCSP_NO_ANSWER
        assert len(responder.queries) == 1


def test_what_is_behind_an_answer_is_not_the_next_answer() -> None:
    """A responder that says more than it was asked must not answer the next question beforehand."""
    both = b"".join(http(b"first").pieces) + b"".join(http(b"planted").pieces)
    said = [Reply([both]), http(b"second")]
    with Responder(lambda _query: said.pop(0)) as responder:

        async def twice(pool: Responders) -> list[bytes | Reason]:
            return [await outcome(pool, responder.url) for _ in range(2)]

        assert b"planted" not in with_pool(twice)


@pytest.mark.parametrize(
    ("size", "expected"), [(MAX_RESPONSE, b"x" * MAX_RESPONSE), (MAX_RESPONSE + 1, Reason.OCSP_HTTP)]
)
def test_the_largest_answer_and_one_octet_more(size: int, expected: bytes | Reason) -> None:
    with Responder(lambda _query: http(b"x" * size)) as responder:
        assert ask(responder.url) == expected


def test_a_5xx_tells_that_somebody_answers() -> None:
    with Responder(lambda _query: http(b"", "503 Busy")) as responder:

        async def evidence(pool: Responders) -> object:
            with pytest.raises(Failure) as caught:
                await pool.ask(responder.url, b"", 2.0)
            return caught.value.evidence

        assert with_pool(evidence) == 503


def test_a_pool_can_be_used_after_it_was_closed() -> None:
    with Responder(echo) as responder:

        async def twice(pool: Responders) -> bytes | Reason:
            await outcome(pool, responder.url)
            await pool.close()
            return await outcome(pool, responder.url)

        assert with_pool(twice) == b"answer to request"


def test_many_at_once() -> None:
    with Responder(echo) as responder:

        async def many(pool: Responders) -> set[bytes | Reason]:
            return set(await asyncio.gather(*(outcome(pool, responder.url, 10.0) for _ in range(100))))

        assert with_pool(many) == {b"answer to request"}


# where to
class Names:
    """A resolver's look-up that gives each look-up the next of its answers."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, **_more: object) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in answer
        ]


def test_a_name_is_resolved_once_and_its_address_checked() -> None:
    """No address of the second look-up is used: there is none."""
    with Responder(echo) as responder:
        names = Names(["127.0.0.1"], ["169.254.169.254"])
        url = f"http://name.example:{responder.port}/"
        assert ask(url, resolver=Resolver(names)) == b"answer to request"
        assert names.asked == ["name.example"]


@pytest.mark.parametrize(
    "addresses",
    [
        ["169.254.169.254"],
        ["::ffff:169.254.169.254"],
        ["fe80::1"],
        ["0.0.0.0"],
        ["::"],
        ["224.0.0.1"],
        ["64:ff9b::a9fe:a9fe"],
        ["100.100.100.200"],
        ["169.254.169.254", "fe80::1"],
    ],
)
def test_a_name_with_forbidden_addresses(addresses: list[str]) -> None:
    with Responder(echo) as responder:  # on 127.0.0.1, which 0.0.0.0 and :: would reach
        url = f"http://name.example:{responder.port}/"
        assert ask(url, resolver=Resolver(Names(addresses))) is Reason.OCSP_ADDRESS
        assert responder.connections == 0


def test_a_name_that_changes_between_look_ups() -> None:
    with Responder(echo) as responder:
        names = Names(["127.0.0.1"], ["0.0.0.0"], ["127.0.0.1"])
        url = f"http://name.example:{responder.port}/"

        async def thrice(pool: Responders) -> list[bytes | Reason]:
            found = []
            for _ in range(3):
                found.append(await outcome(pool, url))
                await pool.close()
                pool._resolver = resolver
            return found

        resolver = Unclosed(names)
        assert with_pool(thrice, resolver=resolver) == [
            b"answer to request",
            Reason.OCSP_ADDRESS,
            b"answer to request",
        ]
        assert responder.connections == 2


class Unclosed(Resolver):
    """Goes on after its pool was closed."""

    async def close(self) -> None:
        return


@pytest.mark.parametrize("literal", ["0.0.0.0", "[::]", "0", "0x0", "00.00.00.00", "[::ffff:0.0.0.0]", "0.0.0.0."])
def test_literals_that_reach_this_host_by_the_back_door(literal: str) -> None:
    """All of these connect to a listener on loopback, if one tries."""
    with Responder(echo) as responder:
        assert ask(f"http://{literal}:{responder.port}/") is Reason.OCSP_ADDRESS
        assert responder.connections == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_loopback_is_allowed(address: str) -> None:
    with Responder(echo, address) as responder:
        host = f"[{address}]" if ":" in address else address
        assert ask(f"http://{host}:{responder.port}/") == b"answer to request"


def test_hosts_that_are_not_allowed_get_no_packet() -> None:
    with Responder(echo) as responder:
        assert ask(responder.url, allowed=("ocsp.example",)) is Reason.OCSP_ADDRESS
        assert ask(responder.url, allowed=("ocsp.example", "127.0.0.1")) == b"answer to request"
        assert responder.connections == 1


def test_no_such_name() -> None:
    assert ask("http://responder.invalid/") is Reason.OCSP_NO_ANSWER


# certificates of issuers
def test_fetch_gets_over_http_only() -> None:
    with Responder(lambda _query: http(b"certificate", kind="application/pkix-cert")) as responder:

        async def fetch(pool: Responders) -> bytes:
            with pytest.raises(Failure, match="not https"):
                await pool.fetch("https://127.0.0.1/", 2.0)
            return await pool.fetch(f"{responder.url}/issuer.cer", 2.0)

        assert with_pool(fetch) == b"certificate"
        assert [query.line for query in responder.queries] == ["GET /issuer.cer HTTP/1.1"]
        assert "accept-encoding" not in responder.queries[0].headers


@pytest.mark.parametrize("status", ["301 Moved", "404 Not Found", "500 Oops"])
def test_fetch_refuses_what_is_not_there(status: str) -> None:
    with Responder(lambda _query: http(b"certificate", status, headers=["Location: /x"])) as responder:

        async def fetch(pool: Responders) -> None:
            with pytest.raises(Failure, match="HTTP"):
                await pool.fetch(responder.url, 2.0)

        with_pool(fetch)
        assert len(responder.queries) == 1
