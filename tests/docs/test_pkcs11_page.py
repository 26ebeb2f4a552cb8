"""docs/pkcs11.md: its commands run, from an empty token to a key that is listed."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hsmgate.cli.quickstart import quickstart
from support.pages import ROOT, Walk

PAGE = ROOT / "docs/pkcs11.md"


def test_the_page_runs_from_an_empty_token_to_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "lab"
    quickstart(folder, datetime.now(UTC), "localhost")
    monkeypatch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
    reader = Walk(PAGE, folder).until()
    assert reader.count > 6
    reader.stop()
