"""JWTs of a real service: with a client certificate, instead of one, and with keys that change while it runs."""

import json

from support.service import Answer, Client, Quick
from support.tokens import AUDIENCE, claims, ec_key, jwk, jwks, pem, rsa_key, token

JWT = f"\nhsmgate.jwt: {{keys: keys.json, audience: '{AUDIENCE}'}}\nhsmgate.trust.reload: 100ms\n"


def bearer(made: bytes) -> dict[str, str]:
    return {"Authorization": f"Bearer {made.decode()}"}


def refused(answer: Answer, code: int) -> None:
    assert (answer.status, answer.json["errorCode"]) == (401, code), answer


def with_keys(quick: Quick, content: bytes, more: str = "") -> None:
    (quick.config / "keys.json").write_bytes(content)
    with quick.yml.open("a") as file:
        file.write(JWT + more)


def replace_keys(quick: Quick, content: bytes) -> None:
    fresh = quick.config / "keys.json.new"
    fresh.write_bytes(content)
    fresh.rename(quick.config / "keys.json")


def test_keys_change_while_it_serves(quick_used: Quick) -> None:
    with_keys(quick_used, jwks(jwk(rsa_key(), kid="old")))
    old, new = bearer(token(rsa_key(), "RS256")), bearer(token(ec_key(), "ES256"))
    with quick_used.serve() as service, quick_used.client(service.port) as client:
        assert client.call("GET", "/v1/key", headers=old).json == ["first"]
        refused(client.call("GET", "/v1/key"), 406)
        refused(client.call("GET", "/v1/nowhere"), 406)
        refused(client.call("GET", "/v1/key", headers=new), 617)
        refused(client.call("GET", "/v1/key", headers=bearer(token(pem(rsa_key()), "HS256"))), 617)
        replace_keys(quick_used, b"{")
        assert "keys.json: is not valid JSON" in service.await_line("jwt.kept")
        assert client.call("GET", "/v1/key", headers=old).status == 200, "the old keys stay"
        replace_keys(quick_used, jwks(jwk(ec_key(), kid="new")))
        service.await_line("jwt.keys")
        assert client.call("GET", "/v1/key", headers=new).status == 200
        refused(client.call("GET", "/v1/key", headers=old), 617)
        assert service.stop() == 0
    trail = quick_used.trail()
    assert [line["detail"]["jwtKey"] for line in trail if "jwtKey" in line["detail"]] == ["keys.json#0"] * 3
    assert [line["detail"]["keys"] for line in trail if line["action"] == "jwt.keys"] == [1]
    written = quick_used.audit.read_text() + (quick_used.folder / "service.log").read_text()
    assert not any(
        part in written for headers in (old, new) for part in headers["Authorization"].split(" ")[1].split(".")
    )


def test_strangers_pass_with_both_where_both_are_on(quick_used: Quick) -> None:
    quick_used.edit(("client-auth: need", "client-auth: want"))
    keys = "apiAuthentication: {enabled: true, keyManagementToken: management-5f0c1b9ea3b1}\n"
    with_keys(quick_used, json.dumps(jwk(ec_key())).encode(), keys)
    good, api_key = bearer(token(ec_key(), "ES256")), {"X-API-KEY": "management-5f0c1b9ea3b1"}
    expired = bearer(token(ec_key(), "ES256", claims(exp=1)))
    with quick_used.serve() as service:
        with Client(service.port, quick_used.context(certificate=False)) as client:
            assert client.call("GET", "/v1/key", headers=good | api_key).json == ["first"]
            for headers in (good, api_key, expired | api_key, good | {"X-API-KEY": "no-such-key-of-ours"}, {}):
                refused(client.call("GET", "/v1/key", headers=headers), 400)
        assert service.stop() == 0
