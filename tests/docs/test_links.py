"""README and docs: what they link to, name and show is there."""

import re
import shlex
from pathlib import Path

import pytest

from support.commands import wrong
from support.pages import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SHOWN = [page for page in PAGES if page.name != "CHANGELOG.md"]  # the past may name what is gone
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def names(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    found: list[str] = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    return [link for link in found if "://" not in link]


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", SHOWN, ids=names(SHOWN))
def test_every_file_of_the_project_that_is_named_exists(page: Path) -> None:
    named = re.findall(r"(?<![\w/.:-])((?:[\w-]+/)+[\w.-]+\.(?:py|sh|md|toml|txt|yml))\b", page.read_text())
    places = (ROOT, ROOT / "src/hsmgate", ROOT / "src", page.parent)
    for name in named:
        made = name.startswith(("config-files/", "quickstart/"))  # by the reader
        assert made or any((place / name).exists() for place in places), name


@pytest.mark.parametrize("page", SHOWN, ids=names(SHOWN))
def test_every_command_that_is_shown_parses(page: Path) -> None:
    for line in shown_commands(page):
        words = shlex.split(line.partition(" #")[0])
        assert not (why := wrong(words[1:])), f"{line}: {why}"


def shown_commands(page: Path) -> list[str]:
    """Lines of shell blocks, and what stands as code in the text, that begin with `hsmgate `."""
    text = page.read_text()
    blocks = "\n".join(block for language, block in FENCE.findall(text) if language in {"", "sh"})
    inline = re.findall(r"`(hsmgate [a-z][^`]*)`", FENCE.sub("", text))
    lines = re.findall(r"^\s*(hsmgate [a-z].*)$", blocks.replace("\\\n", " "), re.MULTILINE)
    return [line for line in [*lines, *inline] if not line.startswith("hsmgate: ")]


def test_commands_are_found_and_wrong_ones_are_told() -> None:
    assert "hsmgate trust add --alias intermediate intermediate.crt" in shown_commands(ROOT / "docs/guide.md")
    assert not wrong(["trust", "add", "--alias", "a", "b.crt"])
    assert wrong(["trust", "ad"])
    assert wrong(["ca"])
    assert wrong(["serve", "--configuration", "x"])
    assert wrong(["version", "now"])


def test_every_page_is_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        for link in links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            waiting.extend(sorted(target.glob("*.md")) if target.is_dir() else [target])
    assert set(PAGES) <= reached


def test_the_index_has_every_page_of_the_reference() -> None:
    index = ROOT / "docs/README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}
    assert set((ROOT / "docs/reference").glob("*.md")) <= linked
