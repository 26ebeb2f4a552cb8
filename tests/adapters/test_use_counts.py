import threading
import time
from collections import Counter
from collections.abc import Mapping

import pytest

from hsmgate.adapters import use_counts
from hsmgate.adapters.use_counts import UseCounts
from hsmgate.errors import Failure, Reason


class Written:
    def __init__(self) -> None:
        self.batches: list[dict[str, int]] = []
        self.failing = False

    def __call__(self, batch: Mapping[str, int]) -> None:
        if self.failing:
            raise Failure(Reason.CONNECTIVITY)
        self.batches.append(dict(batch))

    def total(self) -> Counter[str]:
        return sum((Counter(batch) for batch in self.batches), Counter[str]())


@pytest.fixture
def written() -> Written:
    return Written()


def wait_for(written: Written, batches: int) -> None:
    deadline = time.monotonic() + 10
    while len(written.batches) < batches:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_uses_are_written_together(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(use_counts, "INTERVAL", 0.05)
    counts = UseCounts(written)
    for uuid in ("a", "b", "a"):
        counts.add(uuid)
    assert (counts.pending("a"), counts.pending("b"), counts.pending("c")) == (2, 1, 0)
    assert written.batches == []
    wait_for(written, 1)
    assert counts.pending("a") == 0
    counts.add("c")
    wait_for(written, 2)
    assert written.batches == [{"a": 2, "b": 1}, {"c": 1}]
    counts.close()


def test_closing_writes_what_is_left(written: Written) -> None:
    counts = UseCounts(written)
    counts.add("a")
    counts.close()
    counts.add("a")
    counts.close()
    assert written.batches == [{"a": 1}, {"a": 1}]


def test_what_was_not_written_is_tried_again(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(use_counts, "INTERVAL", 0.02)
    counts = UseCounts(written)
    written.failing = True
    counts.add("a")
    time.sleep(0.1)
    assert counts.pending("a") == 1
    written.failing = False
    counts.add("a")
    wait_for(written, 1)
    assert written.batches == [{"a": 2}]
    counts.close()


def test_a_key_that_is_gone_is_not_written(written: Written) -> None:
    counts = UseCounts(written)
    counts.add("a")
    counts.add("b")
    counts.forget("a")
    counts.forget("never seen")
    counts.close()
    assert written.batches == [{"b": 1}]


def test_no_use_is_lost_among_threads(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(use_counts, "INTERVAL", 0.005)
    counts = UseCounts(written)

    def work() -> None:
        for _ in range(2000):
            counts.add("a")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts.close()
    assert written.total() == Counter(a=16000)
