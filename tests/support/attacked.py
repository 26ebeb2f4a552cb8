"""What goes on in a gate that is attacked: its numbers, and somebody else who wants to be served."""

import threading
import time
from typing import Self

import msgspec

from support.certs import Made
from support.gate_server import PATIENCE, Gate
from support.wire import Wire


def census(gate: Gate, visitor: Made) -> dict[str, int]:
    """Numbers about the process; this visit counts too."""
    with Wire(gate.port, visitor) as wire:
        return msgspec.json.decode(wire.handshake().ask("/census").body, type=dict[str, int])


class Honest(threading.Thread):
    """Somebody else: connects, asks and leaves, over and over; `waits` are the seconds that each visit took."""

    def __init__(self, gate: Gate, visitor: Made) -> None:
        super().__init__()
        self.gate, self.visitor = gate, visitor
        self.waits: list[float] = []
        self.failed: list[BaseException] = []
        self._stop_now = threading.Event()

    def run(self) -> None:
        while not self._stop_now.is_set():
            began = time.monotonic()
            try:
                with Wire(self.gate.port, self.visitor) as wire:
                    assert wire.handshake().ask().status == 200
            except BaseException as error:
                self.failed.append(error)
                return
            self.waits.append(time.monotonic() - began)
            self._stop_now.wait(0.01)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._stop_now.set()
        self.join(PATIENCE)

    def check(self) -> None:
        assert self.failed == []
        assert len(self.waits) >= 3
        assert max(self.waits) < 5, max(self.waits)
