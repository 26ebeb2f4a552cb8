"""A configuration folder to write into and to load."""

from pathlib import Path

import pytest

from support.config_folder import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    path = tmp_path / "conf"
    path.mkdir()
    return Folder(path)
