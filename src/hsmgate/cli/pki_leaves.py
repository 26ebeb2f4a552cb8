"""What stands behind `hsmgate pki issue`, `renew`, `bundle` and `export`."""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import NameOID

from hsmgate.adapters import pki_keys
from hsmgate.adapters.private_files import write_once
from hsmgate.cli import pki_read, pki_rows, pki_write
from hsmgate.cli.pki_place import Place, Where, opened
from hsmgate.errors import Failure, Reason
from hsmgate.pki import bundle as bundles
from hsmgate.pki import csr as requests
from hsmgate.pki import names
from hsmgate.record import Record
from hsmgate.usecases import issuance_authorities, issuance_chain, issuance_leaves, issuance_states
from hsmgate.usecases.issuance_leaves import Handed
from hsmgate.usecases.issuance_ports import AUTHORITY


class Wanted(Record):
    """A new leaf, as it is typed."""

    profile: str
    subject: str | None = None
    issuer: str | None = None
    names: tuple[str, ...] = ()
    csr: Path | None = None
    csr_names: bool = False
    lifetime: str | None = None
    kind: str = "p256"


class Renewed(Record):
    """A leaf to be renewed, as it is typed."""

    certificate: str
    issuer: str | None = None
    same_key: bool = False
    csr: Path | None = None
    lifetime: str | None = None
    kind: str = "p256"


def issue(where: Where, wanted: Wanted, out: Path | None, *, bundled: bool, legacy: bool) -> pki_rows.Made:
    """Issue, then write the files. Failure: as issuance_leaves.issue_leaf; STORE_UNREADABLE."""
    request = _request(wanted.csr)
    subject = None if wanted.subject is None else names.subject(wanted.subject)
    given = tuple(map(names.general_name, wanted.names))
    named = subject or _first(given) or (None if request is None else requests.read(request).subject)
    _check_bundled(bundled=bundled, has_key=request is None)
    base = pki_write.base_of(out, named.rfc4514_string() if named else "")
    files = pki_write.Files(base, key=request is None, bundle=bundled)
    with opened(where) as place:
        leaf = issuance_leaves.NewLeaf(
            profile=wanted.profile,
            issuer=wanted.issuer,
            subject=subject,
            names=given,
            key=_reference(files) if request is None else "",
            kind=wanted.kind,
            request=request,
            request_names=wanted.csr_names,
            lifetime=pki_read.lifetime(wanted.lifetime),
        )
        handed = issuance_leaves.issue_leaf(place.ports, leaf)
        return _written(files, handed, where, has_key=request is None, bundled=bundled, legacy=legacy)


def renew(where: Where, wanted: Renewed, out: Path | None, *, bundled: bool, legacy: bool) -> pki_rows.Made:
    """Issue the successor, then write the files. Failure: as issuance_leaves.renew_leaf; STORE_UNREADABLE."""
    if wanted.same_key and wanted.csr is not None:
        raise Failure(Reason.INVALID_INPUT, "--same-key and --csr exclude each other")
    new_key = not wanted.same_key and wanted.csr is None
    _check_bundled(bundled=bundled, has_key=new_key)
    request = _request(wanted.csr)
    with opened(where) as place:
        if wanted.issuer is None and place.register.authority(wanted.certificate) is not None:
            return _renewed_authority(place, wanted, out, alone=new_key and not bundled)
        chosen = pki_read.selector(wanted.certificate, wanted.issuer)
        old = issuance_states.find(place.register, chosen, place.ports.now())
        files = pki_write.Files(pki_write.base_of(out, old.subject), key=new_key, bundle=bundled)
        renewal = issuance_leaves.Renewal(
            leaf=old,
            key=_reference(files) if new_key else "",
            kind=wanted.kind,
            request=request,
            lifetime=pki_read.lifetime(wanted.lifetime),
        )
        handed = issuance_leaves.renew_leaf(place.ports, renewal)
        return _written(files, handed, where, has_key=new_key, bundled=bundled, legacy=legacy)


