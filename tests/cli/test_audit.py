import fcntl
import gzip
import io
import json
import random
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hsmgate.adapters.audit_file import open_audit
from hsmgate.adapters.audit_read import sources
from hsmgate.cli import audit as command
from hsmgate.cli.progress import Progress
from hsmgate.domain import audit
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import AuditEvent
from support.trails import first, line, trail

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "audit.md"
STEPS: list[tuple[audit.Phase, str]] = [("event", ""), ("intent", "r1"), ("outcome", "r1"), ("event", "")]


def quiet() -> Progress:
    return Progress("verifying", io.StringIO(), lambda: 0.0)


def judged(*files: Path, head: str = "") -> command.Report:
    return command.judge(files, head, quiet())


def refused(*files: Path, head: str = "") -> str:
    with pytest.raises(Failure) as caught:
        judged(*files, head=head)
    return caught.value.detail


def seal(raw: bytes) -> str:
    return str(json.loads(raw)["hash"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A small trail in one file."""
    file = tmp_path / "audit.log"
    file.write_bytes(b"".join(trail(STEPS)))
    return file


@pytest.fixture
def rotated(tmp_path: Path) -> list[Path]:
    """A trail of several files, in order, as the service writes them."""
    folder = tmp_path / "rotated"
    folder.mkdir()
    written = open_audit(folder / "audit.log", now=lambda: 1e9, trail="t-9", version="1", max_bytes=3000)
    for number in range(40):
        written.append(AuditEvent(phase="event", action="test", request_id=str(number), result="ok"))
    written.close()
    files = [*sorted(folder.glob("audit.log.*")), folder / "audit.log"]
    assert len(files) == 4
    return files


def test_a_whole_trail_is_reported_with_its_head(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last = seal(path.read_bytes().splitlines()[-1])
    assert command.verify([path]) == 0
    said = capsys.readouterr()
    assert dict(row.split() for row in said.out.splitlines()) == {
        "trail": "t-1", "files": "1", "lines": "5", "first-seq": "1", "last-seq": "5", "head": last,
    }  # fmt: skip
    assert said.err == ""


def test_intents_without_outcome_are_counted_but_no_error(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_bytes(b"".join(trail([("intent", "a"), ("intent", "b"), ("outcome", "a"), ("intent", "a")])))
    assert command.verify([path]) == 0
    assert "warning: 2 intents have no outcome" in capsys.readouterr().err


def test_the_first_bad_line_is_named(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], lines[2].replace(b"r1", b"r2"), lines[3].replace(b"r1", b"r2"), *lines[4:]]))
    assert refused(path) == f"{path}:3: the hash does not hold: the line was changed"


def test_an_outcome_without_intent_is_named(path: Path) -> None:
    path.write_bytes(b"".join(trail([("event", "a"), ("outcome", "a")])))
    assert refused(path) == f"{path}:3: an outcome without an intent (requestId 'a')"


# -- the head


def test_the_head_may_be_any_line_and_the_lines_since_are_counted(path: Path) -> None:
    lines = path.read_bytes().splitlines()
    for at, raw in enumerate(lines, 1):
        assert judged(path, head=seal(raw)).since == len(lines) - at
    assert judged(path, head=f" {seal(lines[0]).upper()}\n").since == 4


def test_every_truncation_is_found_against_the_head(path: Path) -> None:
    whole = path.read_bytes()
    head = judged(path).head
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert refused(path, head=head), size


def test_whole_lines_cut_off_are_found_only_against_the_head(path: Path) -> None:
    head = judged(path).head
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert judged(path).last_seq == 4
    assert "cut or rewritten" in refused(path, head=head)


def test_a_trail_written_anew_is_found_against_the_head(path: Path) -> None:
    head = judged(path).head
    path.write_bytes(b"".join(trail([("event", "forged")] * 9)))
    assert judged(path).lines == 10
    assert "cut or rewritten" in refused(path, head=head)


@pytest.mark.parametrize("head", ["abc", "g" * 64, "0" * 65])
def test_a_head_that_is_no_hash_is_wrong_input(path: Path, head: str) -> None:
    with pytest.raises(Failure) as caught:
        judged(path, head=head)
    assert caught.value.reason is Reason.INVALID_INPUT


# -- several files


def test_files_are_taken_in_any_order_packed_or_not(rotated: list[Path]) -> None:
    whole = judged(*rotated)
    assert (whole.files, whole.first_seq, whole.last_seq) == (4, 1, whole.lines)
    packed = rotated[1].with_suffix(".gz")
    packed.write_bytes(gzip.compress(rotated[1].read_bytes()))
    shuffled = [rotated[0], packed, *rotated[2:]]
    for seed in range(10):
        random.Random(seed).shuffle(shuffled)
        assert judged(*shuffled) == whole


def test_a_missing_file_in_the_middle_is_found(rotated: list[Path]) -> None:
    assert f"{rotated[2]}:1: seq is" in refused(rotated[0], rotated[2], rotated[3])


def test_missing_earlier_files_are_a_remark(rotated: list[Path]) -> None:
    report = judged(*rotated[1:])
    assert report.first_seq > 1
    assert any("earlier files" in remark for remark in command.remarks(report))


def test_a_cut_beginning_of_a_file_is_found(rotated: list[Path]) -> None:
    rotated[1].write_bytes(b"".join(rotated[1].read_bytes().splitlines(keepends=True)[1:]))
    assert "lines before this one are missing" in refused(*rotated[1:])
    assert "seq is" in refused(*rotated)


def test_one_file_under_two_names_counts_once_but_a_copy_is_an_error(rotated: list[Path]) -> None:
    twice = rotated[0].with_name("link")
    twice.hardlink_to(rotated[0])
    assert judged(twice, *rotated, rotated[0]) == judged(*rotated)
    copy = rotated[0].with_name("copy")
    copy.write_bytes(rotated[0].read_bytes())
    assert "seq is" in refused(copy, *rotated)


def test_copytruncate_is_found_as_broken(rotated: list[Path]) -> None:
    copy = rotated[-1].with_name("audit.log.1")
    lines = rotated[-1].read_bytes().splitlines(keepends=True)
    copy.write_bytes(b"".join(lines[:3]))
    rotated[-1].write_bytes(b"".join(lines[4:]))
    assert refused(*rotated[:-1], copy, rotated[-1])


def test_two_trails_are_found(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    raw, _ = audit.write(first(seq=6, prev="ab" * 32, trail="t-2"))
    other.write_bytes(raw)
    assert f"{other}:1: prev" in refused(path, other)


def test_empty_files_do_not_count(path: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    assert judged(empty, path) == judged(path)
    assert "empty" in refused(empty)


# -- hostile files


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (b"{" * 200_000 + b"\n", "not finished"),
        (b"\0" * 1000, "not finished"),
        (b"PK\x03\x04\n", "not a line"),
        (b"\x1f\x8bnot gzip", "damaged"),
        (gzip.compress(b"\n" * 100, mtime=0)[:-9], "damaged|not a line"),
        (gzip.compress(b"x" * 2**22, mtime=0), "not finished"),
    ],
)
def test_other_files_are_refused_in_one_line(path: Path, content: bytes, finding: str) -> None:
    path.write_bytes(content)
    detail = refused(path)
    assert re.search(finding, detail)
    assert str(path) in detail
    assert "\n" not in detail


def test_a_damaged_packed_file_is_found(rotated: list[Path]) -> None:
    packed = bytearray(gzip.compress(rotated[0].read_bytes()))
    for at in range(10, len(packed), 37):
        damaged = bytes(packed[:at]) + bytes([packed[at] ^ 0xFF]) + bytes(packed[at + 1 :])
        rotated[0].write_bytes(damaged)
        assert str(rotated[0]) in refused(*rotated)


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "none")
    assert "regular" in refused(tmp_path) or "directory" in refused(tmp_path)
    assert "regular" in refused(Path("/dev/null"))


def test_a_live_file_is_looked_at_between_two_lines(path: Path) -> None:
    whole = path.read_bytes()
    next_line, _ = audit.write(line(6, judged(path).head))
    with path.open("ab", buffering=0) as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        writer.write(next_line[:50])

        def finish() -> None:
            writer.write(next_line[50:])
            fcntl.flock(writer, fcntl.LOCK_UN)

        timer = threading.Timer(0.1, finish)
        timer.start()
        assert judged(path).lines == 6
        timer.join()
    assert path.read_bytes() == whole + next_line


def test_what_is_appended_meanwhile_is_not_looked_at(path: Path) -> None:
    with sources([path]) as (source,):
        with path.open("ab") as writer:
            writer.write(b"half a line")
        assert len(list(source.lines())) == 5


# -- progress


def long_trail(path: Path, count: int) -> None:
    raw, prev = audit.write(first())
    with path.open("wb") as file:
        file.write(raw)
        for seq in range(2, count + 1):
            raw, prev = audit.write(line(seq, prev))
            file.write(raw)


def test_long_work_says_so_every_10_seconds(tmp_path: Path) -> None:
    path, said, clock = tmp_path / "long", io.StringIO(), iter(range(0, 1000, 4))
    long_trail(path, 41_000)  # ten looks at a clock that gains 4 s each
    command.judge([path], "", Progress("verifying", said, lambda: float(next(clock))))
    found = said.getvalue().splitlines()
    assert len(found) == 3  # at 12, 24 and 36 s
    assert all(re.fullmatch(r"verifying: \d+ %", each) for each in found)


def test_short_work_says_nothing(path: Path) -> None:
    said = io.StringIO()
    command.judge([path], "", Progress("verifying", said, lambda: 0.0))
    assert said.getvalue() == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar(tmp_path: Path) -> None:
    path, said, clock = tmp_path / "long", Terminal(), iter(range(100))
    long_trail(path, 20_500)
    command.judge([path], "", Progress("verifying", said, lambda: float(next(clock))))
    assert "verifying" in said.getvalue()


# -- the page


def documented_verifier(tmp_path: Path) -> Path:
    (source,) = re.findall(r"```text\n(import hashlib.*?)```", DOCS.read_text(), re.DOTALL)
    program = tmp_path / "verifier.py"
    program.write_text(source)
    return program


def run(program: Path, *files: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", str(program), *map(str, files)], capture_output=True, text=True, check=False
    )


def test_the_documented_verifier_agrees_on_whole_trails(tmp_path: Path, path: Path, rotated: list[Path]) -> None:
    program = documented_verifier(tmp_path)
    for files in ([path], rotated, rotated[1:]):
        report = judged(*files)
        assert run(program, *files).stdout == f"{report.last_seq} {report.head}\n"


def test_the_documented_verifier_finds_what_was_changed(tmp_path: Path, path: Path, rotated: list[Path]) -> None:
    program = documented_verifier(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    for changed in (
        [lines[0], lines[1].replace(b"GET", b"PUT"), *lines[2:]],
        [*lines[:2], *lines[3:]],
        [*lines[:2], lines[1], *lines[2:]],
        [lines[1], lines[0], *lines[2:]],
        [*lines[:-1], lines[-1][:-5]],
    ):
        path.write_bytes(b"".join(changed))
        assert run(program, path).returncode == 1
    assert run(program, rotated[0], rotated[2]).returncode == 1


def test_every_event_and_field_has_its_row_on_the_page() -> None:
    page = DOCS.read_text()
    names = [*json.loads(trail([])[0]), audit.BEGAN, audit.CONTINUED, audit.RECOVERED, "since-head", "first-seq"]
    for name in names:
        assert f"`{name}`" in page, name
