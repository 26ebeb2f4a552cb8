"""Revocation at the real gate over time: open connections, many at once, outages, and where packets go."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hsmgate.adapters.resolver import Resolver
from hsmgate.errors import Failure, Reason
from hsmgate.gate import issuers as issuers_module
from hsmgate.gate.issuers import Issuers
from hsmgate.gate.refusal import WHAT_TO_DO
from hsmgate.gate.revocation import OcspSettings
from hsmgate.pki import path as paths
from hsmgate.pki import trust as trusts
from hsmgate.usecases.revocation import Settings
from support import certs
from support.certomancer_responder import CertomancerResponder
from support.certs import Made
from support.ocsp_answers import aia
from support.ocsp_gate import Client, Lane, Memory, OcspGate
from support.ocsp_rows.row import Scene, a_client, reply, who
from support.responder import Query, Reply, Responder, after

TIMEOUT = 1.0
NOISE = 1.0  # seconds that a busy machine may take longer


@pytest.fixture(scope="module")
def gate() -> Iterator[OcspGate]:
    with OcspGate([who("ca"), who("root")]) as opened:
        yield opened


class Stage:
    """One client, its responder, and the gate's settings for it."""

    def __init__(self, gate: OcspGate, responder: Responder, client: Made) -> None:
        self.gate, self.responder, self.client = gate, responder, client
        self.status = "good"
        self.delay = 0.0
        responder.script = self.script
        self.memory = Memory()
        self.lane: Lane

    def script(self, query: Query) -> Reply:
        scene = Scene(self.responder.url, self.client, who("ca"), query)
        said = reply(scene.answer(scene.single(status=self.status)))
        return after(self.delay, said) if self.delay else said

    def open(self, freshness: float | None = None, allow: bool = False, timeout: float = TIMEOUT) -> None:
        """Also again, as after a restart: only the memory stays."""
        settings = Settings(freshness=freshness, timeout=timeout, allow_no_answer=allow)
        self.lane = self.gate.lane("/", OcspSettings(timeout=timeout), settings, self.memory)

    def connect(self) -> Client:
        return self.gate.client(self.client)


@pytest.fixture
def stage(gate: OcspGate) -> Iterator[Stage]:
    with Responder(lambda _query: Reply([])) as responder:
        opened = Stage(gate, responder, a_client(responder.url, who("ca")))
        opened.open()
        yield opened
        gate.close_lane("/")


def status(client: Client) -> int:
    return client.get("/").status


# independent responder
@pytest.mark.parametrize(
    ("label", "cert_id", "expected"),
    [
        ("good", "sha1", None),
        ("good", "sha256", None),
        ("revoked", "sha1", Reason.REVOKED),
        ("revoked", "sha256", Reason.REVOKED),
    ],
)
def test_certomancer(tmp_path: Path, label: str, cert_id: str, expected: Reason | None) -> None:
    with CertomancerResponder(tmp_path) as lab, OcspGate([lab.made("root")]) as gate:
        gate.lane("/", OcspSettings(cert_id=cert_id))
        with gate.client(lab.made(label)) as client:
            seen = client.get("/")
        assert seen.reason == (expected.name if expected else None), seen.detail
        assert seen.status == (403 if expected else 200)


def test_certomancer_does_not_know_what_it_never_issued(tmp_path: Path) -> None:
    with CertomancerResponder(tmp_path) as lab, OcspGate([lab.made("root")]) as gate:
        gate.lane("/", OcspSettings())
        root = lab.made("root")
        names = aia(f"{lab.url}/lab/ocsp/root")
        forgotten = certs.make(
            "forgotten", root, [certs.constraints(ca=False), certs.purposes(certs.CLIENT_AUTH), names]
        )
        with gate.client(forgotten) as client:
            seen = client.get("/")
        assert (seen.status, seen.reason) == (403, "STATUS_UNKNOWN"), seen.detail


# every request
def test_revoked_on_an_open_connection(stage: Stage) -> None:
    with stage.connect() as client:
        assert [status(client) for _ in range(3)] == [200, 200, 200]
        stage.status = "revoked"
        seen = client.get("/")
        assert (seen.status, seen.reason, seen.closed) == (403, "REVOKED", True)
    assert len(stage.responder.queries) == 4


def test_the_refusal_says_who_why_and_what_to_do(stage: Stage) -> None:
    stage.status = "revoked"
    with stage.connect() as client:
        detail = client.get("/").detail
    for part in ("CN=row client", stage.client.sha256, "revoked since", WHAT_TO_DO[Reason.REVOKED]):
        assert part in detail
    assert "\n" not in detail


