"""The responder's ASGI application: GET and POST of OCSP requests, CRLs, certificates, health."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Executor
from hashlib import sha256
from typing import Any, Protocol

from hsmgate.errors import Failure
from hsmgate.pki.ocsp_request import MOST_OCTETS
from hsmgate.responder import http
from hsmgate.responder.answers import Answers, Reply
from hsmgate.responder.http import Answer

MOST_WAITING = 256  # requests at work or waiting for a thread; more are told to try later
_FILE_SECONDS = 3600  # an authority's certificate does not change for that long

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Files(Protocol):
    """What else certificates point to. Both may block, and fail with CONNECTIVITY."""

    def certificate(self, name: str) -> bytes | None:
        """DER of an authority's certificate."""
        ...

    def crl(self, name: str) -> tuple[bytes, float, float] | None:
        """Its newest CRL (DER), thisUpdate, nextUpdate."""
        ...


class Site:
    """`max_age`: seconds for which HTTP caches may keep an answer; `health`: what ails the responder, or nothing."""

    def __init__(
        self,
        answers: Answers,
        files: Files | None,
        executor: Executor,
        aside: Executor,
        now: Callable[[], float],
        max_age: float,
        health: Callable[[], str],
    ) -> None:
        self._answers = answers
        self._files = files
        self._executor, self._aside = executor, aside
        self._now = now
        self._max_age = max_age
        self._health = health
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        answer = await self._answer(scope, receive)
        headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        if answer.status != 304:
            headers.append((b"content-length", str(len(answer.body)).encode()))
        if answer.status in (408, 413):
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        if scope["method"] == "GET":
            return await self._get(scope)
        if scope["method"] == "POST":
            return await self._post(scope, receive)
        return http.refusal(405, "GET and POST are served here", allow="GET, POST")

    async def _get(self, scope: Scope) -> Answer:
        path, if_none_match = scope["raw_path"], http.header(scope["headers"], b"if-none-match")
        if path == b"/health":
            ill = self._health()
            return http.refusal(503, ill) if ill else http.refusal(200, "ok")
        if (kind := path[-4:]) in (b".crl", b".crt") and self._files is not None:
            return await self._file(path[1:-4].decode("latin-1"), kind, if_none_match)
        request = http.request_of(path)
        if request is None:
            return http.refusal(404, "no OCSP request, and no file, is at this path")
        reply = await self._worked(self._answers.kept, request)
        return http.ocsp_answer(reply, self._now(), self._max_age, if_none_match)

    async def _post(self, scope: Scope, receive: Receive) -> Answer:
        kind = (http.header(scope["headers"], b"content-type") or "").partition(";")[0].strip().lower()
        if kind != http.REQUEST_TYPE:
            return http.refusal(415, f"an OCSP request is sent as {http.REQUEST_TYPE}")
        body = await _body(receive)
        if body is None:
            return http.refusal(413, f"an OCSP request has at most {MOST_OCTETS} bytes")
        reply = await self._worked(self._answers.live, body)
        return Answer(200, reply.body, {"content-type": http.RESPONSE_TYPE} | http.NEVER)

    async def _worked(self, work: Callable[[bytes], Reply], request: bytes) -> Reply:
        """In a thread, where there is room for one more."""
        if self._waiting >= MOST_WAITING:
            return self._answers.refused("tryLater")
        self._waiting += 1
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            return await loop.run_in_executor(self._executor, work, request)
        finally:
            self._waiting -= 1
            self._answers.latency.observe(loop.time() - begun)

    async def _file(self, name: str, kind: bytes, if_none_match: str | None) -> Answer:
        assert self._files is not None
        loop = asyncio.get_running_loop()
        try:
            if kind == b".crt":
                body = await loop.run_in_executor(self._aside, self._files.certificate, name)
                seconds, media = _FILE_SECONDS, http.CERTIFICATE_TYPE
            else:
                found = await loop.run_in_executor(self._aside, self._files.crl, name)
                body = found[0] if found is not None else None
                seconds = max(0, min(int(found[2] - self._now()), int(self._max_age))) if found is not None else 0
                media = http.CRL_TYPE
        except Failure:
            return http.refusal(503, "the database cannot be read", **{"retry-after": "5"})
        if body is None:
            return http.refusal(404, "no such file")
        return http.file_answer(body, media, f'"{sha256(body).hexdigest()}"', seconds, if_none_match)


async def _body(receive: Receive) -> bytes | None:
    """The whole body, None where it is too large or the client went away."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > MOST_OCTETS:
            return None
        if not message.get("more_body", False):
            return bytes(body)
