"""The application above one keystore for all tests of the API; each test names keys of its own."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hsmgate.domain.key import Key
from hsmgate.usecases.ports import Keystore
from support.api import NOW, Api
from support.keystores import software_keystore


@pytest.fixture(scope="session")
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture(scope="session")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keystore]:
    with software_keystore(tmp_path_factory.mktemp("keystore"), NOW) as opened:
        yield opened


@pytest.fixture
def api(keystore: Keystore, executor: ThreadPoolExecutor) -> Api:
    return Api(keystore, executor)


@pytest.fixture
def signers(api: Api, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The label of the key of each signature, from now on."""
    labels: list[str] = []
    sign = api.ports.keystore.sign

    def noted(key: Key, *more: Any) -> bytes:
        labels.append(key.label)
        return sign(key, *more)

    monkeypatch.setattr(api.ports.keystore, "sign", noted)
    return labels
