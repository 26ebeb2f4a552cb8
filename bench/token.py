"""Signing in a token, through the keystore and by a bare loop of C_SignInit and C_Sign on the same token, in turn."""

import ctypes
import multiprocessing
import os
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Self

import structlog

from hsmgate.adapters import sql
from hsmgate.adapters.pkcs11.keystore import TokenKeystore
from hsmgate.adapters.pkcs11.library import Library
from hsmgate.adapters.pkcs11.token import Token
from hsmgate.domain.key import Key, KeyAttributes, KeySpec
from hsmgate.usecases.ports import SignExtra

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
_PIN = "1234"
_SIGN_INIT, _SIGN = 42, 43
_ECDSA, _RSA_PKCS = 0x1041, 0x1
_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
_PATIENCE = 120  # seconds
_Pair = tuple[tuple[float, float], tuple[float, float]]  # CPU and wall seconds of ours, then of the bare loop
_SHAPES = {"1 worker": (1, 1), "1 worker, 2 threads": (1, 2), "2 workers": (2, 1)}  # processes, threads in each
_SIGNS = KeyAttributes(sign=True)
KINDS = {
    "P-256": (
        KeySpec("p256", "EC", _SIGNS, curve_oid="1.2.840.10045.3.1.7"),
        "NONE_WITH_ECDSA",
        _ECDSA,
        bytes(32),
        4000,
    ),
    "RSA-2048": (
        KeySpec("rsa", "RSA", _SIGNS, key_size=2048),
        "NONESHA256_WITH_RSA",
        _RSA_PKCS,
        _DIGEST_INFO + bytes(32),
        500,
    ),
}


class _Mechanism(ctypes.Structure):
    _fields_ = [("mechanism", ctypes.c_ulong), ("parameter", ctypes.c_void_p), ("length", ctypes.c_ulong)]


class _Functions(ctypes.Structure):
    _fields_ = [("version", ctypes.c_ubyte * 2), ("functions", ctypes.c_void_p * 68)]


class Bare:
    """The module's own functions, called by ctypes, which lets go of the interpreter lock as python-pkcs11 does."""

    def __init__(self, module: Path) -> None:
        self._library = ctypes.CDLL(str(module))
        found = ctypes.POINTER(_Functions)()
        assert self._library.C_GetFunctionList(ctypes.byref(found)) == 0
        functions = found.contents.functions
        number, pointer = ctypes.c_ulong, ctypes.c_void_p
        self._init = ctypes.CFUNCTYPE(number, number, pointer, number)(functions[_SIGN_INIT])
        self._sign = ctypes.CFUNCTYPE(number, number, ctypes.c_char_p, number, pointer, pointer)(functions[_SIGN])

    def loop(self, session: int, handle: int, mechanism: int, data: bytes, count: int) -> None:
        given = _Mechanism(mechanism, None, 0)
        room, size = ctypes.create_string_buffer(512), ctypes.c_ulong()
        for _ in range(count):
            size.value = 512
            assert self._init(session, ctypes.addressof(given), handle) == 0
            assert self._sign(session, data, len(data), ctypes.addressof(room), ctypes.addressof(size)) == 0


def measure(folder: Path, rounds: int, scale: float) -> list[dict[str, float | str]]:
    """Rows of medians: microseconds of CPU per signature each way, their ratio in rounds side by side, and rates."""
    _make_token(folder)
    with _Opened(folder) as opened:
        for spec, *_ in KINDS.values():
            opened.keystore.create(spec, None)
    rows = list[dict[str, float | str]]()
    for name in KINDS:
        rows += [_row(f"{name}, {title}", folder, name, *shape, rounds, scale) for title, shape in _SHAPES.items()]
    return rows


class _Opened:
    """The token and its keystore in this process."""

    def __init__(self, folder: Path) -> None:
        os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
        log = structlog.get_logger()
        self.token = Token(Library(folder / "module.so"), "bench", _PIN, 4, log)
        self.keystore = TokenKeystore(sql.connect(None, None, None, folder), self.token, time.time, log)
        self.bare = Bare(folder / "module.so")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.keystore.close()


def _row(
    title: str, folder: Path, kind: str, workers: int, threads: int, rounds: int, scale: float
) -> dict[str, float | str]:
    """All workers do the same at the same time: a round of ours, a round of the bare loop, and so on."""
    context = multiprocessing.get_context("spawn")
    found: Queue[list[_Pair]] = context.Queue()
    together = context.Barrier(workers)
    count = max(10, int(KINDS[kind][-1] * scale)) // (workers * threads)
    given = (folder, kind, threads, count, rounds, together, found)
    processes = [context.Process(target=_work, args=given) for _ in range(workers)]
    for process in processes:
        process.start()
    results = [found.get(timeout=_PATIENCE) for _ in processes]
    for process in processes:
        process.join()
    return {"row": title, **_medians(results, count * threads)}


def _work(
    folder: Path, kind: str, threads: int, count: int, rounds: int, together: Barrier, found: "Queue[list[_Pair]]"
) -> None:
    """One worker process."""
    spec, algorithm, mechanism, data, _ = KINDS[kind]
    with _Opened(folder) as opened:
        key = opened.keystore.find(spec.label)
        ours = _ours(opened.keystore, key, algorithm, data[-32:], count)
        raw = _bare(opened.token, opened.keystore, key, opened.bare, mechanism, data, count, threads)
        pairs = []
        for _ in range(rounds + 1):
            timed = []
            for work in (ours, raw):
                together.wait(_PATIENCE)
                timed.append(_timed(work, threads))
            pairs.append((timed[0], timed[1]))
        found.put(pairs[1:])  # the first round warms up


def _make_token(folder: Path) -> None:
    (folder / "tokens").mkdir(parents=True)
    configuration, module = folder / "softhsm2.conf", folder / "module.so"
    configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    shutil.copy(MODULE, module)
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    pins = ("--so-pin", _PIN, "--pin", _PIN)
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "bench", *pins], check=True, capture_output=True
    )


def _ours(keystore: TokenKeystore, key: Key, algorithm: str, payload: bytes, count: int) -> Callable[[int], None]:
    def work(_: int) -> None:
        for _ in range(count):
            keystore.sign(key, None, algorithm, payload, SignExtra())

    return work


def _bare(
    token: Token, keystore: TokenKeystore, key: Key, bare: Bare, mechanism: int, data: bytes, count: int, threads: int
) -> Callable[[int], None]:
    handle = token.run(lambda seat: int(keystore.located(seat, key).handle))
    sessions = [token.token.open() for _ in range(threads)]

    def work(number: int) -> None:
        bare.loop(int(getattr(sessions[number], "handle")), handle, mechanism, data, count)  # noqa: B009

    return work


def _medians(results: list[list[_Pair]], count: int) -> dict[str, float]:
    """Of all workers together; `count` signatures a round and worker."""
    pairs = [pair for worker in results for pair in worker]
    return {
        "hsmgate_us": statistics.median(cpu for (cpu, _), _ in pairs) / count * 1e6,
        "bare_us": statistics.median(cpu for _, (cpu, _) in pairs) / count * 1e6,
        "share": statistics.median(bare / own for (own, _), (bare, _) in pairs),
        "hsmgate_per_s": len(results) * count / statistics.median(wall for (_, wall), _ in pairs),
        "bare_per_s": len(results) * count / statistics.median(wall for _, (_, wall) in pairs),
    }


def _timed(work: Callable[[int], None], threads: int) -> tuple[float, float]:
    """CPU and wall seconds of so many threads."""
    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    cpu, wall = time.process_time(), time.monotonic()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.process_time() - cpu, time.monotonic() - wall
