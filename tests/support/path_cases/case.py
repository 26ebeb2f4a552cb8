"""What one generated chain is: who sends what to whom, and what must come of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

from cryptography import x509

from support import cast, certs
from support.certs import Extension, Made, Rest

ACCEPT = "accept"
REFUSE = "refuse"  # whatever the reason: the certificate is malformed, and who notices first is open
UNTRUSTED, EXPIRED, UNSUPPORTED = "UNTRUSTED", "EXPIRED", "UNSUPPORTED_CERTIFICATE"
WEAK, BAD = "WEAK_CERTIFICATE", "BAD_CERTIFICATE"

# Explanations that several cases share.
KEY_IDS = "-x509_strict asks verifiers for what RFC 5280 4.2.1.1 and 4.2.1.2 ask of CAs: key identifiers"
CRITICALS = "RFC 5280 4.2: OpenSSL knows this extension, or never needs it; whoever does not act on it must refuse"
LENIENT = "what is malformed is refused; OpenSSL reads as much as it needs and leaves the rest"
PROFILE = "-x509_strict holds the certificate to RFC 5280's profile for CAs; path validation (section 6) does not"


@dataclass(frozen=True)
class Case:
    """`expect`: accept, or the Reason of the refusal. `openssl`, `strict`: why openssl decides otherwise."""

    name: str
    clause: str  # where the verdict comes from
    expect: str
    sent: tuple[Made, ...]  # leaf first
    trust: tuple[Made, ...]
    issuers: tuple[Made, ...] = ()  # named in hsmgate.trust.issuers
    pins: tuple[Made, ...] = ()  # named in hsmgate.trust.pins
    openssl: str = ""  # `openssl verify`
    strict: str = ""  # `openssl verify -x509_strict`
    handshake: str = ""  # why a handshake ends otherwise than the judgement, or cannot be made


def case(
    name: str,
    clause: str,
    expect: str,
    *sent: Made,
    trust: Sequence[Made] | None = None,
    issuers: Sequence[Made] = (),
    pins: Sequence[Made] = (),
    openssl: str = "",
    strict: str = "",
    handshake: str = "",
) -> Case:
    """`trust`: the root of the cast unless given."""
    anchors = (cast.get("root"),) if trust is None else tuple(trust)
    return Case(
        name, clause, expect, sent, anchors, tuple(issuers), tuple(pins), openssl=openssl, strict=strict,
        handshake=handshake,
    )  # fmt: skip


def root() -> Made:
    return cast.get("root")


def mid() -> Made:
    return cast.get("mid")


def leaf(*extensions: Extension, by: Made | None = None, subject: str | bytes = "leaf", **rest: Unpack[Rest]) -> Made:
    """A leaf below the intermediate with an AKI and these extensions, nothing else."""
    issuer = by or mid()
    return certs.make(subject, issuer, [certs.authority_key_identifier(issuer.key_identifier), *extensions], **rest)


def ca(*extensions: Extension, by: Made | None = None, subject: str | bytes = "ca", **rest: Unpack[Rest]) -> Made:
    """A would-be CA below the root with key identifiers and these extensions, nothing else."""
    issuer = by or root()
    private = rest.setdefault("private", certs.key("p256", f"of {subject!r}"))
    identifiers = [certs.subject_key_identifier(private), certs.authority_key_identifier(issuer.key_identifier)]
    return certs.make(subject, issuer, [*identifiers, *extensions], **rest)


def below(issuer: Made, *extensions: Extension, digest: str = "sha256") -> tuple[Made, Made]:
    """An ordinary client of this issuer, and the issuer: what is sent."""
    return certs.client("below", issuer, *extensions, digest=digest), issuer


def dns(*texts: str) -> list[x509.GeneralName]:
    return [x509.DNSName(text) for text in texts]
