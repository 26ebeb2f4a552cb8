"""A served quickstart that the tests of the client share."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hsmgate.cli.quickstart import quickstart
from hsmgate.client import P12
from support.service import Quick, Service


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Quick:
    folder = tmp_path_factory.mktemp("client") / "quickstart"
    quickstart(folder, datetime.now(UTC), "gate.example")
    return Quick(folder)


@pytest.fixture(scope="session")
def service(quick: Quick) -> Iterator[Service]:
    with quick.serve() as service:
        yield service


@pytest.fixture(scope="session")
def url(service: Service) -> str:
    return f"https://localhost:{service.port}"


@pytest.fixture(scope="session")
def ca(quick: Quick) -> Path:
    return quick.folder / "ca.crt"


@pytest.fixture(scope="session")
def identity(quick: Quick) -> P12:
    passphrase = (quick.folder / "client.p12.password").read_text().strip()
    return P12(quick.folder / "client.p12", passphrase)
