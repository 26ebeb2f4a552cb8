import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hsmgate.adapters.private_files import make_folder, whole_folder, write_once
from hsmgate.errors import Failure, Reason


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_modes_do_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    make_folder(tmp_path / "a" / "b")
    write_once(tmp_path / "a" / "b" / "key", b"secret")
    with whole_folder(tmp_path / "whole") as building:
        assert building is not None
        assert mode(building) == 0o700
    modes = [mode(tmp_path / name) for name in ("a", "a/b", "a/b/key", "whole")]
    assert modes == [0o700, 0o700, 0o600, 0o700]


def test_a_file_is_written_once(tmp_path: Path) -> None:
    write_once(tmp_path / "key", b"first")
    with pytest.raises(Failure, match=r"key: file exists") as caught:
        write_once(tmp_path / "key", b"second")
    assert caught.value.reason is Reason.STORE_UNREADABLE
    assert (tmp_path / "key").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Failure):
        write_once(tmp_path / "key", b"secret")
    assert not (tmp_path / "elsewhere").exists()


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Failure, match="no space left"):
        write_once(tmp_path / "key", b"secret")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Failure):
        make_folder(tmp_path / "file" / "folder")
    with pytest.raises(Failure), whole_folder(tmp_path / "file"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "made") as building:
        assert building is not None
        write_once(building / "key", b"secret")
        assert not (tmp_path / "made").exists()
    assert (tmp_path / "made" / "key").read_bytes() == b"secret"
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_an_empty_folder_is_filled_and_a_filled_one_kept(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    with whole_folder(tmp_path / "made") as building:
        assert building is not None
        write_once(building / "key", b"first")
    with whole_folder(tmp_path / "made") as building:
        assert building is None
    assert (tmp_path / "made" / "key").read_bytes() == b"first"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("bug")])
def test_a_block_that_fails_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    expected = Failure if isinstance(error, OSError) else type(error)

    def fail() -> None:
        with whole_folder(tmp_path / "made") as building:
            assert building is not None
            write_once(building / "key", b"secret")
            raise error

    with pytest.raises(expected):
        fail()
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, pathlib, sys
from hsmgate.adapters.private_files import make_folder, whole_folder, write_once
with whole_folder(pathlib.Path(sys.argv[1])) as building:
    make_folder(building / "folder")
    write_once(building / "folder" / "key", b"half")
    os.kill(os.getpid(), 9)
"""

FILLS = """
import os, pathlib, sys
from hsmgate.adapters.private_files import whole_folder, write_once
with whole_folder(pathlib.Path(sys.argv[1])) as building:
    for number in range(20 if building else 0):
        write_once(building / str(number), os.urandom(16))
print("made" if building else "kept")
"""


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "made"], check=False)
    assert done.returncode == -9
    (left,) = tmp_path.iterdir()
    assert (left / "folder" / "key").exists()
    with whole_folder(tmp_path / "made") as building:
        assert building is not None
        assert list(building.iterdir()) == []
        write_once(building / "key", b"second")
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_of_many_processes_one_fills_the_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FILLS, str(tmp_path / "made")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    said = [process.communicate(timeout=60)[0].strip() for process in running]
    assert sorted(said) == ["kept"] * 7 + ["made"]
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert len(list((tmp_path / "made").iterdir())) == 20


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_in_the_way_is_refused(tmp_path: Path) -> None:
    planted = tmp_path / ".made.new"
    planted.mkdir()
    os.chown(planted, 65534, 65534)
    with pytest.raises(Failure, match="another user"), whole_folder(tmp_path / "made"):
        pass
    planted.rmdir()
    planted.symlink_to(tmp_path)
    with pytest.raises(Failure), whole_folder(tmp_path / "made"):
        pass
