import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import pytest

from hsmgate.adapters import use_counts
from hsmgate.adapters.use_counts import UseCounts
from hsmgate.domain.key import Key, KeyAttributes
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


class Table:
    """A stored count, and a write that can be halted before and after it takes effect."""

    def __init__(self) -> None:
        self.stored = 0
        self.failing = False
        self.reads = 0
        self.halts = [threading.Event() for _ in range(2)]  # set: goes on
        self.reached = [threading.Event() for _ in range(2)]

    def write(self, batch: Mapping[str, int]) -> None:
        self._halt(0)
        if self.failing:
            raise Failure(Reason.CONNECTIVITY)
        self.stored += batch["a"]
        self._halt(1)

    def read(self) -> Key:
        self.reads += 1
        return Key("a", "label", "EC", KeyAttributes(), 0, use_count=self.stored)

    def _halt(self, place: int) -> None:
        self.reached[place].set()
        assert self.halts[place].wait(10)


@pytest.fixture
def table() -> Table:
    return Table()


def counted(counts: UseCounts, read: Callable[[], Key | None]) -> int:
    key = counts.completed(read)
    assert key is not None
    return key.use_count


@pytest.fixture
def counts(table: Table, monkeypatch: pytest.MonkeyPatch) -> Iterator[UseCounts]:
    monkeypatch.setattr(use_counts, "INTERVAL", 0.01)
    counts = UseCounts(table.write)
    yield counts
    for halt in table.halts:
        halt.set()
    counts.close()


@pytest.mark.parametrize(("place", "failing"), [(0, False), (0, True), (1, False)])
def test_a_use_is_counted_once_while_it_is_written(table: Table, counts: UseCounts, place: int, failing: bool) -> None:
    table.failing = failing
    counts.add("a")
    assert counted(counts, table.read) == 1
    for earlier in table.halts[:place]:
        earlier.set()
    assert table.reached[place].wait(10)
    threading.Timer(0.02, table.halts[place].set).start()  # goes on while the reader waits
    if place == 0:
        table.halts[1].set()
    assert counted(counts, table.read) == 1
    assert counted(counts, table.read) == 1


def test_a_use_that_was_written_since_the_read_is_read_again(table: Table, counts: UseCounts) -> None:
    counts.add("a")
    for halt in table.halts:
        halt.set()

    def read() -> Key:
        key = table.read()
        deadline = time.monotonic() + 10
        while counts.pending("a"):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        return key

    assert counted(counts, read) == 1
    assert table.reads == 2


def test_a_reader_does_not_wait_for_a_database_that_hangs(
    table: Table, counts: UseCounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(use_counts, "PATIENCE", 0.01)
    counts.add("a")
    assert table.reached[0].wait(10)
    assert counted(counts, table.read) == 1  # not written yet: the use is counted from memory
    assert table.reads == 2


def test_a_key_that_is_not_there_has_no_uses(counts: UseCounts) -> None:
    assert counts.completed(lambda: None) is None


def test_readers_never_see_a_count_go_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(use_counts, "INTERVAL", 0.002)
    table = Table()
    for halt in table.halts:
        halt.set()
    counts = UseCounts(table.write)
    seen = []
    for used in range(1, 3000):
        counts.add("a")
        seen.append(counted(counts, table.read) == used)
    counts.close()
    assert all(seen)
    assert table.stored == 2999
