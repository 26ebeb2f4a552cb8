"""Certificates of keys: requested, self-signed, signed by an authority's key, brought in, read, removed."""

from datetime import UTC, datetime, timedelta

from cryptography import x509

from hsmgate.domain.key import Key
from hsmgate.domain.signature_algorithm import signature_algorithm, signature_algorithm_for
from hsmgate.domain.usage import check_use
from hsmgate.errors import Failure, Reason
from hsmgate.pki import certified, issue
from hsmgate.pki.certified import DIGESTS, Wanted
from hsmgate.record import Record
from hsmgate.usecases.certificate_store import certificates, der_of, put
from hsmgate.usecases.find import find
from hsmgate.usecases.ports import Ports
from hsmgate.usecases.signing_key import SigningKey, signing_key

USUAL_DAYS = 365
MOST_DAYS = 36500


class Certify(Record):
    """What the key `label` shall sign about itself. `days`: how long it is valid; None: the usual time."""

    label: str
    algorithm: str  # of the signature
    subject: x509.Name
    wanted: Wanted = Wanted()
    password: str | None = None
    days: int | None = None


class Made(Record):
    """A request or a certificate, DER, and the name under which it is answered."""

    label: str
    der: bytes
    remark: str = ""


def check(ports: Ports, wish: Certify) -> Key:
    """The key, where it may sign this. Failure: as self_sign(), but for what only using the key shows."""
    certified.check(wish.wanted)
    certificates(ports)
    return checked_key(ports, wish.label, wish.algorithm, wish.days)


def request(ports: Ports, wish: Certify) -> Made:
    """A certification request. A key that has no certificate yet carries a self-signed one from then on.

    Failure: as self_sign().
    """
    key = check(ports, wish)
    signer = signing_key(ports.keystore, key, wish.password)
    der = certified.request(wish.subject, wish.wanted, signer, DIGESTS[wish.algorithm])
    if certificates(ports).find(key) is None:
        put(ports, key, _self_signed(ports, wish, signer, USUAL_DAYS))
    return Made(wish.label, der)


def self_sign(ports: Ports, wish: Certify) -> Made:
    """A certificate of the key for itself, kept beside it in the place of any other.

    Failure: INVALID_CERTIFICATE_REQUEST, INVALID_NUMBER, KEY_NOT_FOUND, KEY_PASSWORD_MISMATCH, INVALID_KEY_TYPE,
    ALGORITHM_NOT_FOR_KEY, KEY_FORBIDS, KEY_BLOCKED, APPROVALS_MISSING, NOT_IMPLEMENTED, KEYSTORE.
    """
    key = check(ports, wish)
    signer = signing_key(ports.keystore, key, wish.password)
    der = _self_signed(ports, wish, signer, wish.days or USUAL_DAYS)
    put(ports, key, der)
    return Made(wish.label, der)


def read(ports: Ports, label: str) -> bytes:
    """The certificate of a key, DER. Failure: KEY_NOT_FOUND (no such key, or none for it), INTEGRITY."""
    key = find(ports, label)
    der = certificates(ports).find(key)
    if der is None:
        raise _none(label)
    return der


def remove(ports: Ports, label: str) -> None:
    """Remove the certificate of a key. Failure: KEY_NOT_FOUND (no such key, or none for it)."""
    if not certificates(ports).remove(find(ports, label)):
        raise _none(label)


def bring_in(ports: Ports, label: str, given: bytes) -> Made:
    """Give a key a certificate from elsewhere, in the place of any other.

    Failure: KEY_NOT_FOUND, CERTIFICATE_ENCODING, INVALID_CERTIFICATE (it is of another key), INVALID_KEY_TYPE.
    """
    key = find(ports, label)
    if key.public_key is None:
        raise Failure(Reason.INVALID_KEY_TYPE, f"A secret key ({key.algorithm}) has no certificate.")
    der = der_of(given)
    put(ports, key, der)
    return Made(label, der)


def checked_key(ports: Ports, label: str, algorithm: str, days: int | None) -> Key:
    """The key, where it may sign certificates like this, for so long. Failure: as self_sign()."""
    if days is not None and not 1 <= days <= MOST_DAYS:
        raise Failure(Reason.INVALID_NUMBER, f"validity is 1 to {MOST_DAYS} days.")
    key = find(ports, label)
    if algorithm not in DIGESTS:
        signature_algorithm(algorithm)  # unknown, or only not for certificates
        raise Failure(Reason.ALGORITHM_NOT_FOR_KEY, f"signatureAlgorithm {algorithm} does not sign certificates.")
    signature_algorithm_for(key, algorithm)
    check_use(key, "sign")
    return key


def now_of(ports: Ports) -> datetime:
    """The time in UTC."""
    return datetime.fromtimestamp(ports.now(), UTC)


def serial_of(ports: Ports) -> int:
    """A new serial number, of the keystore's random generator."""
    return issue.serial_number(ports.keystore.random(issue.SERIAL_OCTETS))


def _self_signed(ports: Ports, wish: Certify, signer: SigningKey, days: int) -> bytes:
    lifetime = issue.validity(now_of(ports), timedelta(days=days))
    digest = DIGESTS[wish.algorithm]
    return certified.self_signed(wish.subject, wish.wanted, signer, digest, serial_of(ports), lifetime)


def _none(label: str) -> Failure:
    return Failure(Reason.KEY_NOT_FOUND, f"The key '{label}' has no certificate.")
