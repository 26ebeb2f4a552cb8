"""JWTs under attack: what is not signed by a configured key, for us, for now, is refused, and says nothing."""

import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from hsmgate.errors import Failure, Reason
from hsmgate.gate.tokens import LONGEST, TokenJudge, TokenRules
from hsmgate.pki.token_keys import ALGORITHMS, TokenKey, read
from support.tokens import AUDIENCE, ISSUER, b64, claims, ec_key, ed_key, jwk, jwks, pem, rsa_key, sign, token

RULES = TokenRules(audience=(AUDIENCE, "second.example"), issuer=ISSUER, leeway=5.0)
KEYS = read(
    jwks(
        jwk(rsa_key(), kid="rsa"),
        jwk(ec_key(), kid="ec"),
        jwk(ed_key(), kid="ed"),
        jwk(rsa_key("next"), kid="rsa", alg="PS256"),
    ),
    "keys.json",
)


def judge(shown: bytes | None, keys: tuple[TokenKey, ...] = KEYS, rules: TokenRules = RULES) -> dict[str, str]:
    values = [] if shown is None else [b"Bearer " + shown]
    return TokenJudge(lambda: keys, rules).judge(values)


def refused(shown: bytes | None, keys: tuple[TokenKey, ...] = KEYS, rules: TokenRules = RULES) -> Reason:
    with pytest.raises(Failure) as caught:
        judge(shown, keys, rules)
    assert len(str(caught.value)) < 200
    return caught.value.reason


RSA, EC, ED = rsa_key(), ec_key(), ed_key()


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (lambda: token(RSA, "RS256"), "keys.json#0"),
        (lambda: token(RSA, "RS512"), "keys.json#0"),
        (lambda: token(RSA, "PS384"), "keys.json#0"),
        (lambda: token(RSA, "RS256", header={"kid": "rsa"}), "keys.json#0"),
        (lambda: token(EC, "ES256", header={"kid": "ec"}), "keys.json#1"),
        (lambda: token(EC, "ES256"), "keys.json#1"),
        (lambda: token(ED, "EdDSA"), "keys.json#2"),
        (lambda: token(rsa_key("next"), "PS256", header={"kid": "rsa"}), "keys.json#3"),
        (lambda: token(RSA, "RS256", claims(aud=["other", "second.example"])), "keys.json#0"),
        (lambda: token(RSA, "RS256", claims(exp=int(time.time()) - 2)), "keys.json#0"),  # within the leeway
        (lambda: token(RSA, "RS256", claims(exp=time.time() + 0.5, nbf=time.time() - 0.5)), "keys.json#0"),
        (lambda: token(RSA, "RS256", header={"typ": "at+jwt", "jku": "https://evil.example"}), "keys.json#0"),
    ],
)
def test_good_tokens(made: Any, name: str) -> None:
    assert judge(made()) == {"jwtSubject": "alice", "jwtKey": name}


def test_a_token_without_subject_speaks_for_nobody_by_name() -> None:
    assert judge(token(RSA, "RS256", claims(sub=None)))["jwtSubject"] == ""
    assert len(judge(token(RSA, "RS256", claims(sub="x" * 3000)))["jwtSubject"]) == 200


def test_no_token() -> None:
    judge_one = TokenJudge(lambda: KEYS, RULES).judge
    for shown in ([], [b""], [b"Bearer"], [b"Bearer  "], [b"Basic YTpi"], [b"token"], [b"BearerX y"]):
        with pytest.raises(Failure) as caught:
            judge_one(shown)
        assert caught.value.reason is Reason.MISSING_TOKEN, shown
    good = token(RSA, "RS256")
    assert judge_one([b" bearer   " + good + b" "])
    with pytest.raises(Failure) as caught:
        judge_one([b"Bearer " + good, b"Bearer " + good])
    assert caught.value.reason is Reason.INVALID_TOKEN


