"""Client and AsyncClient: the same methods, made from the same operations."""

import asyncio
import functools
import inspect
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

import httpx2

from hsmgate.client import certificate_operations, operations, request_operations, transport
from hsmgate.client.access import Access, ApiKeys
from hsmgate.client.call import Call
from hsmgate.client.conversation import Ask, NoReply, Outcome, Pause, Reply, Step, converse
from hsmgate.client.identity import Identity
from hsmgate.client.signing import RequestSigner

P = ParamSpec("P")
T = TypeVar("T")
_NO_KEYS = ApiKeys()


class _Client:
    """What one is made of.

    `ca`: PEM file with the authorities that may vouch for the service; None: those of the system. `timeout`: seconds
    that any single wait for the service may take; `retries`: how often a call that changes and uses nothing is
    repeated; `signer`: signs the requests that may be signed. RequestFailed: something of it cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        ca: Path | str | None = None,
        identity: Identity | None = None,
        api_keys: ApiKeys = _NO_KEYS,
        bearer: str | None = None,
        signer: Identity | None = None,
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        retries: int = 2,
    ) -> None:
        self._access = Access(api_keys, bearer)
        self._options = transport.options(url, ca, identity, timeout, connect_timeout)
        self._signer = None if signer is None else RequestSigner(signer)
        self._retries = retries

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._options['base_url']!r})"

    def _signed(self, call: Call[T]) -> Call[T]:
        return call if self._signer is None else self._signer.signed(call)


def _sync(make: Callable[P, Call[T]]) -> Callable[Concatenate["Client", P], T]:
    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.run(make(*args, **kwargs))

    _describe(method, make)
    return method


def _async(make: Callable[P, Call[T]]) -> Callable[Concatenate["AsyncClient", P], Awaitable[T]]:
    async def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.run(make(*args, **kwargs))

    _describe(method, make)
    return method


def _describe(method: Callable[..., object], make: Callable[..., object]) -> None:
    """For help(): the operation's name, words and arguments, behind `self`."""
    method.__name__, method.__qualname__, method.__doc__ = make.__name__, make.__name__, make.__doc__
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    signature = inspect.signature(make)
    method.__dict__["__signature__"] = signature.replace(
        parameters=[itself, *signature.parameters.values()], return_annotation=inspect.Signature.empty
    )


