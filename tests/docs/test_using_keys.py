"""docs/reference/using-keys.md: every command runs, in order, and every endpoint that uses keys has its own."""

from datetime import UTC, datetime
from pathlib import Path

from hsmgate.api import key_calls
from hsmgate.api.routes import ROUTES
from hsmgate.cli.quickstart import quickstart
from support.pages import ROOT, Walk
from support.served import Served

PAGE = ROOT / "docs/reference/using-keys.md"


def test_every_command_of_the_page_works(tmp_path: Path) -> None:
    quickstart(tmp_path / "quickstart", datetime.now(UTC), "localhost")
    walk = Walk(PAGE, tmp_path)
    with Served(tmp_path, "--config", "quickstart/config-files") as served:
        walk.served = served
        walk.until()
        assert walk.count > 4
        walk.served = None


def test_every_endpoint_that_uses_keys_has_its_section_and_its_command() -> None:
    sections = dict(part.split("\n", 1) for part in PAGE.read_text().split("\n## ")[1:])
    ours = [route for route in ROUTES if getattr(route.plan, "__module__", "") == key_calls.__name__]
    assert len(ours) > 1
    assert list(sections) == [route.action for route in ours]
    for route in ours:
        assert f"https://localhost:8080{route.path.partition('{')[0]}" in sections[route.action]