RSA_PEM = pem(RSA)
SPKI = RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
POINT = EC.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def unsigned(algorithm: object, signature: str = "") -> bytes:
    head = b64(json.dumps({"alg": algorithm}).encode())
    return f"{head}.{b64(json.dumps(claims()).encode())}.{signature}".encode()


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", None, 0, [], {}, True, "HS256", "RS256\0"])
def test_no_algorithm(name: object) -> None:
    assert refused(unsigned(name)) is Reason.INVALID_TOKEN
    assert refused(unsigned(name, "AAAA")) is Reason.INVALID_TOKEN


@pytest.mark.parametrize(
    "secret",
    [RSA_PEM, RSA_PEM.strip(), SPKI, POINT, b"", b"\0", b"secret"],
    ids=["pem", "stripped", "spki", "point", "empty", "nul", "word"],
)
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA"])
def test_a_public_key_is_never_a_secret(secret: bytes, algorithm: str) -> None:
    """RFC 8725 2.1: HMAC keyed with what everybody knows."""
    for header in ({}, {"kid": "rsa"}, {"kid": "ec"}):
        assert refused(token(secret, algorithm, header=header)) is Reason.INVALID_TOKEN
        assert refused(token(secret, algorithm, header=header), read(RSA_PEM, "k.pem")) is Reason.INVALID_TOKEN


def test_a_key_verifies_its_own_algorithms_alone() -> None:
    narrow = read(jwks(jwk(RSA, alg="PS256")), "narrow")
    assert judge(token(RSA, "PS256"), narrow)
    assert refused(token(RSA, "RS256"), narrow) is Reason.INVALID_TOKEN
    for key, others in (
        (RSA, ("ES256", "EdDSA")),
        (EC, ("ES384", "ES512", "ES256K", "RS256", "EdDSA")),
        (ED, ("ES256",)),
    ):
        for algorithm in others:
            assert refused(token(key, algorithm)) is Reason.INVALID_TOKEN


@pytest.mark.parametrize(
    "kid",
    [
        "ec",  # another key's
        "../../../../dev/null",
        "/etc/passwd",
        "rsa\0",
        "rsa' OR '1'='1",
        "https://evil.example/jwks.json",
        "",
        "RSA",
        "x" * 4000,
        None,
        0,
        ["rsa"],
        {"rsa": 1},
    ],
)
def test_a_kid_only_chooses(kid: object) -> None:
    """It opens no file, asks no database, and its JSON type is checked."""
    assert refused(token(rsa_key("stranger"), "RS256", header={"kid": kid})) is Reason.INVALID_TOKEN
    assert refused(token(b"", "HS256", header={"kid": kid})) is Reason.INVALID_TOKEN
    if kid != "ec":
        assert refused(token(RSA, "RS256", header={"kid": kid})) is Reason.INVALID_TOKEN


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c", "x5t"])
def test_keys_that_the_token_brings_count_for_nothing(member: str) -> None:
    stranger = rsa_key("stranger")
    own = {"jwk": jwk(stranger), "x5c": [b64(SPKI)]}.get(member, "https://evil.example/keys")
    assert refused(token(stranger, "RS256", header={member: own})) is Reason.INVALID_TOKEN


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"]},
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"crit": "exp"},
        {"crit": None},
        {"crit": ["b64"], "b64": True},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
        {"b64": True},
        {"crit": ["http://example.com/unknown"], "http://example.com/unknown": True},
    ],
)
def test_critical_extensions_are_not_understood(header: dict[str, Any]) -> None:
    assert refused(token(RSA, "RS256", header=header)) is Reason.INVALID_TOKEN


