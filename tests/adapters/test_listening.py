"""The listening socket and the limit of descriptors."""

import errno
import resource
import socket

import pytest

from hsmgate.adapters import listening
from hsmgate.errors import Failure, Reason


@pytest.mark.parametrize(
    ("address", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("localhost", "127.0.0.1")]
)
def test_it_listens_where_it_is_told(address: str, shown: str) -> None:
    with listening.bind(address, 0) as made:
        host, port = made.getsockname()[:2]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, port), 5)
        listening.listen(made)
        socket.create_connection((host, port), 5).close()
        assert listening.url_of(made, "https") == f"https://{shown}:{port}"


def test_a_port_in_use_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Failure) as caught:
            listening.bind("127.0.0.1", port)
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert caught.value.evidence == errno.EADDRINUSE
    assert str(caught.value).startswith(f"cannot listen on 127.0.0.1 port {port}: address already in use; SERVER_PORT=")


def test_two_may_be_bound_but_only_one_listens() -> None:
    with listening.bind("127.0.0.1", 0) as one, listening.bind("127.0.0.1", one.getsockname()[1]) as two:
        listening.listen(one)
        with pytest.raises(Failure, match="address already in use"):
            listening.listen(two)


@pytest.mark.parametrize(
    "address", ["198.51.100.1", "nowhere.invalid", "2001:db8::1", "a..b", "x" * 70, "a\0b", "fe80::1%x"]
)
def test_an_address_that_is_none_of_ours_is_refused(address: str) -> None:
    with pytest.raises(Failure) as caught:
        listening.bind(address, 0)
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert "\n" not in str(caught.value)


def set_limits(monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> list[tuple[int, int]]:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _what, pair: asked.append(pair))
    return asked


@pytest.mark.parametrize(
    ("soft", "hard", "asked", "warned"),
    [
        (1024, 4096, [(1512, 4096)], False),
        (1024, resource.RLIM_INFINITY, [(1512, resource.RLIM_INFINITY)], False),
        (1024, 1200, [(1200, 1200)], True),
        (1512, 1512, [], False),
        (9999, 9999, [], False),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, [], False),
    ],
)
def test_the_soft_limit_is_raised_as_far_as_needed(
    soft: int, hard: int, asked: list[tuple[int, int]], warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = set_limits(monkeypatch, soft, hard)
    line = listening.allow_descriptors(1000)
    assert done == asked
    assert bool(line) is warned
    if warned:
        assert "is 1200, too low for hsmgate.limits.connections: 1000; raise it to 1512" in line


def test_a_limit_that_may_not_be_raised_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    set_limits(monkeypatch, 1024, 4096)

    def forbidden(_what: int, _pair: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "setrlimit", forbidden)
    assert "is 1024" in listening.allow_descriptors(1000)


def test_no_core_is_dumped(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda what, pair: asked.append((what, pair)))
    listening.forbid_core_dumps()
    assert asked == [(resource.RLIMIT_CORE, (0, 0))]
