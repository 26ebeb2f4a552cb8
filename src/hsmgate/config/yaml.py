"""One YAML file to entries: composed to nodes, bounded, typed by nobody; the only place that knows PyYAML."""

import re
from collections.abc import Iterator

import yaml

from hsmgate.config.entries import Entry, invalid, shown
from hsmgate.config.names import segments

DEPTH = 32  # nested groups
VALUES = 10_000  # after aliases are expanded: an alias bomb ends here
_NULL = frozenset({"", "~", "null", "Null", "NULL"})  # YAML 1.2, core schema
_PLAIN_TAGS = frozenset({"tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"})
_SURROGATE = re.compile("[\ud800-\udfff]")


class _TooDeep(yaml.YAMLError):
    """The nesting passes DEPTH."""


class _Loader(yaml.BaseLoader):
    """Composes nodes without resolving types (BaseLoader has none), to a bounded depth."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > DEPTH:
            raise _TooDeep
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def read(content: bytes, name: str) -> list[Entry]:
    """The values of one file in their order; `name` stands in messages. Failure: CONFIG_INVALID."""
    root = _compose(content, name)
    if root is None or (isinstance(root, yaml.ScalarNode) and _is_null(root)):
        return []
    if not isinstance(root, yaml.MappingNode):
        raise invalid(f"{name}:{_line(root)}", "a configuration file is a mapping of names to values")
    entries: list[Entry] = []
    if not root.value:
        return entries
    for entry in _walk(root, (), name, 0):
        entries.append(entry)
        if len(entries) > VALUES:
            raise invalid(name, f"more than {VALUES} values, aliases expanded")
    return entries


def _compose(content: bytes, name: str) -> yaml.Node | None:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise invalid(f"{name}:{line}", "this is not UTF-8 text") from None
    try:
        loader = _Loader(text)
        return loader.get_single_node()
    except _TooDeep:
        raise invalid(name, f"nested deeper than {DEPTH} levels") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise invalid(f"{name}:{line}", f"broken YAML: {_problem(error.problem or '')}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise invalid(f"{name}:{line}", "broken YAML: a control character") from None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
        # PyYAML lets numbers in directives and escapes out of range through as they are
        raise invalid(name, "broken YAML") from None


def _problem(problem: str) -> str:
    """PyYAML's words. It repeats pieces of the file, maybe of a password, for aliases, anchors and tags only."""
    if "another document" in problem:
        return "more than one document (---); give each profile its own file application-PROFILE.yml"
    if "alias" in problem or "anchor" in problem:
        return "an unknown alias or a second anchor; quote values that begin with * or &"
    if "tag" in problem:
        return "a tag; quote values that begin with !"
    if "\\t" in problem:
        return "a tab; indent with spaces"
    return problem.replace("\n", " ") or "not readable"


def _walk(node: yaml.Node, path: tuple[str, ...], name: str, depth: int) -> Iterator[Entry]:
    origin = f"{name}:{_line(node)}"
    if node.tag not in _PLAIN_TAGS:
        raise invalid(origin, "a tag; quote values that begin with !")
    if depth > DEPTH:  # an alias within its own anchor never ends
        raise invalid(origin, f"nested deeper than {DEPTH} levels, aliases expanded")
    if isinstance(node, yaml.ScalarNode):
        yield Entry(path, _text(node, origin), origin)
    elif not node.value:
        yield Entry(path, "", origin, empty=True)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(item, (*path, f"[{index}]"), name, depth + 1)
    else:
        yield from _walk_mapping(node, path, name, depth)


def _walk_mapping(node: yaml.Node, path: tuple[str, ...], name: str, depth: int) -> Iterator[Entry]:
    lines: dict[str, int] = {}
    for key, value in node.value:
        line = _line(key)
        if not isinstance(key, yaml.ScalarNode) or not key.value or key.tag not in _PLAIN_TAGS:
            raise invalid(f"{name}:{line}", "a name must be plain text")
        text = _text(key, f"{name}:{line}") or key.value
        if text in lines:
            full = shown(".".join((*path, text)))
            raise invalid(f"{name}:{line}", f"{full} is given twice, first in line {lines[text]}")
        lines[text] = line
        if text == "<<" and key.style is None:
            raise invalid(f"{name}:{line}", "merge keys (<<) are not part of YAML 1.2; write the values out")
        for entry in _walk(value, (*path, *segments(text)), name, depth + 1):
            # the line of the name is what an operator looks for, also where an alias fills in the value
            yield _at(entry, f"{name}:{line}") if len(entry.path) == len(path) + len(segments(text)) else entry


def _at(entry: Entry, origin: str) -> Entry:
    return Entry(entry.path, entry.text, origin, entry.empty)


def _text(node: yaml.ScalarNode, origin: str) -> str | None:
    if _is_null(node):
        return None
    if _SURROGATE.search(node.value):
        raise invalid(origin, "an escape that is no character")
    return str(node.value)


def _is_null(node: yaml.ScalarNode) -> bool:
    return node.style is None and node.value in _NULL


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
