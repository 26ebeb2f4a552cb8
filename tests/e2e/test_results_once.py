"""general.deleteRequestAfterFetch: the setting reaches the service."""

from support.service import Quick


def test_a_result_is_handed_out_once(quick_used: Quick) -> None:
    wish = {"signKeyName": "first", "payload": "eA==", "signatureAlgorithm": "SHA256_WITH_ECDSA"}
    with (
        quick_used.serve(GENERAL_DELETEREQUESTAFTERFETCH="true") as service,
        quick_used.client(service.port) as client,
    ):
        path = f"/v1/request/{client.call('POST', '/v1/sign', {'signRequest': wish}).json['signRequestId']}"
        assert client.call("GET", path).json["result"]
        assert client.call("GET", path).status == 404
