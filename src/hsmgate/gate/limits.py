"""Bounds on what unproven peers may take: connections, handshakes in flight, bytes and times."""

import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable

from hsmgate.errors import Failure, Reason
from hsmgate.record import Record

HANDSHAKE_BYTES = 64 * 1024  # what a client may send before it is proven (design: depth at most 10, 64 KB)
NOISE_BYTES = 64 * 1024  # what a proven client may send without one byte of application data in it (key updates ...)
LINGER_SECONDS = 2.0  # how long a closed connection is drained so that the last bytes (an alert) arrive
ENDING_LINGER_SECONDS = 0.5  # the same when the server ends
SLOWEST_READER = 1024  # bytes a second that a client must take of an answer, averaged over the idle timeout


class Limits(Record):
    """`hsmgate.limits`: sizes in bytes, times in seconds."""

    header_bytes: int = 32 * 1024
    header_timeout: float = 10.0
    idle_timeout: float = 60.0
    body_timeout: float = 30.0
    handshake_timeout: float = 10.0
    connections: int = 10_000
    connections_per_peer: int = 1_000
    handshakes: int = 256


class Census:
    """Counts connections by address, and knows the unfinished handshakes by age.

    A newcomer is never locked out by silent connections: where a limit is reached, an unfinished handshake makes
    room. For the limit per peer it is the oldest of that peer; else the oldest of the peer that has most of them, so
    that a flood from one address ends its own handshakes and not those of others.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_peer: Counter[str] = Counter()
        self._unfinished: OrderedDict[Hashable, tuple[str, Callable[[], None]]] = OrderedDict()
        self._unfinished_by_peer: Counter[str] = Counter()
        self.total = 0

    @property
    def unfinished(self) -> int:
        """Connections whose handshake is not complete."""
        return len(self._unfinished)

    def enter(self, key: Hashable, address: str, evict: Callable[[], None]) -> None:
        """A connection arrived; `evict` must lead to `leave`. Failure: OVERLOADED when no room can be made."""
        peer = peer_of(address)
        if self._by_peer[peer] >= self._limits.connections_per_peer and not self._evict(peer):
            raise Failure(Reason.OVERLOADED, f"{peer}: {self._limits.connections_per_peer} connections already")
        if self.total >= self._limits.connections and not self._evict_any():
            raise Failure(Reason.OVERLOADED, f"{self._limits.connections} connections already")
        if len(self._unfinished) >= self._limits.handshakes:
            self._evict_any()
        self.total += 1
        self._by_peer[peer] += 1
        self._unfinished[key] = (peer, evict)
        self._unfinished_by_peer[peer] += 1

    def finished(self, key: Hashable) -> None:
        """The handshake of this connection is complete."""
        owner = self._unfinished.pop(key, None)
        if owner is not None:
            _decrease(self._unfinished_by_peer, owner[0])

    def leave(self, key: Hashable, address: str) -> None:
        """The connection is gone. Call once for each `enter` that returned."""
        self.finished(key)
        self.total -= 1
        _decrease(self._by_peer, peer_of(address))

    def close_unfinished(self) -> None:
        """Close all connections without a complete handshake (shutdown)."""
        while self._evict_any():
            pass

    def _evict_any(self) -> bool:
        return bool(self._unfinished) and self._evict(
            max(self._unfinished_by_peer, key=self._unfinished_by_peer.__getitem__)
        )

    def _evict(self, peer: str) -> bool:
        for key, (owner, evict) in self._unfinished.items():
            if owner == peer:
                self.finished(key)
                evict()
                return True
        return False


def peer_of(address: str) -> str:
    """The address that counts: one IPv6 host has a whole /64, and IPv4 may come mapped into IPv6."""
    if ":" not in address:
        return address
    try:
        ip = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((ip, 64), strict=False))


def _decrease(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
