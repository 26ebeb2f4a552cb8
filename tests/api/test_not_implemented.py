"""What the contract only names: answered in its shape, audited, and nothing touched."""

import pytest

from support.api import Api, error


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("POST", "/v1/rotate", "POST /v1/rotate"),
        ("GET", "/v1/xpub/orders", "GET /v1/xpub/{keyName}"),
        ("GET", "/v1/xpub/master%2F44'%2F0'", "GET /v1/xpub/{keyName}"),
    ],
)
@pytest.mark.parametrize("body", [None, {"anything": 1}])
def test_it_is_refused_in_the_contracts_words(api: Api, method: str, path: str, action: str, body: object) -> None:
    response = api.call(method, path, body)
    assert (response.status, response.json) == (
        501,
        error(101, "not.implemented", "The contract only names this: it is not implemented."),
    )
    assert api.audit.brief() == [("event", action, "NOT_IMPLEMENTED")]


def test_another_method_of_them_is_none(api: Api) -> None:
    for method, path in (("GET", "/v1/rotate"), ("POST", "/v1/xpub/orders")):
        response = api.call(method, path)
        assert (response.status, response.json["errorCode"]) == (405, 102)
