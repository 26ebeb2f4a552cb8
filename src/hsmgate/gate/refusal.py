"""One clear line for each refusal over revocation: who, why, what to do."""

from types import MappingProxyType

from hsmgate.errors import Failure, Reason

_CLOCKS = "compare the clocks of this machine and of the responder"
_CA = "tell the CA that runs the responder"

WHAT_TO_DO: MappingProxyType[Reason, str] = MappingProxyType(
    {
        Reason.REVOKED: "issue a new certificate; one that is only on hold can be released by its CA",
        Reason.STATUS_UNKNOWN: "make sure that the responder serves the CA that issued it",
        Reason.OCSP_NO_ANSWER: "see that the responder runs and can be reached from here",
        Reason.OCSP_HTTP: "see what answers at the responder's URL",
        Reason.OCSP_UNSUCCESSFUL: "look into the responder's log: it refuses the request",
        Reason.OCSP_MALFORMED: "see what answers at the responder's URL",
        Reason.OCSP_MISMATCH: "make sure that the responder serves the CA that issued it",
        Reason.OCSP_CONFLICT: _CA,
        Reason.OCSP_STALE: f"{_CA}: it gives old answers; or {_CLOCKS}",
        Reason.OCSP_TIME: _CLOCKS,
        Reason.OCSP_SIGNATURE: f"{_CA}; somebody in between may have changed the answer",
        Reason.OCSP_WEAK: f"{_CA}: it must sign with SHA-256 or better and a strong key",
        Reason.OCSP_RESPONDER: "let the issuer sign, or a delegate of it; or name the signer in"
        " hsmgate.ocsp.trusted-responders",
        Reason.OCSP_NONCE: "see whether a cache stands before the responder, or whether it echoes no nonce at all"
        " (hsmgate.ocsp.nonce)",
        Reason.OCSP_CRITICAL: _CA,
        Reason.OCSP_ADDRESS: "set hsmgate.ocsp.responder, or have the certificate issued with another URL",
        Reason.OCSP_NO_RESPONDER: "set hsmgate.ocsp.responder, or have the certificate issued with a responder's URL",
    }
)


def explain(name: str, sha256: str, failure: Failure) -> Failure:
    """The same failure with the certificate's name and fingerprint before it and what to do behind it."""
    advice = WHAT_TO_DO.get(failure.reason)
    line = f"{name} ({sha256}): {failure}"
    return Failure(failure.reason, f"{line}; {advice}" if advice else line, failure.evidence)
