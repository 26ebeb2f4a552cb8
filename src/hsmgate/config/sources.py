"""Entries of one file or of the environment to one source: which key each gives, and refusal of unknown ones."""

from collections.abc import Iterable

from hsmgate.config import keys
from hsmgate.config.entries import Entry, Raw, invalid, shown
from hsmgate.config.names import dotted, index, uniform

Source = dict[str, Raw]  # by uniform name


def collect(entries: Iterable[Entry]) -> Source:
    """The keys of one source. Failure: CONFIG_INVALID (unknown, given twice, value and group mixed up)."""
    source: Source = {}
    lists: dict[str, dict[int, Entry]] = {}
    for entry in entries:
        name = uniform(entry.path)
        tree = keys.tree_of(name)
        if keys.find(name) or (tree and name not in source):
            _refuse_second(source, lists, name, entry)
            source[name] = _raw(entry, tree)
        elif (listed := _listed(entry.path)) is not None:
            _refuse_second(source, {}, listed, entry)
            _add(lists.setdefault(listed, {}), entry)
        elif tree:
            raise _twice(entry, source[name].origin)
        else:
            _refuse_unknown(entry, name)
    return source | {name: _gathered(name, items) for name, items in lists.items()}


def _raw(entry: Entry, tree: str) -> Raw:
    items = () if entry.empty else None
    return Raw(shown(dotted(entry.path)), entry.origin, None if entry.empty else entry.text, items, tree)


def _listed(path: tuple[str, ...]) -> str | None:
    """The known key of which this is one list item."""
    name = uniform(path[:-1])
    return name if index(path[-1]) is not None and keys.find(name) else None


def _add(items: dict[int, Entry], entry: Entry) -> None:
    number = index(entry.path[-1]) or 0
    if number in items:
        raise _twice(entry, items[number].origin)
    if entry.text is None or entry.empty:
        raise invalid(entry.origin, f"{shown(dotted(entry.path))} is empty")
    items[number] = entry


def _gathered(name: str, items: dict[int, Entry]) -> Raw:
    first = items[min(items)]
    if max(items) != len(items) - 1:
        known = keys.find(name)
        raise invalid(first.origin, f"{known.name if known else name} has gaps in its list; count from 0")
    texts = tuple(items[number].text or "" for number in range(len(items)))
    return Raw(shown(dotted(first.path[:-1])), first.origin, None, texts)


def _refuse_second(source: Source, lists: dict[str, dict[int, Entry]], name: str, entry: Entry) -> None:
    if name in source:
        raise _twice(entry, source[name].origin)
    if name in lists:
        raise _twice(entry, next(iter(lists[name].values())).origin)


def _twice(entry: Entry, first: str) -> Exception:
    file, _, line = first.rpartition(":")
    place = f"in line {line}" if file and entry.origin.startswith(file + ":") else f"by {first}"
    return invalid(entry.origin, f"{shown(dotted(entry.path))} is given twice, first {place}")


def _refuse_unknown(entry: Entry, name: str) -> None:
    """Return for a group that stands there without content, else raise."""
    if why := keys.refusal(name):
        raise invalid(entry.origin, f"{shown(dotted(entry.path))} {why}")
    for length in range(1, len(entry.path)):
        above = uniform(entry.path[:length])
        if known := keys.find(above):  # nothing below it is shown: it may be an unquoted password
            raise invalid(
                entry.origin, f"{known.name} takes a value, not a group; quote a value that begins with {{ or ["
            )
    if keys.is_group(name):
        if entry.text is None or entry.empty:
            return
        raise invalid(entry.origin, f"{shown(dotted(entry.path))} is a group of settings, not a value")
    near = keys.nearest(name)
    raise invalid(entry.origin, f"unknown key {shown(dotted(entry.path))}; the nearest known one is {near}")
