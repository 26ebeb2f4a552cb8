import errno
import os
import threading
import time
from pathlib import Path

import pytest

from hsmgate.errors import Failure, Reason
from support.audit_files import event, lines, opened
from support.trails import why_broken


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


# -- group commit


def test_concurrent_appends_share_a_sync(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = opened(path, fsync=True)
    syncs: list[int] = []
    size_at_answer: list[tuple[str, int]] = []
    synced_size = [0]

    def slow(fd: int) -> None:
        size = os.fstat(fd).st_size
        time.sleep(0.005)
        syncs.append(size)
        synced_size[0] = size

    monkeypatch.setattr(os, "fdatasync", slow)

    def work(worker: int) -> None:
        for number in range(20):
            audit.append(event(f"{worker}-{number}"))
            size_at_answer.append((f"{worker}-{number}", synced_size[0]))

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert why_broken(lines(path)) == ""
    assert len(lines(path)) == 161
    assert len(syncs) < 80  # fewer than half of one for each
    whole = path.read_bytes()
    for name, size in size_at_answer:
        assert whole.index(f'"{name}"'.encode()) < size  # nobody was answered before his line was synced


def test_a_failed_sync_is_no_answer_and_leaves_no_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = opened(path, fsync=True)
    audit.append(event("kept"))
    before = path.read_bytes()

    def fail(_fd: int) -> None:
        time.sleep(0.01)
        raise OSError(errno.EIO, "Input/output error")

    refused: list[Reason] = []

    def work() -> None:
        try:
            audit.append(event("lost"))
        except Failure as failure:
            refused.append(failure.reason)

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", fail)
        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert refused == [Reason.AUDIT_UNAVAILABLE] * 6
    assert path.read_bytes() == before
    audit.append(event("again"))
    assert why_broken(lines(path)) == ""


def test_a_failed_sync_below_lines_of_others_blocks_until_a_restart(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit, other = opened(path, fsync=True), opened(path)
    other.append(event("theirs"))

    def fail(_fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", fail)
        with pytest.raises(Failure, match="until a restart"):
            audit.append(event("ours"))
    with pytest.raises(Failure, match="until a restart"):
        audit.append(event("ours"))
    other.append(event("theirs"))
    assert why_broken(lines(path)) == ""
    audit.close()
    opened(path, fsync=True).append(event("again"))
