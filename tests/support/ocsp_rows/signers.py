"""Rows about who signed an answer, and how."""

from dataclasses import replace

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from hsmgate.errors import Reason
from support import certs, der_text
from support.certs import Made
from support.ocsp_answers import Answer, aia
from support.ocsp_rows.row import Row, Scene, Speech, serial_of, who
from support.responder import Reply

_SIGNATURE, _RESPONDER, _WEAK = Reason.OCSP_SIGNATURE, Reason.OCSP_RESPONDER, Reason.OCSP_WEAK
_KINDS = {"rsa ca": "RSA", "ca": "ECDSA P-256", "p384 ca": "ECDSA P-384", "ed25519 ca": "Ed25519"}
_DELEGATES = {"rsa delegate": "RSA", "delegate": "ECDSA P-256", "p384 delegate": "ECDSA P-384",
              "ed25519 delegate": "Ed25519"}  # fmt: skip


def _by(name: str, **changes: object) -> Speech:
    return lambda s: s.answer(signer=who(name), **changes)


def _issuer(**changes: object) -> Speech:
    return lambda s: s.answer(**changes)


def _carrying(*names: str, **changes: object) -> Speech:
    return lambda s: s.answer(certificates=[who(name).der for name in names], **changes)


def _other_tbs(s: Scene) -> Answer:
    """A good signature, but of another answer."""
    other = replace(s.answer(), nonce=None).tbs()
    return s.answer(signature=certs._sign(s.issuer.key, other, "sha256", pss=False))


def _self_vouching(url: str, issuer: Made) -> Made:
    return certs.make(
        "self voucher",
        issuer,
        [certs.usage("digital_signature"), aia(url), certs.purposes(certs.CLIENT_AUTH, _OCSP),
         (x509.OCSPNoCheck(), False)],
    )  # fmt: skip


_OCSP = ExtendedKeyUsageOID.OCSP_SIGNING


def _delegate_asks(status: str, **changes: object) -> Speech:
    """A delegate without ocsp-nocheck: it answers for the client, and the issuer (or `changes`) for the delegate."""

    def speak(s: Scene) -> Answer:
        speaker = who("unvouched delegate")
        if s.query.request.serial_number == serial_of(s.client):
            return s.answer(signer=speaker)
        return s.answer(s.single(serial=serial_of(speaker), status=status), **changes)

    return speak


def _silent_about_delegate(s: Scene) -> Answer | Reply:
    speaker = who("unvouched delegate")
    if s.query.request.serial_number == serial_of(s.client):
        return s.answer(signer=speaker)
    return Reply([], "close")


def _revoked_says_revoked_delegate(s: Scene) -> Answer:
    speaker = who("unvouched delegate")
    if s.query.request.serial_number == serial_of(s.client):
        return s.answer(s.single(status="revoked"), signer=speaker)
    return s.answer(s.single(serial=serial_of(speaker), status="revoked"))


_PSS_SHA1_DEFAULTS = der_text.sequence(der_text.oid("1.2.840.113549.1.1.10"), der_text.sequence())

SIGNATURE_ROWS = [
    Row("bad signature", _issuer(spoil=True), _SIGNATURE),
    Row("empty signature", _issuer(signature=b""), _SIGNATURE),
    Row("signature of zeros", _issuer(signature=bytes(64)), _SIGNATURE),
    Row("signature of another answer", _other_tbs, _SIGNATURE),
    Row("bad signature of a delegate", _by("delegate", spoil=True), _SIGNATURE),
    Row("bad signature, RSA", _issuer(spoil=True), _SIGNATURE, issuer="rsa ca"),
    Row("bad signature, PSS", _issuer(spoil=True, pss=True), _SIGNATURE, issuer="rsa ca"),
    Row("bad signature, Ed25519", _issuer(spoil=True), _SIGNATURE, issuer="ed25519 ca"),
    Row("wrong key under the issuer's name", _by("stranger", named=who("ca"), certificates=()), _SIGNATURE),
    Row("wrong key under the issuer's key hash", _by("stranger", named=who("ca"), by_key=True, certificates=()),
        _SIGNATURE),
    Row("another algorithm than the key's", _issuer(
        algorithm=der_text.sequence(der_text.oid("1.2.840.113549.1.1.11"), der_text.NULL)), _SIGNATURE),
    Row("an algorithm that nobody knows", _issuer(
        algorithm=der_text.sequence(der_text.oid("1.3.6.1.4.1.55555.9"))), _SIGNATURE),
    Row("SHA-1 signature, ECDSA", _issuer(digest="sha1"), _WEAK),
    Row("SHA-1 signature, RSA", _issuer(digest="sha1"), _WEAK, issuer="rsa ca"),
    Row("MD5 signature, RSA", _issuer(digest="md5"), _WEAK, issuer="rsa ca"),
    Row("SHA-1 signature, PSS", _issuer(digest="sha1", pss=True), _WEAK, issuer="rsa ca"),
    Row("SHA-1 by PSS defaults", _issuer(digest="sha1", pss=True, algorithm=_PSS_SHA1_DEFAULTS), _WEAK,
        issuer="rsa ca"),
    Row("SHA-1 signature of a delegate", _by("delegate", digest="sha1"), _WEAK),
]  # fmt: skip

