"""What stands behind `hsmgate trust list`, `add` and `remove`: rows to print, edits of the store in place."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

from hsmgate.adapters import store_files
from hsmgate.errors import Failure, Reason
from hsmgate.pki import truststore, truststore_edit
from hsmgate.pki.store_entries import Entry, certificate, name_of
from hsmgate.record import Record

RoleOf = Callable[[Entry], str]  # "issuer" or "pin"; the caller knows the configured exceptions


class Row(Record):
    """One entry as it is shown. `expires`: RFC 3339 in UTC; `role` is empty where nobody judged."""

    alias: str
    sha256: str
    subject: str
    expires: str
    role: str = ""
    revocation: str = ""


class Listing(Record):
    """A whole truststore as it is shown."""

    format: str
    rows: tuple[Row, ...]
    warnings: tuple[str, ...]
    skipped_keys: tuple[str, ...]


def list_entries(
    store: Path,
    password: str | None,
    hint: str | None = None,
    role_of: RoleOf | None = None,
    revocation_of: RoleOf | None = None,
) -> Listing:
    """Read a truststore, file or folder. `revocation_of`: whether its clients can be checked, and by whom.

    Failure: STORE_UNREADABLE, STORE_UNSUPPORTED.
    """
    found = store_files.read_store(store, password, hint)
    return Listing(
        format=found.format,
        rows=tuple(_row(entry, role_of, revocation_of) for entry in found.entries),
        warnings=found.warnings,
        skipped_keys=found.skipped_keys,
    )


def add(
    store: Path,
    password: str | None,
    certificates: Sequence[Path],
    created: int,
    *,
    alias: str | None = None,
    role_of: RoleOf | None = None,
) -> tuple[Row, ...]:
    """Add the certificates of these PEM or DER files, all or none; `created` in Unix milliseconds.

    `alias` names a single one; else an alias is made of common name and fingerprint. Returns the new rows.
    Failure: STORE_UNREADABLE, STORE_UNSUPPORTED (taken alias, known certificate, a store that is not edited).
    """
    new = [(entry, path) for path in certificates for entry in _certificates(path)]
    if not new:
        raise Failure(Reason.INVALID_INPUT, "no certificate file is named")
    if alias is not None and len(new) > 1:
        raise Failure(Reason.INVALID_INPUT, f"one alias cannot name {len(new)} certificates; leave the alias out")

    def change(content: bytes) -> bytes:
        for entry, path in new:
            content = truststore_edit.add(
                content, password, alias or entry.alias, entry.der, name=str(store), source=str(path), created=created
            )
        return content

    store_files.edit(store, change)
    added = {entry.der for entry, _ in new}
    return tuple(row for entry, row in _rows(store, password, role_of) if entry.der in added)


def remove(store: Path, password: str | None, names: Sequence[str], role_of: RoleOf | None = None) -> tuple[Row, ...]:
    """Remove entries by alias or SHA-256 (hex, colons allowed), all or none. Returns the rows that are gone.

    Failure: STORE_UNREADABLE, STORE_UNSUPPORTED (unknown, last certificate, a store that is not edited).
    """
    if not names:
        raise Failure(Reason.INVALID_INPUT, "no alias is named")
    gone: list[Row] = []

    def change(content: bytes) -> bytes:
        for name in names:
            entries = truststore.read(content, password, str(store)).entries
            alias = next((e.alias for e in entries if e.sha256 == name.replace(":", "").lower()), name)
            left = truststore_edit.remove(content, password, alias, name=str(store))
            kept = {entry.der for entry in truststore.read(left, password, str(store)).entries}
            gone.extend(_row(entry, role_of) for entry in entries if entry.der not in kept)
            content = left
        return content

    store_files.edit(store, change)
    return tuple(gone)


def _certificates(path: Path) -> tuple[Entry, ...]:
    """The certificates of a PEM or DER file with aliases made of the certificates alone."""
    found = truststore.read(store_files.read_file(path), None, str(path))
    if found.format not in ("PEM", "DER"):
        raise Failure(Reason.STORE_UNSUPPORTED, f"{path}: certificates to add are PEM or DER, this is {found.format}")
    return tuple(Entry(alias=name_of(entry.der, str(path)), der=entry.der) for entry in found.entries)


def _rows(store: Path, password: str | None, role_of: RoleOf | None) -> list[tuple[Entry, Row]]:
    return [(e, _row(e, role_of)) for e in store_files.read_store(store, password).entries]


def _row(entry: Entry, role_of: RoleOf | None, revocation_of: RoleOf | None = None) -> Row:
    parsed = certificate(entry.der, entry.alias)
    subject = parsed.subject.rfc4514_string()
    return Row(
        alias=entry.alias,
        sha256=sha256(entry.der).hexdigest(),
        subject="".join(c if c.isprintable() else "?" for c in subject),
        expires=parsed.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        role=role_of(entry) if role_of else "",
        revocation=revocation_of(entry) if revocation_of else "",
    )