class Client(_Client):
    """Asks and waits; may be used by several threads."""

    @functools.cached_property
    def _http(self) -> httpx2.Client:
        return httpx2.Client(**self._options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def run(self, call: Call[T]) -> T:
        """Make a call. RequestFailed: refused, or no answer."""
        steps = converse(self._signed(call), self._access, uuid.uuid4().hex, self._retries)
        step = next(steps)
        while True:
            try:
                step = steps.send(self._take(step))
            except StopIteration as done:
                answer: T = done.value
                return answer

    def _take(self, step: Step) -> Outcome:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        try:
            return self._ask(step)
        except transport.EXCEPTIONS as error:
            return transport.no_reply(error)

    def _ask(self, ask: Ask) -> Reply | NoReply:
        body = transport.Body()
        with self._http.stream(ask.method, ask.path, headers=ask.headers, content=ask.content) as response:
            if refused := transport.unencoded(response):
                return refused
            for part in response.iter_raw():
                if not body.add(part):
                    return transport.TOO_LARGE
        return Reply(response.status_code, response.headers, body.whole())

    version = _sync(operations.version)
    licence = _sync(operations.licence)
    statistics = _sync(operations.statistics)
    log = _sync(operations.log)
    random = _sync(operations.random)
    health = _sync(operations.health)
    keys = _sync(operations.keys)
    create = _sync(operations.create)
    key = _sync(operations.key)
    address = _sync(operations.address)
    delete = _sync(operations.delete)
    attestation_key = _sync(operations.attestation_key)
    sign = _sync(operations.sign)
    verify = _sync(operations.verify)
    encrypt = _sync(operations.encrypt)
    decrypt = _sync(operations.decrypt)
    hmac = _sync(operations.hmac)
    wrap = _sync(operations.wrap)
    unwrap = _sync(operations.unwrap)
    block = _sync(operations.block)
    unblock = _sync(operations.unblock)
    modify = _sync(operations.modify)
    import_key = _sync(operations.import_key)
    export = _sync(operations.export)
    change_password = _sync(operations.change_password)
    request_certificate = _sync(certificate_operations.request_certificate)
    self_sign = _sync(certificate_operations.self_sign)
    sign_certificate = _sync(certificate_operations.sign_certificate)
    import_certificate = _sync(certificate_operations.import_certificate)
    certificate = _sync(certificate_operations.certificate)
    delete_certificate = _sync(certificate_operations.delete_certificate)
    submit_certificate_request = _sync(certificate_operations.submit_certificate_request)
    submit_self_sign = _sync(certificate_operations.submit_self_sign)
    submit_sign_certificate = _sync(certificate_operations.submit_sign_certificate)
    submit_sign = _sync(request_operations.submit_sign)
    submit_decrypt = _sync(request_operations.submit_decrypt)
    submit_unwrap = _sync(request_operations.submit_unwrap)
    submit_modify = _sync(request_operations.submit_modify)
    submit_block = _sync(request_operations.submit_block)
    submit_unblock = _sync(request_operations.submit_unblock)
    request = _sync(request_operations.request)
    withdraw = _sync(request_operations.withdraw)
    requests = _sync(request_operations.requests)


class AsyncClient(_Client):
    """The same under asyncio."""

    @functools.cached_property
    def _http(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(**self._options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def run(self, call: Call[T]) -> T:
        """Make a call. RequestFailed: refused, or no answer."""
        steps = converse(self._signed(call), self._access, uuid.uuid4().hex, self._retries)
        step = next(steps)
        while True:
            try:
                step = steps.send(await self._take(step))
            except StopIteration as done:
                answer: T = done.value
                return answer

    async def _take(self, step: Step) -> Outcome:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        try:
            return await self._ask(step)
        except transport.EXCEPTIONS as error:
            return transport.no_reply(error)

    async def _ask(self, ask: Ask) -> Reply | NoReply:
        body = transport.Body()
        async with self._http.stream(ask.method, ask.path, headers=ask.headers, content=ask.content) as response:
            if refused := transport.unencoded(response):
                return refused
            async for part in response.aiter_raw():
                if not body.add(part):
                    return transport.TOO_LARGE
        return Reply(response.status_code, response.headers, body.whole())

    version = _async(operations.version)
    licence = _async(operations.licence)
    statistics = _async(operations.statistics)
    log = _async(operations.log)
    random = _async(operations.random)
    health = _async(operations.health)
    keys = _async(operations.keys)
    create = _async(operations.create)
    key = _async(operations.key)
    address = _async(operations.address)
    delete = _async(operations.delete)
    attestation_key = _async(operations.attestation_key)
    sign = _async(operations.sign)
    verify = _async(operations.verify)
    encrypt = _async(operations.encrypt)
    decrypt = _async(operations.decrypt)
    hmac = _async(operations.hmac)
    wrap = _async(operations.wrap)
    unwrap = _async(operations.unwrap)
    block = _async(operations.block)
    unblock = _async(operations.unblock)
    modify = _async(operations.modify)
    import_key = _async(operations.import_key)
    export = _async(operations.export)
    change_password = _async(operations.change_password)
    request_certificate = _async(certificate_operations.request_certificate)
    self_sign = _async(certificate_operations.self_sign)
    sign_certificate = _async(certificate_operations.sign_certificate)
    import_certificate = _async(certificate_operations.import_certificate)
    certificate = _async(certificate_operations.certificate)
    delete_certificate = _async(certificate_operations.delete_certificate)
    submit_certificate_request = _async(certificate_operations.submit_certificate_request)
    submit_self_sign = _async(certificate_operations.submit_self_sign)
    submit_sign_certificate = _async(certificate_operations.submit_sign_certificate)
    submit_sign = _async(request_operations.submit_sign)
    submit_decrypt = _async(request_operations.submit_decrypt)
    submit_unwrap = _async(request_operations.submit_unwrap)
    submit_modify = _async(request_operations.submit_modify)
    submit_block = _async(request_operations.submit_block)
    submit_unblock = _async(request_operations.submit_unblock)
    request = _async(request_operations.request)
    withdraw = _async(request_operations.withdraw)
    requests = _async(request_operations.requests)
