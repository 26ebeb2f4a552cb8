"""Keys for tests of the application: made once in the keystore that they share."""

import base64
from typing import Any

from support.api import Api

P256 = "1.2.840.10045.3.1.7"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def have(api: Api, label: str, **fields: Any) -> None:
    """Make the key unless it is there."""
    if label not in api.ports.keystore.labels():
        answer = api.call("POST", "/v1/key", {"label": label, **fields})
        assert answer.status == 201, answer.body


def refused(response: Any) -> tuple[int, int]:
    """Status and errorCode of an error in the contract's shape."""
    assert set(response.json) == {"errorCode", "reason", "message"}, response.body
    return response.status, response.json["errorCode"]
