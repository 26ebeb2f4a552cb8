"""Bytes into the gate's HTTP: nothing breaks, answers stay in order, and cutting the bytes changes nothing.

python fuzz/fuzz_http.py -max_total_time=60 fuzz/corpus/http

The first byte of an input says how the rest is cut.
"""

import sys
import warnings
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
with atheris.instrument_imports(include=["hsmgate.gate.http", "uvicorn.protocols.http"]), warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from support.http_bench import SLICE, Bench, Call, SteppedLoop

HEADER_BYTES = 600
_SIZES = (1, 2, 3, 7, 13, 40, 100, 333)
_loop = SteppedLoop()


def run(data: bytes, size: int) -> tuple[list[Call], list[tuple[int, bytes]], bool]:
    """Whole requests that the application saw, what was answered, and whether the connection was ended."""
    with Bench(None, _loop, header_bytes=HEADER_BYTES) as bench:
        bench.feed(data, size)
        begun = bench.app.begun
        bench.feed(b"GET /late HTTP/1.1\r\n\r\n" * 2 if bench.transport.closed else b"")
        assert not bench.transport.closed or bench.app.begun == begun, "served after the end"
        assert bench.http._header_bytes <= HEADER_BYTES + SLICE  # noqa: SLF001
        whole = [call for call in bench.app.calls if call.body is not None]
        answers = [(status, body) for status, body in bench.responses() if status >= 200]
        closed = bench.transport.closed
    refused = [status for status, _ in answers if status != 200]
    assert len(refused) <= 1, "refused twice"
    assert not refused or (answers[-1][0] != 200 and closed), "something came after a refusal"
    numbers = [int(body) for status, body in answers if status == 200]
    assert numbers == list(range(len(numbers))), "out of order"
    assert len(numbers) == len(whole), "an answer without a request, or a request without its answer"
    for call in whole:
        head = len(call.target) + sum(len(name) + len(value) for name, value in call.headers)
        assert head <= HEADER_BYTES + SLICE, "a header over the bound"
        assert call.version in ("1.0", "1.1")
    return whole, answers, closed


def one_input(data: bytes) -> None:
    if not data:
        return
    size, rest = _SIZES[data[0] % len(_SIZES)], data[1:]
    whole, cut = run(rest, SLICE), run(rest, size)
    too_large = any(body == b"HEADER_TOO_LARGE" for _, answers, _ in (whole, cut) for _, body in answers)
    if not too_large:  # the bound is exact to one piece
        assert whole == cut, f"cut into {size}:\n{cut}\nnot {whole}"


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
