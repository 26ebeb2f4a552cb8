import threading
import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from hsmgate.adapters.sealing import Seal
from hsmgate.adapters.stretching import (
    Argon2Cost,
    PasswordStretcher,
    ScryptCost,
    argon2_cost,
    new_salt,
    scrypt_cost,
    stretch_passphrase,
)
from hsmgate.errors import Reason
from support.keystore_contract import raises

KEY, DATABASE = bytes(range(32)), bytes(range(16))
SEAL = Seal(KEY, DATABASE)
SALT = bytes(range(16))


@given(st.binary(max_size=200), st.binary(max_size=200), st.text(max_size=40))
def test_what_was_sealed_is_opened(secret: bytes, bound: bytes, uuid: str) -> None:
    uuid = uuid.encode("utf-8", "replace").decode()
    assert SEAL.open(uuid, SEAL.close(uuid, secret, bound), bound) == secret


def test_each_seal_is_another() -> None:
    assert len({SEAL.close("u", b"secret", b"") for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("seal", "uuid", "bound"),
    [
        (Seal(bytes(32), DATABASE), "u", b"bound"),
        (Seal(KEY, bytes(16)), "u", b"bound"),
        (SEAL, "v", b"bound"),
        (SEAL, "", b"bound"),
        (SEAL, "u", b"bounD"),
        (SEAL, "u", b""),
        (SEAL, "u", b"bound "),
    ],
)
def test_key_database_record_and_binding_must_be_the_same(seal: Seal, uuid: str, bound: bytes) -> None:
    sealed = SEAL.close("u", b"secret", b"bound")
    with raises(Reason.INTEGRITY):
        seal.open(uuid, sealed, bound)


def test_every_octet_of_a_seal_counts() -> None:
    sealed = SEAL.close("u", b"secret", b"bound")
    for at in range(len(sealed)):
        for changed in (sealed[:at] + bytes([sealed[at] ^ 0x80]) + sealed[at + 1 :], sealed[:at]):
            with raises(Reason.INTEGRITY):
                SEAL.open("u", changed, b"bound")
    with raises(Reason.INTEGRITY):
        SEAL.open("u", sealed + b"\0", b"bound")


def test_the_check_value_tells_sealing_keys_and_databases_apart() -> None:
    assert SEAL.fits(SEAL.check_value)
    assert len(SEAL.check_value) == 32
    assert KEY not in SEAL.check_value
    for other in (Seal(bytes(32), DATABASE), Seal(KEY, bytes(16))):
        assert not other.fits(SEAL.check_value)
    assert not SEAL.fits(b"")


@pytest.mark.parametrize(
    ("opens", "expected"),
    [
        (lambda inner: SEAL.open_with_password("u", inner, b"stretched"), b"secret"),
        (lambda inner: SEAL.open_with_password("u", inner, b"stretcheD"), None),
        (lambda inner: SEAL.open_with_password("v", inner, b"stretched"), None),
        (lambda inner: Seal(bytes(32), DATABASE).open_with_password("u", inner, b"stretched"), b"secret"),
        (lambda inner: Seal(KEY, bytes(16)).open_with_password("u", inner, b"stretched"), None),
        (lambda inner: SEAL.open_with_password("u", inner[:-1], b"stretched"), None),
        (lambda inner: SEAL.open_with_password("u", b"", b"stretched"), None),
    ],
)
def test_a_password_opens_its_record_below_any_sealing_key(
    opens: Callable[[bytes], bytes | None], expected: bytes | None
) -> None:
    inner = SEAL.close_with_password("u", b"secret", b"stretched")
    assert opens(inner) == expected
    assert inner != SEAL.close_with_password("u", b"secret", b"stretched")
    assert SEAL.movable(inner) == inner


def test_a_password_of_an_early_version_opens_with_its_sealing_key_and_can_be_moved() -> None:
    """There the sealing key was in the place of the random pepper, and nothing stood before nonce and ciphertext."""
    key = HKDF(SHA256(), 32, DATABASE, b"hsmgate password 1\0u").derive(KEY + b"stretched")
    early = bytes(12) + AESGCM(key).encrypt(bytes(12), b"secret", b"")
    assert SEAL.open_with_password("u", early, b"stretched") == b"secret"
    assert SEAL.open_with_password("u", early, b"stretcheD") is None
    other = Seal(bytes(32), DATABASE)
    assert other.open_with_password("u", early, b"stretched") is None
    assert other.open_with_password("u", SEAL.movable(early), b"stretched") == b"secret"


def test_stretching_depends_on_everything() -> None:
    stretch = PasswordStretcher().stretch
    cheap = Argon2Cost(salt=SALT, memory=8 * 1024, iterations=1)
    made = {
        stretch("password", cheap),
        stretch("Password", cheap),
        stretch("password ", cheap),
        stretch("password", Argon2Cost(salt=bytes(16), memory=8 * 1024, iterations=1)),
        stretch("password", Argon2Cost(salt=SALT, memory=9 * 1024, iterations=1)),
        stretch("password", Argon2Cost(salt=SALT, memory=8 * 1024, iterations=2)),
        stretch("\ud800", cheap),  # a lone surrogate, as JSON may hold it
        stretch("é", cheap),
        stretch("e\u0301", cheap),
    }
    assert len(made) == 9
    assert stretch("password", cheap) in made


def test_argon2id_is_the_known_one() -> None:
    """From src/test.c of github.com/P-H-C/phc-winner-argon2: version 0x13, t=2, m=2^16, p=1."""
    cost = Argon2Cost(salt=b"somesalt", memory=65536, iterations=2)
    known = "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"
    assert PasswordStretcher().stretch("password", cost).hex() == known


def test_scrypt_is_that_of_rfc_7914() -> None:
    """Section 12, third vector, of which 32 octets are the beginning."""
    cost = ScryptCost(salt=b"SodiumChloride", log_n=14)
    known = "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
    assert stretch_passphrase("pleaseletmein", cost).hex() == known


def test_scrypt_depends_on_everything() -> None:
    cheap = ScryptCost(salt=SALT, log_n=15)
    made = {
        stretch_passphrase("correct horse", cheap),
        stretch_passphrase("Correct horse", cheap),
        stretch_passphrase("correct horse", ScryptCost(salt=bytes(16), log_n=15)),
        stretch_passphrase("correct horse", ScryptCost(salt=SALT, log_n=16)),
    }
    assert len(made) == 4
    assert ScryptCost(salt=SALT).log_n == 17


def test_two_passwords_are_stretched_at_once_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    running, highest, lock = 0, 0, threading.Lock()

    class Slow:
        def __init__(self, **_: object) -> None: ...

        def derive(self, _: bytes) -> bytes:
            nonlocal running, highest
            with lock:
                running += 1
                highest = max(highest, running)
            time.sleep(0.02)
            with lock:
                running -= 1
            return bytes(32)

    monkeypatch.setattr("hsmgate.adapters.stretching.Argon2id", Slow)
    stretcher = PasswordStretcher()
    threads = [threading.Thread(target=stretcher.stretch, args=("p", Argon2Cost(salt=SALT))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert highest == 2


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "{}",
        "[]",
        "null",
        None,
        5,
        b"{}",
        '{"salt":""}',
        '{"salt":"AAAA"}',
        '{"salt":"AAECAwQFBgcICQoLDA0ODw==","log_n":19}',
        '{"salt":"AAECAwQFBgcICQoLDA0ODw==","log_n":1}',
        '{"salt":"AAECAwQFBgcICQoLDA0ODw==","r":4096}',
        '{"salt":"AAECAwQFBgcICQoLDA0ODw==","p":64}',
        '{"salt":"AAECAwQFBgcICQoLDA0ODw==","extra":1}',
        '{"salt":"AAECAwQFBgcICQoLDA0ODw==","memory":4194304}',
        '{"salt":"AAECAwQFBgcICQoLDA0ODw==","memory":1}',
        '{"salt":"AAECAwQFBgcICQoLDA0ODw==","iterations":1000}',
        '{"salt":"AAECAwQFBgcICQoLDA0ODw==","lanes":64}',
        '{"salt":5}',
    ],
)
def test_a_stored_cost_is_bounded(stored: object) -> None:
    reads: list[Callable[[object], object]] = [scrypt_cost, argon2_cost]
    for read in reads:
        with raises(Reason.INTEGRITY):
            read(stored)


def test_salts_are_fresh() -> None:
    assert len({new_salt() for _ in range(100)}) == 100
