"""The same of the rows that authenticate, wrap, change, import and export, at once or as requests."""

from types import MappingProxyType

from hsmgate.api.openapi.words import (
    EC_KEY,
    GUARDED_KEY,
    GUARDING_KEY,
    HMAC_KEY,
    IMPORTED_KEY,
    META_DATA,
    OPEN_KEY,
    PAYLOAD,
    RULED_KEY,
    TRAVELLING_KEY,
    Described,
    Example,
)
from hsmgate.api.wire.keys import SignedAttributes
from hsmgate.api.wire.macs import HmacAnswer
from hsmgate.api.wire.material import ExportAnswer
from hsmgate.api.wire.requests import BlockKeyRequestId, ModifyKeyRequestId, UnblockKeyRequestId, UnwrapRequestId
from hsmgate.api.wire.wrapping import WrapAnswer

_WRAP = {"keyToBeWrapped": "travels", "wrapKeyName": "guard", "wrapMethod": "AES_WRAP_PAD_EC"}
_UNWRAP = {
    "wrappedKey": "ZOjD+c4PW6Jj6Xd5BYGKKpPIGR59born",  # of RFC 3394
    "label": "arrived",
    "attributes": {"decrypt": True, "destroyable": True},
    "unwrapKeyName": "brought",
    "wrapMethod": "AES_WRAP",
}
_LOCK = {"timelock": 60, "timeout": 0}
_BLOCK, _UNBLOCK = {"blockKeyName": "ruled"}, {"unblockKeyName": "ruled"}
_MODIFY = {"modifyKeyName": "ruled", "policy": {"ruleBlock": {"tokens": [_LOCK]}}}
_WITH_META = {"metaData": META_DATA, "metaDataSignature": None}

DESCRIBED_KEYS: MappingProxyType[str, Described] = MappingProxyType(
    {
        "POST /v1/synchronousHmac": Described(
            "Operations",
            "The HMAC of a payload",
            HmacAnswer,
            (Example("HMAC with SHA-256", {"hmacRequest": {"keyName": "mac", "payload": PAYLOAD}}, (HMAC_KEY,)),),
        ),
        "POST /v1/wrap": Described(
            "Operations",
            "Encrypt one key with another",
            WrapAnswer,
            (Example("A private key under AES", {"wrapKeyRequest": _WRAP}, (TRAVELLING_KEY, GUARDING_KEY)),),
        ),
        "POST /v1/synchronousUnwrap": Described(
            "Operations",
            "Make a key of a wrapped one",
            SignedAttributes,
            (Example("A secret key under AES", {"unwrapKeyRequest": _UNWRAP}, (IMPORTED_KEY,)),),
        ),
        "POST /v1/synchronousBlock": Described(
            "Operations",
            "Block a key that has a policy",
            dict[str, str],
            (Example("A key whose rules are free", {"blockRequest": _BLOCK}, (RULED_KEY,)),),
        ),
        "POST /v1/synchronousUnblock": Described(
            "Operations",
            "Unblock a key that has a policy",
            dict[str, str],
            (Example("A key whose rules are free", {"unblockRequest": _UNBLOCK}, (RULED_KEY,)),),
        ),
        "POST /v1/synchronousModify": Described(
            "Operations",
            "Change the rules of a policy",
            dict[str, str],
            (Example("Blocking waits a minute from now on", {"modifyRequest": _MODIFY}, (RULED_KEY,)),),
        ),
        "POST /v1/key/import/plain": Described(
            "Keys", "Make a key of one from elsewhere", SignedAttributes, (Example("An AES key", IMPORTED_KEY),)
        ),
        "POST /v1/key/export/plain": Described(
            "Keys",
            "The key itself, if it may leave",
            ExportAnswer,
            (Example("A key without a password", {"label": "open"}, (OPEN_KEY,)),),
        ),
        "GET /v1/key/{keyName}/export/plain": Described(
            "Keys",
            "The key itself, if it may leave and has no password",
            ExportAnswer,
            keys=(OPEN_KEY,),
            values={"keyName": "open"},
        ),
        "POST /v1/key/changePassword": Described(
            "Keys",
            "Change, set or remove a key's password",
            dict[str, str],
            (Example("A key's first", {"label": "orders", "newPassword": GUARDED_KEY["password"]}, (EC_KEY,)),),
        ),
        "POST /v1/unwrap": Described(
            "Requests",
            "Make a key of a wrapped one, and ask later whether it is there",
            UnwrapRequestId,
            (
                Example(
                    "A secret key under AES",
                    {"unwrapKeyRequest": _UNWRAP | _WITH_META | {"label": "arrived-later"}},
                    (IMPORTED_KEY,),
                ),
            ),
        ),
        "POST /v1/modify": Described(
            "Requests",
            "Change the rules of a policy, and ask later whether they are",
            ModifyKeyRequestId,
            (Example("Blocking waits a minute from now on", {"modifyRequest": _MODIFY | _WITH_META}, (RULED_KEY,)),),
        ),
        "POST /v1/block": Described(
            "Requests",
            "Block a key that has a policy, and ask later whether it is",
            BlockKeyRequestId,
            (Example("A key whose rules are free", {"blockRequest": _BLOCK | _WITH_META}, (RULED_KEY,)),),
        ),
        "POST /v1/unblock": Described(
            "Requests",
            "Unblock a key that has a policy, and ask later whether it is",
            UnblockKeyRequestId,
            (Example("A key whose rules are free", {"unblockRequest": _UNBLOCK | _WITH_META}, (RULED_KEY,)),),
        ),
    }
)
