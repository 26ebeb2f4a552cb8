"""How many different wrong API keys each peer has tried: who guesses is held back, who only rolls over is not."""

from collections import OrderedDict
from collections.abc import Callable

BURST = 32  # different wrong keys in a row
PER_SECOND = 1.0  # one more of them each second
_PEERS = 4096  # remembered, the latest first
_WRONG = 64  # wrong keys remembered of one peer
_RIGHT = 16  # right ones


class _Peer:
    """What one peer did. `level`: different wrong keys, less what time has forgiven."""

    def __init__(self, now: float) -> None:
        self.level = 0.0
        self.seen = now
        self.wrong: OrderedDict[bytes, None] = OrderedDict()
        self.right: OrderedDict[bytes, None] = OrderedDict()


class Attempts:
    """Knows keys by their marks alone. Its memory is bounded: the peer that was quiet longest is forgotten first."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` in seconds, never going back."""
        self._now = now
        self._peers: OrderedDict[str, _Peer] = OrderedDict()

    def held_back(self, peer: str, mark: bytes) -> bool:
        """Whether this key of this peer must not even be looked at. Keys that it used before always are."""
        known = self._peers.get(peer)
        if known is None or mark in known.right:
            return False
        self._forgive(known)
        return known.level >= BURST

    def wrong(self, peer: str, mark: bytes) -> None:
        """A key that is none. The same one again is no guess: clients try the old key first when they roll over."""
        known = self._peer(peer)
        if mark not in known.wrong:
            self._forgive(known)
            known.level = min(known.level + 1, BURST)
        _remember(known.wrong, mark, _WRONG)

    def right(self, peer: str, mark: bytes) -> None:
        """A key that is one of ours."""
        _remember(self._peer(peer).right, mark, _RIGHT)

    def _peer(self, peer: str) -> _Peer:
        known = self._peers.get(peer)
        if known is None:
            known = self._peers[peer] = _Peer(self._now())
            if len(self._peers) > _PEERS:
                self._peers.popitem(last=False)
        self._peers.move_to_end(peer)
        return known

    def _forgive(self, known: _Peer) -> None:
        now = self._now()
        known.level = max(0.0, known.level - (now - known.seen) * PER_SECOND)
        known.seen = now


def _remember(marks: OrderedDict[bytes, None], mark: bytes, most: int) -> None:
    marks[mark] = None
    marks.move_to_end(mark)
    if len(marks) > most:
        marks.popitem(last=False)
