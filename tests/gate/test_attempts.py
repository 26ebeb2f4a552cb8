"""Who guesses API keys is held back; who rolls over, or shares a house with a guesser, is not."""

import pytest

from hsmgate.gate import attempts as module
from hsmgate.gate.attempts import BURST, PER_SECOND, Attempts


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(clock: Clock) -> Attempts:
    return Attempts(clock)


def guess(attempts: Attempts, peer: str, count: int, start: int = 0) -> int:
    """Try different wrong keys; how many were looked at."""
    looked_at = 0
    for number in range(start, start + count):
        mark = b"wrong %d" % number
        if not attempts.held_back(peer, mark):
            attempts.wrong(peer, mark)
            looked_at += 1
    return looked_at


def test_different_wrong_keys_are_looked_at_so_often(attempts: Attempts) -> None:
    assert guess(attempts, "p", 10 * BURST) == BURST
    assert attempts.held_back("p", b"the right one"), "not even the right one tells anything now"


def test_time_forgives(attempts: Attempts, clock: Clock) -> None:
    guess(attempts, "p", BURST)
    clock.now += 5 / PER_SECOND
    assert guess(attempts, "p", 100, start=1000) == 5
    clock.now += 100 * BURST / PER_SECOND
    assert guess(attempts, "p", 1000, start=5000) == BURST, "and never more than the burst"


def test_the_same_wrong_key_is_no_guess(attempts: Attempts) -> None:
    for _ in range(50 * BURST):
        assert not attempts.held_back("p", b"the old key")
        attempts.wrong("p", b"the old key")
        assert not attempts.held_back("p", b"the new key")
        attempts.right("p", b"the new key")
    assert guess(attempts, "p", 2 * BURST) == BURST - 1


def test_a_key_that_passed_before_goes_on_passing(attempts: Attempts) -> None:
    attempts.right("p", b"mine")
    guess(attempts, "p", BURST)
    assert not attempts.held_back("p", b"mine")
    assert attempts.held_back("p", b"another")


def test_others_are_not_held_back(attempts: Attempts) -> None:
    guess(attempts, "p", BURST)
    assert not attempts.held_back("q", b"another")


def test_a_right_key_between_guesses_helps_nobody(attempts: Attempts) -> None:
    looked_at = 0
    for number in range(10 * BURST):
        attempts.right("p", b"mine")
        looked_at += guess(attempts, "p", 1, start=number)
    assert looked_at == BURST


def test_memory_is_bounded(attempts: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PEERS", 8)
    guess(attempts, "first", BURST)
    for number in range(20):
        attempts.wrong(f"peer {number}", b"x")
    assert len(attempts._peers) == 8
    assert not attempts.held_back("first", b"y"), "forgotten, as the one that was quiet longest"
    for number in range(500):
        attempts.right("one", b"%d" % number)
        attempts.wrong("one", b"wrong %d" % number)
    one = attempts._peers["one"]
    assert len(one.right) == module._RIGHT
    assert len(one.wrong) == module._WRONG


def test_trying_keys_keeps_a_peer_in_memory(attempts: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PEERS", 4)
    guess(attempts, "p", BURST)
    for number in range(50):
        attempts.wrong("p", b"wrong 0")
        attempts.wrong(f"peer {number}", b"x")
    assert attempts.held_back("p", b"another")
