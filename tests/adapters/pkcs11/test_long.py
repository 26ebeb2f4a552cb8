"""Eight threads of mixed operations for a minute, and a token whose folder is taken away and brought back meanwhile."""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hsmgate.adapters.pkcs11.keystore import TokenKeystore
from hsmgate.domain.key import Key
from hsmgate.domain.verification import verify
from hsmgate.errors import Failure, Reason
from support.hsm_tokens import Place, open_keystore, open_token, softhsm
from support.keystore_contract import NO_EXTRA, label, spec_of

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
THREADS, SECONDS = 8, 60.0
HEALS_WITHIN = 5.0
SIGNS = {
    "secp256r1": "SHA256_WITH_ECDSA",
    "secp384r1": "SHA512_WITH_ECDSA",
    "RSA-2048": "SHA256_WITH_RSA_PSS",
    "ED25519": "EDDSA",
}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return softhsm(tmp_path / "token")


@pytest.fixture
def store(place: Place, tmp_path: Path) -> Iterator[TokenKeystore]:
    keystore = open_keystore(place, tmp_path, open_token(place, sessions=4))
    yield keystore
    keystore.close()


class Traffic:
    """Threads that use a keystore until they are told to stop. An answer that is wrong, and not refused, is kept."""

    def __init__(self, store: TokenKeystore, keys: dict[str, Key]) -> None:
        self._store, self._keys = store, keys
        self.wrong: list[BaseException] = []
        self.done: Counter[str] = Counter()
        self.last_good = 0.0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(seed,)) for seed in range(THREADS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60.0)
            assert not thread.is_alive()

    def _work(self, seed: int) -> None:
        chance = random.Random(seed)
        while not self._stop.is_set():
            operation = chance.choices((self._sign, self._make_and_destroy, self._list), (90, 3, 7))[0]
            try:
                operation(chance)
            except Failure as failure:
                self.done[failure.reason.name] += 1
                if failure.reason not in {Reason.CONNECTIVITY, Reason.OVERLOADED}:
                    self.wrong.append(failure)
            except BaseException as error:
                self.wrong.append(error)
            else:
                self.done["good"] += 1
                self.last_good = time.monotonic()

    def _sign(self, chance: random.Random) -> None:
        kind = chance.choice(list(self._keys))
        payload = os.urandom(chance.randrange(1, 2000))
        key = self._store.find(self._keys[kind].label)
        assert key.public_key == self._keys[kind].public_key
        verify(key, SIGNS[kind], payload, self._store.sign(key, None, SIGNS[kind], payload, NO_EXTRA))

    def _make_and_destroy(self, _: random.Random) -> None:
        made = self._store.create(spec_of("secp256r1", label()), None)
        self._store.sign(made, None, "SHA256_WITH_ECDSA", b"m", NO_EXTRA)
        self._store.delete(made, None)

    def _list(self, _: random.Random) -> None:
        assert {key.label for key in self._keys.values()} <= set(self._store.labels())


def keys_in(store: TokenKeystore) -> dict[str, Key]:
    return {kind: store.create(spec_of(kind, label()), None) for kind in SIGNS}


def until(so: Callable[[], bool], seconds: float) -> float:
    """Seconds that it took."""
    began = time.monotonic()
    while not so():
        assert time.monotonic() - began < seconds, "not in time"
        time.sleep(0.01)
    return time.monotonic() - began


def test_a_minute_of_mixed_operations_gives_no_wrong_answer(store: TokenKeystore, place: Place) -> None:
    traffic = Traffic(store, keys_in(store))
    traffic.start()
    time.sleep(SECONDS)
    traffic.stop()
    assert traffic.wrong == [], traffic.done
    assert traffic.done["good"] > 1000
    assert set(traffic.done) <= {"good", "OVERLOADED"}
    assert not place.events("token.lost")
    assert store.token.hung == 0


def test_a_token_folder_that_goes_and_comes_back_heals_in_time(store: TokenKeystore, place: Place) -> None:
    traffic = Traffic(store, keys_in(store))
    tokens = Path(place.environment["SOFTHSM2_CONF"]).with_name("tokens")
    took = []
    traffic.start()
    try:
        for _ in range(5):
            until(lambda: store.token.is_up and traffic.done["good"] > 100, 60.0)
            tokens.rename(tokens.with_name("away"))
            until(lambda: not store.token.is_up, 60.0)
            time.sleep(3.0)
            tokens.with_name("away").rename(tokens)
            back = time.monotonic()
            until(lambda back=back: traffic.last_good > back, 60.0)  # type: ignore[misc]
            took.append(time.monotonic() - back)
    finally:
        traffic.stop()
    assert traffic.wrong == [], traffic.done
    assert max(took) < HEALS_WITHIN
    assert len(place.events("token.lost")) == len(place.events("token.back")) == len(took)
