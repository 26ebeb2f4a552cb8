"""What the service says of itself: version, licence flags, attestation key, health."""

from hsmgate.errors import Failure, Reason
from hsmgate.usecases.find import not_found
from hsmgate.usecases.ports import Ports, Statistics

CONTRACT_VERSION = "2.2.0"  # of the wire contract: clients compare it to gate features
LICENCE = (  # of the contract's flags, those whose endpoints and fields are served
    "REST_API",
    "TSB_ENGINE",
    "KEY_AUTH",
    "IMPORT",
    "EXPORT",
    "EXTRACT",
    "DESTROY_OBJECTS",
    "EXTENDED_KEY_ATTRIBUTES",
    "BTC",
    "ETH",
    "RIPPLE",
    "FIREBLOCKS_AGENT",
)
MOST_RANDOM = 64 * 1024  # octets of one answer
RECENT_LOG, DOWNLOADED_LOG = 256 * 1024, 1024 * 1024  # octets at most


def version(ports: Ports) -> str:
    """What /v1/versionInfo says."""
    return ports.version


def licence(ports: Ports) -> tuple[str, ...]:
    """The client flags."""
    return ports.licence


def check_health(ports: Ports) -> None:
    """Return when the keystore answers. Failure: CONNECTIVITY."""
    ports.keystore.ping()


def statistics(ports: Ports) -> Statistics:
    """What the keystore holds."""
    return ports.keystore.statistics()


def certificate_count(ports: Ports) -> int:
    """How many keys have a certificate."""
    return 0 if ports.certificates is None else ports.certificates.count()


def log(ports: Ports, most: int) -> bytes:
    """The end of the audit trail: whole lines, newest last. Failure: AUDIT_UNAVAILABLE."""
    return ports.audit.recent(most)


def random(ports: Ports, length: int) -> bytes:
    """Octets of the keystore's random generator. Failure: INVALID_NUMBER, CONNECTIVITY."""
    if not 1 <= length <= MOST_RANDOM:
        raise Failure(Reason.INVALID_NUMBER, f"length must be a whole number from 1 to {MOST_RANDOM}.")
    octets = ports.keystore.random(length)
    if len(octets) != length:
        raise Failure(Reason.KEYSTORE, "the random generator gave another length than was asked for")
    return octets


def attestation_public_key(ports: Ports, name: str) -> bytes:
    """The public key (SubjectPublicKeyInfo DER) that attestations verify under. Failure: KEY_NOT_FOUND."""
    if name != ports.keystore.attestation_key_name():
        raise not_found(name)
    return ports.keystore.attestation_public_key()
