"""YAML by its 1.2 core meaning, bounded, with lines in every refusal."""

import pytest

from hsmgate.config import yaml
from hsmgate.config.yaml import read
from hsmgate.errors import Failure
from support.config_folder import Folder


def texts(content: str) -> dict[str, str | None]:
    return {".".join(entry.path): entry.text for entry in read(content.encode(), "f.yml")}


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("off", "off"),
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("0600", "0600"),
        ("1e3", "1e3"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2024-01-01", "2024-01-01"),
        (".inf", ".inf"),
        ("true", "true"),
        ("'it''s'", "it's"),
        ('"a\\tb"', "a\tb"),
        ("", None),
        ("~", None),
        ("null", None),
        ("NULL", None),
        ("nULL", "nULL"),
        ("''", ""),
        ("'null'", "null"),
        ("'~'", "~"),
        ("!!str 0600", "0600"),
        ("|\n  two\n  lines\n", "two\nlines\n"),
        (">-\n  one\n  line\n", "one line"),
    ],
)
def test_a_scalar_keeps_its_text(written: str, text: str | None) -> None:
    assert texts(f"key: {written}") == {"key": text}


def test_nested_dotted_and_listed_names_are_paths() -> None:
    content = "a:\n  b.c: 1\n  d: [x, {e: y}]\nf[0]: z\ng: []\nh: {}\n"
    found = [(entry.path, entry.text, entry.empty, entry.origin) for entry in read(content.encode(), "f.yml")]
    assert found == [
        (("a", "b", "c"), "1", False, "f.yml:2"),
        (("a", "d", "[0]"), "x", False, "f.yml:3"),
        (("a", "d", "[1]", "e"), "y", False, "f.yml:3"),
        (("f", "[0]"), "z", False, "f.yml:4"),
        (("g",), "", True, "f.yml:5"),
        (("h",), "", True, "f.yml:6"),
    ]


def test_an_alias_stands_for_its_value_at_its_own_line() -> None:
    found = read(b"a: &x one\nb: *x\nc:\n  - *x\n", "f.yml")
    assert [(entry.path[0], entry.text) for entry in found] == [("a", "one"), ("b", "one"), ("c", "one")]
    assert found[1].origin == "f.yml:2"


@pytest.mark.parametrize(
    "content", [b"", b"\n# only a comment\n", b"---\n", b"~\n", b"{}", b"--- {}\n", "\ufeff# with a mark\n".encode()]
)
def test_an_empty_file_gives_nothing(content: bytes) -> None:
    assert read(content, "f.yml") == []


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a: 1\nb: 2\na: 3\n", "f.yml:3: a is given twice, first in line 1"),
        (b"s:\n  x: 1\n  x: 2\n", "f.yml:3: s.x is given twice, first in line 2"),
        (b"a: 1\n\tb: 2\n", "f.yml:2: broken YAML: "),
        (b"a:\n\tb: 2\n", "f.yml:2: broken YAML: a tab; indent with spaces"),
        (b"a: [1, 2\n", "f.yml:2: broken YAML: expected ',' or ']'"),
        (b"a: 'open\n", "f.yml:2: broken YAML: "),
        (b"a: 1\n---\nb: 2\n", "f.yml:2: broken YAML: more than one document (---)"),
        (b"- a\n- b\n", "f.yml:1: a configuration file is a mapping"),
        (b"just text\n", "f.yml:1: a configuration file is a mapping"),
        (b"a: !!python/object/apply:os.system [id]\n", "f.yml:1: a tag; quote values that begin with !"),
        (b"a: !mine x\n", "f.yml:1: a tag; quote values that begin with !"),
        (b"!mine a: x\n", "f.yml:1: a name must be plain text"),
        (b"a: !!int 5\n", "f.yml:1: a tag; quote values that begin with !"),
        (b"a: {<<: {b: 1}}\n", "f.yml:1: merge keys (<<) are not part of YAML 1.2"),
        (b"? [a, b]\n: 1\n", "f.yml:1: a name must be plain text"),
        (b"'': 1\n", "f.yml:1: a name must be plain text"),
        (b"a: 1\nb: \xff\n", "f.yml:2: this is not UTF-8 text"),
        (b"a: 1\nb: \x01\n", "f.yml:2: broken YAML: a control character"),
        (b'a: "\\uD800"\n', "f.yml:1: an escape that is no character"),
        (b'a: "\\UFFFFFFFF"\n', "f.yml: broken YAML"),
        (b"%YAML " + b"9" * 5000 + b".1\n---\na: 1\n", "f.yml"),
        (b"a: &x [*x]\n", "f.yml:1: nested deeper than 32 levels, aliases expanded"),
        (b"a: " + b"[" * 500 + b"]" * 500, "f.yml: nested deeper than 32 levels"),
        (b"a:\n" + b"".join(b" " * i + b"a:\n" for i in range(1, 60)), "f.yml: nested deeper than 32 levels"),
    ],
)
def test_what_is_refused_names_its_line(content: bytes, line: str) -> None:
    with pytest.raises(Failure) as caught:
        read(content, "f.yml")
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_an_alias_bomb_is_refused_before_it_unfolds() -> None:
    bomb = "l0: &l0 [x, x]\n" + "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 12))
    with pytest.raises(Failure, match=f"more than {yaml.VALUES} values, aliases expanded"):
        read(bomb.encode(), "f.yml")


@pytest.mark.parametrize(
    "written",
    ["*hunter2", "!hunter2", "!hunter2!x y", "%hunter2", "@hunter2", "`hunter2", "&hunter2 *hunter2x", "'hunter2"],
)
def test_a_password_that_breaks_the_yaml_is_not_repeated(folder: Folder, written: str) -> None:
    line = folder.refused(f"server:\n  ssl:\n    key-store-password: {written}\n    key-alias: x\n")
    assert "hunter2" not in line
    assert line.startswith("application-local.yml:")