RESPONDER_ROWS = [
    Row("same-name rogue CA", _by("rogue", certificates=()), _SIGNATURE),
    Row("same-name rogue CA with its certificate", _by("rogue"), _RESPONDER),
    Row("same-name rogue CA by key", _by("rogue", by_key=True), _RESPONDER),
    Row("delegate of the same-name rogue CA", _by("rogue delegate"), _RESPONDER),
    Row("delegate of the rogue CA with the rogue CA", _by(
        "rogue delegate", certificates=[who("rogue delegate").der, who("rogue").der]), _RESPONDER),
    Row("delegate of another CA", _by("other delegate"), _RESPONDER),
    Row("delegate of another CA with that CA", _by(
        "other delegate", certificates=[who("other delegate").der, who("other ca").der]), _RESPONDER),
    Row("delegate of the root instead of the issuer", _by("root delegate"), _RESPONDER, issuer="mid",
        sent=["mid"]),
    Row("self-signed delegate", _by("own delegate"), _RESPONDER),
    Row("delegate without extended key usage", _by("purposeless"), _RESPONDER),
    Row("delegate without id-kp-OCSPSigning", _by("wrong purpose"), _RESPONDER),
    Row("delegate with anyExtendedKeyUsage", _by("any purpose"), _RESPONDER),
    Row("delegate without the usage digitalSignature", _by("no signer"), _RESPONDER),
    Row("delegate expired", _by("expired delegate"), _RESPONDER),
    Row("delegate not yet valid", _by("future delegate"), _RESPONDER),
    Row("delegate whose AKI names another key", _by("other key delegate"), _RESPONDER),
    Row("delegate not carried", _by("delegate", certificates=()), _RESPONDER),
    Row("delegate with a weak key", _by("weak delegate"), _WEAK),
    Row("delegate's certificate signed with SHA-1", _by("sha1 delegate"), _WEAK),
    Row("delegate's certificate signed with SHA-1, RSA", _by("sha1 rsa delegate"), _WEAK, issuer="rsa ca"),
    Row("delegate's certificate signed with MD5", _by("md5 delegate"), _WEAK, issuer="rsa ca"),
    Row("delegate with an unknown critical extension", _by("critical delegate"), Reason.OCSP_CRITICAL),
    Row("signed by nobody that we know", _by("stranger"), _RESPONDER),
    Row("signed by another CA that is trusted for clients", _by("other ca"), _RESPONDER),
    Row("more certificates than anybody needs", _carrying(*["other ca"] * 11), Reason.OCSP_MALFORMED),
    # the client itself
    Row("the client vouching for itself", lambda s: s.answer(signer=s.client), _RESPONDER),
    Row("the client vouching for itself, by key", lambda s: s.answer(signer=s.client, by_key=True), _RESPONDER),
    Row("the client vouching for itself with id-kp-OCSPSigning", lambda s: s.answer(signer=s.client), _RESPONDER,
        client=_self_vouching),
    # a delegate without ocsp-nocheck
    Row("delegate revoked, without ocsp-nocheck", _delegate_asks("revoked"), _RESPONDER),
    Row("delegate unknown, without ocsp-nocheck", _delegate_asks("unknown"), _RESPONDER),
    Row("delegate without ocsp-nocheck vouching for itself", _delegate_asks(
        "good", signer=who("unvouched delegate")), _RESPONDER),
    Row("delegate without ocsp-nocheck vouched for by another one", _delegate_asks(
        "good", signer=who("second unvouched delegate")), _RESPONDER),
    Row("delegate without ocsp-nocheck of whom nobody speaks", _silent_about_delegate, Reason.OCSP_NO_ANSWER),
    Row("revoked, says a revoked delegate", _revoked_says_revoked_delegate, _RESPONDER),
]  # fmt: skip

