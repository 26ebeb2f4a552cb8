"""Rows about what an answer says: status, CertID, times, nonce, extensions, several answers."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha1

from hsmgate.errors import Reason
from support import der_text
from support.ocsp_answers import Answer, Single
from support.ocsp_rows.row import DAY, HOUR, Row, Scene, Speech, who

SECONDS = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
_PRIVATE = "1.3.6.1.4.1.55555.7"
_CRITICAL = der_text.extension(_PRIVATE, b"\x05\x00", critical=True)
_UNCRITICAL = der_text.extension(_PRIVATE, b"\x05\x00")
_MISMATCH, _CONFLICT, _STALE, _TIME = (
    Reason.OCSP_MISMATCH, Reason.OCSP_CONFLICT, Reason.OCSP_STALE, Reason.OCSP_TIME,
)  # fmt: skip
_REASONS = {
    0: "unspecified", 1: "keyCompromise", 2: "cACompromise", 3: "affiliationChanged", 4: "superseded",
    5: "cessationOfOperation", 6: "certificateHold", 8: "removeFromCRL", 9: "privilegeWithdrawn", 10: "aACompromise",
}  # fmt: skip
_SHORT = {"max_age": 3600.0}


def _single(**changes: object) -> Speech:
    return lambda s: s.answer(s.single(**changes))


def _at(**offsets: timedelta) -> Speech:
    """thisUpdate, nextUpdate, revocation time by their distance from now."""
    return lambda s: s.answer(s.single(**{name: s.now + offset for name, offset in offsets.items()}))


def _several(*changes: Mapping[str, object]) -> Speech:
    return lambda s: s.answer(*(s.single(**one) for one in changes))


def _other(s: Scene, **changes: object) -> Single:
    return s.single(serial=s.serial + 1, **changes)


def _revoked(reason: int) -> Speech:
    return _single(status="revoked", reason=reason)


def _nonce(value: bytes | None, **changes: object) -> Speech:
    return lambda s: s.answer(nonce=value, **changes)


def _octets(octets: bytes) -> bytes:
    return der_text.tlv(0x04, octets)


def _shortened(s: Scene) -> Answer:
    assert s.query.nonce is not None
    return s.answer(nonce=_octets(s.query.nonce[2:-1]))


GOOD, REVOKED, UNKNOWN = {"status": "good"}, {"status": "revoked"}, {"status": "unknown"}

REVOKED_ROWS = [
    Row("revoked, without a reason", _single(status="revoked"), Reason.REVOKED),
    *(Row(f"revoked, reason {name}", _revoked(number), Reason.REVOKED) for number, name in _REASONS.items()),
    Row("revoked long ago", (lambda s: s.answer(
        s.single(status="revoked", revoked_at=datetime(1990, 1, 1, tzinfo=UTC)))), Reason.REVOKED),
    Row("revoked now", lambda s: s.answer(s.single(status="revoked", revoked_at=s.now)), Reason.REVOKED),
    Row("revoked from tomorrow on", lambda s: s.answer(
        s.single(status="revoked", revoked_at=s.now + DAY)), Reason.REVOKED),
    Row("revoked at the end of time", lambda s: s.answer(
        s.single(status="revoked", revoked_at=datetime(9999, 12, 31, tzinfo=UTC))), Reason.REVOKED),
    Row("revoked, says a delegate", lambda s: s.answer(
        s.single(status="revoked"), signer=who("delegate")), Reason.REVOKED),
    Row("revoked, twice and in different words", _several({**REVOKED, "reason": 1}, {**REVOKED, "reason": 4}),
        Reason.REVOKED),
    Row("revoked, without nextUpdate", _single(status="revoked", endless=True), Reason.REVOKED),
    Row("revoked, SHA-256 CertID", _single(status="revoked", digest="sha256"), Reason.REVOKED),
    Row("unknown", _single(status="unknown"), Reason.STATUS_UNKNOWN),
    Row("unknown, says a delegate", lambda s: s.answer(
        s.single(status="unknown"), signer=who("delegate")), Reason.STATUS_UNKNOWN),
]  # fmt: skip

CERT_ID_ROWS = [
    Row("wrong serial number", lambda s: s.answer(_other(s)), _MISMATCH),
    Row("serial number negated", lambda s: s.answer(s.single(serial=-s.serial)), Reason.OCSP_MISMATCH),
    Row("wrong issuer name hash", _single(name_hash=b"n" * 20), _MISMATCH),
    Row("wrong issuer key hash", _single(key_hash=b"k" * 20), _MISMATCH),
    Row("name hash of another CA", lambda s: s.answer(
        s.single(name_hash=sha1(who("other ca").subject).digest())), _MISMATCH),
    Row("wrong issuer name hash, SHA-256", _single(digest="sha256", name_hash=b"n" * 32), _MISMATCH),
    Row("wrong issuer key hash, SHA-256", _single(digest="sha256", key_hash=b"k" * 32), _MISMATCH),
    Row("SHA-1 hashes under the name of SHA-256", lambda s: s.answer(replace(
        s.single(digest="sha256"), name_hash=sha1(s.issuer.subject).digest())), _MISMATCH),
    Row("an answer for another client", lambda s: s.answer(_other(s)), _MISMATCH),
    Row("same serial number, another CA", lambda s: s.answer(s.single(issuer=who("other ca"))), _MISMATCH),
    Row("ours missing among several", lambda s: s.answer(
        *(s.single(serial=s.serial + number) for number in range(1, 6))), _MISMATCH),
    Row("zero answers", lambda s: replace(s.answer(), singles=()), _MISMATCH),
    Row("more answers than anybody needs", lambda s: s.answer(*[_other(s)] * 500, s.single()), None),
]  # fmt: skip

CONFLICT_ROWS = [
    Row("good, then revoked", _several(GOOD, REVOKED), _CONFLICT),
    Row("revoked, then good", _several(REVOKED, GOOD), _CONFLICT),
    Row("good, then unknown", _several(GOOD, UNKNOWN), _CONFLICT),
    Row("unknown, then good", _several(UNKNOWN, GOOD), _CONFLICT),
    Row("revoked, then unknown", _several(REVOKED, UNKNOWN), _CONFLICT),
    Row("good, good, revoked", _several(GOOD, GOOD, REVOKED), _CONFLICT),
    *(
        Row(f"good under {one}, revoked under {other}",
            _several({**GOOD, "digest": one}, {**REVOKED, "digest": other}), _CONFLICT)
        for one, other in (
            ("sha1", "sha256"), ("sha256", "sha1"), ("sha1", "sha512"), ("sha512", "sha1"), ("sha384", "sha256"),
        )
    ),
    *(
        Row(f"revoked under {one}, good under {other}",
            _several({**REVOKED, "digest": one}, {**GOOD, "digest": other}), _CONFLICT)
        for one, other in (("sha1", "sha256"), ("sha256", "sha1"), ("sha512", "sha1"))
    ),
    Row("good now, revoked an hour ago", lambda s: s.answer(
        s.single(), s.single(status="revoked", this_update=s.now - HOUR, endless=True)), _CONFLICT),
    Row("two good answers", _several(GOOD, {**GOOD, "digest": "sha256"})),
    Row("several answers with ours good", lambda s: s.answer(
        _other(s, status="revoked"), s.single(), _other(s, status="unknown"), s.single(issuer=who("other ca")))),
]  # fmt: skip

TIME_ROWS = [
    Row("past nextUpdate", _at(this_update=-2 * DAY, next_update=-HOUR), _STALE),
    Row("past nextUpdate by more than the skew", _at(this_update=-HOUR, next_update=-6 * MINUTE), _STALE),
    Row("revoked, past nextUpdate", lambda s: s.answer(s.single(
        status="revoked", this_update=s.now - 2 * DAY, next_update=s.now - DAY)), _STALE),
    Row("thisUpdate in the future", _at(this_update=DAY, next_update=2 * DAY), _TIME),
    Row("thisUpdate in the future by more than the skew", _at(this_update=6 * MINUTE, next_update=DAY), _TIME),
    Row("nextUpdate before thisUpdate", _at(this_update=-HOUR, next_update=-2 * HOUR), _TIME),
    Row("nextUpdate a second before thisUpdate", _at(this_update=SECONDS, next_update=0 * SECONDS), _TIME),
    Row("older than max-age, with nextUpdate", _at(this_update=-8 * DAY, next_update=DAY), _STALE),
    Row("older than max-age, without nextUpdate",
        lambda s: s.answer(s.single(this_update=s.now - 8 * DAY, endless=True)), _STALE),
    Row("older than a short max-age", _at(this_update=-61 * MINUTE, next_update=DAY), _STALE, rules=_SHORT),
    Row("older than a short max-age by less than the skew", _at(this_update=-62 * MINUTE, next_update=DAY),
        _STALE, rules=_SHORT),
    Row("one of two older than max-age", lambda s: s.answer(
        s.single(), s.single(this_update=s.now - 8 * DAY, endless=True)), _STALE),
    Row("producedAt in the future", lambda s: s.answer(produced=s.now + HOUR), _TIME),
    Row("producedAt in the future by more than the skew", lambda s: s.answer(produced=s.now + 6 * MINUTE), _TIME),
    Row("thisUpdate a minute ahead: small skew", _at(this_update=MINUTE, next_update=HOUR)),
    Row("nextUpdate a minute ago: small skew", _at(this_update=-HOUR, next_update=-MINUTE)),
    Row("producedAt a minute ahead: small skew", lambda s: s.answer(produced=s.now + MINUTE)),
    Row("good, without nextUpdate", _single(endless=True)),
    Row("good, six days old", _at(this_update=-6 * DAY, next_update=DAY)),
    Row("good, within a short max-age", _at(this_update=-50 * MINUTE, next_update=DAY), rules=_SHORT),
    Row("good for a very long time", lambda s: s.answer(s.single(next_update=datetime(9999, 12, 31, tzinfo=UTC)))),
]  # fmt: skip

_REQUIRED = {"nonce": "require"}
NONCE_ROWS = [
    Row("the nonce of another request", _nonce(_octets(b"n" * 32)), Reason.OCSP_NONCE),
    Row("the nonce cut by one octet", _shortened, Reason.OCSP_NONCE),
    Row("an empty nonce", _nonce(_octets(b"")), Reason.OCSP_NONCE),
    Row("another nonce where it is required", _nonce(_octets(b"n" * 32)), Reason.OCSP_NONCE, rules=_REQUIRED),
    Row("no nonce where it is required", _nonce(None), Reason.OCSP_NONCE, rules=_REQUIRED),
    Row("a nonce that is no OCTET STRING", _nonce(b"n" * 32), Reason.OCSP_NONCE),
    Row("no nonce echoed", _nonce(None)),
    Row("the nonce echoed where it is required", lambda s: s.answer(), rules=_REQUIRED),
    Row("the nonce echoed as critical", lambda s: s.answer(nonce_critical=True)),
    Row("no nonce sent, none echoed", lambda s: s.answer(), rules={"nonce": "off"}),
    Row("no nonce sent, one in the answer", _nonce(_octets(b"n" * 32)), rules={"nonce": "off"}),
]

CRITICAL_ROWS = [
    Row("unknown critical extension in the response", lambda s: s.answer(extensions=_CRITICAL), Reason.OCSP_CRITICAL),
    Row("unknown critical extension in our answer", _single(extensions=_CRITICAL), Reason.OCSP_CRITICAL),
    Row("unknown critical extension in the second answer", lambda s: s.answer(
        s.single(), _other(s, extensions=_CRITICAL)), Reason.OCSP_CRITICAL),
    Row("unknown critical extension beside another", _single(extensions=_UNCRITICAL + der_text.extension(
        _PRIVATE + ".1", b"\x05\x00", critical=True)), Reason.OCSP_CRITICAL),
    Row("unknown extensions, not critical", lambda s: s.answer(
        s.single(extensions=_UNCRITICAL), extensions=_UNCRITICAL)),
    Row("an extension twice", lambda s: s.answer(extensions=_UNCRITICAL * 2), Reason.OCSP_MALFORMED),
    Row("a version that does not exist", lambda s: s.answer(
        version=der_text.tlv(0xA0, der_text.integer(1))), Reason.OCSP_MALFORMED),
]  # fmt: skip

OPTION_ROWS = [
    Row("SHA-256 CertID in the answer", _single(digest="sha256")),
    Row("SHA-512 CertID in the answer", _single(digest="sha512")),
    Row("SHA-256 CertID asked, SHA-1 answered", _single(digest="sha1"), settings={"cert_id": "sha256"}),
    Row("SHA-256 CertID asked and answered", _single(digest="sha256"), settings={"cert_id": "sha256"}),
]

ROWS = [
    *REVOKED_ROWS, *CERT_ID_ROWS, *CONFLICT_ROWS, *TIME_ROWS, *NONCE_ROWS, *CRITICAL_ROWS, *OPTION_ROWS,
]  # fmt: skip
