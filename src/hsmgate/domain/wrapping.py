"""Wrap methods: every value of the contract (enums.md section 5), and how a key travels in it."""

from typing import Literal

from hsmgate.domain.algorithm import key_algorithm
from hsmgate.domain.key import Key
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record

Scheme = Literal["", "KW", "KWP", "PKCS1", "OAEP"]


class WrapMethod(Record):
    """One value of wrapMethod. `wraps`: a private key of this type, as PKCS#8; empty: the octets of a secret key."""

    name: str
    key: str  # a name of the key algorithm table; ML-KEM stands for its family
    scheme: Scheme = ""
    wraps: str = ""
    absent: str = ""  # why no backend offers it


_BLOCK = 8  # octets, RFC 3394
_OVERHEAD = {"OAEP": 42, "PKCS1": 11}  # octets around a key
_PRIVATE = ("DSA", "EC", "ED", "RSA", "BLS")
_NO_BLS = "there are no such keys in this version"
_Row = WrapMethod

WRAP_METHODS: tuple[WrapMethod, ...] = (
    _Row("AES_WRAP", "AES", "KW"),
    *(_Row(f"AES_WRAP_{kind}", "AES", "KW", kind) for kind in _PRIVATE if kind != "BLS"),
    _Row("AES_WRAP_BLS", "AES", absent=_NO_BLS),
    _Row("AES_WRAP_PAD", "AES", "KWP"),
    *(_Row(f"AES_WRAP_PAD_{kind}", "AES", "KWP", kind) for kind in _PRIVATE if kind != "BLS"),
    _Row("AES_WRAP_PAD_BLS", "AES", absent=_NO_BLS),
    _Row("RSA_WRAP_PAD", "RSA", "PKCS1"),
    _Row("RSA_WRAP_OAEP", "RSA", "OAEP"),
    *(_Row(f"ML-KEM-{size}", "ML-KEM", absent="the contract lists it and refuses it") for size in (512, 768, 1024)),
)
_BY_NAME = {row.name: row for row in WRAP_METHODS}
DEFAULT_SECRET = "AES"  # noqa: S105 - the type of an unwrapped secret key that nobody named


def wrap_method(name: str) -> WrapMethod:
    """The row of this name. Failure: INVALID_INPUT (unknown, or ML-KEM), NOT_IMPLEMENTED (no backend has it)."""
    row = _BY_NAME.get(name)
    if row is None:
        raise Failure(Reason.INVALID_INPUT, f"wrapMethod {name[:64]!r} is not known")
    if row.absent:
        reason = Reason.INVALID_INPUT if row.key == "ML-KEM" else Reason.NOT_IMPLEMENTED
        raise Failure(reason, f"wrapMethod {name}: {row.absent}")
    return row


def wrap_method_by(key: Key, name: str) -> WrapMethod:
    """The row of this name, which this key wraps and unwraps with. Failure: as wrap_method; ALGORITHM_NOT_FOR_KEY."""
    row = wrap_method(name)
    if row.key != key.algorithm:
        raise Failure(Reason.ALGORITHM_NOT_FOR_KEY, f"wrapMethod {name} does not fit the wrapping key")
    return row


def check_wraps(row: WrapMethod, key: Key) -> None:
    """Whether the method is for keys of this type. Failure: ALGORITHM_NOT_FOR_KEY."""
    fits = row.wraps == key.algorithm if row.wraps else key_algorithm(key.algorithm).symmetric
    if not fits:
        raise Failure(Reason.ALGORITHM_NOT_FOR_KEY, f"wrapMethod {row.name} is not for keys of type {key.algorithm}")


def check_length(row: WrapMethod, octets: int, modulus: int) -> None:
    """Whether it takes a key of so many octets; `modulus`: of an RSA wrapping key, in bits.

    Failure: ALGORITHM_NOT_FOR_KEY.
    """
    if row.key == "RSA" and octets > modulus // 8 - _OVERHEAD[row.scheme]:
        raise Failure(Reason.ALGORITHM_NOT_FOR_KEY, f"the key is too long for {row.name} with this wrapping key")
    if row.scheme == "KW" and (octets % _BLOCK or octets < 2 * _BLOCK):
        raise Failure(Reason.ALGORITHM_NOT_FOR_KEY, f"{row.name} takes whole blocks of 8 bytes: use AES_WRAP_PAD")


def unwrapped_algorithm(row: WrapMethod, asked: str | None) -> str:
    """The type of what is unwrapped: the method says it, or for secret keys the caller may.

    Failure: INVALID_INPUT (another one, or no secret key), NOT_IMPLEMENTED.
    """
    if not asked:
        return row.wraps or DEFAULT_SECRET
    algorithm = key_algorithm(asked)
    if algorithm.name == row.wraps or (not row.wraps and algorithm.symmetric):
        return algorithm.name
    raise Failure(Reason.INVALID_INPUT, f"wrapMethod {row.name} does not unwrap keys of type {algorithm.name}")