def test_every_reason_over_revocation_has_its_advice() -> None:
    told = {reason for reason in Reason if reason.name.startswith("OCSP_")} | {Reason.REVOKED, Reason.STATUS_UNKNOWN}
    assert set(WHAT_TO_DO) | {Reason.OCSP_NO_ISSUER} == told


def test_revoked_while_a_query_is_in_flight(stage: Stage) -> None:
    """The first query's answer was good when it was given; who arrives afterwards is not judged on it."""
    stage.delay = 0.4
    answers: list[int] = []
    with stage.connect() as first, stage.connect() as second:
        thread = threading.Thread(target=lambda: answers.append(status(first)))
        thread.start()
        time.sleep(0.2)
        stage.status = "revoked"
        assert second.get("/").reason == "REVOKED"
        thread.join(10)
    assert answers == [200]


def test_pipelined_requests_are_judged_one_by_one(stage: Stage) -> None:
    def script(query: Query) -> Reply:
        said = Stage.script(stage, query)
        stage.status = "revoked"  # from the second on
        return said

    stage.responder.script = script
    with stage.connect() as client:
        raw = client._connection.sock
        raw.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
        received = b""
        while piece := raw.recv(65_536):
            received += piece
    assert received.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 403" in received
    assert received.count(b"HTTP/1.1") == 2  # the connection ends with the refusal
    assert len(stage.responder.queries) == 2


def test_revoked_in_bounded_mode_is_refused_within_the_bound(stage: Stage) -> None:
    stage.gate.close_lane("/")
    stage.open(freshness=1.0)
    with stage.connect() as client:
        assert status(client) == 200
        stage.status, start = "revoked", time.monotonic()
        while (seen := client.get("/")).status == 200:
            assert time.monotonic() - start < 1.0 + NOISE
            time.sleep(0.01)
        assert seen.reason == "REVOKED"
    assert len(stage.responder.queries) <= 4


@pytest.mark.parametrize(("freshness", "most"), [(None, 2), (60.0, 1)])
def test_two_hundred_requests_at_once(stage: Stage, freshness: float | None, most: int) -> None:
    stage.gate.close_lane("/")
    stage.open(freshness, timeout=5.0)
    stage.delay = 0.5
    clients = [stage.connect() for _ in range(200)]
    try:
        for client in clients:
            client._connection.connect()
        for client in clients:
            client._connection.request("GET", "/")
        answers = [client._connection.getresponse() for client in clients]
        assert {answer.status for answer in answers} == {200}
    finally:
        for client in clients:
            client._connection.close()
    assert len(stage.responder.queries) <= most


def test_a_client_that_leaves_does_not_end_the_query_of_others(stage: Stage) -> None:
    stage.delay = 0.4
    with stage.connect() as stays, stage.connect() as leaves:
        leaves._connection.request("GET", "/")
        time.sleep(0.1)
        thread = threading.Timer(0.1, leaves._connection.close)
        thread.start()
        assert status(stays) == 200
        thread.join(10)


# outages
def test_an_outage(stage: Stage) -> None:
    with stage.connect() as client:
        assert status(client) == 200
        stage.responder.kill()
        for _ in range(5):
            seen = client.get("/")
            assert (seen.status, seen.reason) == (503, "OCSP_NO_ANSWER")
            assert seen.seconds < TIMEOUT + NOISE
            assert seen.retry_after
        assert stage.lane.breaker.open_origins == [stage.responder.url]
        start = time.monotonic()
        assert {status(client) for _ in range(100)} == {503}
        assert time.monotonic() - start < NOISE
        stage.responder.revive()
        time.sleep(1.0)
        assert status(client) == 200


def test_a_responder_that_says_nothing(stage: Stage) -> None:
    """It takes connections and never answers: the deadline, then the breaker, then it is back."""
    hung = threading.Event()

    def script(query: Query) -> Reply:
        if not hung.is_set():
            hung.wait(20)
        return Stage.script(stage, query)

    stage.responder.script = script
    with stage.connect() as client:
        for _ in range(3):
            seen = client.get("/")
            assert seen.reason == "OCSP_NO_ANSWER"
            assert TIMEOUT - 0.1 <= seen.seconds < TIMEOUT + NOISE
        assert client.get("/").seconds < NOISE / 2
        hung.set()
        time.sleep(1.0)
        assert status(client) == 200


