import io
import json
import logging
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.typing import FilteringBoundLogger

from hsmgate.adapters.log import Level, make_log
from hsmgate.adapters.log_stdlib import LIBRARIES, Forward, forward_stdlib

AT = 1767323045.678


def log_to(
    stream: io.StringIO,
    *,
    json: bool = False,
    level: Level = "info",
    per_second: int = 20,
    clock: list[float] | None = None,
) -> FilteringBoundLogger:
    ticks = clock or [0.0]
    return make_log(stream, now=lambda: AT, monotonic=lambda: ticks[0], json=json, level=level, per_second=per_second)


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def only(out: io.StringIO) -> dict[str, Any]:
    (line,) = out.getvalue().splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_line_for_people(out: io.StringIO) -> None:
    log_to(out).warning(
        "handshake.refused", peer="127.0.0.1:5000", reason="UNTRUSTED", detail="no path to an issuer", n=3
    )
    assert out.getvalue() == (
        "2026-01-02T03:04:05.678Z warning  handshake.refused peer=127.0.0.1:5000 reason=UNTRUSTED "
        'detail="no path to an issuer" n=3\n'
    )


def test_a_line_for_programs(out: io.StringIO) -> None:
    log_to(out, json=True).info("trust.added", alias="client 2", sha256="ab", expired=False, days=None, part=0.5)
    assert only(out) == {
        "time": "2026-01-02T03:04:05.678Z", "level": "info", "event": "trust.added",
        "alias": "client 2", "sha256": "ab", "expired": False, "days": None, "part": 0.5,
    }  # fmt: skip


def test_lines_below_the_level_are_left_out(out: io.StringIO) -> None:
    log = log_to(out, level="warning")
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d")
    assert [line.split()[1:] for line in out.getvalue().splitlines()] == [["warning", "c"], ["error", "d"]]


@given(st.text(st.characters()), st.text(st.characters(), min_size=1))
@settings(deadline=None)
def test_any_text_stays_one_printable_line(event: str, value: str) -> None:
    for as_json in (False, True):
        out = io.StringIO()
        log_to(out, json=as_json).info(event, subject=value)
        written = out.getvalue()
        assert written.endswith("\n")
        assert all(" " <= character <= "~" for character in written[:-1])
    expected = value.encode("utf-8", "backslashreplace").decode()
    assert json.loads(written)["subject"] == expected


def test_a_value_cannot_pass_for_another_field(out: io.StringIO) -> None:
    log_to(out).info("x", subject='CN=a" result="ok', other="a=b", empty="")
    assert out.getvalue().endswith('x subject="CN=a\\" result=\\"ok" other="a=b" empty=""\n')


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    "name", ["password", "trustStorePassword", "passphrase", "secret", "pin", "Authorization", "api_key", "private_key"]
)
def test_a_field_with_a_secrets_name_is_masked(out: io.StringIO, name: str, as_json: bool) -> None:
    log_to(out, json=as_json).info("x", **{name: "s3cr3t"})
    assert "s3cr3t" not in out.getvalue()
    assert "***" in out.getvalue()


def test_bytes_and_passwords_in_addresses_are_not_shown(out: io.StringIO) -> None:
    log_to(out).info("x", blob=b"s3cr3t", url="postgresql://user:s3cr3t@host/db", pins=3)
    assert out.getvalue().endswith('x blob="<6 bytes>" url=postgresql://***@host/db pins=3\n')


def test_a_long_value_is_cut(out: io.StringIO) -> None:
    log_to(out, json=True).info("x", value="v" * 5000)
    assert only(out)["value"] == "v" * 2000 + "...(+3000)"


@pytest.mark.parametrize("as_json", [False, True])
def test_a_trace_is_a_field_of_its_line(out: io.StringIO, as_json: bool) -> None:
    try:
        raise RuntimeError("a bug\nof two lines")
    except RuntimeError:
        log_to(out, json=as_json).exception("request.failed", request_id="r1")
    (line,) = out.getvalue().splitlines()
    assert "error" in line.split("request.failed")[0]
    assert "RuntimeError: a bug\\nof two lines" in line
    assert "Traceback" in line


def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    closed = io.StringIO()
    closed.close()
    log_to(closed).info("x")
    full = io.TextIOWrapper(io.FileIO("/dev/full", "w"), write_through=True)
    with pytest.raises(OSError, match="No space"):
        full.write("x")
    make_log(full, now=time.time, monotonic=time.monotonic).info("x")
    full.close()


# -- floods


def wait_for(out: io.StringIO, text: str) -> None:
    deadline = time.monotonic() + 5
    while text not in out.getvalue():
        assert time.monotonic() < deadline, out.getvalue()
        time.sleep(0.01)


