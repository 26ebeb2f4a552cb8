"""docs/reference/certificates.md: every command runs, in order, and every endpoint of certificates has its own."""

from datetime import UTC, datetime
from pathlib import Path

from hsmgate.api import certificate_calls
from hsmgate.api.routes import ROUTES
from hsmgate.cli.quickstart import quickstart
from hsmgate.pki.certified import DIGESTS, EXTENDED_KEY_USAGES, KEY_USAGES
from support.pages import ROOT, Walk
from support.served import Served

PAGE = ROOT / "docs/reference/certificates.md"


def test_every_command_of_the_page_works(tmp_path: Path) -> None:
    quickstart(tmp_path / "quickstart", datetime.now(UTC), "localhost")
    walk = Walk(PAGE, tmp_path)
    with Served(tmp_path, "--config", "quickstart/config-files") as served:
        walk.served = served
        walk.until()
        assert walk.count > 12
        walk.served = None


def test_every_endpoint_of_certificates_has_its_section_and_its_command() -> None:
    sections = dict(part.split("\n", 1) for part in PAGE.read_text().split("\n## ")[1:])
    ours = [route for route in ROUTES if getattr(route.plan, "__module__", "") == certificate_calls.__name__]
    assert len(ours) == 11
    assert {route.action for route in ours} == {name for name in sections if " /" in name}
    for route in ours:
        assert f"https://localhost:8080{route.path.partition('{')[0]}" in sections[route.action]


def test_every_value_is_listed() -> None:
    page = PAGE.read_text()
    assert not [name for name in (*DIGESTS, *KEY_USAGES, *EXTENDED_KEY_USAGES) if f"`{name}`" not in page]
