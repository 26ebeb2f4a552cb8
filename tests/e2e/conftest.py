"""Quickstart folders to serve from: made once, copied for each test."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hsmgate.cli.quickstart import quickstart
from support.forks import Forks, forks
from support.service import Quick


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quickstart that never served."""
    folder = tmp_path_factory.mktemp("quickstart") / "fresh"
    quickstart(folder, datetime.now(UTC), "gate.example")
    return folder


@pytest.fixture(scope="session")
def used(tmp_path_factory: pytest.TempPathFactory, fresh: Path) -> Path:
    """A quickstart that has served: database, attestation key and one key `first` are there."""
    quick = Quick(Path(shutil.copytree(fresh, tmp_path_factory.mktemp("quickstart") / "used")))
    with quick.serve() as service:
        with quick.client(service.port) as client:
            assert client.create("first").status == 201
        assert service.stop() == 0
    return quick.folder


@pytest.fixture
def quick(fresh: Path, tmp_path: Path) -> Quick:
    """A fresh quickstart of one's own."""
    return Quick(Path(shutil.copytree(fresh, tmp_path / "quickstart")))


@pytest.fixture
def quick_used(used: Path, tmp_path: Path) -> Quick:
    """A used quickstart of one's own: starts faster."""
    return Quick(Path(shutil.copytree(used, tmp_path / "quickstart")))


@pytest.fixture(scope="session")
def commands() -> Iterator[Forks]:
    """Runs commands, many a second."""
    with forks() as made:
        yield made