@pytest.mark.parametrize("allow", [False, True])
def test_revoked_before_the_outage(stage: Stage, allow: bool) -> None:
    """Remembered through the outage and a restart, whatever `on-failure` says."""
    stage.gate.close_lane("/")
    stage.open(allow=allow)
    stage.status = "revoked"
    with stage.connect() as client:
        assert client.get("/").reason == "REVOKED"
    stage.responder.kill()
    for _ in range(2):
        for _ in range(20):
            with stage.connect() as client:
                assert client.get("/").reason == "REVOKED"
        stage.gate.close_lane("/")
        stage.open(allow=allow)


def test_allow_lets_others_in_during_an_outage(stage: Stage) -> None:
    stage.gate.close_lane("/")
    stage.open(allow=True)
    stage.responder.kill()
    with stage.connect() as client:
        assert status(client) == 200
        stage.responder.revive()
        stage.responder.script = lambda _query: reply(b"nonsense")
        time.sleep(1.0)
        assert client.get("/").reason == "OCSP_MALFORMED"  # an answer, and a bad one


def test_released_after_a_hold(stage: Stage) -> None:
    with stage.connect() as client:
        stage.status = "revoked"
        assert client.get("/").reason == "REVOKED"
    stage.status = "good"
    time.sleep(1.1)  # thisUpdate counts seconds
    with stage.connect() as client:
        assert status(client) == 200
    assert stage.memory.rows == {}


def test_two_urls_one_of_them_swallowing(gate: OcspGate) -> None:
    """A dead responder takes its share of the time, not all of it."""
    with socket.create_server(("127.0.0.1", 0)) as dead, Responder(lambda _query: Reply([])) as responder:
        urls = (f"http://127.0.0.1:{dead.getsockname()[1]}/", responder.url)
        stage = Stage(gate, responder, certs.client("two urls", who("ca"), aia(*urls)))
        stage.open()
        try:
            with stage.connect() as client:
                seen = client.get("/")
        finally:
            gate.close_lane("/")
    assert seen.status == 200
    assert TIMEOUT / 2 - 0.1 <= seen.seconds < TIMEOUT


