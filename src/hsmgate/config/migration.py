"""What becomes of each key of a configuration that was written for the vendor's service."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from hsmgate.config import environment, files, keys, yaml
from hsmgate.config.entries import Entry, shown
from hsmgate.config.files import Found
from hsmgate.config.load import assembled
from hsmgate.config.names import dotted, index, uniform
from hsmgate.config.settings import Config
from hsmgate.config.sources import Source, collect
from hsmgate.record import Record

Verdict = Literal["used", "changed", "without meaning", "unknown"]


class Fate(Record):
    """One key where it stands. No value is repeated: it may be a password."""

    key: str
    verdict: Verdict
    note: str
    origin: str


class Survey(Record):
    """All keys of all files, and what is left of the configuration without those that are refused."""

    found: Found
    fates: tuple[Fate, ...]
    config: Config


_SELF = "the database is hsmgate's own"
WHY = {
    "hsm": "the keys of hsmgate are in hsm.backend: software or pkcs11",
    "general": "no approvals in this version",
    "spring.datasource": _SELF,
    "spring.slave-datasource": _SELF,
    "spring.flyway": f"{_SELF}: hsmgate db",
    "spring.jpa": _SELF,
    "spring.main": "there is no Spring",
    "spring.servlet.multipart": "each endpoint has its own bound",
    "server.tomcat": "there is no Tomcat: hsmgate.limits",
    "tee": "no approvals in this version",
    "logging": "the log goes to stderr: hsmgate.log.format",
    "management": "/actuator/health is always there; metrics: hsmgate.metrics.listen",
}
STAY_BEHIND = {
    "hsm.host": "Keys in the vendor's HSM are not copied. With a PKCS#11 library for it they can stay where they are.",
    "hsm.useexternalkeystore": "Keys that the vendor's service keeps in its database open with its HSM only.",
    "spring.datasource.url": "What is in the vendor's database (requests, approvals, tasks, keys) is not read.",
    "logging.config": "logback.xml is not read.",
    "tee": "Approvals by TEE are not in this version.",
}
_SQLITE = ("sqlite:", "jdbc:sqlite:")
_SERVERS = tuple(f"{jdbc}{product}" for jdbc in ("", "jdbc:") for product in ("mariadb", "mysql", "postgres"))


def survey(path: Path | None, profile: str | None, environ: Mapping[str, str], cwd: Path) -> Survey:
    """Read it leniently. Failure: CONFIG_MISSING, CONFIG_INVALID (no YAML, a value that cannot be)."""
    found = files.find(path, profile, environ, cwd)
    fates: list[Fate] = []
    given: Source = {}
    for file in found.files:
        entries = yaml.read(files.read_config(file), str(file))
        fates += _fates(entries)
        given |= collect(entry for entry in entries if _is_known(entry))
    given |= collect(environment.entries(environ))
    return Survey(found, tuple(fates), assembled(found, given, environ))


def stays_behind(fates: tuple[Fate, ...]) -> Iterator[str]:
    """What cannot move, as far as the configuration speaks of it."""
    names = {uniform(fate.key) for fate in fates if fate.verdict != "used"}
    for start, line in STAY_BEHIND.items():
        if any(name == start or name.startswith(f"{start}.") for name in names):
            yield line


def _fates(entries: list[Entry]) -> Iterator[Fate]:
    met: set[str] = set()
    for entry in entries:
        written = entry.path[:-1] if index(entry.path[-1]) is not None else entry.path
        name = uniform(written)
        if name in met or (keys.is_group(name) and name not in keys.BY_SPELLING):
            continue
        met.add(name)
        verdict, note = _judged(name, entry)
        yield Fate(shown(dotted(written)), verdict, note, entry.origin)


def _judged(name: str, entry: Entry) -> tuple[Verdict, str]:
    if setting := keys.BY_SPELLING.get(name):
        note = "" if uniform(setting.name) == name else f"as {setting.name}"
        return _CHANGES.get(setting.name, _used)(entry, note)
    if tree := keys.tree_of(name):
        return "without meaning", WHY.get(tree, "no meaning here")
    if why := keys.refusal(name):
        return "changed", f"refused: {why}"
    return "unknown", f"refused: the nearest known key is {keys.nearest(name)}"


def _is_known(entry: Entry) -> bool:
    name = uniform(entry.path[:-1] if index(entry.path[-1]) is not None else entry.path)
    return name in keys.BY_SPELLING or keys.tree_of(name) != "" or (keys.is_group(name) and entry.text is None)


def _used(_entry: Entry, note: str) -> tuple[Verdict, str]:
    return "used", note


def _database_url(entry: Entry, note: str) -> tuple[Verdict, str]:
    if not entry.text or entry.text.lower().startswith(_SQLITE):
        return "used", note
    if entry.text.lower().startswith(_SERVERS):
        return (
            "changed",
            "needs an empty database, on MariaDB 10.6 or newer; or SPRING_DATASOURCE_URL= (empty) for SQLite",
        )
    return "changed", "refused: SQLite, MariaDB, MySQL and PostgreSQL are what there is"


_CHANGES: dict[str, Callable[[Entry, str], tuple[Verdict, str]]] = {
    "spring.datasource.url": _database_url,
}
