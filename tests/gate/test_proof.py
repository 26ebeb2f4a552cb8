"""A context that lets strangers in is found out before it is used."""

import time
from collections.abc import Callable

import pytest
from OpenSSL import SSL

from hsmgate.errors import Failure, Reason
from hsmgate.gate import proof, tls
from hsmgate.gate.tls import TlsSettings
from hsmgate.pki import trust
from support import cast, gate

_lib = SSL._lib  # type: ignore[attr-defined]
Spoil = Callable[[SSL.Context], None]


def _context(settings: TlsSettings) -> tuple[SSL.Context, trust.TrustSet]:
    trusted = trust.build([("root", cast.get("root").der)])
    return tls.build_context(gate.identity(), trusted, settings), trusted


def _prove(settings: TlsSettings, spoil: Spoil = lambda _context: None) -> None:
    context, trusted = _context(settings)
    spoil(context)
    proof.prove(context, trusted, settings, time.time)


def _asks_nobody(context: SSL.Context) -> None:
    context.set_verify(SSL.VERIFY_NONE)


def _asks_politely(context: SSL.Context) -> None:
    _lib.SSL_CTX_set_verify(context._context, SSL.VERIFY_PEER, tls._verify_callback)


def _says_yes(context: SSL.Context) -> None:
    """pyOpenSSL's own callback: every certificate is welcome, and the decision is never asked."""
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)


@pytest.mark.parametrize("client_auth", ["need", "want", "none"])
@pytest.mark.parametrize("protocols", [("TLSv1.2",), ("TLSv1.3",), ("TLSv1.2", "TLSv1.3")], ids=" ".join)
def test_sound_contexts_pass(client_auth: str, protocols: tuple[str, ...]) -> None:
    _prove(TlsSettings(client_auth=client_auth, protocols=protocols))


@pytest.mark.parametrize("spoil", [_asks_nobody, _asks_politely])
@pytest.mark.parametrize("protocol", ["TLSv1.2", "TLSv1.3"])
def test_need_that_lets_in_without_certificate(spoil: Spoil, protocol: str) -> None:
    with pytest.raises(Failure) as refusal:
        _prove(TlsSettings(protocols=(protocol,)), spoil)
    assert refusal.value.reason is Reason.INTEGRITY
    assert str(refusal.value) == f"the new trust was tried with no certificate over {protocol}, and it got in"


@pytest.mark.parametrize("client_auth", ["need", "want"])
@pytest.mark.parametrize("protocol", ["TLSv1.2", "TLSv1.3"])
def test_a_decision_that_accepts_everybody(client_auth: str, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = trust.Verdict(trusted_by="issuer:x", not_before=0, not_after=9e9, path=())
    monkeypatch.setattr(trust, "judge", lambda *_: everybody)
    with pytest.raises(Failure, match=f"with a foreign certificate over {protocol}, and it got in") as refusal:
        _prove(TlsSettings(client_auth=client_auth, protocols=(protocol,)))
    assert refusal.value.reason is Reason.INTEGRITY


def test_want_that_asks_nobody() -> None:
    """A foreign certificate gets in because it is not even looked at."""
    with pytest.raises(Failure) as refusal:
        _prove(TlsSettings(client_auth="want"), _asks_nobody)
    assert refusal.value.reason is Reason.INTEGRITY


def test_a_callback_that_is_not_ours_lets_nobody_in() -> None:
    """The channel's second lock: a certificate that was not judged to the end never passes."""
    _prove(TlsSettings(), _says_yes)
    _prove(TlsSettings(client_auth="want"), _says_yes)


def test_none_asks_for_nothing() -> None:
    _prove(TlsSettings(client_auth="none"), _asks_nobody)
