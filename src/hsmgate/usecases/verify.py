"""Verify a signature with the public part of a key."""

from hsmgate.domain import verification
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record
from hsmgate.usecases.find import find
from hsmgate.usecases.ports import Ports


class Verify(Record):
    """What was signed, with what; the signature in whichever form."""

    label: str
    algorithm: str
    payload: bytes
    signature: bytes


def verify(ports: Ports, wish: Verify) -> bool:
    """Whether the signature is the key's. Failure: KEY_NOT_FOUND and those of domain.verification but the verdict."""
    key = find(ports, wish.label)
    try:
        verification.verify(key, wish.algorithm, wish.payload, wish.signature)
    except Failure as failure:
        if failure.reason is not Reason.SIGNATURE_INVALID:
            raise
        return False
    return True
