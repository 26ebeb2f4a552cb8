"""Asks OCSP responders over HTTP: pooled, bounded, never redirected, addresses checked at connect."""

import asyncio
import errno
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hsmgate.errors import Failure, Reason
from hsmgate.pki.ocsp import MAX_RESPONSE
from hsmgate.pki.ocsp_url import check_address, check_url

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

    from hsmgate.adapters.resolver import Resolver

CONNECTIONS = 512
CONNECTIONS_PER_RESPONDER = 256
IDLE_SECONDS = 20
_RESPONSE = "application/ocsp-response"
_REQUEST = {"Content-Type": "application/ocsp-request", "Accept": _RESPONSE, "User-Agent": "hsmgate"}
_FETCH = {"Accept": "application/pkix-cert", "User-Agent": "hsmgate"}
_DOWNLOAD = {"Accept": "*/*", "User-Agent": "hsmgate"}
_FORBIDDEN = "hsmgate: this address is never asked: "


def _guarded_socket(address: tuple[Any, ...]) -> socket.socket:
    """The socket for one resolved address; literal addresses come through here too."""
    family, kind, protocol, _, where = address
    try:
        check_address(str(where[0]))
    except Failure as failure:
        # with a number, so that aiohttp hands the words on
        raise OSError(errno.EACCES, f"{_FORBIDDEN}{failure.detail};") from None
    return socket.socket(family, kind, protocol)


def load() -> None:
    """Import what questions need, so that the first one does not wait for it. A start is shorter without. Blocks."""
    import aiohttp  # noqa: F401

    import hsmgate.adapters.resolver  # noqa: F401


async def _note_reuse(_session: object, context: Any, _parameters: object) -> None:  # noqa: ANN401 - aiohttp's
    context.trace_request_ctx["reused"] = True


class Responders:
    """A pool of connections to responders. It opens itself inside the event loop; close it there.

    `allowed`: hsmgate.ocsp.allowed-responders.
    """

    def __init__(self, allowed: tuple[str, ...] = (), resolver: "Resolver | None" = None) -> None:
        self._allowed = allowed
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> "aiohttp.ClientSession":
        import aiohttp

        from hsmgate.adapters.resolver import Resolver

        if self._session is None:
            self._resolver = self._resolver or Resolver()
            connector = aiohttp.TCPConnector(
                limit=CONNECTIONS,
                limit_per_host=CONNECTIONS_PER_RESPONDER,
                use_dns_cache=False,
                resolver=self._resolver,
                keepalive_timeout=IDLE_SECONDS,
                socket_factory=_guarded_socket,
            )
            trace = aiohttp.TraceConfig()
            trace.on_connection_reuseconn.append(_note_reuse)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                skip_auto_headers=("Accept-Encoding",),
                timeout=aiohttp.ClientTimeout(total=None),
                trace_configs=[trace],
            )
        return self._session

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        resolver, self._resolver = self._resolver, None
        if session is not None:
            await session.close()
        if resolver is not None:
            await resolver.close()

    async def ask(self, url: str, request: bytes, timeout: float) -> bytes:  # noqa: ASYNC109 - one deadline for all
        """POST an OCSPRequest; the octets of a 200 answer.

        Failure: OCSP_NO_ANSWER (connect, time-out, and 5xx: then its `evidence` is the status), OCSP_HTTP (any other
        answer that is none), OCSP_ADDRESS.
        """
        check_url(url, self._allowed)
        return await self._exchange("POST", url, _REQUEST, request, timeout)

    async def fetch(self, url: str, timeout: float) -> bytes:  # noqa: ASYNC109
        """GET a certificate that an AIA caIssuers entry names (http only). Failure: as `ask`."""
        check_url(url, self._allowed, schemes=("http",))
        return await self._exchange("GET", url, _FETCH, None, timeout)

    async def download(self, url: str, timeout: float, most: int) -> bytes:  # noqa: ASYNC109
        """GET a file of at most `most` octets that the configuration names, as a CRL. Failure: as `ask`."""
        check_url(url, self._allowed)
        return await self._exchange("GET", url, _DOWNLOAD, None, timeout, most)

    async def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float,  # noqa: ASYNC109
        most: int = MAX_RESPONSE,
    ) -> bytes:
        import aiohttp
        from yarl import URL

        try:
            async with asyncio.timeout(timeout):
                return await self._retried(method, URL(url, encoded=True), headers, body, most)
        except TimeoutError:
            raise Failure(Reason.OCSP_NO_ANSWER, f"the responder did not answer within {timeout:.3g} s") from None
        except aiohttp.ClientPayloadError:
            raise Failure(Reason.OCSP_HTTP, "the responder's answer ended before its length") from None
        except aiohttp.InvalidURL:
            raise Failure(Reason.OCSP_ADDRESS, "the responder's URL cannot be asked") from None
        except (aiohttp.ClientResponseError, ValueError) as error:
            why = f"the responder's answer is no proper HTTP: {type(error).__name__}"
            raise Failure(Reason.OCSP_HTTP, why) from None
        except (aiohttp.ClientError, OSError) as error:
            _, forbidden, why = str(error).partition(_FORBIDDEN)
            if forbidden:
                raise Failure(Reason.OCSP_ADDRESS, why.partition(";")[0]) from None
            raise Failure(Reason.OCSP_NO_ANSWER, f"the responder cannot be reached: {type(error).__name__}") from None

    async def _retried(
        self, method: str, url: "URL", headers: Mapping[str, str], body: bytes | None, most: int
    ) -> bytes:
        """Once more where a pooled connection turns out to be closed at the other end."""
        from aiohttp import ClientOSError, ServerDisconnectedError

        seen = {"reused": False}
        try:
            return await self._once(method, url, headers, body, seen, most)
        except (ServerDisconnectedError, ClientOSError):
            if not seen["reused"]:
                raise
        return await self._once(method, url, headers, body, {}, most)

    async def _once(
        self, method: str, url: "URL", headers: Mapping[str, str], body: bytes | None, seen: dict[str, bool], most: int
    ) -> bytes:
        wanted = _RESPONSE if method == "POST" else None
        async with self._open().request(
            method, url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=seen
        ) as answer:
            _check_head(answer, wanted)
            return await _bounded(answer, most)


def _check_head(answer: "aiohttp.ClientResponse", wanted: str | None) -> None:
    if answer.status >= 500:
        raise Failure(Reason.OCSP_NO_ANSWER, f"the responder answers HTTP {answer.status}", answer.status)
    if answer.status != 200:
        raise Failure(Reason.OCSP_HTTP, f"the responder answers HTTP {answer.status}")
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if wanted is not None and kind != wanted:
        raise Failure(Reason.OCSP_HTTP, f"the responder answers {kind[:40] or 'nothing'}, not {wanted}")
    if answer.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise Failure(Reason.OCSP_HTTP, "the responder compresses its answer")


async def _bounded(answer: "aiohttp.ClientResponse", most: int) -> bytes:
    """The body, at most `most` octets."""
    body = bytearray()
    if (answer.content_length or 0) <= most:
        async for chunk in answer.content.iter_chunked(16 * 1024):
            body += chunk
            if len(body) > most:
                break
        else:
            return bytes(body)
    raise Failure(Reason.OCSP_HTTP, f"the responder's answer is larger than {most} bytes")
