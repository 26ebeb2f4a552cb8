"""The command line within this process: what commands print, and the streams that they print to."""

import io
import os
import sys
from pathlib import Path

import pytest

import hsmgate.cli
from hsmgate import __version__
from hsmgate.cli import streams, tables
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record


class Row(Record):
    """A row to show."""

    alias: str
    size: int | None = None


def main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of the program."""
    monkeypatch.setattr(sys, "argv", ["hsmgate", *arguments])
    with pytest.raises(SystemExit) as ended:
        hsmgate.cli.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(monkeypatch, "version") == 0
    assert capsys.readouterr().out == f"hsmgate {__version__}\n"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (Failure(Reason.CONFIG_INVALID, "two\nlines\x1b[0m"), 1, "hsmgate: two?lines?[0m\n"),
        (Failure(Reason.OVERLOADED), 1, "hsmgate: overloaded\n"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(32, "Broken pipe"), 1, ""),
        (OSError(28, "No space left on device"), 1, "hsmgate: the output cannot be written: no space left on device\n"),
        (RuntimeError("a bug"), 1, "hsmgate: unexpected RuntimeError: a bug (with HSMGATE_TRACE=1 it says where)\n"),
        (SystemExit(3), 3, ""),
    ],
)
def test_every_end_has_its_exit_code_and_at_most_one_line(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_arguments: object) -> None:
        raise error

    monkeypatch.setattr(hsmgate.cli, "app", fail)
    assert main(monkeypatch, "version") == code
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", said)


def test_rows_are_whole_lines_where_nobody_looks_at_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    tables.show([Row("a" * 300, 1), Row("tab\there\nthere")], as_json=False)
    assert capsys.readouterr().out == f"{'a' * 300}\t1\ntab?here?there\t\n"
    tables.show([], as_json=False)
    assert capsys.readouterr().out == ""
    tables.show([], as_json=True)
    assert capsys.readouterr().out == "[]\n"
    tables.warn(["one\x07"])
    assert capsys.readouterr().err == "warning: one?\n"


def test_a_stream_that_cannot_be_flushed_is_told_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with open("/dev/full", "w") as full, open(tmp_path / "err", "w") as err:
        monkeypatch.setattr(sys, "stdout", full)
        monkeypatch.setattr(sys, "stderr", err)
        full.write("x")
        assert streams.flush() == "the output cannot be written: no space left on device"
        assert streams.flush() == ""


def test_a_reader_that_went_away_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        pipe.write("x")
        assert streams.flush() == ""


def test_streams_that_are_not_files_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    streams.prepare()
    print("fine")  # noqa: T201
    assert streams.flush() == ""
