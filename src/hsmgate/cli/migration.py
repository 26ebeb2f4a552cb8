"""`hsmgate check --from-tsb`: what becomes of a configuration that was written for the vendor's service."""

import io
import os
import time
from pathlib import Path

from hsmgate.adapters import store_files
from hsmgate.adapters.log import make_log
from hsmgate.cli import tables
from hsmgate.cli.check import Row, row_of
from hsmgate.cli.rehearsal import rehearsed
from hsmgate.config import Config, load, stays_behind, survey
from hsmgate.errors import Failure
from hsmgate.opening import open_parts
from hsmgate.pki import trust
from hsmgate.record import Record


class Report(Record):
    """Everything that is printed. `refusal`: why `serve` would not start, or nothing."""

    files: tuple[str, ...]
    keys: tuple[Record, ...]
    entries: tuple[Row, ...]
    stays_behind: tuple[str, ...]
    refusal: str


def report(path: Path | None, profile: str | None, *, as_json: bool) -> None:
    """Print it; nothing is changed. Failure: where `serve` would refuse, as the last line."""
    found = survey(path, profile, os.environ, Path.cwd())
    entries, trouble = _entries(found.config)
    refusal = trouble or _refusal(path, profile)
    made = Report(
        files=tuple(map(str, found.found.files)),
        keys=found.fates,
        entries=entries,
        stays_behind=tuple(stays_behind(found.fates)),
        refusal=str(refusal or ""),
    )
    if as_json:
        tables.print_json(made)
    else:
        _show(made)
    if refusal is not None:
        raise refusal
    if not as_json:
        print("ok: hsmgate serve would start with these files")


def _show(made: Report) -> None:
    for file in made.files:
        print(f"file: {tables.plain(file)}")
    print("\nkeys:")
    tables.show(made.keys, as_json=False)
    if made.entries:
        print("\ntruststore:")
        tables.show(made.entries, as_json=False)
    choices = [f"{entry.alias} {entry.note}" for entry in made.entries if entry.note]
    for title, lines in (("to decide", choices), ("what stays behind", made.stays_behind)):
        if lines:
            print(f"\n{title}:")
            for line in lines:
                print(tables.plain(line))
    print()


def _entries(config: Config) -> tuple[tuple[Row, ...], Failure | None]:
    """The truststore with its roles; or what is wrong with it."""
    ssl, roles = config.server.ssl, config.hsmgate.trust
    if ssl.trust_store is None:
        return (), None
    try:
        store = store_files.read_store(ssl.trust_store, ssl.trust_store_password, ssl.trust_store_type)
        found = trust.build([(entry.alias, entry.der) for entry in store.entries], roles.issuers, roles.pins)
    except Failure as failure:
        return (), failure
    return tuple(row_of(entry, config.hsmgate.ocsp) for entry in found.entries), None


def _refusal(path: Path | None, profile: str | None) -> Failure | None:
    """Why `serve` would refuse; its remarks are those of `hsmgate check`."""
    try:
        with rehearsed(load(path, profile, os.environ, Path.cwd())) as config:
            open_parts(config, make_log(io.StringIO(), now=time.time, monotonic=time.monotonic)).close()
    except Failure as failure:
        return failure
    return None
