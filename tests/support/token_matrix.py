"""docs/reference/tokens.md, from the tokens that are here: `PYTHONPATH=tests python tests/support/token_matrix.py`."""

import tempfile
from pathlib import Path

from hsmgate.adapters.software import CAPABILITIES
from hsmgate.domain.backends import page
from hsmgate.usecases.ports import Capabilities
from support.hsm_tokens import nss, nss_parameters, open_keystore, softhsm
from support.stub import Stub

PAGE = Path(__file__).parents[2] / "docs/reference/tokens.md"
SOFTHSM, NSS = "SoftHSM2 2.6", "NSS softokn 3.87"


def names(able: Capabilities) -> frozenset[str]:
    """All that it offers."""
    return able.names


def column(backend: str) -> str:
    """The page as it would be if this were the only column, cut out of the page that is there."""
    lines = []
    for line in PAGE.read_text().splitlines():
        cells = line.strip("|").split("|") if line.startswith("|") else []
        if len(cells) > 1 and not line.startswith("|-"):
            if any(cell.strip() == backend for cell in cells):
                place = [cell.strip() for cell in cells].index(backend)
            lines.append(f"|{cells[0]}|{cells[place]}|")
        elif cells:
            lines.append("|---|---|")
        else:
            lines.append(line)
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    found = {"software": names(CAPABILITIES)}
    with tempfile.TemporaryDirectory() as made:
        one, other = Path(made) / "softhsm", Path(made) / "nss"
        other.mkdir()
        for name, place in ((SOFTHSM, softhsm(one)), (NSS, Stub(nss(other), other, nss_parameters(other)).place)):
            keystore = open_keystore(place, place.module.parent)
            found[name] = names(keystore.capabilities())
            keystore.close()
    PAGE.write_text(page(found))
