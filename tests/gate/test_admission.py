"""The judgement of each request on an open connection."""

from collections.abc import Callable
from typing import Any

import pytest

from hsmgate.errors import Reason
from hsmgate.gate import keeper as keeper_module
from hsmgate.gate.admission import Connection
from hsmgate.gate.tls import Channel
from hsmgate.pki.peer import Peer
from support import certs
from support.stage import ALICE, END, ROOT, START, Stage
from support.tls_client import TlsClient, in_memory

MID = certs.authority("mid", ROOT)
DEEP = certs.client("deep", MID)
FORGED_ROOT = certs.make("root", extensions=[certs.constraints(ca=True)], private=certs.key("p256", "forged root"))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "SECOND_LOOK", 0.0)


def test_the_trusted_peer_may() -> None:
    stage = Stage(ROOT)
    assert stage.ask(stage.connect(ALICE)).trusted_by == "issuer:entry 0"


def test_removed_and_trusted_again_on_the_same_connection() -> None:
    stage = Stage(ROOT)
    connection = stage.connect(ALICE)
    stage.swap(certs.authority("other"))
    for _ in range(3):
        assert stage.refused(connection) is Reason.UNTRUSTED
    stage.swap(ALICE)  # as a pin this time
    assert stage.ask(connection).fingerprint == ALICE.sha256
    stage.swap(ROOT)
    assert stage.ask(connection).fingerprint == ALICE.sha256


def test_a_removed_pin() -> None:
    stage = Stage(ALICE)
    connection = stage.connect(ALICE)
    stage.swap(certs.client("bob", ROOT))
    assert stage.refused(connection) is Reason.UNTRUSTED


def test_a_ca_of_the_same_name_with_another_key() -> None:
    stage = Stage(ROOT)
    connection = stage.connect(ALICE)
    stage.swap(FORGED_ROOT)
    assert stage.refused(connection) in {Reason.UNTRUSTED, Reason.BAD_CERTIFICATE}
    # what that left in OpenSSL's queue of errors must not hit anybody else
    stage.swap(ROOT)
    assert stage.ask(stage.connect(ALICE)).fingerprint == ALICE.sha256


def test_the_chain_that_was_sent_still_counts_after_a_swap() -> None:
    stage = Stage(MID)
    connection = stage.connect(DEEP, MID)
    stage.swap(ROOT)  # the intermediate is no longer there, but the client once sent it
    assert stage.ask(connection).fingerprint == DEEP.sha256


def test_an_intermediate_that_was_only_in_the_old_store_is_known_from_the_path() -> None:
    stage = Stage(MID)
    connection = stage.connect(DEEP)  # sends the leaf alone
    stage.swap(ROOT)
    assert stage.ask(connection).fingerprint == DEEP.sha256
    stage.swap(certs.authority("root"))  # same name, same key: trusted, as at a handshake
    assert stage.ask(connection).fingerprint == DEEP.sha256


def test_expiry_on_an_open_connection_without_any_swap() -> None:
    stage = Stage(ROOT)
    connection = stage.connect(ALICE)
    stage.clock.now = END - 1
    stage.ask(connection)
    stage.clock.now = END + 1
    assert stage.refused(connection) is Reason.EXPIRED
    stage.clock.now = START - 1
    assert stage.refused(connection) is Reason.EXPIRED


def test_a_pin_that_expires_on_an_open_connection() -> None:
    stage = Stage(ALICE)
    connection = stage.connect(ALICE)
    stage.clock.now = END + 1
    assert stage.refused(connection) is Reason.EXPIRED


def test_a_handshake_on_the_old_trust_is_judged_on_the_new() -> None:
    stage = Stage(ROOT)
    old = stage.keeper.current
    stage.swap(certs.authority("other"))
    channel = Channel(old.context, old.trust, stage.clock)
    assert in_memory(channel, TlsClient(None, ALICE)) is None
    peer = Peer(fingerprint=ALICE.sha256, leaf_der=ALICE.der, chain_der=(ALICE.der, ROOT.der))
    assert stage.refused(Connection(peer, channel, old)) is Reason.UNTRUSTED


def test_a_peer_that_nobody_judged_never_passes() -> None:
    stage = Stage(ROOT)
    snapshot = stage.keeper.current
    channel = Channel(snapshot.context, snapshot.trust, stage.clock)  # no handshake at all
    peer = Peer(fingerprint=ALICE.sha256, leaf_der=ALICE.der)
    assert stage.refused(Connection(peer, channel, snapshot)) is Reason.UNTRUSTED


@pytest.mark.parametrize("client_auth", ["want", "none"])
def test_nobody_passes_only_where_nobody_is_asked_for(client_auth: str) -> None:
    stage = Stage(ROOT, client_auth=client_auth)
    connection = stage.connect(None)
    assert stage.refused(connection) is Reason.NO_CERTIFICATE
    assert stage.ask(connection, anonymous_row=True).anonymous
    assert Stage(ROOT, client_auth=client_auth, open_to_anonymous=True).ask(connection).anonymous


def test_with_none_a_certificate_proves_nothing() -> None:
    stage = Stage(ROOT, client_auth="none")
    assert stage.refused(stage.connect(ALICE)) is Reason.NO_CERTIFICATE


def test_a_request_without_any_connection() -> None:
    stage = Stage(ROOT)
    assert stage.refused(None) is Reason.NO_CERTIFICATE
    assert stage.ask(None, anonymous_row=True).anonymous


@pytest.mark.parametrize("row", [False, True])
def test_a_removed_peer_is_refused_on_every_row(row: bool) -> None:
    stage = Stage(ROOT, client_auth="want")
    connection = stage.connect(ALICE)
    stage.swap(certs.authority("other"))
    assert stage.refused(connection, anonymous_row=row) is Reason.UNTRUSTED


@pytest.mark.parametrize("again", [lambda s: s.swap(ROOT), lambda s: s.swap(MID, ROOT), lambda s: s.swap(ALICE)])
def test_many_swaps_leave_one_verdict(again: Callable[[Stage], Any]) -> None:
    stage = Stage(ROOT)
    connection = stage.connect(ALICE)
    for _ in range(3):
        stage.swap(certs.authority("other"))
        assert stage.refused(connection) is Reason.UNTRUSTED
        again(stage)
        assert stage.ask(connection).fingerprint == ALICE.sha256
