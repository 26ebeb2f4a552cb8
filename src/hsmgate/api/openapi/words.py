"""What a description consists of, and the keys of its examples."""

from collections.abc import Mapping
from typing import Any

from hsmgate.record import Record

Json = dict[str, Any]

RSA_KEY: Json = {
    "label": "orders",
    "algorithm": "RSA",
    "keySize": 2048,
    "attributes": {"sign": True, "destroyable": True},
}
EC_KEY: Json = {
    "label": "orders",
    "algorithm": "EC",
    "curveOid": "1.2.840.10045.3.1.7",
    "attributes": {"sign": True, "destroyable": True},
}
AES_KEY: Json = {
    "label": "vault",
    "algorithm": "AES",
    "keySize": 256,
    "attributes": {"decrypt": True, "unwrap": True, "destroyable": True},
}
HMAC_KEY: Json = {"label": "mac", "algorithm": "HMACSHA256", "attributes": {"sign": True, "destroyable": True}}
OPEN_KEY: Json = {
    **EC_KEY,
    "label": "open",
    "attributes": {"sign": True, "extractable": True, "sensitive": False, "destroyable": True},
}
TRAVELLING_KEY: Json = {
    **EC_KEY,
    "label": "travels",
    "attributes": {"sign": True, "extractable": True, "sensitive": True, "destroyable": True},
}
GUARDING_KEY: Json = {
    "label": "guard",
    "algorithm": "AES",
    "keySize": 256,
    "attributes": {"wrap": True, "unwrap": True, "destroyable": True},
}
IMPORTED_KEY: Json = {
    "label": "brought",
    "algorithm": "AES",
    "secretKey": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",  # 0, 1, 2 ... 31: of RFC 3394
    "attributes": {"unwrap": True, "destroyable": True},
}
# by the published key of RFC 8410 section 10.3, until the year 9999
OTHERS_CERTIFICATE = (
    "MIH8MIGvoAMCAQICAiDaMAUGAytlcDAcMRowGAYDVQQDDBFFeGFtcGxlIGF1dGhvcml0eTAgFw0yMDAxMDEwMDAwMDBaGA85OTk5"
    "MTIzMTIzNTk1OVowHDEaMBgGA1UEAwwRRXhhbXBsZSBhdXRob3JpdHkwKjAFBgMrZXADIQAZv0QJaYTN/oVBusFn3DuWyFCGqjC2"
    "tssMXDitcDFm4aMTMBEwDwYDVR0TAQH/BAUwAwEB/zAFBgMrZXADQQCKTqRbCjHs7b1EKxYYQtxCCz4eGbYETVn9z9pP8bqRNQHd"
    "d0ikwmoowaBr9c9hPznLpl3RS6/weVk3c+sAWE4D"
)
OTHERS_REQUEST = (
    "MIGcMFACAQAwHTEbMBkGA1UEAwwSb3JkZXJzLmV4YW1wbGUuY29tMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbL"
    "DFw4rXAxZuGgADAFBgMrZXADQQAQdkm0mm3Cv2cQzAUhmoH8BnqQEz6G3hWNjLj01jmI39ACtmMp5rrHTsvTkOyRUE3dYLM91q5E"
    "T1WdonUqbh8E"
)
CERTIFIED_KEY: Json = {
    "label": "authority",
    "algorithm": "ED",
    "privateKey": "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC",
    "certificate": OTHERS_CERTIFICATE,
    "attributes": {"sign": True, "destroyable": True},
}
GUARDED_KEY: Json = {**EC_KEY, "label": "guarded", "password": list("correct horse")}
RULED_KEY: Json = {
    **EC_KEY,
    "label": "ruled",
    "policy": {"ruleUse": None, "ruleBlock": None, "ruleUnblock": None, "ruleModify": None, "keyStatus": None},
}
ADDRESSED_KEY: Json = {
    **EC_KEY,
    "label": "coins",
    "curveOid": "1.3.132.0.10",
    "addressFormat": {"format": "BTC"},
    "policy": {"ruleUse": None},
}
PAYLOAD = "cGF5IDEwIHRvIEFsaWNl"  # pay 10 to Alice
OTHERS_SIGNATURE = (  # over another payload
    "MEUCIQCqJkcyIDjjSdnKQ4SoYtHSuEvzVaVOSV/Ps9F8+kC26AIgM3OcLRV4Qi9NaAuKqVTNnYMFuiNe1EJtNYvmMAg0Rlc="
)
META_DATA = "eyJhcHAiOiAib3JkZXJzIn0="  # {"app": "orders"}
DOCUMENTS = "Documentation"


class Example(Record):
    """A body, and the keys that make it work: bodies of POST /v1/key, or of an import where they hold the key."""

    name: str
    body: Json
    keys: tuple[Json, ...] = ()


class Described(Record):
    """Of one row. `answer`: the type of the body, or the media types of a body that is no JSON.

    `keys` make a row without a body work with the example values of its path parameters.
    """

    tag: str
    summary: str
    answer: Any
    examples: tuple[Example, ...] = ()
    keys: tuple[Json, ...] = ()
    values: Mapping[str, str] = {}  # of path parameters, where they are not those of PARAMETERS
