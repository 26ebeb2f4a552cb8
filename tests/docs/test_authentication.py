"""docs/authentication.md: the page is run from top to bottom."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hsmgate.cli.quickstart import quickstart
from support.pages import ROOT, Walk, blocks

PAGE = ROOT / "docs/authentication.md"


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    quickstart(tmp_path / "quickstart", datetime.now(UTC), "localhost")
    made = Walk(PAGE, tmp_path / "quickstart")
    yield made
    made.stop()


def test_the_page_runs_and_no_secret_is_written_anywhere(walk: Walk) -> None:
    walk.until()
    assert walk.count == sum(len(blocks(PAGE, language)) for language in ("sh", "json", "yaml", "text", "log"))
    assert walk.served is not None
    trail = (walk.folder / "data/audit.log").read_text()
    lines = [json.loads(line) for line in trail.splitlines()]
    let_in = [line["detail"] for line in lines if "apiKey" in line["detail"]]
    assert let_in[0]["apiKey"] == let_in[1]["apiKey"] == "serviceToken[0]"
    assert (let_in[1]["jwtSubject"], let_in[1]["jwtKey"]) == ("alice", "issuer.pem#0")
    assert {"MISSING_TOKEN", "MISSING_API_KEY", "INVALID_API_KEY"} <= {line["result"] for line in lines}
    token = (walk.folder / "token").read_text()
    for secret in ("tsb-x-token", token, *token.split(".")):
        assert secret not in trail + walk.served.log
