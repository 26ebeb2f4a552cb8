"""Makes guessing expensive: scrypt for the passphrase of the sealing key, Argon2id for passwords of keys."""

import os
import threading
from typing import Annotated, TypeVar

import msgspec
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from hsmgate.errors import Failure, Reason
from hsmgate.record import Record

_LENGTH = 32
_SALT = 16
_AT_ONCE = 2  # runs of Argon2: guessing clients must not fill memory and processors

Salt = Annotated[bytes, msgspec.Meta(min_length=_SALT, max_length=64)]


Cost = TypeVar("Cost", bound=Record)


def _within(lowest: int, highest: int) -> msgspec.Meta:
    return msgspec.Meta(ge=lowest, le=highest)


class ScryptCost(Record):
    """RFC 7914; memory is 128 * 2^log_n * r octets. The bounds hold for what a database says, too."""

    salt: Salt
    log_n: Annotated[int, _within(15, 18)] = 17
    r: Annotated[int, _within(8, 8)] = 8
    p: Annotated[int, _within(1, 2)] = 1


class Argon2Cost(Record):
    """RFC 9106; `memory` in KiB. The bounds hold for what a database says, too."""

    salt: Salt
    memory: Annotated[int, _within(8 * 1024, 64 * 1024)] = 19 * 1024
    iterations: Annotated[int, _within(1, 4)] = 2
    lanes: Annotated[int, _within(1, 1)] = 1


class PasswordStretcher:
    """Argon2id, two at a time; further callers wait."""

    def __init__(self) -> None:
        self._turn = threading.BoundedSemaphore(_AT_ONCE)

    def stretch(self, password: str, cost: Argon2Cost) -> bytes:
        """Return 32 octets; takes some hundredths of a second."""
        kdf = Argon2id(
            salt=cost.salt,
            length=_LENGTH,
            iterations=cost.iterations,
            lanes=cost.lanes,
            memory_cost=cost.memory,
        )
        with self._turn:
            return kdf.derive(octets(password))


def stretch_passphrase(passphrase: str, cost: ScryptCost) -> bytes:
    """Return 32 octets; takes some tenths of a second and 128 MB."""
    return Scrypt(cost.salt, _LENGTH, 2**cost.log_n, cost.r, cost.p).derive(octets(passphrase))


def new_salt() -> bytes:
    """Random octets for a cost record."""
    return os.urandom(_SALT)


def scrypt_cost(stored: object) -> ScryptCost:
    """Read a stored cost. Failure: INTEGRITY (not one, or out of bounds)."""
    return _read(stored, ScryptCost)


def argon2_cost(stored: object) -> Argon2Cost:
    """Read a stored cost. Failure: INTEGRITY (not one, or out of bounds)."""
    return _read(stored, Argon2Cost)


def octets(password: str) -> bytes:
    """A password as it is typed: no folding, so that what was given once is what opens."""
    return password.encode("utf-8", "surrogatepass")  # JSON may hold lone surrogates


def _read(stored: object, kind: type[Cost]) -> Cost:
    try:
        return msgspec.json.decode(stored if isinstance(stored, str) else b"", type=kind)
    except msgspec.MsgspecError:
        raise Failure(Reason.INTEGRITY, "the cost of a password is damaged in the database") from None
