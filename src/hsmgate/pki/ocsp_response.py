"""Writes OCSP responses (RFC 6960 4.2.1). pyca's builder signs one answer a response; a request may ask for several."""

from collections.abc import Sequence

from hsmgate.pki import der_write as write
from hsmgate.pki.issued import Revoked
from hsmgate.record import Record

_BASIC = write.oid("1.3.6.1.5.5.7.48.1.1")
_NONCE = "1.3.6.1.5.5.7.48.1.2"
_ARCHIVE_CUTOFF = "1.3.6.1.5.5.7.48.1.6"
_EXTENDED_REVOKE = "1.3.6.1.5.5.7.48.1.9"
_REFUSALS = {"malformedRequest": 1, "internalError": 2, "tryLater": 3, "unauthorized": 6}
REFUSALS = {name: write.sequence(write.enumerated(number)) for name, number in _REFUSALS.items()}  # never signed
_REASON_CODES = {  # CRLReason, RFC 5280 5.3.1
    "unspecified": 0,
    "keyCompromise": 1,
    "cACompromise": 2,
    "affiliationChanged": 3,
    "superseded": 4,
    "cessationOfOperation": 5,
    "certificateHold": 6,
    "privilegeWithdrawn": 9,
    "aACompromise": 10,
}
_GOOD, _UNKNOWN = b"\x80\x00", b"\x82\x00"


class Answer(Record):
    """The answer to one CertID (DER). `revoked` None: good, or unknown; times in Unix seconds."""

    cert_id: bytes
    known: bool
    revoked: Revoked | None
    this_update: float
    next_update: float | None = None
    archive_cutoff: float | None = None

    @property
    def status(self) -> str:
        """good | revoked | unknown."""
        if not self.known:
            return "unknown"
        return "good" if self.revoked is None else "revoked"


def response_data(
    answers: Sequence[Answer], key_hash: bytes, produced_at: float, nonce: bytes | None, *, extended_revoke: bool
) -> bytes:
    """ResponseData DER, which is what is signed. `key_hash`: SHA-1 of the signer's key; `nonce`: value to echo (DER).

    `extended_revoke`: an answer calls a certificate revoked that was never issued (RFC 6960 4.4.8).
    """
    extensions = []
    if nonce is not None:
        extensions.append(write.extension(_NONCE, nonce))
    if extended_revoke:
        extensions.append(write.extension(_EXTENDED_REVOKE, write.NULL))
    return write.sequence(
        write.explicit(2, write.octets(key_hash)),
        write.generalized_time(produced_at),
        write.sequence(*map(_single, answers)),
        write.explicit(1, write.sequence(*extensions)) if extensions else b"",
    )


def successful(data: bytes, algorithm: bytes, signature: bytes, certificates: Sequence[bytes]) -> bytes:
    """OCSPResponse DER around signed ResponseData; `algorithm`: AlgorithmIdentifier, `certificates`: DER."""
    basic = write.sequence(
        data,
        algorithm,
        write.bits(signature),
        write.explicit(0, write.sequence(*certificates)) if certificates else b"",
    )
    return write.sequence(write.enumerated(0), write.explicit(0, write.sequence(_BASIC, write.octets(basic))))


def _single(answer: Answer) -> bytes:
    extensions = b""
    if answer.archive_cutoff is not None:
        cutoff = write.extension(_ARCHIVE_CUTOFF, write.generalized_time(answer.archive_cutoff))
        extensions = write.explicit(1, write.sequence(cutoff))
    return write.sequence(
        answer.cert_id,
        _status(answer),
        write.generalized_time(answer.this_update),
        write.explicit(0, write.generalized_time(answer.next_update)) if answer.next_update is not None else b"",
        extensions,
    )


def _status(answer: Answer) -> bytes:
    if not answer.known:
        return _UNKNOWN
    if answer.revoked is None:
        return _GOOD
    # an unspecified reason is left out, as RFC 5280 5.3.1 asks for in CRLs
    code = _REASON_CODES.get(answer.revoked.reason, 0)
    reason = write.explicit(0, write.enumerated(code)) if code else b""
    return write.explicit(1, write.generalized_time(answer.revoked.at), reason)
