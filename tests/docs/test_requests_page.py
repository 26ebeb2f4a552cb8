"""docs/reference/requests.md: every command runs, in order, and every endpoint of requests has its own."""

from datetime import UTC, datetime
from pathlib import Path

from hsmgate.api import request_calls
from hsmgate.api.routes import ROUTES
from hsmgate.cli.quickstart import quickstart
from support.pages import ROOT, Walk
from support.served import Served

PAGE = ROOT / "docs/reference/requests.md"


def test_every_command_of_the_page_works(tmp_path: Path) -> None:
    quickstart(tmp_path / "quickstart", datetime.now(UTC), "localhost")
    walk = Walk(PAGE, tmp_path)
    with Served(tmp_path, "--config", "quickstart/config-files") as served:
        walk.served = served
        walk.until()
        assert walk.count > 8
        walk.served = None
        trail = (tmp_path / "quickstart/data/audit.log").read_text()
    assert trail.count('"signer":"') == 2, "intent and outcome of the signed request"


def test_every_endpoint_of_requests_has_its_section_and_its_command() -> None:
    sections = dict(part.split("\n", 1) for part in PAGE.read_text().split("\n## ")[1:])
    ours = [route for route in ROUTES if getattr(route.plan, "__module__", "") == request_calls.__name__]
    assert [name for name in sections if "/v1/" in name] == [route.action for route in ours]
    for route in ours:
        assert f"https://localhost:8080{route.path.partition('{')[0]}" in sections[route.action]
