"""What a client can try against a context beyond a handshake: resumption, renegotiation, late certificates."""

import time
from typing import Any

from OpenSSL import SSL

from hsmgate.errors import Failure
from hsmgate.gate.tls import Channel
from hsmgate.pki.trust import TrustSet
from support.certs import Made
from support.tls_client import TlsClient, in_memory

_lib: Any = SSL._lib  # type: ignore[attr-defined]
_ffi: Any = SSL._ffi  # type: ignore[attr-defined]


def established(context: SSL.Context, trust: TrustSet, client: TlsClient) -> Channel:
    """A channel whose handshake is complete, with everything delivered that the server had to say."""
    channel = Channel(context, trust, time.time)
    failure = in_memory(channel, client)
    assert failure is None
    assert channel.established
    channel.write(b"x")
    client.feed(channel.outgoing())
    return channel


def resumes(context: SSL.Context, trust: TrustSet, version: str, certificate: Made) -> bool:
    """Whether a second connection skips the certificates by the session of the first."""
    first = TlsClient(version, certificate, prepare=_remember)
    channel = established(context, trust, first)
    channel.close()  # only what was closed in order may be resumed
    first.feed(channel.outgoing())
    session = first.connection.get_session()
    assert session is not None
    second = TlsClient(version, certificate, prepare=_remember, session=session)
    in_memory(Channel(context, trust, time.time), second)  # a channel would not let it in: nobody judged it
    return bool(_lib.SSL_session_reused(second.connection._ssl))


def _remember(context: SSL.Context) -> None:
    context.set_session_cache_mode(SSL.SESS_CACHE_CLIENT)


def session_of(context: SSL.Context, trust: TrustSet, version: str, certificate: Made) -> bytes:
    """What a client remembers of a connection, as OpenSSL writes an SSL_SESSION."""
    client = TlsClient(version, certificate, prepare=_remember)
    established(context, trust, client)
    session = client.connection.get_session()
    assert session is not None
    size = _lib.i2d_SSL_SESSION(session._session, _ffi.NULL)
    octets = _ffi.new("unsigned char[]", size)
    _lib.i2d_SSL_SESSION(session._session, _ffi.new("unsigned char **", octets))
    return bytes(_ffi.buffer(octets, size))


def renegotiates(context: SSL.Context, trust: TrustSet, certificate: Made) -> bool:
    """Whether a TLS 1.2 client gets a second handshake in its connection."""
    client = TlsClient("1.2", certificate)
    channel = established(context, trust, client)
    assert client.connection.renegotiate()
    client.complete = False
    client.feed(b"")
    for _ in range(6):
        flight = client.outgoing()
        if not flight:
            break
        channel.feed(flight)
        try:
            channel.plaintext()
        except Failure:
            return False
        client.feed(channel.outgoing())
    return client.connection.total_renegotiations() > 0 and client.complete
