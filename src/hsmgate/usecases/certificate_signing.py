"""Certificates that an authority's key signs for somebody's request."""

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from hsmgate.domain.key import Key
from hsmgate.domain.material import Material, public_material
from hsmgate.errors import Failure, Reason
from hsmgate.pki import certified, certified_requests, issue
from hsmgate.pki.certified import DIGESTS, Wanted
from hsmgate.pki.certified_requests import Asked
from hsmgate.pki.csr import UNREADABLE
from hsmgate.pki.issue import Validity
from hsmgate.record import Record
from hsmgate.usecases import bring_in
from hsmgate.usecases.certificate_store import certificates, put
from hsmgate.usecases.certificates import USUAL_DAYS, Made, checked_key, now_of, serial_of
from hsmgate.usecases.ports import Ports
from hsmgate.usecases.signing_key import signing_key

_ALGORITHMS = {
    rsa.RSAPublicKey: "RSA",
    ec.EllipticCurvePublicKey: "EC",
    ed25519.Ed25519PublicKey: "ED",
    dsa.DSAPublicKey: "DSA",
}


class SignRequest(Record):
    """What the key `label` shall sign for the holder of another. `csr`: DER; `subject`: None: that of the request.

    `copy`: its extensions too. `new_label`: the key beside which the certificate is kept.
    """

    label: str
    algorithm: str
    csr: bytes
    subject: x509.Name | None = None
    wanted: Wanted = Wanted()
    password: str | None = None
    days: int | None = None
    copy: bool = False
    new_label: str | None = None


class Prepared(Record):
    """A wish that nothing stands against."""

    key: Key
    issuer: x509.Certificate
    subject: x509.Name
    wanted: Wanted
    material: Material  # the public key that is certified
    lifetime: Validity
    remark: str


def sign(ports: Ports, wish: SignRequest) -> Made:
    """A certificate for a request, by a key whose own certificate is that of an authority.

    Failure: CSR_ENCODING, INVALID_CERTIFICATE (the key is no authority's), KEY_EXISTS (another key has the name),
    and as certificates.self_sign().
    """
    ready = check(ports, wish)
    public = load_der_public_key(ready.material.public or b"")
    assert isinstance(
        public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | dsa.DSAPublicKey
    ), "_material() has read it"
    der = certified.signed(
        ready.subject,
        public,
        ready.wanted,
        ready.issuer,
        signing_key(ports.keystore, ready.key, wish.password),
        DIGESTS[wish.algorithm],
        serial_of(ports),
        ready.lifetime,
    )
    if wish.new_label:
        put(ports, bring_in.public_key(ports, wish.new_label, ready.material), der)
    return Made(wish.new_label or wish.label, der, ready.remark)


def check(ports: Ports, wish: SignRequest) -> Prepared:
    """Failure: as sign(), but for what only using the key shows."""
    key = checked_key(ports, wish.label, wish.algorithm, wish.days)
    asked = certified_requests.read(wish.csr)
    wanted = certified_requests.copied(wish.wanted, asked) if wish.copy else wish.wanted
    certified.check(wanted)
    material = _material(asked)
    if wish.new_label:
        bring_in.check_public_key(ports, wish.new_label, material)
    issuer = _issuer(ports, key, wanted)
    lifetime, remark = _lifetime(ports, key, issuer, wish.days or USUAL_DAYS)
    subject = wish.subject or certified_requests.subject(asked)
    return Prepared(key, issuer, subject, wanted, material, lifetime, remark)


def _material(asked: Asked) -> Material:
    """The public key of a request, as one that could be here. Failure: INVALID_CERTIFICATE_REQUEST."""
    try:
        public = load_der_public_key(asked.public_key)
        for kind, algorithm in _ALGORITHMS.items():
            if isinstance(public, kind):
                return public_material(algorithm, asked.public_key)
    except Failure as failure:
        raise _wrong(f"The key of the request cannot be certified: {failure.detail}") from None
    raise _wrong("The key of the request is of a type that cannot be certified.")


def _issuer(ports: Ports, key: Key, wanted: Wanted) -> x509.Certificate:
    """The authority's certificate. Failure: INVALID_CERTIFICATE (none, of no authority, no room below it)."""
    der = certificates(ports).find(key)
    if der is None:
        raise _no_authority(key, "has no certificate: self-sign or import one first")
    issuer = x509.load_der_x509_certificate(der)
    try:
        room = issue.path_length_of(issuer)
    except (Failure, *UNREADABLE):
        raise _no_authority(key, "has a certificate, but not one of an authority") from None
    if wanted.authority and room == 0:
        raise _no_authority(key, "may issue no other authorities")
    return issuer


def _lifetime(ports: Ports, key: Key, issuer: x509.Certificate, days: int) -> tuple[Validity, str]:
    """Within that of the issuer: verifiers refuse the rest of it anyway. Failure: INVALID_CERTIFICATE (expired)."""
    now = now_of(ports)
    begin, end = issuer.not_valid_before_utc, issuer.not_valid_after_utc
    if not begin <= now <= end:
        raise _no_authority(key, "has a certificate that is expired, or not yet valid")
    asked = issue.validity(now, timedelta(days=days))
    lifetime = Validity(not_before=max(asked.not_before, begin), not_after=min(asked.not_after, end))
    return lifetime, "" if lifetime.not_after == asked.not_after else "valid no longer than the issuer"


def _no_authority(key: Key, why: str) -> Failure:
    return Failure(Reason.INVALID_CERTIFICATE, f"The key '{key.label}' {why}.")


def _wrong(detail: str) -> Failure:
    return Failure(Reason.INVALID_CERTIFICATE_REQUEST, detail)
