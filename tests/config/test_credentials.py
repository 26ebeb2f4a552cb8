"""Weak API keys are refused before anything is opened, and never shown."""

import pytest

from hsmgate.config import remarks, transport
from hsmgate.config.credentials import keys_by_role
from hsmgate.errors import Failure
from support.config_folder import Folder

TLS = "server.ssl: {client-auth: need, trust-store: x.pem}\n"
GOOD = "tsb-x-token_5f0c1b9ea3b1"


def load(folder: Folder, keys: str, start: str = TLS) -> str:
    """The weakness, or nothing."""
    config = folder.load(f"{start}apiAuthentication: {{enabled: true, {keys}}}\n")
    try:
        transport(config)
    except Failure as failure:
        return f"{failure.reason.name}: {failure}"
    return ""


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ("", "no role has a key"),
        ("serviceToken: []", "no role has a key"),
        ("serviceToken: ''", "no role has a key"),
        ("serviceToken: sh0rt.k", "serviceToken[0] is weak"),
        ("serviceToken: 'abcdabcdabcdabcdabcd'", "serviceToken[0] is weak"),
        (f"keyManagementToken: [{GOOD}, aaaaaaaaaaaaaaaaaaaa]", "keyManagementToken[1] is weak"),
        (f"approverToken: ['{GOOD} ']", "approverToken[0] has a character"),
        ("approverKeyManagementToken: ['pass word of mine']", "approverKeyManagementToken[0] has a character"),
        ("keyOperationToken: ['schlüssel-der-rolle']", "keyOperationToken[0] has a character"),
        ('keyOperationToken: ["line\\nbreak-in-a-key"]', "keyOperationToken[0] has a character"),
        (f"keyOperationToken: [{GOOD * 50}]", "keyOperationToken[0] is longer"),
        (f"keyOperationToken: [{GOOD}]", ""),
        ("keyOperationToken: ['operator']", ""),
    ],
)
def test_weak_keys(folder: Folder, keys: str, says: str) -> None:
    said = load(folder, keys)
    assert says in said
    assert said.startswith("CONFIG_INVALID: ") == bool(says)
    for shown in ("sh0rt.k", "abcdabcd", "aaaaaaaa", "pass word", "schl", GOOD):
        assert shown not in said


def test_what_is_not_in_use_may_be_anything(folder: Folder) -> None:
    config = folder.load(f"{TLS}apiAuthentication.serviceToken: x\n")
    transport(config)
    assert list(remarks(config.api_authentication)) == [
        "API keys are configured and not asked for: apiAuthentication.enabled is false"
    ]


def test_short_keys_are_named_and_not_shown(folder: Folder) -> None:
    config = folder.load(
        f"apiAuthentication: {{enabled: true, serviceToken: [{GOOD}, operator], approverToken: o.p.q.r.s}}"
    )
    (line,) = remarks(config.api_authentication)
    assert line.startswith("short API keys: approverToken[0], serviceToken[1]; ")
    assert "operator" not in line
    assert list(remarks(folder.load("").api_authentication)) == []


def test_every_role_is_taken_from_its_setting(folder: Folder) -> None:
    names = ["keyManagementToken", "keyOperationToken", "approverToken", "serviceToken", "approverKeyManagementToken"]
    config = folder.load("".join(f"apiAuthentication.{name}: 'of-{name}'\n" for name in names))
    assert keys_by_role(config.api_authentication) == {name: (f"of-{name}",) for name in names}


@pytest.mark.parametrize(
    ("start", "says"),
    [
        ("server.ssl: {client-auth: none, key-store: x.p12}\n", ""),
        ("server.ssl: {client-auth: none}\n", ""),
        ("server.ssl: {client-auth: want, trust-store: x.pem}\n", ""),
        ("", "there is no TLS, so anybody could use the keys"),
        ("tls.enabled: false\n", "there is no TLS"),
        ("hsmgate.insecure: true\nserver.address: 127.0.0.1\n", ""),
        ("hsmgate.insecure: true\n", "hsmgate.insecure is for this machine alone"),
    ],
)
def test_keys_open_none_where_there_is_tls(folder: Folder, start: str, says: str) -> None:
    said = load(folder, f"serviceToken: {GOOD}", start)
    assert says in said
    assert bool(said) == bool(says)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hsmgate.jwt.keys: k.pem", "hsmgate.jwt.keys needs hsmgate.jwt.audience"),
        ("hsmgate.jwt: {keys: [], audience: a}", "hsmgate.jwt.audience needs hsmgate.jwt.keys"),
        ("hsmgate.jwt.issuer: i", "hsmgate.jwt.issuer needs hsmgate.jwt.keys"),
        ("hsmgate.jwt: {keys: k.pem, audience: ''}", "hsmgate.jwt.keys needs hsmgate.jwt.audience"),
        ("hsmgate.jwt: {keys: k.pem, audience: a, algorithms: [RS256, HS256]}", "must be one of RS256"),
        ("hsmgate.jwt: {keys: k.pem, audience: a, algorithms: none}", "must be one of RS256"),
        ("hsmgate.jwt: {keys: k.pem, audience: a, leeway: 6m}", "leeway"),
    ],
)
def test_settings_of_jwts_that_contradict(folder: Folder, text: str, says: str) -> None:
    with pytest.raises(Failure, match=says) as caught:
        folder.load(text)
    assert caught.value.reason.name == "CONFIG_INVALID"


def test_settings_of_jwts(folder: Folder) -> None:
    text = "{keys: [k.pem, jwks.json], audience: [a, b], issuer: 'https://i', algorithms: 'es256, EdDSA', leeway: 0}"
    given = folder.load(f"hsmgate.jwt: {text}").hsmgate.jwt
    assert given.keys == (folder.path / "k.pem", folder.path / "jwks.json")
    assert (given.audience, given.issuer, given.algorithms, given.leeway) == (
        ("a", "b"),
        "https://i",
        ("ES256", "EdDSA"),
        0.0,
    )


def test_jwts_open_none_where_there_is_tls(folder: Folder) -> None:
    jwt = "hsmgate.jwt: {keys: k.pem, audience: a}\n"
    assert transport(folder.load(f"server.ssl.client-auth: none\n{jwt}")).tls
    with pytest.raises(Failure, match="there is no TLS"):
        transport(folder.load(jwt))
