"""The TLS layer: contexts, the verify callback that runs our decision, and one connection over memory BIOs.

The only module that imports pyOpenSSL. The verify callback is registered through the binding that cryptography
and pyOpenSSL share, because pyOpenSSL's own wrapper shows neither the chain nor lets the alert be chosen.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key
from OpenSSL import SSL, crypto

from hsmgate.errors import Failure, Reason
from hsmgate.pki import path as paths
from hsmgate.pki import trust as trusts
from hsmgate.pki.material import Identity
from hsmgate.record import Record

_lib: Any = SSL._lib  # type: ignore[attr-defined]  # noqa: SLF001
_ffi: Any = SSL._ffi  # type: ignore[attr-defined]  # noqa: SLF001

_VERSIONS = {"TLSv1.2": SSL.TLS1_2_VERSION, "TLSv1.3": SSL.TLS1_3_VERSION}
# IANA name -> OpenSSL name: forward secret AEAD suites only
_TLS12_SUITES = {
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
}
_TLS13_SUITES = ("TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256")
_VERIFY_MODES = {
    "need": SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
    "want": SSL.VERIFY_PEER,
    "none": SSL.VERIFY_NONE,
}
# Reason -> X509_V_ERR_* whose TLS alert is the right one (OpenSSL ssl/statem/statem_lib.c, ssl_x509err2alert)
_ALERT_BY_ERROR = {
    Reason.UNTRUSTED: 20,  # unknown_ca
    Reason.EXPIRED: 10,  # certificate_expired
    Reason.UNSUPPORTED_CERTIFICATE: 26,  # unsupported_certificate
    Reason.WEAK_CERTIFICATE: 28,  # bad_certificate
    Reason.BAD_CERTIFICATE: 28,  # bad_certificate
}
_CHUNK = 64 * 1024
_RECORD = 16 * 1024


class TlsSettings(Record):
    """What `server.ssl` says beside the stores."""

    client_auth: str = "need"  # need | want | none
    protocols: tuple[str, ...] = ("TLSv1.2", "TLSv1.3")
    ciphers: str = ""  # empty: all of the tables above


@dataclass
class _Judgement:
    """What happens to one handshake; hangs at the connection as its app data."""

    trust: trusts.TrustSet
    now: Callable[[], float]
    errors: list[tuple[int, int]] = field(default_factory=list)
    verdict: trusts.Verdict | None = None
    failure: Failure | None = None


def _built_chain(store_ctx: Any) -> list[bytes]:  # noqa: ANN401 - a C pointer
    stack = _lib.X509_STORE_CTX_get1_chain(store_ctx)
    chain = []
    try:
        for index in range(_lib.sk_X509_num(stack)):
            # the reference that get1_chain took passes to the wrapper
            cert = crypto.X509._from_raw_x509_ptr(_lib.sk_X509_value(stack, index))  # noqa: SLF001
            chain.append(crypto.dump_certificate(crypto.FILETYPE_ASN1, cert))
    finally:
        _lib.sk_X509_free(stack)
    return chain


def _verify(ok: int, store_ctx: Any) -> int:  # noqa: ANN401 - a C pointer
    """X509_STORE_CTX_verify_cb: collect what OpenSSL finds; decide when it has walked down to the leaf.

    OpenSSL checks name constraints after that walk, so an error that comes after the decision leads to a new one.
    """
    ssl = _lib.X509_STORE_CTX_get_ex_data(store_ctx, _lib.SSL_get_ex_data_X509_STORE_CTX_idx())
    judgement: _Judgement = SSL.Connection._reverse_mapping[ssl].get_app_data()  # noqa: SLF001
    depth = _lib.X509_STORE_CTX_get_error_depth(store_ctx)
    if not ok:
        judgement.errors.append((depth, _lib.X509_STORE_CTX_get_error(store_ctx)))
    if judgement.verdict is None and (depth or not ok):
        return 1
    try:
        judgement.verdict = trusts.judge(judgement.trust, _built_chain(store_ctx), judgement.errors, judgement.now())
    except Failure as failure:
        judgement.verdict, judgement.failure = None, failure
        _lib.X509_STORE_CTX_set_error(store_ctx, _ALERT_BY_ERROR.get(failure.reason, 28))
        return 0
    except Exception as error:
        judgement.verdict, judgement.failure = None, Failure(Reason.INTERNAL, f"the judgement failed: {error!r}")
        _lib.X509_STORE_CTX_set_error(store_ctx, 28)
        return 0
    _lib.X509_STORE_CTX_set_error(store_ctx, 0)
    return 1


_verify_callback = _ffi.callback("int (*)(int, X509_STORE_CTX *)", _verify, error=0)


def _select_http(_connection: SSL.Connection, offered: list[bytes]) -> bytes | object:
    return b"http/1.1" if b"http/1.1" in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def suites(ciphers: str) -> tuple[list[str], list[str]]:
    """`server.ssl.ciphers` (IANA or OpenSSL names, by comma, colon or space) as (TLS 1.2, TLS 1.3) lists.

    Failure: CONFIG_INVALID for a suite that is not in the tables.
    """
    wanted = ciphers.replace(",", " ").replace(":", " ").split()
    if not wanted:
        return list(_TLS12_SUITES.values()), list(_TLS13_SUITES)
    twelve, thirteen = [], []
    for name in wanted:
        if name in _TLS13_SUITES:
            thirteen.append(name)
        elif name in _TLS12_SUITES or name in _TLS12_SUITES.values():
            twelve.append(_TLS12_SUITES.get(name, name))
        else:
            known = ", ".join([*_TLS13_SUITES, *_TLS12_SUITES])
            raise Failure(Reason.CONFIG_INVALID, f"server.ssl.ciphers: {name} is not offered; there are {known}")
    return twelve, thirteen


def build_context(identity: Identity, trust: trusts.TrustSet, settings: TlsSettings) -> SSL.Context:
    """A server context for one snapshot of trust. Failure: CONFIG_INVALID, STORE_UNREADABLE."""
    versions = [_VERSIONS[name] for name in settings.protocols if name in _VERSIONS]
    if len(versions) != len(settings.protocols) or not versions:
        raise Failure(Reason.CONFIG_INVALID, "server.ssl.enabledProtocols: TLSv1.2 and TLSv1.3 are offered, no others")
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_options(
        SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION | SSL.OP_CIPHER_SERVER_PREFERENCE
    )
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    twelve, thirteen = suites(settings.ciphers)
    if not twelve:
        versions = [version for version in versions if version != SSL.TLS1_2_VERSION]
    if not thirteen:
        versions = [version for version in versions if version != SSL.TLS1_3_VERSION]
    if not versions:
        raise Failure(Reason.CONFIG_INVALID, "server.ssl.ciphers: no suite belongs to one of the enabled protocols")
    context.set_min_proto_version(min(versions))
    context.set_max_proto_version(max(versions))
    if twelve:
        context.set_cipher_list(":".join(twelve).encode())
    if thirteen:
        context.set_tls13_ciphersuites(":".join(thirteen).encode())
    context.set_alpn_select_callback(_select_http)  # type: ignore[arg-type]
    _use_identity(context, identity)
    store = _fill(context.get_cert_store(), trust)
    assert store is not None
    # The CA-name list stays empty: a client that sees only a pinned leaf's name there sends nothing.
    context.set_verify_depth(paths.MAX_DEPTH)
    context.set_verify(_VERIFY_MODES[settings.client_auth])
    _lib.SSL_CTX_set_verify(context._context, _VERIFY_MODES[settings.client_auth], _verify_callback)  # noqa: SLF001
    return context


def _use_identity(context: SSL.Context, identity: Identity) -> None:
    try:
        context.use_certificate(x509.load_der_x509_certificate(identity.chain[0]))
        for der in identity.chain[1:]:
            context.add_extra_chain_cert(x509.load_der_x509_certificate(der))
        context.use_privatekey(load_der_private_key(identity.key_der, None))  # type: ignore[arg-type]
        context.check_privatekey()
    except (SSL.Error, ValueError, TypeError) as error:
        raise Failure(
            Reason.STORE_UNREADABLE, f"the server's key store: key and certificate do not work: {error}"
        ) from None


def _fill(store: crypto.X509Store | None, trust: trusts.TrustSet) -> crypto.X509Store | None:
    if store is not None:
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
        for der in trust.issuers:
            store.add_cert(crypto.X509.from_cryptography(x509.load_der_x509_certificate(der)))
    return store


def verification_store(trust: trusts.TrustSet) -> crypto.X509Store:
    """What `judge_again` verifies against; made once for each snapshot, as a large truststore takes its time."""
    store = _fill(crypto.X509Store(), trust)
    assert store is not None
    _lib.X509_STORE_set_purpose(store._store, _lib.X509_PURPOSE_SSL_CLIENT)  # noqa: SLF001
    return store


def judge_again(
    trust: trusts.TrustSet,
    leaf: bytes,
    sent: Sequence[bytes],
    now: float,
    store: crypto.X509Store | None = None,
) -> trusts.Verdict:
    """Judge a certificate outside a handshake: after a swap, or for `trust test`. Failure: as trust.judge."""
    if leaf in trust.pins or leaf in trust.issuers:
        return trusts.judge(trust, [leaf], (), now)
    for chain in trusts.legacy_chains(trust, leaf):
        try:
            return trusts.judge(trust, chain, (), now)
        except Failure:
            continue
    chain, errors = _verified(store or verification_store(trust), (leaf, *sent))
    return trusts.judge(trust, chain, errors, now)


def _verified(store: crypto.X509Store, sent: Sequence[bytes]) -> tuple[list[bytes], list[tuple[int, int]]]:
    """The chain that OpenSSL builds for a client, as in a handshake, and the first thing that it finds wrong."""
    try:
        certs = [crypto.load_certificate(crypto.FILETYPE_ASN1, der) for der in sent]
    except crypto.Error:
        raise Failure(Reason.BAD_CERTIFICATE, "a certificate of the chain does not parse") from None
    given = crypto.X509StoreContext(store, certs[0], certs[1:])
    store_ctx = _ffi.gc(_lib.X509_STORE_CTX_new(), _lib.X509_STORE_CTX_free)
    if _lib.X509_STORE_CTX_init(store_ctx, store._store, certs[0]._x509, given._chain) != 1:  # noqa: SLF001
        raise Failure(Reason.INTERNAL, "OpenSSL could not begin to verify")
    if _lib.X509_verify_cert(store_ctx) == 1:
        return _built_chain(store_ctx), []
    error = (_lib.X509_STORE_CTX_get_error_depth(store_ctx), _lib.X509_STORE_CTX_get_error(store_ctx))
    _lib.ERR_clear_error()
    return _built_chain(store_ctx) or [sent[0]], [error]


def _reason_of(error: SSL.Error) -> str:
    details = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return str(details[0][-1]) if details else "connection broken"


class Channel:
    """One server-side TLS connection over memory BIOs; bytes in, bytes out, no I/O."""

    def __init__(self, context: SSL.Context, trust: trusts.TrustSet, now: Callable[[], float]) -> None:
        self._judgement = _Judgement(trust, now)
        self._conn = SSL.Connection(context, None)
        self._conn.set_app_data(self._judgement)
        self._conn.set_accept_state()
        self._wants_peer = context.get_verify_mode() != SSL.VERIFY_NONE
        self._mem = _ffi.new("char **")
        self.established = False

    @property
    def verdict(self) -> trusts.Verdict | None:
        """How the peer is trusted; None for an anonymous peer or before the handshake is complete."""
        return self._judgement.verdict if self.established else None

    def handshake(self, data: bytes) -> bool:
        """Go on with what came from the peer; True when complete. `outgoing` must be sent in any case.

        Failure: NO_CERTIFICATE, those of trust.judge, or BAD_REQUEST for anything that is no good TLS.
        """
        try:
            self._conn.bio_write(data)
            self._conn.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            raise self._failure(error) from None
        # A certificate that the callback has not judged to the end never passes.
        if self._wants_peer and self._judgement.verdict is None and self._conn.get_peer_certificate() is not None:
            raise Failure(Reason.INTERNAL, "the certificate was not judged")
        self.established = True
        return True

    def _failure(self, error: SSL.Error) -> Failure:
        if self._judgement.failure is not None:
            return self._judgement.failure
        text = _reason_of(error)
        if "did not return a certificate" in text:
            return Failure(Reason.NO_CERTIFICATE, "the client sent no certificate")
        return Failure(Reason.BAD_REQUEST, f"TLS handshake: {text}")

    def outgoing(self) -> bytes:
        """Everything that must go to the peer now; empty when there is nothing."""
        size = _lib.BIO_get_mem_data(self._conn._from_ssl, self._mem)  # noqa: SLF001
        return self._conn.bio_read(size) if size > 0 else b""

    def feed(self, data: bytes) -> None:
        """Take ciphertext after the handshake; read it with `plaintext`."""
        self._conn.bio_write(data)

    def plaintext(self) -> bytes | None:
        """Next decrypted bytes; b"" when more ciphertext is needed, None when the peer has closed.

        Failure: BAD_REQUEST for broken records.
        """
        if not self._conn.pending() and _lib.BIO_get_mem_data(self._conn._into_ssl, self._mem) <= 0:  # noqa: SLF001
            return b""
        try:
            return self._conn.recv(_CHUNK)
        except SSL.WantReadError:
            return b""
        except SSL.ZeroReturnError:
            return None
        except SSL.Error as error:
            raise Failure(Reason.BAD_REQUEST, f"TLS: {_reason_of(error)}") from None

    def write(self, data: bytes) -> None:
        """Encrypt; take the result from `outgoing`. Failure: BAD_REQUEST when the connection is broken."""
        try:
            for start in range(0, len(data), _RECORD):
                self._conn.send(data[start : start + _RECORD])
        except SSL.Error as error:
            raise Failure(Reason.BAD_REQUEST, f"TLS: {_reason_of(error)}") from None

    def close(self) -> None:
        """Queue the close_notify alert."""
        try:
            self._conn.shutdown()
        except SSL.Error:
            return  # nothing can be said any more

    def sent_chain(self) -> tuple[bytes, ...]:
        """What the client sent beside its leaf (DER)."""
        # not through pyca, which refuses what OpenSSL reads: needless certificates do not matter
        chain = self._conn.get_peer_cert_chain() or ()
        return tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, cert) for cert in chain)

    def leaf(self) -> x509.Certificate | None:
        """The client's certificate."""
        return self._conn.get_peer_certificate(as_cryptography=True)

    def chunks(self) -> Iterator[bytes]:
        """All plaintext that is there now."""
        while data := self.plaintext():
            yield data
