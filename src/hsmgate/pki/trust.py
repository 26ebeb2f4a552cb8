"""Who is trusted: the entries of a truststore as issuers and pins, and the verdict on a presented chain."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from types import MappingProxyType

from cryptography import x509

from hsmgate.errors import Failure, Reason
from hsmgate.pki import path as paths
from hsmgate.record import Record

# X509_V_ERR_* (OpenSSL x509_vfy.h) that only say "no CA": the ones a legacy anchor named by the operator may cause.
# (24 and 79 by name; 26 is how the purpose check says it). Our own checks of usages bind that anchor all the same.
_NOT_A_CA = frozenset({24, 26, 79})
# What other X509_V_ERR_* mean in our words; everything else is BAD_CERTIFICATE.
_OPENSSL = {
    **dict.fromkeys((2, 18, 19, 20, 21, 22, 24, 25, 27, 79), Reason.UNTRUSTED),
    **dict.fromkeys((9, 10), Reason.EXPIRED),
    **dict.fromkeys((26, 34, 37, 40, 41, 47, 48, 49, 50, 51, 52), Reason.UNSUPPORTED_CERTIFICATE),
    **dict.fromkeys((66, 67, 68), Reason.WEAK_CERTIFICATE),
}


class Role(Enum):
    """What an entry of the truststore may do; never both."""

    ISSUER = "issuer"  # v3 CA certificate
    LEGACY_ISSUER = "issuer (named)"  # no basicConstraints, named in hsmgate.trust.issuers: signs leaves only
    PIN = "pin"  # exactly this one client


class TrustEntry(Record):
    """One certificate of the truststore with its role. `sha256`: lower-case hex of the DER."""

    alias: str
    der: bytes
    sha256: str
    role: Role


class Verdict(Record):
    """A peer is trusted: by which entry, and in which window of time (Unix seconds) without looking again."""

    trusted_by: str  # "pin:<alias>" | "issuer:<alias>"
    not_before: float
    not_after: float
    path: tuple[bytes, ...]  # leaf first, anchor last; a pin alone


@dataclass(frozen=True)
class TrustSet:
    """All that is trusted at one moment. Build it with `build`; it never changes."""

    entries: tuple[TrustEntry, ...]
    warnings: tuple[str, ...]
    issuers: Mapping[bytes, TrustEntry]
    pins: Mapping[bytes, TrustEntry]
    candidates: Mapping[bytes, tuple[TrustEntry, ...]]  # pins without basicConstraints, by subject: see `_hint`


def fingerprint(der: bytes) -> str:
    """SHA-256 of a certificate, lower-case hex without colons."""
    return sha256(der).hexdigest()


def _role(cert: x509.Certificate, digest: str, alias: str, issuers: frozenset[str], pins: frozenset[str]) -> Role:
    constraints, usage = paths.basic_constraints(cert), paths.key_usage(cert)
    if digest in issuers and digest in pins:
        raise Failure(
            Reason.CONFIG_INVALID,
            f"{alias} ({digest}) stands in hsmgate.trust.issuers and in hsmgate.trust.pins:"
            " an entry is one or the other",
        )
    if digest in issuers:
        if (constraints is not None and not constraints.ca) or (usage is not None and not usage.key_cert_sign):
            raise Failure(
                Reason.CONFIG_INVALID,
                f"{alias} ({digest}) stands in hsmgate.trust.issuers, but the certificate itself says that it is no CA",
            )
        return Role.ISSUER if constraints is not None else Role.LEGACY_ISSUER
    if digest in pins:
        return Role.PIN
    return Role.ISSUER if paths.may_issue(cert) else Role.PIN


def build(
    certificates: Iterable[tuple[str, bytes]],
    issuers: frozenset[str] = frozenset(),
    pins: frozenset[str] = frozenset(),
) -> TrustSet:
    """Sort (alias, DER) entries into issuers and pins.

    `issuers`, `pins`: SHA-256 fingerprints from hsmgate.trust. Failure: CONFIG_INVALID, BAD_CERTIFICATE.
    """
    entries: dict[bytes, TrustEntry] = {}
    candidates: dict[bytes, tuple[TrustEntry, ...]] = {}
    for alias, der in certificates:
        if der in entries:
            continue
        cert, digest = paths.parse(der), fingerprint(der)
        entry = TrustEntry(alias=alias, der=der, sha256=digest, role=_role(cert, digest, alias, issuers, pins))
        entries[der] = entry
        if entry.role is Role.PIN and paths.basic_constraints(cert) is None:
            subject = cert.subject.public_bytes()
            candidates[subject] = (*candidates.get(subject, ()), entry)
    known = {entry.sha256 for entry in entries.values()}
    warnings = tuple(
        f"hsmgate.trust.{name}: no entry of the truststore has the SHA-256 {digest}"
        for name, digests in (("issuers", issuers), ("pins", pins))
        for digest in sorted(digests - known)
    )
    return TrustSet(
        entries=tuple(entries.values()),
        warnings=warnings,
        issuers=MappingProxyType({d: e for d, e in entries.items() if e.role is not Role.PIN}),
        pins=MappingProxyType({d: e for d, e in entries.items() if e.role is Role.PIN}),
        candidates=MappingProxyType(candidates),
    )


def judge(trust: TrustSet, chain: Sequence[bytes], openssl: Sequence[tuple[int, int]], now: float) -> Verdict:
    """Decide on the chain that OpenSSL built (DER, leaf first).

    `openssl`: what OpenSSL found wrong, as (depth, X509_V_ERR number). Failure: UNTRUSTED, EXPIRED,
    UNSUPPORTED_CERTIFICATE, WEAK_CERTIFICATE, BAD_CERTIFICATE; its detail is one line for the operator.
    """
    pin = trust.pins.get(chain[0])
    if pin is not None:
        return _judge_pin(pin, now)
    if chain[0] in trust.issuers:
        entry = trust.issuers[chain[0]]
        raise Failure(
            Reason.UNTRUSTED,
            f"{entry.alias}: an issuer of the truststore came as a client. If it is one client and must not issue,"
            f" add to the configuration: hsmgate.trust.pins: [{entry.sha256}]"
            " (and take it out of hsmgate.trust.issuers)",
        )
    anchored = _cut_at_anchor(trust, chain)
    if anchored is None:
        raise Failure(_first(openssl, Reason.UNTRUSTED), _hint(trust, chain[0], now))
    anchor = trust.issuers[anchored[-1]]
    legacy = anchor.role is Role.LEGACY_ISSUER
    window = paths.check_path([paths.parse(der) for der in anchored], now, legacy_anchor=legacy)
    _check_openssl(openssl, excused=len(anchored) - 1 if legacy else None)
    return Verdict(trusted_by=f"issuer:{anchor.alias}", not_before=window[0], not_after=window[1], path=tuple(anchored))


def _judge_pin(pin: TrustEntry, now: float) -> Verdict:
    window = paths.check_validity([paths.parse(pin.der)], now)
    return Verdict(trusted_by=f"pin:{pin.alias}", not_before=window[0], not_after=window[1], path=(pin.der,))


def _cut_at_anchor(trust: TrustSet, chain: Sequence[bytes]) -> list[bytes] | None:
    """The chain up to its first certificate above the leaf that is an issuer here, or None."""
    for depth, der in enumerate(chain[1:], start=1):
        if der in trust.issuers:
            return list(chain[: depth + 1])
    return None


def _check_openssl(errors: Sequence[tuple[int, int]], excused: int | None) -> None:
    """OpenSSL's word counts too; only "no CA" at a legacy anchor's depth is excused."""
    for depth, number in errors:
        if not (number in _NOT_A_CA and excused is not None and depth == excused):
            raise Failure(
                _OPENSSL.get(number, Reason.BAD_CERTIFICATE),
                f"OpenSSL refuses the path: error {number} at depth {depth}",
            )


def _first(errors: Sequence[tuple[int, int]], default: Reason) -> Reason:
    """The reason for a chain without an anchor: an expired leaf is told as such only where that is all."""
    reasons = {_OPENSSL.get(number, Reason.BAD_CERTIFICATE) for _, number in errors}
    return reasons.pop() if len(reasons) == 1 else default


def _hint(trust: TrustSet, leaf_der: bytes, now: float) -> str:
    """What to add when the only thing missing is that an entry without basicConstraints may issue."""
    leaf = paths.parse(leaf_der)
    for entry in trust.candidates.get(leaf.issuer.public_bytes(), ()):
        try:
            paths.check_path([leaf, paths.parse(entry.der)], now, legacy_anchor=True)
        except Failure:
            continue
        return (
            f"{paths.name_of(leaf)}: issued by {entry.alias}, which has no basicConstraints and therefore is a pin."
            f" If it may issue, add to the configuration: hsmgate.trust.issuers: [{entry.sha256}]"
        )
    return f"{paths.name_of(leaf)}: no path to an issuer of the truststore, and no pin"


def legacy_chains(trust: TrustSet, leaf_der: bytes) -> list[list[bytes]]:
    """The leaf with each legacy anchor that bears its issuer's name: OpenSSL builds no path through those."""
    issuer = paths.parse(leaf_der).issuer
    return [
        [leaf_der, entry.der]
        for entry in trust.issuers.values()
        if entry.role is Role.LEGACY_ISSUER and paths.parse(entry.der).subject == issuer
    ]
