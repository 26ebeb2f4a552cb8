"""Addresses of keys over the application: made with the key, answered twice, attested, and never changed."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hsmgate.adapters.key_records import key_of, row_of
from hsmgate.domain.key import Key, KeyAttributes
from support.api import Api
from support.api_keys import P256, b64, have, refused

SECP256K1 = "1.3.132.0.10"
EC = {"algorithm": "EC", "curveOid": SECP256K1}
SIGNS = {"sign": True, "destroyable": True}
ONE = ec.derive_private_key(1, ec.SECP256K1()).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
OF_ONE = {  # the addresses of the key whose private number is 1, as they are published
    "BTC": "751e76e8199196d454941c45d1b3a323f1433bd6",
    "XRP": "751e76e8199196d454941c45d1b3a323f1433bd6",
    "ETH": "7e5f4552091a69125d5dfcb7b8c2659029395bdf",
}


def attributes(api: Api, label: str, **more: Any) -> Any:
    return api.call("POST", "/v1/key/attributes", {"label": label, **more}).json


def address(api: Api, label: str, **more: Any) -> Any:
    return api.call("POST", "/v1/key/address", {"label": label, **more})


@pytest.mark.parametrize("name", OF_ONE)
def test_an_imported_key_has_its_published_address(api: Api, name: str) -> None:
    label, octets = f"a-{name}", bytes.fromhex(OF_ONE[name])
    body = {"label": label, "algorithm": "EC", "privateKey": b64(ONE), "attributes": SIGNS, "policy": {}}
    answer = api.call("POST", "/v1/key/import/plain", body | {"addressFormat": {"format": name}})
    assert answer.status == 201, answer.body
    truncated = {"address": OF_ONE[name].upper(), "format": name}
    for found in (answer.json, attributes(api, label)):
        assert found["json"]["addressTruncated"] == truncated
        lines = [line.strip() for line in found["xml"].splitlines()]
        at = lines.index(f"<address_truncated>{OF_ONE[name].upper()}</address_truncated>")
        assert lines[at - 1].startswith("<public_key>")
        assert lines[at + 1] == "<attributes>"
    assert (address(api, label).status, address(api, label).json) == (200, {"address": b64(octets)})
    assert api.call("GET", f"/v1/key/{label}/address").json == {"address": b64(octets)}


def test_a_new_key_has_one_and_keeps_it_through_every_change(api: Api) -> None:
    made = {"attributes": SIGNS, "policy": {}, "password": "one", "addressFormat": {"format": "XLM"}}
    have(api, "a-stellar", algorithm="ED", **made)
    first = attributes(api, "a-stellar", password="one")["json"]
    public = base64.b64decode(first["publicKey"])[-32:]
    ed25519.Ed25519PublicKey.from_public_bytes(public)
    assert first["addressTruncated"] == {"address": public.hex().upper(), "format": "XLM"}
    api.call("POST", "/v1/key/changePassword", {"label": "a-stellar", "password": "one", "newPassword": "two"})
    block = {"blockRequest": {"blockKeyName": "a-stellar", "keyPassword": "two"}}
    assert api.call("POST", "/v1/synchronousBlock", block).status == 200
    assert attributes(api, "a-stellar", password="two")["json"]["addressTruncated"] == first["addressTruncated"]
    assert address(api, "a-stellar", password=list("two")).json == {"address": b64(public)}
    for wrong in (None, "one"):
        assert refused(address(api, "a-stellar", password=wrong)) == (400, 620)
    assert refused(api.call("GET", "/v1/key/a-stellar/address")) == (400, 620)
    api.forget_guesses()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"policy": None}, 630),
        ({"addressFormat": {"format": "IOTA"}}, 605),
        ({"addressFormat": {"format": "DOGE"}}, 605),
        ({"addressFormat": {"format": "XLM"}}, 605),
        ({"curveOid": P256}, 605),
        ({"addressFormat": {}}, 600),
        ({"addressFormat": "BTC"}, 600),
    ],
)
def test_what_has_no_address_is_not_made(api: Api, change: dict[str, Any], code: int) -> None:
    body = {"label": "a-none", **EC, "attributes": SIGNS, "policy": {}, "addressFormat": {"format": "BTC"}}
    assert refused(api.call("POST", "/v1/key", body | change)) == (400, code)
    assert "a-none" not in api.ports.keystore.labels()


def test_keys_without_an_address(api: Api) -> None:
    have(api, "a-plain", **EC, attributes=SIGNS)
    have(api, "a-ruled", **EC, attributes=SIGNS, policy={})
    assert refused(address(api, "a-plain")) == (400, 630)
    assert refused(address(api, "a-ruled")) == (400, 611)
    assert refused(address(api, "a-nowhere")) == (404, 650)
    for label in ("a-plain", "a-ruled"):
        found = attributes(api, label)
        assert found["json"]["addressTruncated"] is None
        assert "address_truncated" not in found["xml"]


def test_it_is_stored_with_the_attributes_and_only_where_there_is_one() -> None:
    """So it stands under the key's seal, and rows that were written before it could be are read as they were."""
    key = Key("u", "coins", "EC", KeyAttributes(sign=True), 0, address_format="BTC")
    row = row_of(key, "t", "client", None)
    assert '"address_format":"BTC"' in row.attributes
    assert key_of(row) == key
    plain = Key("u", "plain", "EC", KeyAttributes(sign=True), 0)
    assert "address" not in row_of(plain, "t", "client", None).attributes
    assert key_of(row_of(plain, "t", "client", None)) == plain
