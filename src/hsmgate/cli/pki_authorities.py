"""What stands behind the commands about authorities."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hsmgate.cli import pki_read, pki_rows, pki_write, tables
from hsmgate.cli.pki_place import Where, opened
from hsmgate.errors import Failure, Reason
from hsmgate.pki import csr as requests
from hsmgate.pki import names
from hsmgate.usecases import issuance_authorities as cases
from hsmgate.usecases import issuance_chain as chains
from hsmgate.usecases import issuance_elsewhere as elsewhere
from hsmgate.usecases.issuance_ports import AuthorityEntry, AuthoritySettings

_set = msgspec.structs.replace


class Wanted(NamedTuple):
    """A new authority, as it is typed."""

    name: str
    subject: str | None = None
    kind: str = "p256"
    keystore: str | None = None
    path_length: int = 0
    lifetime: str | None = None
    permit: Sequence[str] | None = None
    exclude: Sequence[str] | None = None

    def subject_or_name(self) -> x509.Name:
        return names.subject(self.subject or self.name)


class Given(NamedTuple):
    """Settings, as they are typed; None: not given."""

    ocsp: Sequence[str] | None = None
    ca_issuers: Sequence[str] | None = None
    crl_url: Sequence[str] | None = None
    crl_file: str | None = None
    crl_every: str | None = None
    crl_lifetime: str | None = None

    def over(self, before: AuthoritySettings) -> AuthoritySettings:
        return pki_read.settings(before, *self)


def init(where: Where, wanted: Wanted, given: Given) -> AuthorityEntry:
    """Failure: as issuance_authorities.init."""
    new = _new(wanted, given)
    with opened(where, make=True) as place:
        return cases.init(place.ports, _set(new, key=place.key_of(wanted.name, wanted.keystore)))


def intermediate(where: Where, wanted: Wanted, given: Given, issuer: str | None) -> AuthorityEntry:
    """Failure: as issuance_authorities.intermediate."""
    new = _new(wanted, given)
    with opened(where) as place:
        return cases.intermediate(place.ports, _set(new, key=place.key_of(wanted.name, wanted.keystore)), issuer)


def request(where: Where, wanted: Wanted) -> bytes:
    """The request, PEM. Failure: as issuance_elsewhere.request."""
    subject = wanted.subject_or_name()
    with opened(where, make=True) as place:
        der = elsewhere.request(
            place.ports, wanted.name, subject, place.key_of(wanted.name, wanted.keystore), wanted.kind
        )
    return x509.load_der_x509_csr(der).public_bytes(Encoding.PEM)


def sign_request(where: Where, file: Path, wanted: Wanted, issuer: str | None) -> bytes:
    """The certificate, PEM. Failure: as issuance_elsewhere.sign_request; STORE_UNREADABLE."""
    signed = elsewhere.SignedAuthority(
        request=requests_file(file),
        subject=None if wanted.subject is None else names.subject(wanted.subject),
        path_length=wanted.path_length,
        lifetime=pki_read.lifetime(wanted.lifetime),
        constraints=pki_read.constraints(wanted.permit, wanted.exclude),
    )
    with opened(where) as place:
        return elsewhere.sign_request(place.ports, signed, issuer).public_bytes(Encoding.PEM)


def install(
    where: Where, name: str, file: Path, keystore: str | None, given: Given, *, without_key: bool
) -> AuthorityEntry:
    """Failure: as issuance_elsewhere.install; STORE_UNREADABLE."""
    if without_key and keystore is not None:
        raise Failure(Reason.INVALID_INPUT, "--without-key and --keystore exclude each other")
    certificate = x509.load_der_x509_certificate(pki_read.first_certificate(file))
    with opened(where, make=True) as place:
        key = "" if without_key else place.key_of(name, keystore)
        entry = elsewhere.install(place.ports, name, certificate, key, given.over(AuthoritySettings()))
    if entry.parent is None and certificate.issuer != certificate.subject:
        tables.warn([f"{certificate.issuer.rfc4514_string()}, which signed it, is not here: chains end with {name}"])
    return entry


def change(where: Where, name: str, given: Given) -> AuthorityEntry:
    """Failure: as issuance_authorities.change_settings."""
    with opened(where) as place:
        before = chains.known(place.register, name)
        return cases.change_settings(place.ports, name, given.over(before.settings))


def show(entry: AuthorityEntry, out: Path | None, *, as_json: bool) -> None:
    """Print the authority, and write its certificate where that is wanted."""
    if out is not None:
        pki_write.write_public(out, pki_write.pem([entry.certificate]))
    tables.show([pki_rows.authority(entry)], as_json=as_json)


def requests_file(path: Path) -> bytes:
    """A file with a request. Failure: STORE_UNREADABLE."""
    try:
        with path.open("rb") as file:
            return file.read(requests.MOST_OCTETS + 1)
    except OSError as error:
        raise Failure(Reason.STORE_UNREADABLE, f"cannot read {path}: {(error.strerror or 'failed').lower()}") from None


def _new(wanted: Wanted, given: Given) -> cases.NewAuthority:
    return cases.NewAuthority(
        name=chains.checked_name(wanted.name),
        subject=wanted.subject_or_name(),
        key="",  # the place tells
        kind=wanted.kind,
        path_length=wanted.path_length,
        lifetime=pki_read.lifetime(wanted.lifetime),
        constraints=pki_read.constraints(wanted.permit, wanted.exclude),
        settings=given.over(AuthoritySettings()),
    )
