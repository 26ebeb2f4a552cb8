import hashlib
import os
from pathlib import Path

import pytest

from hsmgate.adapters import audit_tail
from hsmgate.errors import Reason
from support.audit_files import actions, event, lines, opened, refusal, rows
from support.trails import why_broken


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


# -- what is refused at the start


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(path: Path, mode: int) -> None:
    opened(path).close()
    path.chmod(mode)
    assert refusal(path).reason is Reason.INTEGRITY


def test_a_symbolic_link_is_refused_and_its_target_left_alone(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    path.symlink_to(target)
    assert "symbolic link" in refusal(path).detail
    assert not target.exists()


def test_what_is_no_regular_file_is_refused(path: Path) -> None:
    os.mkfifo(path)
    assert "regular" in refusal(path).detail
    path.unlink()
    path.mkdir()
    assert refusal(path).reason is Reason.AUDIT_UNAVAILABLE


@pytest.mark.parametrize("content", [b"root:x:0:0\n", b"PK\x03\x04 no newline", b'{"seq":1}\n', b"\n"])
def test_another_kind_of_file_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)
    assert refusal(path).reason is Reason.INTEGRITY
    assert path.read_bytes() == content


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none" / "audit.log").reason is Reason.AUDIT_UNAVAILABLE


def test_a_changed_last_line_is_refused_with_what_to_do(path: Path) -> None:
    audit = opened(path)
    audit.append(event("r1"))
    audit.close()
    path.write_bytes(path.read_bytes().replace(b'"r1"', b'"r2"'))
    before = path.read_bytes()
    failure = refusal(path)
    assert failure.reason is Reason.INTEGRITY
    assert "Move the file" in failure.detail
    assert "verify" in failure.detail
    assert path.read_bytes() == before


# -- recovery


def test_a_last_line_torn_at_any_byte_is_cut_off_and_recorded(path: Path) -> None:
    audit = opened(path)
    for number in range(2):
        audit.append(event(f"r{number}"))
    audit.close()
    whole = path.read_bytes()
    good = whole[: whole[:-1].rfind(b"\n") + 1]
    for torn in (whole[len(good) : end] for end in range(len(good) + 1, len(whole))):
        path.write_bytes(good + torn)
        opened(path).close()
        assert why_broken(lines(path)) == ""
        assert path.read_bytes().startswith(good)
        (recovered,) = rows(path)[2:]
        assert recovered["action"] == "audit.recovered"
        assert recovered["detail"] == {"bytes": len(torn), "sha256": hashlib.sha256(torn).hexdigest()}


def test_a_first_line_torn_at_any_byte_makes_a_new_trail(path: Path) -> None:
    opened(path).close()
    whole = path.read_bytes()
    for end in range(1, len(whole)):
        path.write_bytes(whole[:end])
        opened(path).close()
        assert actions(path) == ["audit.began", "audit.recovered"]
        assert why_broken(lines(path)) == ""


@pytest.mark.parametrize("rest", [b"\0" * 5000, b"\0" * 100 + b'x"}\n', b"\0\n\0\n{", b"{" * 100_000])
def test_blocks_that_never_reached_the_disk_are_cut_off(path: Path, rest: bytes) -> None:
    opened(path).close()
    good = path.read_bytes()
    path.write_bytes(good + rest)
    opened(path).close()
    assert path.read_bytes().startswith(good)
    assert rows(path)[1]["detail"]["bytes"] == len(rest)
    assert why_broken(lines(path)) == ""


def test_more_than_a_torn_write_is_refused(path: Path) -> None:
    opened(path).close()
    size = audit_tail.MAX_TORN + path.stat().st_size + 1
    os.truncate(path, size)
    assert refusal(path).reason is Reason.INTEGRITY
    assert path.stat().st_size == size
