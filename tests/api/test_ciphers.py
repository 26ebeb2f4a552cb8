"""Encrypt and decrypt: answers, lengths, rules, and what they refuse."""

import base64
from typing import Any

import pytest

from hsmgate.api.wire.operations import MOST_PAYLOAD
from hsmgate.domain.cipher import CIPHERS
from hsmgate.usecases.ports import CipherRules
from support.api import Api
from support.api_keys import b64, have, refused

DATA = b"sixteen octets!!"
KEYS: dict[str, dict[str, Any]] = {
    "AES": {"algorithm": "AES", "keySize": 256},
    "ChaCha20": {"algorithm": "ChaCha20", "keySize": 256},
    "Camellia": {"algorithm": "Camellia", "keySize": 128},
    "TDEA": {"algorithm": "TDEA"},
    "RSA": {"algorithm": "RSA", "keySize": 2048},
}
LATER = {"ruleUse": {"tokens": [{"timelock": 60, "timeout": 60}]}}


@pytest.fixture
def ready(api: Api) -> Api:
    for name, fields in KEYS.items():
        have(api, f"c-{name}", attributes={"decrypt": True, "destroyable": True}, **fields)
    return api


def encrypt(api: Api, label: str, cipher: str, payload: bytes = DATA, **more: Any) -> Any:
    inner = {"payload": b64(payload), "encryptKeyName": label, "cipherAlgorithm": cipher} | more
    return api.call("POST", "/v1/encrypt", {"encryptRequest": inner})


def decrypt(api: Api, label: str, cipher: str, sealed: Any, **more: Any) -> Any:
    """`sealed`: the answer of an encryption, or a payload."""
    given = (
        {"encryptedPayload": b64(sealed)}
        if isinstance(sealed, bytes)
        else {
            "encryptedPayload": sealed["encryptedPayload"],
            "initializationVector": sealed["initializationVector"],
        }
    )
    inner = given | {"decryptKeyName": label, "cipherAlgorithm": cipher} | more
    return api.call("POST", "/v1/synchronousDecrypt", {"decryptRequest": inner})


@pytest.mark.parametrize("row", CIPHERS, ids=lambda row: row.name)
def test_every_cipher_there_and_back(ready: Api, row: Any) -> None:
    answer = encrypt(ready, f"c-{row.key}", row.name, additionalAuthenticationData=None)
    assert answer.status == 200, answer.body
    sealed = answer.json
    assert list(sealed) == [
        "encryptedPayload",
        "encryptedPayloadWithoutMessageAuthenticationCode",
        "initializationVector",
        "messageAuthenticationCode",
    ]
    whole, bare = (base64.b64decode(sealed[name]) for name in list(sealed)[:2])
    iv, tag = (None if sealed[name] is None else base64.b64decode(sealed[name]) for name in list(sealed)[2:])
    assert whole == bare + (tag or b"")
    assert len(iv or b"") == row.iv
    assert len(tag or b"") == (16 if row.has_tag else 0)
    opened = decrypt(ready, f"c-{row.key}", row.name, sealed, additionalAuthenticationData=None)
    plain = DATA.rjust(256, b"\0") if row.mode == "RAW" else DATA
    assert (opened.status, opened.json) == (200, {"payload": b64(plain)})


def test_the_go_client_sends_a_tag_length_of_its_own_type(ready: Api) -> None:
    sealed = encrypt(ready, "c-AES", "AES_GCM", tagLength=128.0).json
    assert decrypt(ready, "c-AES", "AES_GCM", sealed, tagLength=1.28e2).json == {"payload": b64(DATA)}


@pytest.mark.parametrize(
    ("asked", "octets"), [(None, 16), (0, 16), (96, 12), (104, 13), (112, 14), (120, 15), (128, 16)]
)
def test_tag_lengths(ready: Api, asked: int | None, octets: int) -> None:
    aad = b64(b"order 7")
    sealed = encrypt(ready, "c-AES", "AES_GCM", tagLength=asked, additionalAuthenticationData=aad).json
    assert len(base64.b64decode(sealed["messageAuthenticationCode"])) == octets
    more = {"tagLength": asked or None, "additionalAuthenticationData": aad}
    assert decrypt(ready, "c-AES", "AES_GCM", sealed, **more).json == {"payload": b64(DATA)}
    assert refused(decrypt(ready, "c-AES", "AES_GCM", sealed, **more | {"additionalAuthenticationData": None})) == (
        400,
        410,
    )


