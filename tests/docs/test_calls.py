"""docs/reference/calls.md: every command runs, in order; with using-keys.md, every endpoint has its command."""

from datetime import UTC, datetime
from pathlib import Path

from hsmgate.api.routes import ROUTES
from hsmgate.cli.quickstart import quickstart
from support.pages import ROOT, Walk, blocks
from support.served import Served

PAGE = ROOT / "docs/reference/calls.md"
PAGES = (PAGE, *(ROOT / f"docs/reference/{name}.md" for name in ("using-keys", "requests", "certificates")))


def test_every_command_of_the_page_works(tmp_path: Path) -> None:
    quickstart(tmp_path / "quickstart", datetime.now(UTC), "localhost")
    walk = Walk(PAGE, tmp_path)
    with Served(tmp_path, "--config", "quickstart/config-files") as served:
        walk.served = served
        walk.until()
        walk.served = None
    assert walk.count == sum(len(blocks(PAGE, language)) for language in ("sh", "json", "text"))


def test_every_endpoint_has_its_section_and_its_command() -> None:
    sections: dict[str, str] = {}
    for page in PAGES:
        sections |= dict(part.split("\n", 1) for part in page.read_text().split("\n## ")[1:])
    called = [route for route in ROUTES if not route.anonymous or route.path == "/actuator/health"]  # no pages
    assert {route.action for route in called} == {name for name in sections if " /" in name}
    for route in called:
        assert f"https://localhost:8080{route.path.partition('{')[0]}" in sections[route.action], route.action