NOW = int(time.time())  # when tests are collected, which may be long before they run
DAY = 86_400


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"exp": NOW - 60}, "expired"),
        ({"exp": None}, "lacks"),
        ({"exp": 0}, "expired"),
        ({"exp": -1}, "expired"),
        ({"exp": str(NOW + DAY)}, "malformed"),
        ({"exp": True}, "expired"),
        ({"exp": "never"}, "malformed"),
        ({"exp": [NOW + DAY]}, "malformed"),
        ({"exp": float("inf")}, "malformed"),
        ({"exp": float("nan")}, "malformed"),
        ({"nbf": NOW + DAY}, "not valid yet"),
        ({"nbf": "later"}, "malformed"),
        ({"iat": NOW + DAY}, "not valid yet"),
        ({"aud": None}, "lacks"),
        ({"aud": "another.example"}, "another audience"),
        ({"aud": AUDIENCE.upper()}, "another audience"),
        ({"aud": f"{AUDIENCE}.evil.example"}, "another audience"),
        ({"aud": []}, "lacks"),
        ({"aud": [[AUDIENCE]]}, "another audience"),
        ({"aud": {AUDIENCE: 1}}, "another audience"),
        ({"aud": [AUDIENCE, 1]}, "another audience"),
        ({"aud": ""}, "lacks"),
        ({"iss": None}, "lacks"),
        ({"iss": "https://issuer.example/"}, "another issuer"),
        ({"iss": [ISSUER]}, "another issuer"),
        ({"sub": ["alice"]}, "malformed"),
        ({"jti": 7}, "malformed"),
    ],
)
def test_claims(change: dict[str, Any], says: str) -> None:
    made = token(RSA, "RS256", claims(**change))
    with pytest.raises(Failure, match=says) as caught:
        judge(made)
    assert caught.value.reason is Reason.INVALID_TOKEN


def test_without_an_issuer_configured_any_will_do() -> None:
    rules = TokenRules(audience=(AUDIENCE,))
    assert judge(token(RSA, "RS256", claims(iss=None)), rules=rules)
    assert judge(token(RSA, "RS256", claims(iss="other")), rules=rules)


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"null", b'"x"', b"1", b"{", b"\xff", b'{"exp":1', b"[" * 3000, b'{"a":' * 1200, b"NaN"]
)
def test_payloads_that_are_none(payload: bytes) -> None:
    assert refused(token(RSA, "RS256", payload)) is Reason.INVALID_TOKEN


@pytest.mark.parametrize(
    "header", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 5000, b'{"alg":' * 800, b'{"alg":"RS256"']
)
def test_headers_that_are_none(header: bytes) -> None:
    signed = f"{b64(header)}.{b64(json.dumps(claims()).encode())}".encode()
    assert refused(signed + b"." + b64(sign(RSA, "RS256", signed)).encode()) is Reason.INVALID_TOKEN


def test_tokens_that_are_too_long() -> None:
    fits = token(RSA, "RS256", claims(x="y" * 5000))
    assert len(fits) <= LONGEST
    assert judge(fits)
    assert refused(token(RSA, "RS256", claims(x="y" * 6000))) is Reason.INVALID_TOKEN
    assert refused(b"x" * 30_000) is Reason.INVALID_TOKEN


def test_one_changed_bit_is_enough() -> None:
    good = token(EC, "ES256")
    assert judge(good)
    head, body, signature = good.split(b".")
    for at in range(0, len(signature), 7):
        other = b"A" if signature[at : at + 1] != b"A" else b"B"
        changed = signature[:at] + other + signature[at + 1 :]
        assert refused(b".".join([head, body, changed])) is Reason.INVALID_TOKEN
    for shown in (
        b".".join([head, body]),
        b".".join([head, body, b""]),
        b".".join([head, body, signature, b""]),
        b".".join([head, body, signature, b"x", b"y"]),
        good + b"=",
        good + b" x",
        good + b"\n",
        good.replace(b".", b".=", 1),
        b".".join([head, b64(json.dumps(claims(sub="root")).encode()).encode(), signature]),
    ):
        assert refused(shown) is Reason.INVALID_TOKEN, shown


def test_an_empty_set_of_keys_lets_nobody_in() -> None:
    assert refused(token(RSA, "RS256"), ()) is Reason.INVALID_TOKEN


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_arbitrary_octets(shown: bytes) -> None:
    with pytest.raises(Failure):
        TokenJudge(lambda: KEYS, RULES).judge([b"Bearer " + shown])


@given(
    st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "zip", "jwk"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(ALGORITHMS),
            lambda inner: st.lists(inner, max_size=2),
        ),
    )
)
@settings(max_examples=60, deadline=None)
def test_arbitrary_headers_with_a_foreign_signature(header: dict[str, Any]) -> None:
    assert refused(token(rsa_key("stranger"), "RS256", header=header)) is Reason.INVALID_TOKEN
