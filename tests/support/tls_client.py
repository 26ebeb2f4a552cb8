"""A TLS client over memory BIOs that tells which alert it was sent; strength rules off, so that it can be weak."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.serialization import load_der_private_key
from OpenSSL import SSL, crypto

from hsmgate.errors import Failure
from hsmgate.gate.tls import Channel
from support.certs import Made

VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
ALERTS = {  # RFC 8446 6, RFC 5246 7.2
    0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow", 40: "handshake_failure",
    42: "bad_certificate", 43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired",
    46: "certificate_unknown", 47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error",
    51: "decrypt_error", 70: "protocol_version", 71: "insufficient_security", 80: "internal_error",
    86: "inappropriate_fallback", 90: "user_canceled", 100: "no_renegotiation", 109: "missing_extension",
    110: "unsupported_extension", 112: "unrecognized_name", 116: "certificate_required", 120: "no_application_protocol",
}  # fmt: skip
_lib: Any = SSL._lib  # type: ignore[attr-defined]
_READ_ALERT = SSL.SSL_CB_READ_ALERT
_FLIGHTS = 12
_REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Outcome:
    """What a client saw: the response (None: it did not get in) and the alert before it (None: a plain close)."""

    response: bytes | None
    alert: str | None


def _openssl(der: bytes) -> Any:
    """The X509* of a certificate: OpenSSL loads what pyca refuses, and sends it re-encoded."""
    return crypto.load_certificate(crypto.FILETYPE_ASN1, der)._x509


class TlsClient:
    """One connection's client side; `alert` is the first fatal alert that came."""

    def __init__(
        self,
        version: str | None = None,
        certificate: Made | None = None,
        extra: Sequence[bytes] = (),
        prepare: Callable[[SSL.Context], None] | None = None,
        session: SSL.Session | None = None,
    ) -> None:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        if version is not None:
            context.set_min_proto_version(VERSIONS[version])
            context.set_max_proto_version(VERSIONS[version])
        context.set_cipher_list(b"DEFAULT:@SECLEVEL=0")
        context.set_verify(SSL.VERIFY_NONE)
        context.set_info_callback(self._info)
        if certificate is not None:
            _lib.SSL_CTX_use_certificate(context._context, _openssl(certificate.der))
            context.use_privatekey(load_der_private_key(certificate.key_der, None))  # type: ignore[arg-type]
            for der in extra:
                _lib.SSL_CTX_add_extra_chain_cert(context._context, _lib.X509_dup(_openssl(der)))
        if prepare is not None:
            prepare(context)
        self.connection = SSL.Connection(context, None)
        self.connection.set_connect_state()
        if session is not None:
            _lib.SSL_set_session(self.connection._ssl, session._session)  # of another context: pyOpenSSL forbids it
        self.alert: str | None = None
        self.complete = False
        self.closed = False
        self.received = b""

    def _info(self, _connection: SSL.Connection, where: int, value: int) -> None:
        if where == _READ_ALERT and value & 0xFF and self.alert is None:
            self.alert = ALERTS.get(value & 0xFF, f"alert {value & 0xFF}")

    def feed(self, data: bytes) -> None:
        """Bytes from the server; goes on with the handshake, then reads what is there."""
        if data:
            self.connection.bio_write(data)
        try:
            if not self.complete:
                self.connection.do_handshake()
                self.complete = True
            while True:
                self.received += self.connection.recv(1 << 16)
        except SSL.WantReadError:
            return
        except SSL.Error:
            self.closed = True

    def outgoing(self) -> bytes:
        """What must go to the server now."""
        data = b""
        while True:
            try:
                data += self.connection.bio_read(1 << 16)
            except SSL.WantReadError:
                return data


def in_memory(channel: Channel, client: TlsClient) -> Failure | None:
    """Handshake without a network; the failure of the server's side."""
    client.feed(b"")
    for _ in range(_FLIGHTS):
        flight = client.outgoing()
        if not flight:
            return None
        try:
            if not channel.established:
                channel.handshake(flight)
            else:
                channel.feed(flight)
        except Failure as failure:
            client.feed(channel.outgoing())
            return failure
        client.feed(channel.outgoing())
    return None


def visit(port: int, client: TlsClient, request: bytes = _REQUEST, timeout: float = 10.0) -> Outcome:
    """Connect over loopback, shake hands, send one request and read until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout) as plain:
        client.feed(b"")
        asked = False
        while not client.closed:
            if client.complete and not asked:
                client.connection.send(request)
                asked = True
            if data := client.outgoing():
                try:
                    plain.sendall(data)
                except OSError:  # closed over there; an alert may still be on its way
                    asked = True
            try:
                answer = plain.recv(1 << 16)
            except ConnectionResetError:
                break
            if not answer:
                break
            client.feed(answer)
    return Outcome(response=client.received or None, alert=client.alert)
