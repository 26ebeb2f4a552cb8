"""What our responder says, as pure functions: what was asked and what is known become a signed response. RFC 6960.

Never "good" for a serial number that was not issued, nor for one that nothing is known about.
"""

from collections.abc import Sequence
from hashlib import new as hash_by_name

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hsmgate.errors import Failure, Reason
from hsmgate.pki import der, ocsp_signing
from hsmgate.pki.issued import HOLD, Issued, Revoked
from hsmgate.pki.ocsp_request import DIGESTS, Question
from hsmgate.pki.ocsp_response import Answer, response_data, successful
from hsmgate.pki.ocsp_signing import SignerKey
from hsmgate.record import Record

NEVER_ISSUED = Revoked(at=0.0, reason=HOLD)  # RFC 6960 2.2: 1 January 1970


class Policy(Record):
    """Settings of the answers; times in seconds. `unissued`: unauthorized | unknown | revoked."""

    unissued: str = "unknown"
    validity: float = 3600.0  # from thisUpdate to nextUpdate
    archive: float = 31_536_000.0  # for so long after its expiry the status of a certificate is told


class Signer(Record):
    """Who signs. `certificates`: DER to send along; `key_hash`: SHA-1 of its key; `not_after`: when it must stop."""

    key: SignerKey
    certificates: tuple[bytes, ...]
    key_hash: bytes
    not_after: float

    def __repr__(self) -> str:
        return f"Signer(key_hash={self.key_hash.hex()})"  # never the key


class Times(Record):
    """What a source's knowledge is worth: since when it holds, and until when at most (None: no such bound)."""

    this_update: float
    next_update: float | None = None


Identity = tuple[str, bytes, bytes]  # digest, hash of the issuer's name, hash of its key


def identities(issuer: x509.Certificate) -> list[Identity]:
    """How CertIDs name this issuer, under each digest."""
    name, key = issuer.subject.public_bytes(), key_octets(issuer)
    return [(d, hash_by_name(d, name).digest(), hash_by_name(d, key).digest()) for d in DIGESTS.values()]


def identity(question: Question) -> Identity:
    """How a question names the issuer."""
    return question.digest, question.name_hash, question.key_hash


def key_octets(cert: x509.Certificate) -> bytes:
    """The content of the BIT STRING subjectPublicKey, over which key hashes go."""
    spki = cert.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der.fields(spki, 2, 2, "SubjectPublicKeyInfo")[1].body[1:]


def signer(key: SignerKey, certificate: x509.Certificate, *, include: bool) -> Signer:
    """One who signs with `key`; `include`: its certificate goes with each response. Failure: WEAK_CERTIFICATE ..."""
    return Signer(
        key=ocsp_signing.check_key(key),
        certificates=(certificate.public_bytes(Encoding.DER),) if include else (),
        key_hash=x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest,
        not_after=certificate.not_valid_after_utc.timestamp(),
    )


def told(issued: Issued | None, policy: Policy, now: float) -> Issued | None:
    """What is told of a certificate; None for one that expired so long ago that its records count as gone."""
    gone = issued is not None and issued.not_after is not None and issued.not_after < now - policy.archive
    return None if gone else issued


def answer(question: Question, issued: Issued | None, times: Times, policy: Policy, now: float) -> Answer:
    """What is said about one certificate of an issuer of ours; `issued` None: it never issued that one.

    Failure: NOT_ALLOWED where nothing may be said about it (the response is then: unauthorized).
    """
    issued = told(issued, policy, now)
    if issued is None:
        return _unissued(question, policy, times.this_update)
    ends = [times.this_update + policy.validity, *([times.next_update] if times.next_update is not None else [])]
    return Answer(
        cert_id=question.raw,
        known=True,
        revoked=issued.revoked,
        this_update=times.this_update,
        next_update=min(ends),
        archive_cutoff=now - policy.archive if issued.not_after is not None and policy.archive else None,
    )


def _unissued(question: Question, policy: Policy, this_update: float) -> Answer:
    """Without nextUpdate: it may be issued at any moment, so newer information is always to be had."""
    if policy.unissued == "unauthorized":
        raise Failure(Reason.NOT_ALLOWED, "a certificate that was never issued")
    revoked = NEVER_ISSUED if policy.unissued == "revoked" else None
    return Answer(cert_id=question.raw, known=revoked is not None, revoked=revoked, this_update=this_update)


def respond(answers: Sequence[Answer], by: Signer, now: float, nonce: bytes | None) -> bytes:
    """The signed response, DER. Nothing in it holds longer than its signer may sign."""
    bounded = [_within(one, by.not_after) for one in answers]
    extended = any(one.revoked is NEVER_ISSUED for one in answers)
    data = response_data(bounded, by.key_hash, now, nonce, extended_revoke=extended)
    algorithm, signature = ocsp_signing.sign(by.key, data)
    return successful(data, algorithm, signature, by.certificates)


def _within(one: Answer, end: float) -> Answer:
    if one.next_update is None or one.next_update <= end:
        return one
    return Answer(
        cert_id=one.cert_id,
        known=one.known,
        revoked=one.revoked,
        this_update=one.this_update,
        next_update=end,
        archive_cutoff=one.archive_cutoff,
    )
