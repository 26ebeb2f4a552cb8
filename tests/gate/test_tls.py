"""The TLS layer in memory: contexts, suites, alerts, and what is off."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from OpenSSL import SSL

from hsmgate.errors import Failure, Reason
from hsmgate.gate import tls
from hsmgate.gate.tls import Channel, TlsSettings
from hsmgate.pki import der, trust
from hsmgate.pki.material import Identity
from support import cast, certs, gate, tls_probes
from support.tls_client import TlsClient, in_memory

_lib: Any = SSL._lib  # type: ignore[attr-defined]
VERSIONS = pytest.mark.parametrize("version", ["1.2", "1.3"])


def _trust(*names: str) -> trust.TrustSet:
    return trust.build([(name, cast.get(name).der) for name in names])


def _context(settings: TlsSettings | None = None, *names: str) -> tuple[SSL.Context, trust.TrustSet]:
    trusted = _trust(*(names or ("mid",)))
    return tls.build_context(gate.identity(), trusted, settings or TlsSettings()), trusted


def _channel(settings: TlsSettings | None = None, *names: str) -> Channel:
    return Channel(*_context(settings, *names), time.time)


def _open(version: str, prepare: Callable[[SSL.Context], None] | None = None) -> tuple[Channel, TlsClient]:
    client = TlsClient(version, cast.get("alice"), prepare=prepare)
    return tls_probes.established(*_context(), client), client


# handshakes
@VERSIONS
def test_trusted_client(version: str) -> None:
    channel = _channel()
    assert in_memory(channel, TlsClient(version, cast.get("alice"), [cast.get("mid").der])) is None
    assert channel.established
    assert channel.verdict is not None
    assert channel.verdict.trusted_by == "issuer:mid"
    assert channel.verdict.path == (cast.get("alice").der, cast.get("mid").der)
    leaf = channel.leaf()
    assert leaf is not None
    assert leaf.serial_number
    assert channel.sent_chain() == (cast.get("mid").der,)


@VERSIONS
def test_anonymous_client(version: str) -> None:
    channel = _channel(TlsSettings(client_auth="want"))
    assert in_memory(channel, TlsClient(version)) is None
    assert channel.established
    assert channel.verdict is None
    assert channel.leaf() is None
    assert channel.sent_chain() == ()


@VERSIONS
@pytest.mark.parametrize(
    ("send", "reason", "alert"),
    [
        ("stranger", Reason.UNTRUSTED, "unknown_ca"),
        ("expired", Reason.EXPIRED, "certificate_expired"),
        ("server-only", Reason.UNSUPPORTED_CERTIFICATE, "unsupported_certificate"),
        ("rsa1024", Reason.WEAK_CERTIFICATE, "bad_certificate"),
        ("spoilt", Reason.BAD_CERTIFICATE, "bad_certificate"),
    ],
)
def test_alerts_are_written_before_the_close(version: str, send: str, reason: Reason, alert: str) -> None:
    channel, client = _channel(), TlsClient(version, cast.get(send))
    failure = in_memory(channel, client)
    assert failure is not None
    assert failure.reason is reason
    assert client.alert == alert
    assert not channel.established
    assert channel.verdict is None


@pytest.mark.parametrize(("version", "alert"), [("1.2", "handshake_failure"), ("1.3", "certificate_required")])
def test_no_certificate(version: str, alert: str) -> None:
    channel, client = _channel(), TlsClient(version)
    failure = in_memory(channel, client)
    assert failure is not None
    assert failure.reason is Reason.NO_CERTIFICATE
    assert client.alert == alert


@VERSIONS
def test_a_decision_that_crashes_refuses(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> trust.Verdict:
        raise RuntimeError("boom")

    monkeypatch.setattr(trust, "judge", crash)
    channel, client = _channel(), TlsClient(version, cast.get("alice"))
    failure = in_memory(channel, client)
    assert failure is not None
    assert failure.reason is Reason.INTERNAL
    assert "boom" in failure.detail
    assert client.alert == "bad_certificate"


@VERSIONS
def test_a_certificate_that_nobody_judged_never_passes(version: str) -> None:
    context, trusted = _context()
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    channel = Channel(context, trusted, time.time)
    failure = in_memory(channel, TlsClient(version, cast.get("stranger")))
    assert failure is not None
    assert str(failure) == "the certificate was not judged"
    assert not channel.established


@VERSIONS
@pytest.mark.parametrize("kind", ["p256", "p384", "rsa2048", "ed25519"])
def test_server_keys(version: str, kind: str) -> None:
    trusted = _trust("mid")
    channel = Channel(tls.build_context(gate.identity(kind), trusted, TlsSettings()), trusted, time.time)
    assert in_memory(channel, TlsClient(version, cast.get("alice"))) is None
    assert channel.established


def test_server_chain_is_sent() -> None:
    root, mid = cast.get("root"), cast.get("mid")
    leaf = certs.client("server", mid)
    identity = Identity(key_der=leaf.key_der, chain=(leaf.der, mid.der, root.der))
    trusted = _trust("mid")
    client = TlsClient("1.3", cast.get("alice"))
    in_memory(Channel(tls.build_context(identity, trusted, TlsSettings()), trusted, time.time), client)
    chain = client.connection.get_peer_cert_chain(as_cryptography=True)
    assert chain is not None
    assert len(chain) == 3


@pytest.mark.parametrize("broken", ["other key", "no key", "no certificate"])
def test_identity_that_does_not_work(broken: str) -> None:
    sound = gate.identity()
    identity = {
        "other key": Identity(key_der=cast.get("alice").key_der, chain=sound.chain),
        "no key": Identity(key_der=b"key", chain=sound.chain),
        "no certificate": Identity(key_der=sound.key_der, chain=(b"certificate",)),
    }[broken]
    with pytest.raises(Failure) as failure:
        tls.build_context(identity, _trust("mid"), TlsSettings())
    assert failure.value.reason is Reason.STORE_UNREADABLE


# bytes
@VERSIONS
def test_hello_in_single_bytes(version: str) -> None:
    channel, client = _channel(), TlsClient(version, cast.get("alice"))
    client.feed(b"")
    for _ in range(4):
        for octet in client.outgoing():
            if channel.handshake(bytes((octet,))):
                return
        client.feed(channel.outgoing())
    pytest.fail("the handshake did not end")


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff", b"\x00" * 64, b"\x15\x03\x03\x00\x02\x02\x28"]
)
def test_what_is_no_tls(data: bytes) -> None:
    channel = _channel()
    with pytest.raises(Failure) as failure:
        channel.handshake(data)
    assert failure.value.reason is Reason.BAD_REQUEST


@VERSIONS
def test_plaintext_both_ways(version: str) -> None:
    channel, client = _open(version)
    client.connection.send(b"ping")
    channel.feed(client.outgoing())
    assert channel.plaintext() == b"ping"
    assert channel.plaintext() == b""
    before = len(client.received)
    big = bytes(range(256)) * 400  # several records
    channel.write(big)
    client.feed(channel.outgoing())
    assert client.received[before:] == big


@VERSIONS
def test_close_is_announced(version: str) -> None:
    channel, client = _open(version)
    channel.close()
    client.feed(channel.outgoing())
    assert client.closed
    channel, client = _open(version)
    client.connection.shutdown()
    channel.feed(client.outgoing())
    assert channel.plaintext() is None


@VERSIONS
def test_broken_record_ends_the_connection(version: str) -> None:
    channel, client = _open(version)
    client.connection.send(b"ping")
    record = client.outgoing()
    channel.feed(record[:-1] + bytes((record[-1] ^ 1,)))
    with pytest.raises(Failure) as failure:
        channel.plaintext()
    assert failure.value.reason is Reason.BAD_REQUEST


# what is off
def _remember(context: SSL.Context) -> None:
    context.set_session_cache_mode(SSL.SESS_CACHE_CLIENT)


@VERSIONS
def test_no_resumption(version: str) -> None:
    assert not tls_probes.resumes(*_context(), version, cast.get("alice"))


def test_no_means_to_resume_in_tls_1_2() -> None:
    """Neither a session id nor a ticket. TLS 1.3 sends tickets that nothing stands behind; see no_resumption."""
    fields = der.items(der.only(tls_probes.session_of(*_context(), "1.2", cast.get("alice")), der.SEQUENCE, "s"), "s")
    session_id, tags = fields[3].body, {field.tag for field in fields}
    assert session_id == b""
    assert 0xAA not in tags  # [10]: the ticket


def test_no_early_data() -> None:
    client = TlsClient("1.3", cast.get("alice"), prepare=_remember)
    tls_probes.established(*_context(), client)
    session = client.connection.get_session()
    assert session is not None
    assert _lib.SSL_SESSION_get_max_early_data(session._session) == 0


def test_no_renegotiation() -> None:
    assert not tls_probes.renegotiates(*_context(), cast.get("alice"))


@pytest.mark.parametrize("client_auth", ["need", "want", "none"])
def test_no_post_handshake_authentication(client_auth: str) -> None:
    """A client that offers it is not asked later; without a certificate in the handshake it stays anonymous."""
    context, trusted = _context(TlsSettings(client_auth=client_auth))
    assert not context.get_verify_mode() & _lib.SSL_VERIFY_POST_HANDSHAKE
    client = TlsClient("1.3", prepare=lambda c: _lib.SSL_CTX_set_post_handshake_auth(c._context, 1) and None)
    channel = Channel(context, trusted, time.time)
    failure = in_memory(channel, client)
    if client_auth == "need":
        assert failure is not None
        assert failure.reason is Reason.NO_CERTIFICATE
        return
    assert channel.established
    assert channel.leaf() is None


@VERSIONS
@pytest.mark.parametrize("names", [("mid",), ("guide-client",), ("root", "alice", "self-ca")], ids=" ".join)
def test_the_list_of_ca_names_is_empty(version: str, names: tuple[str, ...]) -> None:
    client = TlsClient(version)
    in_memory(_channel(None, *names), client)
    assert client.alert
    assert client.connection.get_client_ca_list() == []


# negotiation
@VERSIONS
@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([], b""),
        ([b"http/1.1"], b"http/1.1"),
        ([b"h2", b"http/1.1"], b"http/1.1"),
        ([b"h2"], b""),
        ([b"HTTP/1.1"], b""),
    ],
)
def test_alpn(version: str, offered: list[bytes], chosen: bytes) -> None:
    _, client = _open(version, (lambda context: context.set_alpn_protos(offered)) if offered else None)
    assert client.connection.get_alpn_proto_negotiated() == chosen


@pytest.mark.parametrize("minor", [SSL.TLS1_VERSION, SSL.TLS1_1_VERSION])
def test_old_protocols(minor: int) -> None:
    def old(context: SSL.Context) -> None:
        context.set_min_proto_version(minor)
        context.set_max_proto_version(minor)

    client = TlsClient(prepare=old)
    failure = in_memory(_channel(), client)
    assert failure is not None
    assert failure.reason is Reason.BAD_REQUEST
    assert client.alert == "protocol_version"


@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256"])
def test_suites_without_aead_or_forward_secrecy(suite: str) -> None:
    client = TlsClient("1.2", prepare=lambda c: c.set_cipher_list(f"{suite}:@SECLEVEL=0".encode()))
    failure = in_memory(_channel(), client)
    assert failure is not None
    assert client.alert == "handshake_failure"


def test_suites_by_both_names() -> None:
    every = tls.suites("")
    assert every == (list(tls._TLS12_SUITES.values()), list(tls._TLS13_SUITES))
    assert tls.suites(",".join([*tls._TLS12_SUITES, *tls._TLS13_SUITES])) == every
    mixed = "TLS_AES_128_GCM_SHA256, ECDHE-RSA-AES256-GCM-SHA384 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"
    assert tls.suites(mixed) == (
        ["ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"],
        ["TLS_AES_128_GCM_SHA256"],
    )
    assert all(name.startswith("ECDHE-") and ("GCM" in name or "POLY1305" in name) for name in every[0])


@pytest.mark.parametrize(
    "name", ["TLS_RSA_WITH_AES_128_CBC_SHA", "ALL", "eNULL", "ECDHE-RSA-AES256-SHA", "@SECLEVEL=0"]
)
def test_suites_that_are_not_offered(name: str) -> None:
    with pytest.raises(Failure) as failure:
        tls.suites(f"TLS_AES_128_GCM_SHA256:{name}")
    assert failure.value.reason is Reason.CONFIG_INVALID
    assert name in str(failure.value)


@pytest.mark.parametrize(
    ("ciphers", "version"), [("TLS_AES_128_GCM_SHA256", "1.3"), ("ECDHE-ECDSA-AES128-GCM-SHA256", "1.2")]
)
def test_suites_of_one_protocol_switch_the_other_off(ciphers: str, version: str) -> None:
    settings = TlsSettings(ciphers=ciphers)
    client = TlsClient(None, cast.get("alice"))
    assert in_memory(_channel(settings), client) is None
    assert client.connection.get_protocol_version_name() == f"TLSv{version}"
    other = TlsClient({"1.2": "1.3", "1.3": "1.2"}[version], cast.get("alice"))
    assert in_memory(_channel(settings), other) is not None
    assert other.alert == "protocol_version"


@pytest.mark.parametrize(
    ("protocol", "ciphers"), [("TLSv1.2", "TLS_AES_128_GCM_SHA256"), ("TLSv1.3", "ECDHE-RSA-AES128-GCM-SHA256")]
)
def test_suites_that_no_enabled_protocol_has(protocol: str, ciphers: str) -> None:
    with pytest.raises(Failure) as failure:
        _context(TlsSettings(protocols=(protocol,), ciphers=ciphers))
    assert failure.value.reason is Reason.CONFIG_INVALID


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_one_protocol(version: str) -> None:
    settings = TlsSettings(protocols=(f"TLSv{version}",))
    assert in_memory(_channel(settings), TlsClient(version, cast.get("alice"))) is None
    other = TlsClient({"1.2": "1.3", "1.3": "1.2"}[version], cast.get("alice"))
    assert in_memory(_channel(settings), other) is not None
    assert other.alert == "protocol_version"


@pytest.mark.parametrize("protocols", [(), ("TLSv1.1",), ("TLSv1.2", "SSLv3"), ("tlsv1.3",)])
def test_protocols_that_are_not_offered(protocols: tuple[str, ...]) -> None:
    with pytest.raises(Failure) as failure:
        _context(TlsSettings(protocols=protocols))
    assert failure.value.reason is Reason.CONFIG_INVALID


# judging again, outside a handshake
def _again(trusted: trust.TrustSet, leaf: str, *sent: str) -> trust.Verdict:
    return tls.judge_again(trusted, cast.get(leaf).der, [cast.get(name).der for name in sent], time.time())


def test_judge_again_knows_pins_issuers_and_named_ones() -> None:
    assert _again(_trust("guide-client"), "guide-client", "guide-mid").trusted_by == "pin:guide-client"
    assert _again(_trust("root"), "alice", "mid").trusted_by == "issuer:root"
    guide = cast.get("guide-mid")
    named = trust.build([("guide-mid", guide.der)], issuers=frozenset({guide.sha256}))
    assert _again(named, "guide-client").trusted_by == "issuer:guide-mid"
    assert _again(named, "guide-client", "guide-mid", "guide-root").trusted_by == "issuer:guide-mid"


@pytest.mark.parametrize(
    ("leaf", "reason", "text"),
    [
        ("expired", Reason.EXPIRED, "CN=expired: expired at "),
        ("future", Reason.EXPIRED, "CN=future: not valid before "),
        ("server-only", Reason.UNSUPPORTED_CERTIFICATE, "extended key usage lacks clientAuth"),
        ("sha1-ec", Reason.WEAK_CERTIFICATE, "signed with sha1"),
        ("critical", Reason.UNSUPPORTED_CERTIFICATE, "critical extension 1.3.6.1.4.1.55555.1 is not implemented"),
        ("spoilt", Reason.BAD_CERTIFICATE, "not signed by CN=mid"),
        ("stranger", Reason.UNTRUSTED, "no path to an issuer of the truststore, and no pin"),
    ],
)
def test_judge_again_names_the_true_reason(leaf: str, reason: Reason, text: str) -> None:
    """The path that OpenSSL built is judged although OpenSSL found something wrong with it."""
    with pytest.raises(Failure) as failure:
        _again(_trust("root"), leaf, "mid")
    assert failure.value.reason is reason
    assert text in str(failure.value)


@VERSIONS
def test_needless_certificates_that_pyca_cannot_read(version: str) -> None:
    """They matter neither in the handshake nor when the chain is judged again."""
    odd = certs.make("x", version=4)
    channel = _channel(None, "root")
    assert in_memory(channel, TlsClient(version, cast.get("alice"), [odd.der, cast.get("mid").der])) is None
    sent = channel.sent_chain()
    assert sent == (odd.der, cast.get("mid").der)
    assert tls.judge_again(_trust("root"), cast.get("alice").der, sent, time.time()).trusted_by == "issuer:root"


def test_judge_again_of_what_is_no_certificate() -> None:
    with pytest.raises(Failure) as failure:
        tls.judge_again(_trust("root"), b"leaf", [], time.time())
    assert failure.value.reason is Reason.BAD_CERTIFICATE
    with pytest.raises(Failure) as failure:
        tls.judge_again(_trust("root"), cast.get("alice").der, [b"junk"], time.time())
    assert failure.value.reason is Reason.BAD_CERTIFICATE
