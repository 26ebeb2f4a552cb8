import errno
import os
from pathlib import Path

import pytest

from hsmgate.adapters import audit_tail
from hsmgate.errors import Failure, Reason
from support.audit_files import actions, event, lines, opened, refusal, rows
from support.trails import why_broken


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


# -- rotation


def test_rotation_by_size_keeps_one_chain_over_the_files(path: Path) -> None:
    audit = opened(path, max_bytes=3000, fsync=True)
    for number in range(60):
        audit.append(event(str(number)))
    files = sorted(path.parent.glob("audit.log.*"))
    assert len(files) == 5
    assert why_broken(lines(*files, path)) == ""
    for file in files:
        assert file.stat().st_mode & 0o777 == 0o600
        last = rows(file)[-1]
        assert file.name == f"audit.log.{last['seq']:012d}-{last['hash'][:8]}"
        assert file.stat().st_size < 4000
    begin = rows(path)[0]
    assert begin["action"] == "audit.continued"
    assert begin["detail"] == {"trail": "t-1", "format": 1, "version": "1.0"}


def test_a_death_between_the_two_steps_of_a_rotation_leaves_one_name(path: Path) -> None:
    audit = opened(path, max_bytes=2000)
    audit.append(event("a"))
    seq, seal = audit.head
    early = path.with_name(f"audit.log.{seq:012d}-{seal[:8]}")
    early.hardlink_to(path)
    path.with_name("audit.log.next").write_bytes(b"half of it")
    kept = path.with_name("audit.log.backup")
    kept.hardlink_to(path)
    for number in range(12):
        audit.append(event(str(number)))
    assert not early.exists()
    assert kept.exists()
    kept.unlink()
    assert why_broken(lines(*sorted(path.parent.glob("audit.log.0*")), path)) == ""


