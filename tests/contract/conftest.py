"""A service with client certificates and API keys, as the clients of the contract meet it."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.clients import Site
from support.service import Quick, run

MANAGEMENT = ["tsb-x-token_management-1f0c1b9e"]
OPERATION = ["tsb-x-token_operation-old-77aa20", "tsb-x-token_operation-new-9b31c4"]
SERVICE = ["tsb-x-token_service-d41d8cd98f"]
CONFIG = f"""
apiAuthentication:
  enabled: true
  keyManagementToken: {MANAGEMENT[0]}
  keyOperationToken: [{OPERATION[1]}, {OPERATION[0]}]
  serviceToken: {SERVICE}
"""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("contract") / "quickstart"
    assert run("quickstart", folder).returncode == 0
    quick = Quick(folder)
    with quick.yml.open("a") as file:
        file.write(CONFIG)
    with quick.serve() as service:
        keys = {"management": MANAGEMENT, "operation": OPERATION, "service": SERVICE}
        yield Site(service.port, quick.context(), keys)
        assert service.stop() == 0
        assert "Traceback" not in service.text()


@pytest.fixture
def label() -> str:
    return f"contract-{next(_NUMBERS)}"


_NUMBERS = itertools.count(1)
