import errno
import multiprocessing
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hsmgate.adapters import audit_tail
from hsmgate.adapters.audit_file import FileAudit, open_audit
from hsmgate.errors import Failure, Reason
from support.audit_files import actions, event, lines, opened, refusal, rows
from support.trails import why_broken

FORK = multiprocessing.get_context("fork")  # a spawned interpreter takes longer than all that it would do here


def forked(work: Callable[[], None]) -> int:
    """Run it in a child process of ours; the exit status is returned, an exception is status 1."""
    child = FORK.Process(target=work)
    child.start()
    child.join()
    assert child.exitcode is not None
    return child.exitcode


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


# -- one process


def test_a_new_trail_begins_with_its_name_and_is_private(path: Path) -> None:
    umask = os.umask(0)
    try:
        audit = opened(path)
    finally:
        os.umask(umask)
    audit.append(event("r1"))
    (begin, line) = rows(path)
    assert begin["action"] == "audit.began"
    assert begin["detail"] == {"trail": "t-1", "format": 1, "version": "1.0"}
    assert (begin["seq"], begin["prev"]) == (1, "0" * 64)
    assert (line["seq"], line["prev"], line["requestId"]) == (2, begin["hash"], "r1")
    assert path.stat().st_mode & 0o777 == 0o600
    assert audit.head == (2, line["hash"])


def test_the_time_is_the_clocks_in_utc(path: Path) -> None:
    audit = open_audit(path, now=lambda: 1767323045.678901, trail="t", version="1")
    audit.append(event())
    assert rows(path)[1]["time"] == "2026-01-02T03:04:05.678901Z"


def test_reopening_continues_the_trail(path: Path) -> None:
    for round_ in range(3):
        audit = opened(path, trail=f"t-{round_}")
        assert audit.trail == "t-0"
        audit.append(event())
        audit.close()
    assert why_broken(lines(path)) == ""
    assert len(lines(path)) == 4


def test_nothing_is_taken_after_close(path: Path) -> None:
    audit = opened(path)
    audit.close()
    audit.close()
    with pytest.raises(Failure, match="closed") as caught:
        audit.append(event())
    assert caught.value.reason is Reason.AUDIT_UNAVAILABLE


# -- no room


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32k,mode=0700", "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk; the file size limit below tests the same code")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(audit: FileAudit) -> int:
    """Append until it fails; how many were taken."""
    taken = 0
    with pytest.raises(Failure) as caught:  # noqa: PT012 - the count is wanted
        while taken < 10_000:
            audit.append(event(size=900))
            taken += 1
    assert caught.value.reason is Reason.AUDIT_UNAVAILABLE
    return taken


@pytest.mark.parametrize("fsync", [False, True])
def test_a_full_disk_leaves_whole_lines_only_and_service_resumes(small_disk: Path, fsync: bool) -> None:
    path, ballast = small_disk / "audit.log", small_disk / "ballast"
    ballast.write_bytes(b"x" * 8192)
    audit = opened(path, fsync=fsync)
    taken = fill(audit)
    assert taken > 5
    assert len(lines(path)) == taken + 1
    assert why_broken(lines(path)) == ""
    assert fill(audit) == 0
    ballast.unlink()
    audit.append(event("again"))
    assert rows(path)[-1]["requestId"] == "again"
    assert why_broken(lines(path)) == ""


def test_a_new_trail_on_a_full_disk_is_refused(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(b"x" * 32768)
    failure = refusal(small_disk / "audit.log")
    assert failure.reason is Reason.AUDIT_UNAVAILABLE
    assert "No space left" in failure.detail
    assert (small_disk / "audit.log").stat().st_size == 0


def test_a_file_size_limit_leaves_whole_lines_only_and_service_resumes(path: Path) -> None:
    def work() -> None:
        audit = opened(path)
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))  # in the middle of a line
        assert fill(audit) > 5
        assert path.read_bytes().endswith(b"\n")
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        audit.append(event("again"))

    assert forked(work) == 0
    assert rows(path)[-1]["requestId"] == "again"
    assert why_broken(lines(path)) == ""


def test_half_a_line_that_cannot_be_removed_blocks_until_it_can(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = opened(path)
    real_write, real_truncate = os.write, os.ftruncate

    def half(fd: int, data: bytes) -> int:
        if len(data) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_write(fd, data[: len(data) - 50])

    def stuck(_fd: int, _length: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "write", half)
        broken.setattr(os, "ftruncate", stuck)
        with pytest.raises(Failure, match="cannot be removed"):
            audit.append(event("lost"))
        broken.setattr(os, "write", real_write)
        with pytest.raises(Failure, match="Input/output"):
            audit.append(event("lost"))
        broken.setattr(os, "ftruncate", real_truncate)
        audit.append(event("again"))
    assert actions(path) == ["audit.began", "audit.recovered", "test"]
    assert "lost" not in path.read_text()
    assert why_broken(lines(path)) == ""


def test_a_recovery_is_owed_its_line_until_the_disk_takes_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = opened(path)
    with path.open("ab") as file:
        file.write(b"torn by another process")

    def full(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "write", full)
        with pytest.raises(Failure):
            audit.append(event())
    audit.append(event())
    assert actions(path) == ["audit.began", "audit.recovered", "test"]


def test_a_removed_folder_refuses_and_a_new_one_resumes(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    audit = opened(folder / "audit.log")
    audit.append(event())
    head = audit.head
    (folder / "audit.log").unlink()
    folder.rmdir()
    with pytest.raises(Failure) as caught:
        audit.append(event())
    assert caught.value.reason is Reason.AUDIT_UNAVAILABLE
    assert str(tmp_path) not in caught.value.detail  # it may go to a client
    folder.mkdir()
    audit.append(event("again"))
    (begin, line) = rows(folder / "audit.log")
    assert (begin["action"], begin["seq"], begin["prev"]) == ("audit.continued", head[0] + 1, head[1])
    assert line["requestId"] == "again"


def test_a_lock_that_is_never_let_go_is_a_refusal_in_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = opened(path)
    monkeypatch.setattr(audit_tail, "LOCK_SECONDS", 0.05)
    other = os.open(path, os.O_RDWR)
    try:
        audit_tail.lock(other)
        with pytest.raises(Failure, match="another process keeps the lock") as caught:
            audit.append(event())
        assert caught.value.reason is Reason.AUDIT_UNAVAILABLE
    finally:
        os.close(other)
    audit.append(event())


# -- reading its end


@pytest.mark.parametrize("most", [0, 1, 300, 1000, 10**6])
def test_the_recent_lines_are_whole_and_the_last(path: Path, most: int) -> None:
    audit = opened(path)
    for number in range(9):
        audit.append(event(str(number), 100))
    recent = audit.recent(most)
    whole = path.read_bytes()
    assert len(recent) <= most
    assert whole.endswith(recent)
    assert recent in {whole[at:] for at in (0, *(at + 1 for at, octet in enumerate(whole) if octet == ord("\n")))}
    assert len(whole) - len(recent) == 0 or len(recent) + 700 > most


def test_the_recent_lines_fill_the_bound_exactly(path: Path) -> None:
    audit = opened(path)
    audit.append(event())
    last = lines(path)[-1]
    assert audit.recent(len(last)) == last
    assert audit.recent(len(last) - 1) == b""


def test_half_a_line_is_not_recent(path: Path) -> None:
    audit = opened(path)
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.write(b'{"seq":2,"time":"')
    assert audit.recent(10**6) == whole
    path.unlink()
    with pytest.raises(Failure) as caught:
        audit.recent(10**6)
    assert caught.value.reason is Reason.AUDIT_UNAVAILABLE
