"""Tries a new TLS context before it is used: with no certificate and with a fresh foreign one, in memory."""

import datetime
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from hsmgate.errors import Failure, Reason
from hsmgate.gate.tls import Channel, TlsSettings
from hsmgate.pki.trust import TrustSet

_VERSIONS = {"TLSv1.2": SSL.TLS1_2_VERSION, "TLSv1.3": SSL.TLS1_3_VERSION}
_FLIGHTS = 8  # a handshake needs fewer


def _foreign() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hsmgate foreign client")])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    return builder.sign(key, hashes.SHA256()), key


def _client(version: int, *, with_certificate: bool) -> SSL.Connection:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    context.set_verify(SSL.VERIFY_NONE)
    if with_certificate:
        cert, key = _foreign()
        context.use_certificate(cert)
        context.use_privatekey(key)
    connection = SSL.Connection(context, None)
    connection.set_connect_state()
    return connection


def _refusal(channel: Channel, client: SSL.Connection) -> Failure | None:
    """Why the client is kept out; None when it got in."""
    for _ in range(_FLIGHTS):
        try:
            client.do_handshake()
        except SSL.WantReadError:
            pass
        except SSL.Error:
            return Failure(Reason.BAD_REQUEST, "the client gave up")
        try:
            flight = client.bio_read(1 << 16)
        except SSL.WantReadError:
            break
        try:
            if channel.handshake(flight):
                return None
        except Failure as failure:
            return failure
        if answer := channel.outgoing():
            client.bio_write(answer)
    return Failure(Reason.BAD_REQUEST, "the handshake came to no end")


def prove(context: SSL.Context, trust: TrustSet, settings: TlsSettings, now: Callable[[], float]) -> None:
    """Raise unless the context keeps strangers out, and for that they are strangers. Failure: INTEGRITY.

    `need`: neither no certificate nor a foreign one may get in; `want`: no foreign one; `none` asks for nothing.
    """
    if settings.client_auth == "none":
        return
    for protocol in settings.protocols:
        version = _VERSIONS[protocol]
        attempts = [True] if settings.client_auth == "want" else [False, True]
        for with_certificate in attempts:
            refusal = _refusal(Channel(context, trust, now), _client(version, with_certificate=with_certificate))
            if refusal is None:
                who = "a foreign certificate" if with_certificate else "no certificate"
                raise Failure(Reason.INTEGRITY, f"the new trust was tried with {who} over {protocol}, and it got in")
            if refusal.reason is Reason.BAD_REQUEST:  # kept out, but so would be everybody
                raise Failure(Reason.INTEGRITY, f"the new trust serves nobody over {protocol}: {refusal}")
