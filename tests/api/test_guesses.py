"""The pace of guessing passwords: by a clock of the test, and through the application."""

from typing import Any

import pytest

from hsmgate.api import guesses
from hsmgate.api.guesses import Guesses, Pace
from hsmgate.errors import Failure, Reason
from support.api import Api
from support.api_keys import have, refused
from support.keystore_contract import raises


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> Guesses:
    return Guesses(clock, of_a_peer=Pace(free=3, first=1, most=60), of_a_key=Pace(free=5, first=1, most=10))


def waits(pace: Guesses, clock: Clock, peer: str, label: str) -> float:
    """Seconds until this peer is heard about this key."""
    began = clock.now
    for step in range(1000):
        clock.now = began + step * 0.5
        try:
            pace.check(peer, [label])
        except Failure:
            continue
        waited, clock.now = clock.now - began, began
        return waited
    raise AssertionError


def test_a_peer_waits_twice_as_long_each_time_up_to_a_bound(pace: Guesses, clock: Clock) -> None:
    waited = []
    for turn in range(12):
        pace.check("p", [f"k{turn}"])
        pace.wrong("p", [f"k{turn}"])
        waited.append(waits(pace, clock, "p", "other"))
        clock.now += waited[-1]
    assert waited == [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert waits(pace, clock, "another", "other") == 0


def test_so_does_whoever_asks_for_a_key_that_many_guess_at(pace: Guesses, clock: Clock) -> None:
    waited = []
    for turn in range(12):
        pace.wrong(f"p{turn}", ["k"])
        waited.append(waits(pace, clock, "stranger", "k"))
    assert waited == [0, 0, 0, 0, 0, 1, 2, 4, 8, 10, 10, 10]
    assert waits(pace, clock, "stranger", "another") == 0


def test_who_knew_the_password_does_not_wait_for_strangers(pace: Guesses, clock: Clock) -> None:
    pace.right("owner", ["k"])
    for turn in range(12):
        pace.wrong(f"p{turn}", ["k"])
    assert waits(pace, clock, "owner", "k") == 0
    assert waits(pace, clock, "stranger", "k") == 10
    for _ in range(4):
        pace.wrong("owner", ["k"])
    assert waits(pace, clock, "owner", "k") == 1  # for its own wrong ones it does
    clock.now += 3601
    for turn in range(12):
        pace.wrong(f"q{turn}", ["k"])
    assert waits(pace, clock, "owner", "k") == 10  # and the knowledge is an hour old


def test_a_right_password_does_not_wash_wrong_ones_off(pace: Guesses, clock: Clock) -> None:
    for _ in range(4):
        pace.wrong("p", ["k"])
    pace.right("p", ["a key of its own"])
    assert waits(pace, clock, "p", "k") == 1


def test_after_an_hour_it_begins_anew(pace: Guesses, clock: Clock) -> None:
    for _ in range(20):
        pace.wrong("p", ["k"])
    clock.now += 3601
    assert waits(pace, clock, "p", "k") == 0
    pace.wrong("p", ["k"])
    assert waits(pace, clock, "p", "k") == 0


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(guesses, "_MOST", 5)
    pace = Guesses(clock)
    for turn in range(50):
        pace.wrong(f"p{turn}", [f"k{turn}"])
        pace.right(f"p{turn}", [f"k{turn}"])
    assert len(pace._peers._counts) == len(pace._keys._counts) == len(pace._owners) == 5


def test_waiting_answers_429_to_right_and_wrong_ones_alike(api: Api, clock: Clock) -> None:
    api.app._guesses = Guesses(clock)
    have(api, "g-locked", password="right", algorithm="AES", keySize=128, attributes={"decrypt": True})
    have(api, "g-open", algorithm="AES", keySize=128, attributes={"decrypt": True})

    def ask(label: str, password: Any) -> Any:
        return api.call("POST", "/v1/key/attributes", {"label": label, "password": password})

    assert ask("g-locked", "right").status == 200
    for _ in range(11):
        assert refused(ask("g-locked", None)) == (400, 620)  # none is no guess
    for turn in range(11):
        assert refused(ask("g-locked", f"wrong {turn}")) == (400, 620)
    for password in ("right", "wrong", list("right")):
        answer = ask("g-locked", password)
        assert refused(answer) == (429, 620)
        assert answer.header("retry-after") == "10"
    assert refused(ask("g-locked", None)) == (400, 620)
    assert ask("g-open", None).status == 200  # who gives no password is heard
    clock.now += 1
    assert ask("g-locked", "right").status == 200
    assert api.audit.lines[-1].result == "ok"


def test_every_endpoint_that_takes_a_password_keeps_the_pace(api: Api, clock: Clock) -> None:
    flags = dict.fromkeys(("decrypt", "sign", "unwrap", "extractable", "destroyable"), True)
    have(api, "g-all", password="right", algorithm="RSA", keySize=2048, attributes=flags)
    have(api, "g-aes", password="right", algorithm="AES", keySize=128, attributes=flags)
    have(api, "g-mac", password="right", algorithm="HMACSHA256", attributes=flags)
    ruled = dict.fromkeys(("decrypt", "sign", "unwrap"), True)
    have(api, "g-ruled", password="right", algorithm="RSA", keySize=2048, attributes=ruled, policy={})
    wrong = "wrong"
    bodies: dict[str, Any] = {
        "/v1/key/attributes": {"label": "g-all", "password": wrong},
        "/v1/key/deleteKey": {"label": "g-all", "password": wrong},
        "/v1/key/changePassword": {"label": "g-all", "password": wrong},
        "/v1/key/export/plain": {"label": "g-all", "password": wrong},
        "/v1/synchronousSign": {
            "signRequest": {
                "signKeyName": "g-all",
                "payload": "",
                "signatureAlgorithm": "SHA256_WITH_RSA",
                "keyPassword": wrong,
            }
        },
        "/v1/encrypt": {
            "encryptRequest": {
                "encryptKeyName": "g-aes",
                "payload": "",
                "cipherAlgorithm": "AES_GCM",
                "keyPassword": wrong,
            }
        },
        "/v1/synchronousDecrypt": {
            "decryptRequest": {
                "decryptKeyName": "g-all",
                "encryptedPayload": "",
                "cipherAlgorithm": "RSA",
                "keyPassword": wrong,
            }
        },
        "/v1/synchronousHmac": {"hmacRequest": {"keyName": "g-mac", "payload": "", "keyPassword": wrong}},
        "/v1/verify": {"verifyHmacRequest": {"keyName": "g-mac", "payload": "", "signature": "", "keyPassword": wrong}},
        "/v1/wrap": {
            "wrapKeyRequest": {
                "keyToBeWrapped": "g-aes",
                "keyToBeWrappedPassword": wrong,
                "wrapKeyName": "g-all",
                "wrapMethod": "RSA_WRAP_OAEP",
            }
        },
        "/v1/synchronousUnwrap": {
            "unwrapKeyRequest": {
                "wrappedKey": "",
                "label": "g-new",
                "attributes": {"decrypt": True},
                "unwrapKeyName": "g-all",
                "unwrapKeyPassword": wrong,
                "wrapMethod": "RSA_WRAP_OAEP",
            }
        },
        "/v1/synchronousBlock": {"blockRequest": {"blockKeyName": "g-ruled", "keyPassword": wrong}},
        "/v1/synchronousUnblock": {"unblockRequest": {"unblockKeyName": "g-ruled", "keyPassword": wrong}},
        "/v1/synchronousModify": {"modifyRequest": {"modifyKeyName": "g-ruled", "keyPassword": wrong, "policy": {}}},
    }
    for path, body in bodies.items():
        api.app._guesses = Guesses(clock, of_a_peer=Pace(free=0, first=60, most=60))
        assert refused(api.call("POST", path, body)) == (400, 620), path
        assert refused(api.call("POST", path, body)) == (429, 620), path


def test_a_check_before_any_guess_is_free(pace: Guesses) -> None:
    pace.check("p", [])
    for _ in range(4):
        pace.wrong("p", [])
    with raises(Reason.TOO_MANY_GUESSES):
        pace.check("p", [])