def test_a_tag_is_not_as_long_as_whoever_decrypts_says(ready: Api) -> None:
    sealed = encrypt(ready, "c-AES", "AES_GCM").json
    assert refused(decrypt(ready, "c-AES", "AES_GCM", sealed, tagLength=0)) == (400, 624)
    assert refused(decrypt(ready, "c-AES", "AES_GCM", sealed, tagLength=96)) == (400, 410)
    short = encrypt(ready, "c-AES", "AES_GCM", tagLength=96).json
    assert refused(decrypt(ready, "c-AES", "AES_GCM", short)) == (400, 410)


@pytest.mark.parametrize("length", [1, 8, 32, 64, 95, 97, 127, 129, 256, 2**40])
def test_other_tag_lengths_are_refused(ready: Api, length: int) -> None:
    assert refused(encrypt(ready, "c-AES", "AES_GCM", tagLength=length)) == (400, 624)
    assert refused(
        decrypt(ready, "c-AES", "AES_GCM", bytes(32), initializationVector=b64(bytes(12)), tagLength=length)
    ) == (400, 624)


@pytest.mark.parametrize("length", [-1, 96.5])
def test_a_tag_length_is_a_whole_number(ready: Api, length: float) -> None:
    assert refused(encrypt(ready, "c-AES", "AES_GCM", tagLength=length)) == (400, 600)


def test_operators_may_allow_shorter_tags_or_ask_for_longer_ones(ready: Api) -> None:
    ready.ports.__dict__["rules"] = CipherRules(shortest_tag=64)
    sealed = encrypt(ready, "c-AES", "AES_GCM", tagLength=64).json
    assert decrypt(ready, "c-AES", "AES_GCM", sealed, tagLength=64).status == 200
    ready.ports.__dict__["rules"] = CipherRules(shortest_tag=128)
    assert refused(encrypt(ready, "c-AES", "AES_GCM", tagLength=120)) == (400, 624)
    assert refused(decrypt(ready, "c-AES", "AES_GCM", sealed, tagLength=120)) == (400, 624)


def test_the_tag_of_chacha20_has_one_length_and_others_ignore_it(ready: Api) -> None:
    for length in (None, 0, 128):
        sealed = encrypt(ready, "c-ChaCha20", "CHACHA20_AEAD", tagLength=length).json
        assert decrypt(ready, "c-ChaCha20", "CHACHA20_AEAD", sealed, tagLength=length).status == 200
    assert refused(encrypt(ready, "c-ChaCha20", "CHACHA20_AEAD", tagLength=96)) == (400, 624)
    for length in (0, 64, 77):
        sealed = encrypt(ready, "c-RSA", "RSA_PADDING_OAEP_WITH_SHA256", tagLength=length).json
        assert decrypt(ready, "c-RSA", "RSA_PADDING_OAEP_WITH_SHA256", sealed, tagLength=length).status == 200


@pytest.mark.parametrize(
    ("label", "cipher", "payload", "expected"),
    [
        ("c-AES", "AES_CBC_NO_PADDING", bytes(15), (400, 612)),
        ("c-AES", "AES_ECB", bytes(17), (400, 612)),
        ("c-AES", "AES_ECB", b"", (400, 612)),
        ("c-TDEA", "TDEA_ECB", bytes(12), (400, 612)),
        ("c-Camellia", "CAMELLIA_ECB", bytes(8), (400, 612)),
        ("c-RSA", "RSA", bytes(246), (400, 612)),
        ("c-RSA", "RSA_PADDING_OAEP_WITH_SHA512", bytes(127), (400, 612)),
        ("c-RSA", "RSA_NO_PADDING", bytes(257), (400, 612)),
        ("c-RSA", "RSA_NO_PADDING", b"\xff" * 256, (400, 612)),
        ("c-AES", "AES_GCM", bytes(MOST_PAYLOAD + 1), (400, 612)),
        ("c-AES", "CHACHA20", DATA, (400, 607)),
        ("c-RSA", "AES_GCM", DATA, (400, 607)),
        ("c-AES", "AES_OFB", DATA, (400, 600)),
        ("c-AES", "aes_gcm", DATA, (400, 600)),
        ("c-none", "AES_GCM", DATA, (404, 650)),
    ],
)
def test_what_encrypt_refuses(ready: Api, label: str, cipher: str, payload: bytes, expected: tuple[int, int]) -> None:
    assert refused(encrypt(ready, label, cipher, payload)) == expected


