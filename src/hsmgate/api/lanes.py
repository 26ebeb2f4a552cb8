"""Turns for requests that cost much: few run at once, few wait, and peers alternate, so that quick ones go on."""

import asyncio
from collections import OrderedDict, deque
from enum import Enum, auto

from hsmgate.api.wire.certificates import (
    CertificateFields,
    SubmitCsrBody,
    SubmitSelfSignBody,
    SubmitSignCertificateBody,
)
from hsmgate.api.wire.changes import BlockBody, ModifyBody, PasswordBody, UnblockBody
from hsmgate.api.wire.ciphers import DecryptBody, EncryptBody
from hsmgate.api.wire.keys import CreateKeyBody, KeyBody
from hsmgate.api.wire.macs import HmacBody
from hsmgate.api.wire.material import ImportBody
from hsmgate.api.wire.operations import SignBody, VerifyBody
from hsmgate.api.wire.requests import (
    SubmitBlockBody,
    SubmitDecryptBody,
    SubmitModifyBody,
    SubmitSignBody,
    SubmitUnblockBody,
    SubmitUnwrapBody,
)
from hsmgate.api.wire.wrapping import UnwrapBody, WrapBody
from hsmgate.domain.algorithm import is_slow_to_make
from hsmgate.domain.signature_algorithm import SIGNATURE_ALGORITHMS
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record


class Cost(Enum):
    """What a request takes of a worker thread; judged by its body alone, before anything is looked up."""

    QUICK = auto()
    PASSWORD = auto()  # a run of Argon2: some hundredths of a second and 19 MB
    PRIMES = auto()  # a search for primes, or a proof that some are: up to a minute


class Bounds(Record):
    """Of one lane; `patience` in seconds. Who waits longer has perhaps gone, and no key is used for nobody."""

    at_once: int
    most_waiting: int
    most_of_one: int  # waiting, of one peer
    patience: float


# together fewer than there are worker threads: the rest is left for what is quick
LANES = {
    Cost.PASSWORD: Bounds(at_once=2, most_waiting=1024, most_of_one=256, patience=10.0),
    Cost.PRIMES: Bounds(at_once=1, most_waiting=128, most_of_one=64, patience=30.0),
}

_KINDS = {row.name: None if row.key in {"RSA", "DSA"} else row.name for row in SIGNATURE_ALGORITHMS}


class Lane:
    """Hands out turns on the event loop; among those who wait, every peer gets one before any gets a second."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._free = bounds.at_once
        self._count = 0  # who wait
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def enter(self, peer: str) -> None:
        """Return when the turn has come; `leave` must follow. Failure: OVERLOADED."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(peer)

    def leave(self) -> None:
        """Pass the turn on."""
        while self._waiting:
            peer, queue = self._waiting.popitem(last=False)
            turn = queue.popleft()
            self._count -= 1
            if queue:
                self._waiting[peer] = queue  # behind the others
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    async def _wait(self, peer: str) -> None:
        queue = self._waiting.get(peer, deque())
        if self._count >= self._bounds.most_waiting or len(queue) >= self._bounds.most_of_one:
            raise Failure(Reason.OVERLOADED, "too many such requests are waiting")
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        self._waiting[peer] = queue
        self._count += 1
        try:
            async with asyncio.timeout(self._bounds.patience):
                await turn
        except BaseException as error:
            if not turn.cancelled():  # it came at the last moment
                self.leave()
            elif turn in queue:
                queue.remove(turn)
                self._count -= 1
                if not queue:
                    del self._waiting[peer]
            if isinstance(error, TimeoutError):
                raise Failure(Reason.OVERLOADED, "its turn did not come in time") from None
            raise


def quick(_body: object) -> Cost:
    """Neither a password nor primes."""
    return Cost.QUICK


def alike(_body: object) -> str:
    """All take about as long."""
    return ""


def kind_of_signature(body: SignBody) -> str | None:
    """POST /v1/synchronousSign: with RSA and DSA a second core helps, so they always go to a thread."""
    return _KINDS.get(body.sign_request.signature_algorithm, "")


def of_creation(body: CreateKeyBody) -> Cost:
    """POST /v1/key."""
    return Cost.PRIMES if is_slow_to_make(body.algorithm, body.algorithm_oid) else _of(body.password)


def of_key(body: KeyBody) -> Cost:
    """Bodies that name a key and its password."""
    return _of(body.password)


def of_signature(body: SignBody | SubmitSignBody) -> Cost:
    """POST /v1/synchronousSign and /v1/sign."""
    return _of(body.sign_request.key_password)


def of_encryption(body: EncryptBody) -> Cost:
    """POST /v1/encrypt."""
    return _of(body.encrypt_request.key_password)


def of_decryption(body: DecryptBody | SubmitDecryptBody) -> Cost:
    """POST /v1/synchronousDecrypt and /v1/decrypt."""
    return _of(body.decrypt_request.key_password)


def of_hmac(body: HmacBody) -> Cost:
    """POST /v1/synchronousHmac."""
    return _of(body.hmac_request.key_password)


def of_verification(body: VerifyBody) -> Cost:
    """POST /v1/verify."""
    return _of(body.verify_hmac_request.key_password if body.verify_hmac_request else None)


def of_wrapping(body: WrapBody) -> Cost:
    """POST /v1/wrap."""
    asked = body.wrap_key_request
    return _of(asked.key_to_be_wrapped_password or asked.wrap_key_password)


def of_unwrapping(body: UnwrapBody | SubmitUnwrapBody) -> Cost:
    """POST /v1/synchronousUnwrap and /v1/unwrap: a private key is checked as at an import."""
    asked = body.unwrap_key_request
    slow = asked.wrap_method.endswith(("_RSA", "_DSA"))
    return Cost.PRIMES if slow else _of(asked.unwrap_key_password or asked.password)


def of_import(body: ImportBody) -> Cost:
    """POST /v1/key/import/plain: whether the primes of a key are primes takes up to seconds."""
    return Cost.PRIMES if is_slow_to_make(body.algorithm, None) else _of(body.password)


def of_change(body: PasswordBody) -> Cost:
    """POST /v1/key/changePassword."""
    return _of(body.password or body.new_password)


def of_block(body: BlockBody | SubmitBlockBody) -> Cost:
    """POST /v1/synchronousBlock and /v1/block."""
    return _of(body.block_request.key_password)


def of_unblock(body: UnblockBody | SubmitUnblockBody) -> Cost:
    """POST /v1/synchronousUnblock and /v1/unblock."""
    return _of(body.unblock_request.key_password)


def of_modify(body: ModifyBody | SubmitModifyBody) -> Cost:
    """POST /v1/synchronousModify and /v1/modify."""
    return _of(body.modify_request.key_password)


def of_certificate(body: CertificateFields) -> Cost:
    """POST /v1/certificate/synchronous/..."""
    return _of(body.key_password)


def of_submitted_csr(body: SubmitCsrBody) -> Cost:
    """POST /v1/certificate/request."""
    return _of(body.csr_sign_request.key_password)


def of_submitted_self_sign(body: SubmitSelfSignBody) -> Cost:
    """POST /v1/certificate/selfsign."""
    return _of(body.self_sign_certificate_request.key_password)


def of_submitted_certificate(body: SubmitSignCertificateBody) -> Cost:
    """POST /v1/certificate/sign."""
    return _of(body.sign_certificate_request.key_password)


def _of(password: object) -> Cost:
    return Cost.PASSWORD if password else Cost.QUICK
