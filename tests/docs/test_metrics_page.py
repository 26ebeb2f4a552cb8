"""docs/reference/metrics.md: every metric of the program has its row, and every row its metric."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_metric_has_its_row() -> None:
    source = "".join((ROOT / "src/hsmgate" / name).read_text() for name in ("gauges.py", "adapters/metrics.py"))
    known = set(re.findall(r'"(hsmgate_[a-z_]+)"', source))
    known = {"hsmgate_requests_total" if name == "hsmgate_requests" else name for name in known}
    page = (ROOT / "docs/reference/metrics.md").read_text()
    assert set(re.findall(r"^\| `(hsmgate_[a-z_]+)`", page, re.MULTILINE)) == known