@pytest.mark.parametrize(
    ("label", "cipher", "payload", "more", "expected"),
    [
        ("c-AES", "AES_GCM", bytes(32), {}, (400, 600)),
        ("c-AES", "AES_GCM", bytes(32), {"initializationVector": b64(bytes(16))}, (400, 600)),
        ("c-AES", "AES_GCM", bytes(15), {"initializationVector": b64(bytes(12))}, (400, 612)),
        ("c-AES", "AES_ECB", bytes(16), {"initializationVector": b64(bytes(16))}, (400, 600)),
        ("c-AES", "AES", bytes(16), {"initializationVector": b64(bytes(12))}, (400, 600)),
        ("c-AES", "AES", bytes(15), {"initializationVector": b64(bytes(16))}, (400, 612)),
        ("c-AES", "AES", b"", {"initializationVector": b64(bytes(16))}, (400, 612)),
        ("c-RSA", "RSA", bytes(256), {"initializationVector": b64(bytes(16))}, (400, 600)),
        ("c-AES", "AES_GCM", bytes(32), {"initializationVector": "AAA"}, (400, 635)),
        ("c-AES", "AES_CTR", bytes(MOST_PAYLOAD + 33), {"initializationVector": b64(bytes(16))}, (400, 612)),
        ("c-AES", "AES_CTR", DATA, {"initializationVector": b64(bytes(16)), "derivationValue": 7}, (501, 101)),
        ("c-AES", "AES_CTR", DATA, {"initializationVector": b64(bytes(16)), "signedApprovals": ["YQ=="]}, (501, 101)),
        ("c-RSA", "RSA", bytes(255), {}, (400, 410)),
        ("c-RSA", "RSA_PADDING_OAEP", b"\xff" * 256, {}, (400, 410)),
        ("c-RSA", "RSA_NO_PADDING", b"\xff" * 256, {}, (400, 410)),
    ],
)
def test_what_decrypt_refuses(
    ready: Api, label: str, cipher: str, payload: bytes, more: dict[str, Any], expected: tuple[int, int]
) -> None:
    assert refused(decrypt(ready, label, cipher, payload, **more)) == expected


def test_additional_data_is_not_passed_over_by_ciphers_that_cannot_authenticate_it(ready: Api) -> None:
    for name, fields in KEYS.items():
        for row in CIPHERS:
            if row.key == fields["algorithm"] and not row.has_tag:
                answer = encrypt(ready, f"c-{name}", row.name, additionalAuthenticationData=b64(b"x"))
                assert refused(answer) == (400, 600)


def test_a_wrong_padding_says_no_more_than_that(ready: Api) -> None:
    for label, cipher, size in (("c-AES", "AES", 16), ("c-Camellia", "CAMELLIA", 16), ("c-TDEA", "TDEA_CBC", 8)):
        said = set()
        for last in range(256):
            answer = decrypt(
                ready, label, cipher, bytes(size - 1) + bytes([last]), initializationVector=b64(bytes(size))
            )
            if answer.status != 200:
                said.add(answer.body)
        assert len(said) == 1


def test_flags_are_asked_first(api: Api) -> None:
    have(api, "c-seal", attributes={"decrypt": False, "encrypt": True, "unwrap": True}, **KEYS["AES"])
    have(api, "c-open", attributes={"decrypt": True, "encrypt": False}, **KEYS["AES"])
    have(api, "c-wrap", attributes={"unwrap": True}, **KEYS["AES"])
    have(api, "c-rsa-sign", attributes={"sign": True}, **KEYS["RSA"])
    sealed = encrypt(api, "c-seal", "AES_CTR").json
    assert refused(decrypt(api, "c-seal", "AES_CTR", sealed)) == (400, 614)
    assert refused(encrypt(api, "c-open", "AES_CTR")) == (400, 614)
    assert decrypt(api, "c-open", "AES_CTR", sealed).status == 200
    assert refused(encrypt(api, "c-wrap", "AES_CTR")) == (400, 614)  # what was not said is what may be undone
    assert encrypt(api, "c-rsa-sign", "RSA").status == 200  # everybody has the public half
    assert refused(decrypt(api, "c-rsa-sign", "RSA", bytes(256))) == (400, 614)
    have(api, "c-rsa-open", attributes={"decrypt": True, "encrypt": False}, **KEYS["RSA"])
    assert refused(encrypt(api, "c-rsa-open", "RSA")) == (400, 614)


def test_the_policy_guards_decryption_alone(api: Api) -> None:
    for label, policy, status in (("c-later", LATER, 500), ("c-free", {"ruleUse": {"tokens": None}}, 200)):
        have(api, label, attributes={"decrypt": True}, policy=policy, **KEYS["RSA"])
        sealed = encrypt(api, label, "RSA_PADDING_OAEP").json
        answer = decrypt(api, label, "RSA_PADDING_OAEP", sealed)
        assert answer.status == status
    blocked = {"keyStatus": {"blocked": True}}
    have(api, "c-blocked", attributes={"decrypt": True}, policy=blocked, **KEYS["RSA"])
    assert refused(encrypt(api, "c-blocked", "RSA_PADDING_OAEP")) == (500, 701)
    assert refused(decrypt(api, "c-blocked", "RSA_PADDING_OAEP", bytes(256))) == (500, 701)


