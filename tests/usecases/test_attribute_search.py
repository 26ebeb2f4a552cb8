"""No order of requests gives the octets of a sensitive key; and the search would find one that does."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from hsmgate.adapters.sealing_key import SealingKey
from hsmgate.adapters.software import SoftwareKeystore
from hsmgate.adapters.sql import connect
from hsmgate.domain import protection
from hsmgate.domain.key import Key, KeyAttributes
from hsmgate.usecases import bring_in
from hsmgate.usecases import wrap as wrapping
from support.key_thief import Thief


class Unattested(SoftwareKeystore):
    """The software keystore, without a signature about each new key."""

    def attest(self, document: bytes) -> tuple[str, bytes]:
        return self.attestation_key_name(), b""


@pytest.fixture(scope="module")
def store() -> Iterator[SoftwareKeystore]:
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:  # thousands of keys need no disk
        keystore = Unattested(connect(None, None, None, Path(folder)), SealingKey(os.urandom(32)), lambda: 0.0)
        yield keystore
        keystore.close()


def search(store: SoftwareKeystore, examples: int, steps: int, *, with_rsa: bool = False) -> None:
    machine = type("Searching", (Thief,), {"store": store, "with_rsa": with_rsa})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],  # a path that is found need not be made short
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_no_path_to_a_sensitive_key(store: SoftwareKeystore) -> None:
    search(store, 25, 12)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_no_path_to_a_sensitive_key_at_length(store: SoftwareKeystore) -> None:
    search(store, 5000, 20)
    search(store, 200, 15, with_rsa=True)


def always(_: Key) -> bool:
    return True


def decrypting_guards(key: Key) -> bool:
    return guards(msgspec.structs.replace(key, attributes=msgspec.structs.replace(key.attributes, decrypt=False)))


def latches_kept(flags: KeyAttributes) -> KeyAttributes:
    return flags


def not_forced(_: Key, flags: KeyAttributes, *, sensitive_said: bool) -> KeyAttributes:
    return brought_in(flags)


def sensitive_exported(key: Key) -> None:
    check_export(msgspec.structs.replace(key, attributes=msgspec.structs.replace(key.attributes, sensitive=False)))


guards, brought_in, check_export = protection.guards, protection.brought_in, protection.check_export

HOLES: dict[str, tuple[object, str, Callable[..., object]]] = {
    "every key wraps sensitive ones": (protection, "guards", always),
    "a key that decrypts guards": (protection, "guards", decrypting_guards),
    "an imported key guards": (bring_in, "brought_in", latches_kept),
    "what a guard unwraps is not sensitive": (wrapping, "unwrapped_with", not_forced),
    "a sensitive key is exported": (bring_in, "check_export", sensitive_exported),
}


@pytest.mark.parametrize("hole", HOLES)
def test_a_planted_hole_is_found(monkeypatch: pytest.MonkeyPatch, store: SoftwareKeystore, hole: str) -> None:
    monkeypatch.setattr(*HOLES[hole])
    with pytest.raises(AssertionError):
        search(store, 4000, 12)  # ends when it has found one
