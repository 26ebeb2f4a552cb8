"""Files and environment to one Config: the only way in."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from hsmgate.config import checks, environment, files, keys, yaml
from hsmgate.config.entries import Raw
from hsmgate.config.names import uniform
from hsmgate.config.paths import Places
from hsmgate.config.placeholders import Placeholders
from hsmgate.config.settings import Config
from hsmgate.config.sources import Source, collect
from hsmgate.config.values import Reader, Value


def load(path: Path | None, profile: str | None, environ: Mapping[str, str], cwd: Path) -> Config:
    """The configuration of a file or folder, of a profile, with what the environment overrides.

    Failure: CONFIG_MISSING (no file there), CONFIG_INVALID (one line with file, line and key).
    """
    found = files.find(path, profile, environ, cwd)
    given: Source = {}
    for file in found.files:
        given |= collect(yaml.read(files.read_config(file), str(file)))
    given |= collect(environment.entries(environ))
    return assembled(found, given, environ)


def assembled(found: files.Found, given: Source, environ: Mapping[str, str]) -> Config:
    """The configuration that sources amount to. Failure: CONFIG_INVALID."""
    places = Places(found.folder, found.folder / "data")
    first = Reader(Placeholders(given, environ, places), places)
    data_dir = _chosen(keys.BY_NAME[uniform("hsmgate.data-dir")], given, first)
    if data_dir and isinstance(data_dir.value, Path):
        places = Places(found.folder, data_dir.value)
    reader = Reader(Placeholders(given, environ, places), places)

    values: dict[str, Value] = {}
    for setting in (*keys.SETTINGS, *_of_named_groups(given)):
        value = data_dir if setting.name == "hsmgate.data-dir" else _chosen(setting, given, reader)
        if value is not None:
            values[setting.name] = value
    checks.refuse_contradictions(values)
    warnings = (*found.warnings, *first.warnings, *reader.warnings, *_without_meaning(given))
    return _config(found, places, values, warnings)


def _of_named_groups(given: Source) -> list[keys.Setting]:
    """The settings of groups that were named, in the order in which they were given."""
    return [found for name in given if name not in keys.BY_SPELLING and (found := keys.find(name)) is not None]


def _chosen(setting: keys.Setting, given: Mapping[str, Raw], reader: Reader) -> Value | None:
    """The value of the strongest spelling that gives one; a warning where a weaker one says otherwise."""
    values = [
        value
        for name in (setting.name, *setting.aliases)
        if (raw := given.get(uniform(name))) is not None
        if (value := reader.read(setting, raw)) is not None
    ]
    for weaker in values[1:]:
        if weaker.value != values[0].value:
            reader.warnings.append(
                f"{values[0].written} ({values[0].origin}) wins over {weaker.written} ({weaker.origin})"
            )
    return values[0] if values else None


def _without_meaning(given: Mapping[str, Raw]) -> Iterator[str]:
    """One line for each tree of keys that are known and do nothing here."""
    trees: dict[str, list[Raw]] = {}
    for raw in given.values():
        if raw.tree:
            trees.setdefault(raw.tree, []).append(raw)
    for tree, raws in trees.items():
        more = f" and {len(raws) - 5} more" if len(raws) > 5 else ""
        names = ", ".join(raw.written for raw in raws[:5])
        yield f"{raws[0].origin}: {tree}: no meaning here, ignored: {names}{more}"


def _config(found: files.Found, places: Places, values: Mapping[str, Value], warnings: tuple[str, ...]) -> Config:
    tree: dict[str, object] = {
        "folder": found.folder,
        "files": found.files,
        "warnings": warnings,
        "set_names": frozenset(values),
        "hsmgate": {
            "data_dir": places.data_dir,
            "audit": {"file": places.data_dir / "audit.log"},
            "health": {"socket": places.data_dir / "health.sock"},
        },
    }
    for name, value in values.items():
        found_setting = keys.find(uniform(name))
        assert found_setting is not None, name
        _put(tree, found_setting.field, value.value)
    _put_defaults(tree, values)
    return msgspec.convert(tree, Config, dec_hook=_as_it_is)


def _put(tree: dict[str, object], field: str, value: object) -> None:
    *groups, last = field.split(".")
    for group in groups:
        below = tree.setdefault(group, {})
        assert isinstance(below, dict), field
        tree = below
    tree[last] = value


def _put_defaults(tree: dict[str, object], values: Mapping[str, Value]) -> None:
    """Defaults that depend on other settings."""
    if "hsm.software.key" in values:
        _put(tree, "hsm.software.key_file", values["hsm.software.key"].file)
    if "server.ssl.trust-store" in values and "server.ssl.client-auth" not in values:
        _put(tree, "server.ssl.client_auth", "need")


def _as_it_is(kind: type, value: object) -> object:
    """Paths are made already; msgspec asks about types that it does not know."""
    if not isinstance(value, kind):
        raise NotImplementedError(f"{type(value)} where {kind} is wanted")
    return value
