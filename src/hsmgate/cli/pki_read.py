"""What `hsmgate pki` takes from its command line, as values: certificates that are meant, lifetimes, settings."""

import re
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import msgspec
from cryptography import x509

from hsmgate.adapters import store_files
from hsmgate.config.units import seconds
from hsmgate.errors import Failure, Reason
from hsmgate.pki import names, truststore
from hsmgate.pki.extensions import Constraints, Points
from hsmgate.usecases.issuance_ports import AuthoritySettings
from hsmgate.usecases.issuance_states import Selector

_SERIAL = re.compile(r"(0x)?[0-9a-fA-F]{1,40}|[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){0,19}")
_set = msgspec.structs.replace


def selector(text: str, authority: str | None) -> Selector:
    """A certificate as people name it: a subject has TYPE= at its begin, a serial number is hex, the rest is a file.

    Failure: INVALID_INPUT, STORE_UNREADABLE.
    """
    if names.is_subject(text):
        return Selector(subject=names.subject(text).rfc4514_string(), authority=authority)
    if _SERIAL.fullmatch(text):
        return Selector(serial=int(text.replace(":", ""), 16), authority=authority)
    return Selector(certificate=first_certificate(Path(text)), authority=authority)


def first_certificate(path: Path) -> bytes:
    """The first certificate of a PEM or DER file, DER. Failure: STORE_UNREADABLE, STORE_UNSUPPORTED."""
    found = truststore.read(store_files.read_file(path), None, str(path))
    if found.format not in ("PEM", "DER") or not found.entries:
        raise Failure(Reason.STORE_UNSUPPORTED, f"{path}: a certificate is PEM or DER, this is {found.format}")
    der = found.entries[0].der
    try:
        x509.load_der_x509_certificate(der)
    except ValueError:
        raise Failure(Reason.STORE_UNREADABLE, f"{path} holds no certificate that can be read") from None
    return der


def duration(text: str | None, option: str) -> float | None:
    """Seconds. Failure: INVALID_INPUT."""
    if text is None:
        return None
    try:
        value = seconds(text)
    except ValueError as error:
        raise Failure(Reason.INVALID_INPUT, f"{option} {error}") from None
    if not 1 <= value <= 100 * 365.25 * 86400:
        raise Failure(Reason.INVALID_INPUT, f"{option} must be a duration from 1s to a hundred years")
    return value


def lifetime(text: str | None) -> timedelta | None:
    """Failure: INVALID_INPUT."""
    value = duration(text, "--lifetime")
    return None if value is None else timedelta(seconds=value)


def constraints(permit: Sequence[str] | None, exclude: Sequence[str] | None) -> Constraints:
    """Failure: INVALID_INPUT."""
    return Constraints(
        permitted=tuple(map(names.subtree, permit or ())), excluded=tuple(map(names.subtree, exclude or ()))
    )


def settings(
    before: AuthoritySettings,
    ocsp: Sequence[str] | None,
    ca_issuers: Sequence[str] | None,
    crl_url: Sequence[str] | None,
    crl_file: str | None,
    crl_every: str | None,
    crl_lifetime: str | None,
) -> AuthoritySettings:
    """The settings with what was given in place of what was; an empty text clears. Failure: INVALID_INPUT."""
    points = Points(
        ocsp=_urls(before.points.ocsp, ocsp),
        ca_issuers=_urls(before.points.ca_issuers, ca_issuers),
        crl=_urls(before.points.crl, crl_url),
    )
    found = _set(
        before,
        points=points,
        crl_file=before.crl_file if crl_file is None else crl_file,
        crl_every=duration(crl_every, "--crl-every") or before.crl_every,
        crl_lifetime=duration(crl_lifetime, "--crl-lifetime") or before.crl_lifetime,
    )
    if found.crl_every >= found.crl_lifetime:
        raise Failure(
            Reason.INVALID_INPUT, "a CRL must be due before the one before it ends: --crl-every, --crl-lifetime"
        )
    return found


def fingerprint(der: bytes | None) -> str:
    """SHA-256, or nothing where there is nothing."""
    return sha256(der).hexdigest() if der else ""


def _urls(before: tuple[str, ...], given: Sequence[str] | None) -> tuple[str, ...]:
    return before if given is None else tuple(names.url(url) for url in given if url)