def test_a_rotation_that_cannot_be_made_lets_the_file_grow(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = opened(path, max_bytes=2000)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    with monkeypatch.context() as broken:
        broken.setattr(os, "link", refuse)
        for number in range(20):
            audit.append(event(str(number)))
    assert [each.name for each in path.parent.iterdir()] == ["audit.log"]
    for number in range(20):
        audit.append(event(str(number)))
    files = sorted(path.parent.glob("audit.log.*"))
    assert files
    assert why_broken(lines(*files, path)) == ""


@pytest.mark.parametrize("create", [False, True])
def test_logrotate_by_renaming_is_followed(path: Path, create: bool) -> None:
    first, second = opened(path), opened(path)
    first.append(event("a"))
    path.rename(path.with_name("audit.log.1"))
    if create:
        path.touch(0o600)
    second.append(event("b"))
    first.append(event("c"))
    assert actions(path.with_name("audit.log.1")) == ["audit.began", "test"]
    assert [row["requestId"] for row in rows(path)] == ["", "b", "c"]
    assert why_broken(lines(path.with_name("audit.log.1"), path)) == ""


@pytest.mark.parametrize(("create", "torn"), [(False, b""), (True, b""), (True, b'{"seq":4')])
def test_a_start_after_logrotate_continues_the_rotated_file(path: Path, create: bool, torn: bytes) -> None:
    audit = opened(path)
    audit.append(event("a"))
    audit.close()
    rotated = path.with_name("audit.log-20260102")
    path.rename(rotated)
    path.with_name("audit.log.notes").write_text("not a trail")
    with rotated.open("ab") as file:
        file.write(torn)
    if create:
        path.touch(0o600)
    reopened = opened(path, trail="another")
    assert reopened.trail == "t-1"
    assert actions(path) == ["audit.continued", "audit.recovered"][: 2 if torn else 1]
    assert why_broken(lines(rotated, path)) == ""


def test_a_start_behind_a_rotated_file_that_does_not_hold_is_refused(path: Path) -> None:
    audit = opened(path)
    audit.append(event("r1"))
    audit.close()
    rotated = path.with_name("audit.log.1")
    rotated.write_bytes(path.read_bytes().replace(b'"r1"', b'"r2"'))
    rotated.chmod(0o600)
    path.unlink()
    failure = refusal(path)
    assert failure.reason is Reason.INTEGRITY
    assert str(rotated) in failure.detail


def test_copytruncate_is_refused_until_the_file_is_moved_away(path: Path) -> None:
    audit = opened(path)
    audit.append(event("a"))
    copy = path.with_name("audit.log.1")
    copy.write_bytes(path.read_bytes())
    os.truncate(path, 0)
    for _ in range(2):
        with pytest.raises(Failure, match="became shorter") as caught:
            audit.append(event("b"))
        assert caught.value.reason is Reason.AUDIT_UNAVAILABLE
    assert path.stat().st_size == 0
    path.unlink()
    audit.append(event("c"))
    assert why_broken(lines(copy, path)) == ""


def test_a_foreign_trail_put_in_place_is_refused(path: Path, tmp_path: Path) -> None:
    audit = opened(path)
    audit.append(event("a"))
    (tmp_path / "other").mkdir()
    other = opened(tmp_path / "other" / "audit.log", trail="t-2")
    for _ in range(5):
        other.append(event())
    path.rename(path.with_name("audit.log.1"))
    (tmp_path / "other" / "audit.log").rename(path)
    before = path.read_bytes()
    with pytest.raises(Failure, match="does not continue"):
        audit.append(event("b"))
    assert path.read_bytes() == before


def test_a_file_made_writable_for_others_by_logrotate_is_refused(path: Path) -> None:
    audit = opened(path)
    path.rename(path.with_name("audit.log.1"))
    path.touch()
    path.chmod(0o666)
    with pytest.raises(Failure, match="others may write") as caught:
        audit.append(event())
    assert caught.value.reason is Reason.AUDIT_UNAVAILABLE
    path.chmod(0o600)
    audit.append(event())
    assert why_broken(lines(path.with_name("audit.log.1"), path)) == ""


def test_no_descriptor_is_left_behind(path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    audit = opened(path, fsync=True, max_bytes=2000)
    for _ in range(30):
        audit.append(event())
    path.rename(path.with_name("audit.log.moved"))
    audit.append(event())
    audit.close()
    path.unlink()
    opened(path).close()
    path.write_bytes(b"junk\n")
    refusal(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_start_waits_for_who_still_writes_the_rotated_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(path).close()
    rotated = path.with_name("audit.log.1")
    path.rename(rotated)
    monkeypatch.setattr(audit_tail, "LOCK_SECONDS", 0.05)
    fd = audit_tail.open_file(rotated)
    try:
        audit_tail.lock(fd)
        assert "another process keeps the lock" in refusal(path).detail
    finally:
        os.close(fd)
    opened(path).close()
    assert why_broken(lines(rotated, path)) == ""


@pytest.mark.parametrize("create", [False, True])
def test_a_process_that_slept_through_two_rotations_continues_the_last_file(path: Path, create: bool) -> None:
    sleeper, worker = opened(path), opened(path)
    sleeper.append(event("a"))
    moved = []
    for number in range(3):
        worker.append(event("b"))
        moved.append(path.rename(path.with_name(f"audit.log.{number}")))
    if create:
        path.touch(0o600)
    sleeper.append(event("c"))
    worker.append(event("d"))
    assert [row["requestId"] for row in rows(path)] == ["", "c", "d"]
    assert why_broken(lines(*moved, path)) == ""


def test_the_order_of_the_trail_counts_not_the_times_of_its_files(path: Path) -> None:
    audit = opened(path)
    moved = []
    for number in range(3):
        audit.append(event("a"))
        moved.append(path.rename(path.with_name(f"audit.log.{number}")))
    audit.close()
    os.utime(moved[0])  # a copy, say
    opened(path).close()
    assert why_broken(lines(*moved, path)) == ""
