"""docs/reference/ocsp.md lists every failure of revocation with the answer that a client gets."""

import re

from hsmgate.api.problems import PROBLEMS
from hsmgate.errors import Reason
from support.pages import ROOT

PAGE = (ROOT / "docs/reference/ocsp.md").read_text()


def test_every_failure_has_its_row_and_status() -> None:
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (\d+) \| [^|]+ \| [^|]+ \|$", PAGE, re.MULTILINE))
    told = [r for r in Reason if r.name.startswith("OCSP_") or r in (Reason.REVOKED, Reason.STATUS_UNKNOWN)]
    assert rows == {reason.name: str(PROBLEMS[reason].status) for reason in told}


def test_settings_that_are_named_are_those_of_the_reference() -> None:
    settings = (ROOT / "docs/reference/settings.md").read_text()
    for page in (PAGE, (ROOT / "docs/responder-down.md").read_text()):
        for name in re.findall(r"`(hsmgate\.[a-z.-]+)", page):
            assert f"`{name}`" in settings or name == "hsmgate.ocsp", name