# where packets go
class Names:
    """A resolver that gives each look-up the next address."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)

    def __call__(self, host: str, port: int, **_more: object) -> list[tuple[Any, ...]]:
        assert host == "responder.example"
        address = self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "::ffff:0.0.0.0", "169.254.169.254", "fe80::1", "224.0.0.1"])
def test_a_name_that_turns_to_a_forbidden_address(gate: OcspGate, address: str) -> None:
    """First it is harmless; when it changes nobody connects, though a listener would be reached at 0.0.0.0 and ::."""
    with Responder(lambda _query: Reply([])) as responder:
        client = certs.client("named", who("ca"), aia(f"http://responder.example:{responder.port}/"))
        stage = Stage(gate, responder, client)

        def script(query: Query) -> Reply:
            said = Stage.script(stage, query)
            return Reply(said.pieces, "close")

        responder.script = script
        lane = gate.lane("/", OcspSettings(timeout=TIMEOUT), resolver=Resolver(Names("127.0.0.1", address)))
        try:
            with gate.client(client) as connection:
                assert status(connection) == 200
                time.sleep(0.05)  # the connection is closed over there
                seen = connection.get("/")
        finally:
            gate.close_lane("/")
        assert (seen.status, seen.reason) == (403, "OCSP_ADDRESS")
        assert responder.connections == 1
        assert lane.breaker.open_origins == []


def test_nothing_is_sent_before_the_chain_is_trusted(gate: OcspGate) -> None:
    with Responder(lambda _query: Reply([])) as responder:
        gate.lane("/")
        stranger = certs.client("stranger", who("other ca"), aia(responder.url))
        try:
            with pytest.raises(OSError), gate.client(stranger) as client:  # noqa: PT011 - an alert, or a reset
                client.get("/")
        finally:
            gate.close_lane("/")
        assert responder.connections == 0


# what is planned
def plan(gate: OcspGate, leaf: Made, *above: Made, sent: tuple[bytes, ...] = (), **ocsp: Any) -> Any:
    lane = gate.lane("/plan", OcspSettings(**ocsp))
    try:
        path = [leaf.der, *(made.der for made in above)]
        return gate.run(lane.gate.plan(path, sent, trusts.build([("ca", who("ca").der)])))
    finally:
        gate.close_lane("/plan")


def test_a_plan_names_who_is_asked_and_who_is_not_checked(gate: OcspGate) -> None:
    named, plain = certs.client("named", who("ca"), aia("http://a/")), certs.client("plain", who("ca"))
    made = plan(gate, named, who("ca"))
    assert [(q.id, q.name, q.urls) for q in made.questions] == [(named.sha256, "CN=named", ("http://a/",))]
    assert (made.not_checked, made.unchecked) == ("", ())
    made = plan(gate, plain, who("ca"))
    assert (made.questions, made.unchecked) == ((), ("CN=plain",))
    assert made.not_checked
    mid = certs.authority("planned mid", who("root"), aia("http://mid/"))
    made = plan(gate, certs.client("below", mid), mid, who("root"))
    assert ([q.name for q in made.questions], made.unchecked) == (["CN=planned mid"], ("CN=below",))
    assert plan(gate, named, who("ca"), check="off").questions == ()


def test_at_most_so_many_urls_are_asked(gate: OcspGate) -> None:
    many = certs.client("many", who("ca"), aia(*(f"http://{number}.example/" for number in range(40))))
    (question,) = plan(gate, many, who("ca")).questions
    assert question.urls == tuple(f"http://{number}.example/" for number in range(16))


def test_what_a_client_sends_beside_its_certificate_cannot_break_the_search(gate: OcspGate) -> None:
    pin = certs.client("pin", who("unknown ca"), aia("http://a/"))
    junk = (b"", b"\x30\x03\x02\x01\x00", who("other ca").der, who("unknown ca").der)
    (question,) = plan(gate, pin, sent=junk).questions
    assert question.issuer_der == who("unknown ca").der


class Web:
    """caIssuers: what is where, and how often it was asked for."""

    def __init__(self, **files: bytes) -> None:
        self.files, self.asked = files, 0

    async def fetch(self, url: str, timeout: float) -> bytes:  # noqa: ASYNC109
        self.asked += 1
        await asyncio.sleep(0.01)
        name = url.rpartition("/")[2]
        if name not in self.files:
            raise Failure(Reason.OCSP_NO_ANSWER, "not there")
        return self.files[name]


def fetchable(*names: str) -> Made:
    urls = [f"http://web.example/{name}" for name in names]
    return certs.client("fetchable", who("unknown ca"), aia("http://a/", issuers=urls))


def test_many_that_want_one_issuer_fetch_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuers_module, "MOST_FETCHED", 3)
    web = Web(good=who("unknown ca").der)
    search = Issuers((), web.fetch, 1.0)

    async def story() -> None:
        cert = paths.parse(fetchable("good").der)
        found = await asyncio.gather(*(search.over_network(cert) for _ in range(50)))
        assert set(found) == {paths.parse(who("unknown ca").der)}
        assert web.asked == 1
        assert search.at_hand(cert, (), trusts.build([])) == found[0]
        assert await search.over_network(cert) == found[0]
        assert web.asked == 1
        for _ in range(10):
            await search.over_network(paths.parse(fetchable("good").der))
        assert len(search._fetched) == 3
        assert search._running == {}

    asyncio.run(story())


@pytest.mark.parametrize(
    "files", [{}, {"bad": b"junk"}, {"bad": who("other ca").der}, {"bad": who("false issuer").der}]
)
def test_an_issuer_that_is_not_found_is_named(files: dict[str, bytes]) -> None:
    search = Issuers((), Web(**files).fetch, 1.0)
    cert = paths.parse(fetchable("bad", "worse", "never").der)
    with pytest.raises(Failure, match=r"hsmgate\.ocsp\.issuers: \['file:issuer\.pem'\]") as caught:
        asyncio.run(search.over_network(cert))
    assert caught.value.reason is Reason.OCSP_NO_ISSUER
    assert "CN=ocsp unknown ca" in caught.value.detail


def test_the_search_has_an_end() -> None:
    async def hang(_url: str, _timeout: float) -> bytes:
        await asyncio.sleep(60)
        raise AssertionError

    start = time.monotonic()
    with pytest.raises(Failure):
        asyncio.run(Issuers((), hang, 0.1).over_network(paths.parse(fetchable("slow").der)))
    assert time.monotonic() - start < NOISE


def test_the_index_of_the_truststore_follows_its_snapshots() -> None:
    pin = paths.parse(fetchable().der)
    search = Issuers((), Web().fetch, 1.0)
    assert search.at_hand(pin, (), trusts.build([])) is None
    assert search.at_hand(pin, (), trusts.build([("ca", who("unknown ca").der)])) is not None
    assert search.at_hand(pin, (), trusts.build([])) is None