def _renewed_authority(place: Place, wanted: Renewed, out: Path | None, *, alone: bool) -> pki_rows.Made:
    """An authority keeps its key, which never leaves its place."""
    if not alone:
        raise Failure(
            Reason.INVALID_INPUT, "an authority is renewed for its own key: only --lifetime and --out are for it"
        )
    files = None if out is None else pki_write.Files(pki_write.base_of(out, ""), key=False, bundle=False)
    entry = issuance_authorities.renew(place.ports, wanted.certificate, pki_read.lifetime(wanted.lifetime))
    if files is not None:
        files.certificate([entry.certificate])
    certificate = x509.load_der_x509_certificate(entry.certificate)
    row = issuance_chain.row(place.ports, entry.parent or entry.name, AUTHORITY, certificate)
    return pki_rows.made(row, tuple(files.written) if files else ())


def bundle(
    where: Where,
    chosen: tuple[str, str | None],
    key: Path,
    out: Path,
    alias: str | None,
    password_file: Path | None,
    *,
    legacy: bool,
) -> pki_rows.Made:
    """Pack a certificate that was issued here with its key and chain. Failure: INVALID_INPUT, STORE_UNREADABLE."""
    private = pki_keys.loaded(pki_keys.read(key), lambda: where.passphrases.opening(f"file:{key}"), str(key))
    with opened(where) as place:
        found = issuance_states.find(place.register, pki_read.selector(*chosen), place.ports.now())
        chain = chain_of(place, f"{found.serial:x}", found.authority)
    password, made = pki_write.bundle_password(password_file)
    content = _packed(alias, private, chain, password, legacy=legacy)
    write_once(out, content)
    files = [str(out)]
    if made:
        beside = out.with_name(f"{out.name}.password")
        write_once(beside, f"{password}\n".encode())
        files.append(str(beside))
    return pki_rows.made(found, tuple(files))


def chain_of(place: Place, text: str, issuer: str | None) -> list[bytes]:
    """A certificate and those above it that are here, DER, the anchor last. Failure: INVALID_INPUT."""
    entry = place.register.authority(text)
    if entry is not None and issuer is None:
        return [one.certificate for one in issuance_chain.chain(place.register, entry)]
    found = issuance_states.find(place.register, pki_read.selector(text, issuer), place.ports.now())
    if found.certificate is None:
        raise Failure(Reason.INVALID_INPUT, "it was imported without its certificate")
    above = issuance_chain.chain(place.register, issuance_chain.known(place.register, found.authority))
    return [found.certificate, *(one.certificate for one in above)]


def _written(
    files: pki_write.Files, handed: Handed, where: Where, *, has_key: bool, bundled: bool, legacy: bool
) -> pki_rows.Made:
    """Hand out what is committed; when a file cannot be written, the certificate is still there to be exported."""
    chain = [handed.certified.certificate or b"", *handed.chain]
    try:
        files.certificate(chain)
        if has_key:
            files.key()
        if bundled:
            key = files.path(".key")
            private = pki_keys.loaded(pki_keys.read(key), lambda: where.passphrases.protecting(f"file:{key}"), str(key))
            password, made = pki_write.bundle_password(None)
            files.bundle(_packed(None, private, chain, password, legacy=legacy), password if made else None)
    except Failure as failure:
        serial = f"{handed.certified.serial:x}"
        raise Failure(
            failure.reason, f"{failure.detail}; but serial number {serial} is issued: hsmgate pki export {serial}"
        ) from None
    return pki_rows.made(handed.certified, tuple(files.written))


def _packed(
    alias: str | None,
    private: CertificateIssuerPrivateKeyTypes,
    chain: list[bytes],
    password: str,
    *,
    legacy: bool,
) -> bytes:
    leaf, *above = (x509.load_der_x509_certificate(der) for der in pki_write.without_anchor(chain))
    common = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = alias or (str(common[0].value) if common else "hsmgate")
    return bundles.pkcs12(name, bundles.packable(private), leaf, above, password, legacy=legacy)


def _request(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return file.read(requests.MOST_OCTETS + 1)
    except OSError as error:
        raise Failure(Reason.STORE_UNREADABLE, f"cannot read {path}: {(error.strerror or 'failed').lower()}") from None


def _reference(files: pki_write.Files) -> str:
    return f"file:{files.path('.key')}"


def _first(given: tuple[x509.GeneralName, ...]) -> x509.Name | None:
    for name in given:
        if isinstance(name, x509.DNSName):
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name.value[:64])])
    return None


def _check_bundled(*, bundled: bool, has_key: bool) -> None:
    if bundled and not has_key:
        raise Failure(Reason.INVALID_INPUT, "a bundle holds the key, which is not made here: see hsmgate pki bundle")
