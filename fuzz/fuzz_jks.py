"""Coverage-guided fuzzing of every truststore format; only Failure may escape, and each input ends in bounded time.

Run: python fuzz/fuzz_jks.py -max_total_time=60 fuzz/corpus/jks
"""

import sys
import time
import warnings
from contextlib import suppress
from hashlib import sha1

import atheris

with atheris.instrument_imports(include=["hsmgate"]):
    from hsmgate.errors import Failure
    from hsmgate.pki import store_limits

    # A file may cost some 2 s of key derivation, which would leave no time for fuzzing; the bound has its own tests.
    store_limits.KDF_ROUNDS = 20_000

    from hsmgate.pki import der, jks, truststore, truststore_edit

PASSWORD = "changeit"  # that of every seed
SECONDS = 5.0  # of CPU for all readings of one input
JAVA = (jks.JKS_MAGIC, jks.JCEKS_MAGIC)


def resealed(data: bytes) -> bytes:
    """The same entries under a right digest, so that what lies behind the digest is reached too."""
    content = data[:-20]
    return content + sha1(PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + content).digest()


def without_mac(data: bytes) -> None:
    """A damaged MAC must not hide the bags from the fuzzer."""
    with suppress(Failure):
        version, safe, *_ = der.fields(data, 2, 3, "the store")
        body = version.raw + safe.raw
        size = len(body)
        octets = size.to_bytes(max(1, (size.bit_length() + 7) // 8), "big")
        head = bytes([0x30, size]) if size < 0x80 else bytes([0x30, 0x80 | len(octets)]) + octets
        truststore.read(head + body, PASSWORD, "fuzz")


def edited(data: bytes) -> None:
    """What can be read can be edited or is refused, and an edited store holds what it should."""
    store = truststore.read(data, PASSWORD, "fuzz")
    assert store.entries
    assert len({entry.alias.lower() for entry in store.entries}) == len(store.entries)
    assert len({entry.der for entry in store.entries}) == len(store.entries)
    left = truststore_edit.remove(data, PASSWORD, store.entries[0].alias)
    kept = truststore.read(left, PASSWORD, "fuzz").entries
    assert [entry.der for entry in kept] == [entry.der for entry in store.entries[1:]]


def test_one_input(data: bytes) -> None:
    start = time.process_time()
    forms = [data, resealed(data)] if data[:4] in JAVA else [data]
    for form in forms:
        with suppress(Failure):
            edited(form)
        with suppress(Failure):
            truststore.read_key_store(form, PASSWORD, "fuzz")
    if data[:1] == b"\x30":
        without_mac(data)
    spent = time.process_time() - start
    assert spent < SECONDS, f"{spent:.1f} s for {len(data)} bytes"


def main() -> None:
    warnings.simplefilter("ignore")  # pyca warns of odd serial numbers
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
