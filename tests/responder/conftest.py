from collections.abc import Iterator
from pathlib import Path

import pytest

from support.pki_rows import Pki


@pytest.fixture
def pki(tmp_path: Path) -> Iterator[Pki]:
    made = Pki(tmp_path)
    yield made
    made.close()
