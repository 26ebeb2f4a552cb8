"""PKCS#1 v1.5: the time that a wrong ciphertext takes says nothing about what is wrong with it.

Welch's t over random classes, interleaved, so that whatever else the machine does falls on all of them alike.
"""

import gc
import itertools
import math
import random
import statistics
import time
from collections.abc import Callable

import pytest
from Crypto.PublicKey import RSA
from cryptography.hazmat.primitives.asymmetric import rsa

from hsmgate.adapters import rsa_ciphers
from hsmgate.domain.cipher import cipher
from hsmgate.errors import Failure, Reason

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]
BOUND = 4.5
SAMPLES = 20_000  # of all classes together
OCTETS = 256
RAW = cipher("RSA_NO_PADDING")
Open = Callable[[rsa.RSAPrivateKey, bytes], bytes]


def nonzero(count: int) -> bytes:
    return bytes(random.choices(range(1, 256), k=count))


# what the private operation gives, and every way in which it is no padding; random where it does not matter
WRONG: dict[str, Callable[[], bytes]] = {
    "first octet": lambda: b"\x01\x02" + nonzero(9) + b"\0" + nonzero(OCTETS - 12),
    "block type": lambda: b"\x00\x01" + nonzero(9) + b"\0" + nonzero(OCTETS - 12),
    "padding too short": lambda: b"\x00\x02" + nonzero(3) + b"\0" + nonzero(OCTETS - 6),
    "no end of the padding": lambda: b"\x00\x02" + nonzero(OCTETS - 2),
    "all of it": lambda: b"\x00" + nonzero(OCTETS - 1),
}


@pytest.fixture(scope="module")
def private() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, OCTETS * 8)


def ciphertext(private: rsa.RSAPrivateKey, block: bytes) -> bytes:
    public = private.public_key()
    while int.from_bytes(block, "big") >= public.public_numbers().n:
        block = b"\x01" + block[1:]
    return rsa_ciphers.encrypt(public, RAW, block)


def measure(private: rsa.RSAPrivateKey, open_: Open, samples: int) -> dict[str, list[int]]:
    """Nanoseconds of each class, in one random order; everything else is made before."""
    order = [name for name in WRONG for _ in range(samples // len(WRONG))]
    random.shuffle(order)
    given = [(name, WRONG[name]()) for name in order]
    times: dict[str, list[int]] = {name: [] for name in WRONG}
    gc.collect()
    gc.disable()
    try:
        for name, block in given:
            octets = ciphertext(private, block)
            began = time.perf_counter_ns()
            try:
                open_(private, octets)
            except Failure as failure:
                times[name].append(time.perf_counter_ns() - began)
                assert failure.reason is Reason.DECRYPT_FAILED  # noqa: PT017
            else:
                raise AssertionError(name)
    finally:
        gc.enable()
    return times


def welch(one: list[int], other: list[int]) -> float:
    spread = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    return abs(statistics.fmean(one) - statistics.fmean(other)) / math.sqrt(spread)


def largest(times: dict[str, list[int]]) -> float:
    """The largest t of any two classes; the slowest tenth is noise of the machine and is cut off alike for all."""
    cut = statistics.quantiles([t for values in times.values() for t in values], n=10)[-1]
    kept = {name: [t for t in values if t <= cut] for name, values in times.items()}
    return max(welch(kept[one], kept[other]) for one, other in itertools.combinations(kept, 2))


def early_return(private: rsa.RSAPrivateKey, octets: bytes) -> bytes:
    """What a careless reader does: it stops at the first thing that is wrong."""
    block: bytes = RSA.RsaKey._decrypt_to_bytes(_KEY, int.from_bytes(octets, "big"))  # type: ignore[no-untyped-call]
    if block[:1] != b"\0" or block[1:2] != b"\2":
        raise Failure(Reason.DECRYPT_FAILED)
    for place, octet in enumerate(block[2:], 2):
        if octet == 0 and place < 10:
            raise Failure(Reason.DECRYPT_FAILED)
    raise Failure(Reason.DECRYPT_FAILED)


_KEY = RSA.generate(OCTETS * 8)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No private operation, whose time is blinded and a thousand times as long: what is seen is how padding is read.

    A "ciphertext" is its own block.
    """
    monkeypatch.setattr(RSA.RsaKey, "_decrypt_to_bytes", lambda _, number: number.to_bytes(OCTETS, "big"))
    monkeypatch.setattr(rsa_ciphers, "_other_library", lambda _: _KEY)
    monkeypatch.setitem(globals(), "ciphertext", lambda _, block: block)


def test_failures_take_the_same_time(private: rsa.RSAPrivateKey) -> None:
    assert largest(measure(private, rsa_ciphers.open_pkcs1, SAMPLES)) < BOUND


@pytest.mark.usefixtures("bare")
def test_the_padding_is_read_in_the_same_time(private: rsa.RSAPrivateKey) -> None:
    assert largest(measure(private, rsa_ciphers.open_pkcs1, SAMPLES)) < BOUND


@pytest.mark.usefixtures("bare")
def test_a_planted_early_return_is_detected(private: rsa.RSAPrivateKey) -> None:
    assert largest(measure(private, early_return, SAMPLES)) > BOUND
