"""The census: limits hold, and whoever floods pays for it himself."""

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsmgate.errors import Failure, Reason
from hsmgate.gate.limits import Census, Limits, peer_of


class Crowd:
    """Connections that leave as soon as they are evicted."""

    def __init__(self, **limits: int) -> None:
        self.census = Census(Limits(**limits))
        self.inside: dict[int, str] = {}
        self.evicted: list[int] = []

    def enter(self, key: int, address: str = "10.0.0.1") -> None:
        self.census.enter(key, address, self._evictor(key))
        self.inside[key] = address

    def _evictor(self, key: int) -> Callable[[], None]:
        def evict() -> None:
            self.evicted.append(key)
            self.leave(key)

        return evict

    def leave(self, key: int) -> None:
        self.census.leave(key, self.inside.pop(key))


def refused(action: Callable[[], Any]) -> Failure:
    with pytest.raises(Failure) as caught:
        action()
    assert caught.value.reason is Reason.OVERLOADED
    return caught.value


def test_proven_connections_fill_the_total() -> None:
    crowd = Crowd(connections=2)
    for key, address in ((1, "10.0.0.1"), (2, "10.0.0.2")):
        crowd.enter(key, address)
        crowd.census.finished(key)
    assert "2 connections" in refused(lambda: crowd.enter(3, "10.0.0.3")).detail
    crowd.leave(1)
    crowd.enter(3, "10.0.0.3")
    assert crowd.census.total == 2


def test_one_peer_fills_only_its_own_share() -> None:
    crowd = Crowd(connections_per_peer=2)
    for key in (1, 2):
        crowd.enter(key)
        crowd.census.finished(key)
    assert "10.0.0.1" in refused(lambda: crowd.enter(3)).detail
    crowd.enter(4, "10.0.0.2")
    assert crowd.census.total == 3


def test_an_unfinished_handshake_makes_room_for_a_newcomer_of_the_same_peer() -> None:
    crowd = Crowd(connections_per_peer=2)
    crowd.enter(1, "10.0.0.2")
    crowd.enter(2)
    crowd.census.finished(2)
    crowd.enter(3)
    crowd.enter(4)
    assert crowd.evicted == [3]  # neither the older one of another peer nor the proven one


def test_an_unfinished_handshake_makes_room_in_the_total() -> None:
    crowd = Crowd(connections=2)
    crowd.enter(1)
    crowd.census.finished(1)
    crowd.enter(2)
    crowd.enter(3)
    assert crowd.evicted == [2]
    assert crowd.census.total == 2


def test_a_flood_of_handshakes_ends_its_own_not_those_of_others() -> None:
    crowd = Crowd(handshakes=4)
    crowd.enter(1, "192.0.2.1")  # slow but honest, the oldest of all
    for key in range(2, 100):
        crowd.enter(key, "203.0.113.9")
    assert 1 in crowd.inside
    assert crowd.evicted == list(range(2, 97))  # the oldest first
    assert crowd.census.unfinished == 4


def test_a_flood_from_many_addresses_ends_the_oldest() -> None:
    crowd = Crowd(handshakes=3)
    for key in range(6):
        crowd.enter(key, f"10.0.0.{key}")
    assert crowd.evicted == [0, 1, 2]


def test_the_end_closes_every_unfinished_handshake_and_nothing_else() -> None:
    crowd = Crowd()
    for key in range(5):
        crowd.enter(key)
    crowd.census.finished(2)
    crowd.census.close_unfinished()
    assert sorted(crowd.evicted) == [0, 1, 3, 4]
    assert crowd.census.total == 1


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("local", "local"),
        ("not:an:address", "not:an:address"),
    ],
)
def test_a_peer_is_what_one_host_owns(address: str, peer: str) -> None:
    assert peer_of(address) == peer


def test_a_host_with_a_whole_network_is_one_peer() -> None:
    crowd = Crowd(connections_per_peer=3)
    for key in range(3):
        crowd.enter(key, f"2001:db8::{key:x}")
        crowd.census.finished(key)
    refused(lambda: crowd.enter(9, "2001:db8::ffff:9"))


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 300))
def test_whatever_happens_the_numbers_agree_and_the_limits_hold(seed: int, steps: int) -> None:
    rng = random.Random(seed)
    crowd = Crowd(connections=20, connections_per_peer=6, handshakes=5)
    for key in range(steps):
        what = rng.random()
        if what < 0.6 or not crowd.inside:
            with suppress(Failure):
                crowd.enter(key, f"10.0.0.{rng.randrange(8)}")
        elif what < 0.8:
            crowd.census.finished(rng.choice(list(crowd.inside)))
        else:
            crowd.leave(rng.choice(list(crowd.inside)))
        assert crowd.census.total == len(crowd.inside) <= 20
        assert crowd.census.unfinished <= 5
        for address in set(crowd.inside.values()):
            assert list(crowd.inside.values()).count(address) <= 6
    for key in list(crowd.inside):
        crowd.leave(key)
    assert crowd.census.total == crowd.census.unfinished == 0
    assert not crowd.census._by_peer
    assert not crowd.census._unfinished_by_peer