def test_the_password_of_the_key(api: Api) -> None:
    have(api, "c-locked", password=list("secret"), attributes={"decrypt": True}, **KEYS["AES"])
    for wrong in (None, [], "Secret", list("secre")):
        assert refused(encrypt(api, "c-locked", "AES_GCM", keyPassword=wrong)) == (400, 620)
    sealed = encrypt(api, "c-locked", "AES_GCM", keyPassword="secret").json
    assert decrypt(api, "c-locked", "AES_GCM", sealed, keyPassword=list("secret")).json == {"payload": b64(DATA)}
    assert refused(decrypt(api, "c-locked", "AES_GCM", sealed)) == (400, 620)


def test_the_legacy_of_rsa_may_be_switched_off(ready: Api) -> None:
    ready.ports.__dict__["rules"] = CipherRules(rsa_legacy=False)
    for name in ("RSA", "RSA_PADDING_PKCS", "RSA_NO_PADDING"):
        sealed = encrypt(ready, "c-RSA", name).json
        assert refused(decrypt(ready, "c-RSA", name, sealed)) == (501, 101)
    sealed = encrypt(ready, "c-RSA", "RSA_PADDING_OAEP_WITH_SHA256").json
    assert decrypt(ready, "c-RSA", "RSA_PADDING_OAEP_WITH_SHA256", sealed).status == 200


def test_no_padding_with_a_key_that_signs_warns_and_may_be_refused(api: Api) -> None:
    have(api, "c-both", attributes={"decrypt": True, "sign": True}, **KEYS["RSA"])
    sealed = encrypt(api, "c-both", "RSA_NO_PADDING").json
    assert decrypt(api, "c-both", "RSA_NO_PADDING", sealed).status == 200
    (level, event, fields) = api.log.lines[-1]
    assert (level, event, fields["key"]) == ("warning", "request.remark", "c-both")
    assert "signatures" in fields["detail"]
    assert "signatures" in str(api.audit.lines[-1].detail["remark"])
    api.ports.__dict__["rules"] = CipherRules(raw_rsa_of_signers=False)
    assert refused(decrypt(api, "c-both", "RSA_NO_PADDING", sealed)) == (400, 614)
    assert decrypt(api, "c-both", "RSA", encrypt(api, "c-both", "RSA").json).status == 200
    have(api, "c-one", attributes={"decrypt": True}, **KEYS["RSA"])
    sealed = encrypt(api, "c-one", "RSA_NO_PADDING").json
    assert decrypt(api, "c-one", "RSA_NO_PADDING", sealed).status == 200


def test_the_audit_names_ciphertexts_by_digest_and_plaintexts_not_at_all(ready: Api) -> None:
    sealed = encrypt(ready, "c-AES", "AES_GCM").json
    assert all("payloadSha256" not in line.detail for line in ready.audit.lines)
    assert [line.phase for line in ready.audit.lines[-2:]] == ["intent", "outcome"]
    assert ready.audit.lines[-1].detail["payloadBytes"] == 16
    decrypt(ready, "c-AES", "AES_GCM", sealed)
    assert ready.audit.lines[-1].detail["payloadBytes"] == 32
    assert len(str(ready.audit.lines[-1].detail["payloadSha256"])) == 64
    assert DATA.decode() not in str(ready.audit.lines)


def test_uses_are_counted(api: Api) -> None:
    have(api, "c-count", attributes={"decrypt": True}, **KEYS["AES"])
    sealed = encrypt(api, "c-count", "AES_GCM").json
    decrypt(api, "c-count", "AES_GCM", sealed)
    assert api.ports.keystore.find("c-count").use_count == 2


def test_a_signature_over_the_request_is_not_ignored(ready: Api) -> None:
    inner = {"payload": b64(DATA), "encryptKeyName": "c-AES", "cipherAlgorithm": "AES_GCM"}
    body = {"encryptRequest": inner, "requestSignature": {"signature": "YQ=="}}
    assert refused(ready.call("POST", "/v1/encrypt", body)) == (400, 600)
    body["requestSignature"] = None  # type: ignore[assignment]
    assert ready.call("POST", "/v1/encrypt", body).status == 200
