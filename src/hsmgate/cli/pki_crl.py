"""`hsmgate pki crl`: makes CRLs, on demand or when they are due, and publishes them."""

from collections.abc import Sequence
from pathlib import Path

from hsmgate.adapters.crl_files import publish
from hsmgate.cli.pki_place import Place, Where, opened
from hsmgate.cli.pki_rows import moment
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record
from hsmgate.usecases import issuance_chain as chains
from hsmgate.usecases import issuance_crl
from hsmgate.usecases.issuance_ports import AuthorityEntry


class Row(Record):
    """The newest CRL of an authority; `made`: by this call."""

    authority: str
    number: int
    made: bool
    this_update: str
    next_update: str
    file: str


def crl(where: Where, names: Sequence[str], out: Path | None, *, if_due: bool) -> list[Row]:
    """Make and publish. Failure: as issuance_crl.make, STORE_UNREADABLE; the others are made before it is raised."""
    with opened(where) as place:
        chosen = _chosen(place, names)
        if out is not None and len(chosen) != 1:
            raise Failure(Reason.INVALID_INPUT, "--out is for the CRL of one authority: name it")
        rows, failures = [], []
        for entry in chosen:
            try:
                rows.append(_one(place, entry, out, if_due=if_due))
            except Failure as failure:
                failures.append(Failure(failure.reason, f"{entry.name}: {failure}"))
        if failures:
            raise Failure(failures[0].reason, "; ".join(map(str, failures)))
        return rows


def _chosen(place: Place, names: Sequence[str]) -> list[AuthorityEntry]:
    if names:
        return [chains.known(place.register, name) for name in names]
    return [entry for entry in place.register.authorities() if entry.signing_key]


def _one(place: Place, entry: AuthorityEntry, out: Path | None, *, if_due: bool) -> Row:
    newest = place.register.crl(entry.name)
    made = not if_due or issuance_crl.is_due(entry, newest, place.ports.now())
    if made or newest is None:
        newest = issuance_crl.make(place.ports, entry.name)
    path = out or (place.folder / entry.settings.crl_file if entry.settings.crl_file else None)
    if path is not None:
        publish(place.register, entry.name, path)
    return Row(
        authority=entry.name,
        number=newest.number,
        made=made,
        this_update=moment(newest.this_update),
        next_update=moment(newest.next_update),
        file="" if path is None else str(path),
    )