def test_a_flood_is_held_back_and_counted(out: io.StringIO) -> None:
    clock = [100.0]
    log = log_to(out, per_second=5, clock=clock, json=True)
    for number in range(1000):
        log.warning("handshake.refused", number=number)
        log.warning("trust.removed", number=number)  # nothing that a stranger causes: never held back
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [each["number"] for each in lines if each["event"] == "handshake.refused"] == [0, 1, 2, 3, 4]
    assert sum(each["event"] == "trust.removed" for each in lines) == 1000
    wait_for(out, '"suppressed"')
    clock[0] += 1
    log.warning("handshake.refused", number=1000)
    last = [json.loads(line) for line in out.getvalue().splitlines()[-2:]]
    assert (last[0]["event"], last[0]["level"], last[0]["suppressed"]) == ("handshake.refused", "warning", 995)
    assert last[1]["number"] == 1000


def test_each_kind_has_its_own_measure_and_each_second_its_own(out: io.StringIO) -> None:
    clock = [0.0]
    log = log_to(out, per_second=2, clock=clock)
    for _ in range(3):
        log.info("handshake.timeout")
        log.info("connection.broken")
        clock[0] += 1.0
        log.info("handshake.timeout")
    assert out.getvalue().count("handshake.timeout") == 6
    assert out.getvalue().count("connection.broken") == 3
    assert "suppressed" not in out.getvalue()


def test_a_flood_from_many_threads_is_counted_whole() -> None:
    out = io.StringIO()
    log = make_log(out, now=time.time, monotonic=time.monotonic, json=True, per_second=10)

    def work() -> None:
        for _ in range(500):
            log.warning("connection.refused")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    def total() -> int:
        return sum(json.loads(line).get("suppressed", 1) for line in out.getvalue().splitlines())

    deadline = time.monotonic() + 5
    while total() < 2000:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert total() == 2000
    assert len(out.getvalue().splitlines()) < 100


def test_a_flood_that_leaves_no_room_for_a_thread_stops_nobody(
    out: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Timer) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Timer, "start", refuse)
    clock = [0.0]
    log = log_to(out, per_second=2, clock=clock)
    for _ in range(10):
        log.info("connection.refused")
    clock[0] += 1.0
    log.info("connection.refused")
    assert out.getvalue().count("connection.refused") == 3


def test_a_flood_at_the_end_does_not_delay_the_exit() -> None:
    program = (
        "import sys, time\n"
        "from hsmgate.adapters.log import make_log\n"
        "log = make_log(sys.stderr, now=time.time, monotonic=time.monotonic, per_second=1)\n"
        "for _ in range(9): log.info('connection.refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=20)
    assert done.stderr.count("connection.refused") == 1


# -- what libraries say


@pytest.fixture
def libraries(out: io.StringIO) -> Iterator[io.StringIO]:
    before = {name: logging.getLogger(name) for name in LIBRARIES}
    states = {name: (each.handlers, each.propagate, each.level) for name, each in before.items()}
    forward_stdlib(log_to(out, json=True))
    yield out
    logging.captureWarnings(False)
    for name, (handlers, propagate, level) in states.items():
        before[name].handlers, before[name].propagate = handlers, propagate
        before[name].setLevel(level)


def test_what_a_library_says_becomes_a_line(libraries: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").warning("Invalid %s received.", "HTTP request")
    logging.getLogger("uvicorn.error").info("Started server process")
    found = only(libraries)
    assert (found["event"], found["level"], found["detail"]) == (
        "uvicorn.error", "warning", "Invalid HTTP request received.",
    )  # fmt: skip


def test_a_warning_becomes_a_line(libraries: io.StringIO) -> None:
    with warnings.catch_warnings():  # of its own: pytest makes errors of them
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        forward_stdlib(log_to(libraries, json=True))
        warnings.warn("first\nsecond", stacklevel=1)
    found = only(libraries)
    assert (found["event"], found["level"]) == ("py.warnings", "warning")
    assert "UserWarning: first\nsecond" in found["detail"]


def test_a_librarys_trace_is_a_field_too(libraries: io.StringIO) -> None:
    try:
        raise OSError("gone")
    except OSError:
        logging.getLogger("asyncio").exception("Exception in callback\n%s", "handle")
    assert "OSError: gone" in only(libraries)["trace"]


def test_a_librarys_broken_message_is_still_a_line(out: io.StringIO) -> None:
    record = logging.LogRecord("asyncio", logging.ERROR, "x.py", 1, "%d things", ("no number",), None)
    Forward(log_to(out, json=True)).emit(record)
    assert only(out)["detail"] == "%d things"