ACCEPTED_ROWS = [
    *(Row(f"issuer-signed by name, {kind}", _issuer(), issuer=name) for name, kind in _KINDS.items()),
    *(Row(f"issuer-signed by key, {kind}", _issuer(by_key=True), issuer=name) for name, kind in _KINDS.items()),
    Row("issuer-signed by name, PSS", _issuer(pss=True), issuer="rsa ca"),
    Row("issuer-signed by key, PSS", _issuer(pss=True, by_key=True), issuer="rsa ca"),
    Row("issuer-signed, PSS with SHA-384", _issuer(pss=True, digest="sha384"), issuer="rsa ca"),
    Row("issuer-signed, RSA with SHA-512", _issuer(digest="sha512"), issuer="rsa ca"),
    Row("issuer-signed, ECDSA with SHA-512", _issuer(digest="sha512"), issuer="p384 ca"),
    *(Row(f"delegate-signed by name, {kind}", _by(name)) for name, kind in _DELEGATES.items()),
    *(Row(f"delegate-signed by key, {kind}", _by(name, by_key=True)) for name, kind in _DELEGATES.items()),
    Row("delegate-signed by name, PSS", _by("rsa delegate", pss=True)),
    Row("delegate-signed by key, PSS", _by("rsa delegate", pss=True, by_key=True)),
    Row("extra certificates, issuer-signed", _carrying("ca", "other ca", "delegate")),
    Row("extra certificates, delegate-signed", lambda s: s.answer(
        signer=who("delegate"), certificates=[who(n).der for n in ("other ca", "delegate", "ca")])),
    Row("extra certificate that would not do by itself", lambda s: s.answer(
        signer=who("delegate"), certificates=[who(n).der for n in ("expired delegate", "any purpose", "delegate")])),
    Row("a delegate with the issuer's own name", _by("namesake delegate")),
    Row("issuer-signed, beside a delegate with its name", _carrying("namesake delegate")),
    Row("two delegates of one name, the second signed", lambda s: s.answer(
        signer=who("delegate"), certificates=[who("delegate twin").der, who("delegate").der])),
    Row("a rogue of the delegate's name before the delegate", lambda s: s.answer(
        signer=who("delegate"), certificates=[who("rogue delegate").der, who("delegate").der])),
    Row("delegate without ocsp-nocheck, good by the issuer's word", _delegate_asks("good"), queries=2),
    Row("delegate without ocsp-nocheck, good by a vouched delegate's word", _delegate_asks(
        "good", signer=who("delegate")), queries=2),
    Row("trusted responder", _by("trusted"), rules={"trusted_responders": (who("trusted").der,)}),
    Row("trusted responder, by key and not carried", _by("trusted", by_key=True, certificates=()),
        rules={"trusted_responders": (who("trusted").der,)}),
    Row("trusted responder with a namesake", _by("trusted"),
        rules={"trusted_responders": (who("trusted twin").der, who("trusted").der)}),
    Row("issuer-signed, another responder trusted", _issuer(), rules={"trusted_responders": (who("trusted").der,)}),
    Row("intermediate-signed", _issuer(), issuer="mid", sent=["mid"]),
]  # fmt: skip

TRUSTED_ROWS = [
    Row("trusted responder that nobody named", _by("trusted"), _RESPONDER),
    Row("trusted responder, expired", _by("old trusted"), _RESPONDER,
        rules={"trusted_responders": (who("old trusted").der,)}),
]  # fmt: skip

ROWS = [*SIGNATURE_ROWS, *RESPONDER_ROWS, *ACCEPTED_ROWS, *TRUSTED_ROWS]
