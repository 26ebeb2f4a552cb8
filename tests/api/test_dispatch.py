"""api/dispatch.py: the order of a request, what is audited when, and the headers of answers."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, cast

import pytest

from hsmgate.api.asgi import Message
from hsmgate.api.dispatch import connected_peer, request_ids
from hsmgate.errors import Failure, Reason
from hsmgate.gate.site import SiteRules
from hsmgate.usecases.ports import Keystore
from support.api import PEER, Api, error
from support.asgi_client import HOST, JSON, Headers, Response, scope_of, send_pieces

KEY = {"label": "dispatched", "algorithm": "EC", "curveOid": "1.2.840.10045.3.1.7", "attributes": {"sign": True}}


def ensure(api: Api) -> None:
    if "dispatched" not in api.ports.keystore.labels():
        assert api.call("POST", "/v1/key", KEY).status == 201
    api.audit.lines.clear()
    api.admitted.clear()


def pieces(api: Api, headers: Headers, *messages: Message, path: str = "/v1/key/attributes") -> Response:
    return asyncio.run(send_pieces(api.app, scope_of("POST", path, headers), messages))


def chunk(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def test_the_headers_of_an_answer(api: Api) -> None:
    response = api.call("GET", "/v1/versionInfo")
    assert response.json == {"Version": "2.2.0"}
    assert dict(response.headers) == {
        b"content-type": b"application/json",
        b"cache-control": b"no-store",
        b"x-content-type-options": b"nosniff",
        b"content-length": b"19",
        b"x-request-id": b"generated-id",
    }


def test_licence_and_health(api: Api) -> None:
    assert api.call("GET", "/v1/licenseInfo").json == {"clientFlags": ["REST_API", "KEY_AUTH"]}
    response = api.call("GET", "/actuator/health")
    assert (response.status, response.json) == (200, {"status": "UP"})


def test_only_health_is_anonymous_and_unaudited(api: Api) -> None:
    api.call("GET", "/actuator/health")
    api.call("GET", "/v1/key")
    assert api.admitted == [True, False]
    assert api.audit.brief() == [("event", "GET /v1/key", "ok")]


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ([b"abc-DEF_1.2"], "abc-DEF_1.2"),
        ([b"x" * 64], "x" * 64),
        ([b"x" * 65], "generated-id"),
        ([b""], "generated-id"),
        ([b"a b"], "generated-id"),
        ([b"a\nb"], "generated-id"),
        ([b"\xc3\xa4"], "generated-id"),
        ([b"a", b"b"], "generated-id"),
        ([], "generated-id"),
    ],
)
def test_the_request_id_goes_everywhere(api: Api, given: list[bytes], used: str) -> None:
    headers = [HOST, JSON, *((b"x-request-id", value) for value in given)]
    response = api.call("POST", "/v1/key/attributes", {"label": "nobody"}, headers)
    assert response.status == 404
    assert response.header("x-request-id") == used
    assert {line.request_id for line in api.audit.lines} == {used}
    assert [fields["requestId"] for _, _, fields in api.log.lines] == [used]


def test_made_up_ids_are_new_each_time() -> None:
    one, other = request_ids(), request_ids()
    assert len({one(), one(), other(), other()}) == 4


def test_intent_then_outcome_with_the_peer(api: Api) -> None:
    ensure(api)
    assert api.call("POST", "/v1/key/attributes", {"label": "dispatched"}).status == 200
    assert api.audit.brief() == [
        ("intent", "POST /v1/key/attributes", ""),
        ("outcome", "POST /v1/key/attributes", "ok"),
    ]
    assert {line.peer for line in api.audit.lines} == {PEER.fingerprint}
    assert [line.detail for line in api.audit.lines] == [{"key": "dispatched"}] * 2


def test_a_failed_use_case_leaves_its_reason(api: Api) -> None:
    api.call("DELETE", "/v1/key/nobody")
    assert api.audit.brief() == [
        ("intent", "DELETE /v1/key/{keyName}", ""),
        ("outcome", "DELETE /v1/key/{keyName}", "KEY_NOT_FOUND"),
    ]


def test_a_wrong_body_leaves_one_line(api: Api) -> None:
    api.call("POST", "/v1/key", {"label": 5})
    api.call("POST", "/v1/key", KEY | {"password": ["ab"]})
    assert api.audit.brief() == [("event", "POST /v1/key", "INVALID_INPUT")] * 2


def test_without_intent_the_key_is_not_touched(api: Api) -> None:
    ensure(api)
    api.audit.broken = {"intent"}
    body = KEY | {"label": "never-made"}
    response = api.call("POST", "/v1/key", body)
    assert response.status == 503
    assert response.json == error(2, "connectivity", "The audit log cannot be written, so nothing is done.")
    assert response.header("retry-after") == "2"
    assert "never-made" not in api.ports.keystore.labels()


def test_without_outcome_there_is_no_answer(api: Api) -> None:
    ensure(api)
    api.audit.broken = {"outcome"}
    response = api.call("POST", "/v1/key/attributes", {"label": "dispatched"})
    assert (response.status, response.json["errorCode"]) == (503, 2)
    assert [line.phase for line in api.audit.lines] == ["intent"]
    assert (api.call("DELETE", "/v1/key/nobody").status) == 503


def test_without_audit_nothing_is_read_either(api: Api) -> None:
    api.audit.broken = {"event"}
    assert api.call("GET", "/v1/key").status == 503
    assert api.call("GET", "/actuator/health").status == 200
    api.refusal = Failure(Reason.UNTRUSTED)
    assert api.call("GET", "/v1/key").status == 503


def test_a_refused_peer_leaves_a_line_and_loses_its_connection(api: Api) -> None:
    api.refusal = Failure(Reason.EXPIRED, "CN=client: expired")
    response = api.call("GET", "/v1/key")
    assert response.status == 403
    assert response.json == error(400, "security.not.allowed", "CN=client: expired")
    assert response.header("connection") == "close"
    assert api.audit.brief() == [("event", "GET /v1/key", "EXPIRED")]
    assert [fields["peer"] for _, _, fields in api.log.lines] == [PEER.fingerprint]


def test_a_missing_certificate_is_401_and_keeps_the_connection(api: Api) -> None:
    api.refusal = Failure(Reason.NO_CERTIFICATE, "a client certificate is needed")
    response = api.call("GET", "/v1/key")
    assert (response.status, response.json["errorCode"]) == (401, 400)
    assert response.header("connection") is None


@pytest.mark.parametrize("reason", [Reason.CONNECTIVITY, Reason.OVERLOADED, Reason.OCSP_NO_ANSWER])
def test_no_verdict_says_when_to_come_back(api: Api, reason: Reason) -> None:
    api.refusal = Failure(reason, "10.0.0.1 did not answer")
    response = api.call("GET", "/v1/key")
    assert (response.status, response.json["errorCode"]) == (503, 2)
    assert response.header("retry-after") == "2"
    assert b"10.0.0.1" not in response.body


def test_the_order_of_refusals(api: Api) -> None:
    """Each request is wrong in all that follows too: only the first wrong thing is answered."""
    api.refusal = Failure(Reason.UNTRUSTED)
    foreign, text = (b"host", b"evil.example"), (b"content-type", b"text/plain")
    assert api.call("POST", "/v1/nothing", headers=[foreign, text], raw=b"{").status == 403
    assert api.call("PUT", "/v1/key", headers=[foreign, text], raw=b"{").status == 403
    api.refusal = None
    assert api.call("POST", "/v1/nothing", headers=[foreign, text], raw=b"{").status == 404
    assert api.call("PUT", "/v1/key", headers=[foreign, text], raw=b"{").status == 405
    api.refusal = Failure(Reason.UNTRUSTED)
    api.admitted.clear()
    assert api.call("POST", "/v1/key", headers=[foreign, text], raw=b"{").json["errorCode"] == 400
    assert api.admitted == []
    refused = api.call("POST", "/v1/key", headers=[HOST, text], raw=b"{")
    assert (refused.status, refused.reads) == (403, 0)
    api.refusal = None
    unread = api.call("POST", "/v1/key", headers=[HOST, text], raw=b"{" * 300_000)
    assert (unread.status, unread.reads) == (415, 0)
    large = api.call("POST", "/v1/key", raw=b"{" * 300_000)
    assert (large.status, large.reads) == (413, 0)
    assert api.call("POST", "/v1/key", raw=b"{").json["errorCode"] == 621


def test_a_wrong_method_names_the_right_ones(api: Api) -> None:
    response = api.call("HEAD", "/v1/key")
    assert response.status == 405
    assert response.header("allow") == "GET, POST"
    assert response.json["reason"] == "res.error.operation.unreachable"


def test_an_unknown_path(api: Api) -> None:
    response = api.call("GET", "/v1/nothing")
    assert response.status == 404
    assert response.json == error(102, "operation.unreachable", "There is no such path.")


def test_a_refused_peer_leaves_a_line_whatever_it_asked_for(api: Api) -> None:
    api.refusal = Failure(Reason.REVOKED, "revoked")
    assert api.call("GET", "/v1/nothing").status == 403
    assert api.call("PUT", "/v1/key").status == 403
    assert api.audit.brief() == [("event", "unknown path", "REVOKED")] * 2
    assert {line.peer for line in api.audit.lines} == {PEER.fingerprint}


def test_the_attestation_key_may_be_made_so_an_intent_comes_first(api: Api) -> None:
    api.audit.broken = {"intent"}
    assert api.call("GET", f"/v1/attestation/{api.ports.keystore.attestation_key_name()}").status == 503
    assert api.audit.brief() == [("event", "GET /v1/attestation/{keyName}", "AUDIT_UNAVAILABLE")]


def test_a_query_changes_nothing(api: Api) -> None:
    assert api.call("GET", "/v1/versionInfo?x=/../y").status == 200


def test_a_client_that_leaves_is_not_served(api: Api) -> None:
    ensure(api)
    body = b'{"label":"dispatched"}'
    headers = [HOST, JSON, (b"content-length", str(len(body)).encode())]
    response = pieces(api, headers, chunk(body, more=True), {"type": "http.disconnect"})
    assert (response.status, response.body) == (0, b"")
    assert api.audit.lines == []


def test_a_slow_body_is_judged_again(keystore: Keystore, executor: ThreadPoolExecutor) -> None:
    api = Api(keystore, executor, judged_for=0.01)
    body = b'{"label":"never-made-slowly","algorithm":"ED","attributes":{"sign":true}}'
    headers = [HOST, JSON, (b"content-length", str(len(body)).encode())]

    async def run(*, revoked: bool) -> list[int]:
        sent: list[int] = []

        async def receive() -> Message:
            await asyncio.sleep(0.03)
            api.refusal = Failure(Reason.REVOKED, "revoked") if revoked else None
            return chunk(body)

        async def send(message: Message) -> None:
            sent.append(message.get("status", 0))

        await api.app(scope_of("POST", "/v1/key", headers), receive, send)
        return sent

    assert asyncio.run(run(revoked=True)) == [403, 0]
    assert api.admitted == [False, False]
    assert api.audit.brief() == [("event", "POST /v1/key", "REVOKED")]
    assert "never-made-slowly" not in keystore.labels()
    api.refusal = None
    assert asyncio.run(run(revoked=False)) == [201, 0]


def test_the_names_of_the_service_may_change(api: Api) -> None:
    headers = [(b"host", b"new.example.com")]
    assert api.call("GET", "/v1/key", headers=headers).status == 403
    api.app.rules = SiteRules(frozenset({"new.example.com"}))
    assert api.call("GET", "/v1/key", headers=headers).status == 200


def test_a_bug_tells_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[str]:
        raise RuntimeError("the PIN is 1234")

    monkeypatch.setattr(api.ports.keystore, "labels", broken)
    response = api.call("GET", "/v1/key")
    assert response.status == 500
    assert response.json == error(1, "technical", "An internal error occurred.")
    assert api.audit.brief() == [("event", "GET /v1/key", "INTERNAL")]
    [(level, event, fields)] = api.log.lines
    assert (level, event) == ("error", "request.failed")
    assert isinstance(fields["exc_info"], RuntimeError)


def test_a_panic_of_a_library_is_a_bug_like_any_other(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    class Panic(BaseException):
        """As Rust libraries raise it."""

    def broken(*_: object) -> None:
        raise Panic

    monkeypatch.setattr(api.ports.keystore, "find", broken)
    response = api.call("DELETE", "/v1/key/a")
    assert response.json == error(1, "technical", "An internal error occurred.")
    assert api.audit.brief()[1:] == [("outcome", "DELETE /v1/key/{keyName}", "INTERNAL")]


def test_an_admission_that_breaks_lets_nobody_in(api: Api) -> None:
    api.refusal = ValueError("bug")  # type: ignore[assignment]
    assert api.call("GET", "/v1/key").status == 500
    assert api.audit.lines == []


@pytest.mark.parametrize("reason", [Reason.CONNECTIVITY, Reason.INTEGRITY, Reason.KEYSTORE])
def test_failures_of_the_store_are_told_without_detail(
    api: Api, monkeypatch: pytest.MonkeyPatch, reason: Reason
) -> None:
    def broken(*_: Any) -> None:
        raise Failure(reason, "/srv/hsmgate.db: no space")

    monkeypatch.setattr(api.ports.keystore, "ping", broken)
    response = api.call("GET", "/actuator/health")
    assert response.status in (500, 503)
    assert b"/srv" not in response.body
    assert "/srv" in api.log.lines[0][2]["detail"]


def test_too_many_waiting_requests_are_turned_away() -> None:
    busy, go = Event(), Event()

    def block() -> list[str]:
        busy.set()
        go.wait(10)
        return []

    async def race(api: Api) -> list[int]:
        def get() -> Any:
            return send_pieces(api.app, scope_of("GET", "/v1/key", [HOST]), [])

        first = asyncio.create_task(get())
        await asyncio.to_thread(busy.wait, 10)
        second = await get()
        go.set()
        third = await first
        fourth = await get()
        return [second.status, third.status, fourth.status]

    with ThreadPoolExecutor(1) as pool:
        api = Api(cast("Keystore", Blocking(block)), pool, most_waiting=1)
        assert asyncio.run(race(api)) == [503, 200, 200]


class Blocking:
    """A keystore whose list takes as long as the test wants."""

    def __init__(self, labels: Callable[[], list[str]]) -> None:
        self.labels = labels


def test_lifespan_and_websocket(api: Api) -> None:
    async def run(kind: str, *received: str) -> list[Message]:
        waiting = iter([{"type": name} for name in received])
        sent: list[Message] = []

        async def receive() -> Message:
            return next(waiting)

        async def send(message: Message) -> None:
            sent.append(message)

        await api.app({"type": kind}, receive, send)
        return sent

    assert asyncio.run(run("lifespan", "lifespan.startup", "lifespan.shutdown")) == [
        {"type": "lifespan.startup.complete"},
        {"type": "lifespan.shutdown.complete"},
    ]
    assert asyncio.run(run("websocket", "websocket.connect")) == [{"type": "websocket.close", "code": 1008}]


def test_the_connected_peer_is_the_tls_layers() -> None:
    class Connection:
        peer = PEER

    assert connected_peer({"state": {"connection": Connection()}}) is PEER
    assert connected_peer({"state": {}}) is None
    assert connected_peer({}) is None
