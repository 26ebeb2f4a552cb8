"""What both flavours have in common: where the service is, how httpx2 is set up, what its exceptions mean."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlsplit

import httpx2

from hsmgate import __version__
from hsmgate.client.conversation import NoReply
from hsmgate.client.errors import ANSWER, CONNECT, CONNECTION, OPTION, TIMEOUT, RequestFailed
from hsmgate.client.identity import Identity, tls_context

LARGEST_ANSWER = 16 << 20  # bytes
_IDLE = 30.0  # seconds; below the idle-timeout of the service, which closes at 60
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


# under asyncio an alert that comes after the handshake passes through httpx2 as ssl.SSLError, an OSError
EXCEPTIONS = (httpx2.HTTPError, httpx2.InvalidURL, OSError)


class Options(TypedDict):
    """Arguments of httpx2.Client and httpx2.AsyncClient alike."""

    base_url: str
    verify: ssl.SSLContext | bool
    timeout: httpx2.Timeout
    limits: httpx2.Limits
    headers: dict[str, str]
    trust_env: bool
    follow_redirects: bool


def options(
    url: str, ca: Path | str | None, identity: Identity | None, timeout: float, connect_timeout: float
) -> Options:
    """RequestFailed: a URL that is none, or files that cannot be used."""
    base = base_url(url)
    return Options(
        base_url=base,
        verify=tls_context(ca, identity) if base.startswith("https:") else True,
        timeout=httpx2.Timeout(timeout, connect=connect_timeout),
        limits=httpx2.Limits(keepalive_expiry=_IDLE),
        headers={"User-Agent": f"hsmgate-client/{__version__}"},
        trust_env=False,  # no proxies, and no passwords from ~/.netrc
        follow_redirects=False,
    )


def base_url(url: str) -> str:
    """Scheme, host and the path above `/v1`, which may be written or not. RequestFailed: no URL, or no safe one."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise RequestFailed(OPTION, "the URL of the service is not well-formed") from None
    if parts.scheme not in {"https", "http"} or not host or port == 0:
        raise RequestFailed(OPTION, "the URL of the service must be like https://host:8080")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise RequestFailed(OPTION, "the URL of the service holds more than host, port and path")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise RequestFailed(OPTION, f"{host} must be asked over https: passwords and API keys would be readable")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/v1').rstrip('/')}"


class Body:
    """Collects an answer's body, up to a bound."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, part: bytes) -> bool:
        """False once it is too large."""
        self._parts.append(part)
        self._size += len(part)
        return self._size <= LARGEST_ANSWER

    def whole(self) -> bytes:
        return b"".join(self._parts)


TOO_LARGE = NoReply(ANSWER, f"the answer is larger than {LARGEST_ANSWER} bytes")


def unencoded(response: httpx2.Response) -> NoReply | None:
    """Refuses a compressed answer, which was not asked for: a few octets could become gigabytes."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    return None if encoding in {"identity", ""} else NoReply(ANSWER, "the answer is compressed, unasked")


def no_reply(error: Exception) -> NoReply:
    """What one of EXCEPTIONS means to the caller."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return NoReply(CONNECT, f"the certificate of the service is not accepted: {cause.verify_message}")
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return NoReply(CONNECT, f"the service cannot be reached: {_words(causes)}", unsent=True)
    if isinstance(error, httpx2.TimeoutException):
        return NoReply(TIMEOUT, f"the service did not answer in time: {_words(causes)}")
    if any(isinstance(cause, ssl.SSLError) and "ALERT" in str(cause.reason) for cause in causes):
        return NoReply(CONNECTION, f"the service ended TLS, as it does with a certificate it refuses: {_words(causes)}")
    return NoReply(CONNECTION, f"the connection broke: {_words(causes)}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _words(causes: list[BaseException]) -> str:
    """The innermost exception that says something, on one line."""
    said = [" ".join(str(cause).split()) for cause in causes]
    return next((words for words in reversed(said) if words), type(causes[0]).__name__)
