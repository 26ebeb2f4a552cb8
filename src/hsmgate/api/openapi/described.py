"""What the table of endpoints does not say of its rows: in words, what they answer, and examples that work."""

from types import MappingProxyType
from typing import Any

from hsmgate.api.openapi.described_certificates import DESCRIBED_CERTIFICATES
from hsmgate.api.openapi.described_keys import DESCRIBED_KEYS
from hsmgate.api.openapi.words import (
    ADDRESSED_KEY,
    AES_KEY,
    DOCUMENTS,
    EC_KEY,
    GUARDED_KEY,
    HMAC_KEY,
    META_DATA,
    OTHERS_SIGNATURE,
    PAYLOAD,
    RSA_KEY,
    RULED_KEY,
    Described,
    Example,
    Json,
)
from hsmgate.api.problems import ErrorBody
from hsmgate.api.wire.ciphers import DecryptAnswer, EncryptAnswer
from hsmgate.api.wire.keys import KeyAddress, SignedAttributes
from hsmgate.api.wire.operations import SignAnswer, VerifyAnswer
from hsmgate.api.wire.pages import SwaggerConfig
from hsmgate.api.wire.requests import DecryptRequestId, FilteredRequests, RequestAnswer, SignRequestId
from hsmgate.api.wire.service import (
    AttestationKey,
    Health,
    KeystoreStatistics,
    LicenseInfo,
    RandomOctets,
    VersionInfo,
)
from hsmgate.usecases.find import LONGEST_LABEL
from hsmgate.usecases.service import MOST_RANDOM

PARAMETERS: MappingProxyType[str, Json] = MappingProxyType(
    {
        "keyName": {
            "description": "The name of a key, percent-encoded",
            "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_LABEL},
            "example": "orders",
        },
        "id": {
            "description": "The id of a request, as its submission was answered",
            "schema": {"type": "string", "minLength": 1, "maxLength": 64},
            "example": "5b0b4a0e-6f0a-4f53-9d0e-0f6c7f1f2a11",
        },
        "length": {
            "description": "How many octets",
            "schema": {"type": "integer", "minimum": 1, "maximum": MOST_RANDOM},
            "example": 32,
        },
    }
)

_SIGN = {"signKeyName": "orders", "payload": PAYLOAD, "signatureAlgorithm": "SHA256_WITH_ECDSA"}
_ENCRYPT = {"encryptKeyName": "vault", "payload": PAYLOAD}
_DECRYPT = {
    "decryptKeyName": "vault",
    "encryptedPayload": PAYLOAD,
    "cipherAlgorithm": "AES_CTR",
    "initializationVector": "AAECAwQFBgcICQoLDA0ODw==",
}
_PAGING = {"pageNumber": 0, "pageSize": 25, "sortOrder": "CREATION_DATE_DESC"}
_PAGE = Described(DOCUMENTS, "This description as a page to try out", ("text/html",))

DESCRIBED: MappingProxyType[str, Described] = MappingProxyType(
    {
        "GET /v1/versionInfo": Described("Service", "The version of the API", VersionInfo),
        "GET /v1/licenseInfo": Described("Service", "What may be used", LicenseInfo),
        "GET /v1/keystore/statistics": Described("Service", "How many keys there are", KeystoreStatistics),
        "GET /v1/hsm/log": Described("Service", "The end of the audit trail", ("text/plain",)),
        "GET /v1/hsm/log/download": Described("Service", "More of the audit trail, as a file", ("text/plain",)),
        "GET /v1/generateRandom/{length}": Described("Service", "Random octets of the keystore", RandomOctets),
        "POST /v1/key": Described(
            "Keys",
            "Make a key",
            SignedAttributes,
            (
                Example("An RSA key that signs", RSA_KEY),
                Example("A P-256 key that signs", EC_KEY),
                Example("An AES key", AES_KEY),
                Example("A key with a password", GUARDED_KEY),
                Example("A key with a policy, whose rules are all free", RULED_KEY),
                Example("A key with a Bitcoin address", ADDRESSED_KEY),
            ),
        ),
        "GET /v1/key": Described("Keys", "The names of all keys", list[str]),
        "POST /v1/key/attributes": Described(
            "Keys",
            "The signed attributes of a key",
            SignedAttributes,
            (
                Example("A key without a password", {"label": "orders"}, (EC_KEY,)),
                Example(
                    "A key with a password",
                    {"label": "guarded", "password": GUARDED_KEY["password"]},
                    (GUARDED_KEY,),
                ),
            ),
        ),
        "GET /v1/key/{keyName}/attributes": Described(
            "Keys", "The signed attributes of a key that has no password", SignedAttributes, keys=(EC_KEY,)
        ),
        "POST /v1/key/address": Described(
            "Keys",
            "The address of a key on a block chain, without checksum and prefix",
            KeyAddress,
            (Example("A Bitcoin address", {"label": "coins"}, (ADDRESSED_KEY,)),),
        ),
        "GET /v1/key/{keyName}/address": Described(
            "Keys",
            "The address of a key that has no password",
            KeyAddress,
            keys=(ADDRESSED_KEY,),
            values={"keyName": "coins"},
        ),
        "POST /v1/key/deleteKey": Described(
            "Keys",
            "Destroy a key",
            dict[str, str],
            (Example("A key without a password", {"label": "orders"}, (EC_KEY,)),),
        ),
        "DELETE /v1/key/{keyName}": Described(
            "Keys", "Destroy a key that has no password", dict[str, str], keys=(EC_KEY,)
        ),
        "GET /v1/attestation/{keyName}": Described(
            "Keys",
            "The public key that attestations verify under",
            AttestationKey,
            values={"keyName": "attestation-key"},
        ),
        "POST /v1/synchronousSign": Described(
            "Operations",
            "Sign a payload",
            SignAnswer,
            (
                Example("ECDSA with P-256", {"signRequest": _SIGN}, (EC_KEY,)),
                Example(
                    "RSA-PSS",
                    {"signRequest": {**_SIGN, "signatureAlgorithm": "SHA256_WITH_RSA_PSS"}},
                    (RSA_KEY,),
                ),
                Example(
                    "A payload in hex digits, and a raw signature",
                    {
                        "signRequest": {
                            **_SIGN,
                            "payload": "70617920313020746f20416c696365",
                            "payloadType": "HEX",
                            "signatureType": "RAW",
                        }
                    },
                    (EC_KEY,),
                ),
                Example(
                    "A key with a password",
                    {"signRequest": {**_SIGN, "signKeyName": "guarded", "keyPassword": GUARDED_KEY["password"]}},
                    (GUARDED_KEY,),
                ),
            ),
        ),
        "POST /v1/verify": Described(
            "Operations",
            "Check a signature, or the code of an HMAC key",
            VerifyAnswer,
            (
                Example(
                    "Somebody else's signature: the answer is false",
                    {"verifySignatureRequest": {**_SIGN, "signature": OTHERS_SIGNATURE}},
                    (EC_KEY,),
                ),
                Example(
                    "A code that is none: the answer is false",
                    {"verifyHmacRequest": {"keyName": "mac", "payload": PAYLOAD, "signature": PAYLOAD}},
                    (HMAC_KEY,),
                ),
            ),
        ),
        "POST /v1/encrypt": Described(
            "Operations",
            "Encrypt a payload",
            EncryptAnswer,
            (
                Example("AES-GCM", {"encryptRequest": {**_ENCRYPT, "cipherAlgorithm": "AES_GCM"}}, (AES_KEY,)),
                Example("AES-CTR", {"encryptRequest": {**_ENCRYPT, "cipherAlgorithm": "AES_CTR"}}, (AES_KEY,)),
            ),
        ),
        "POST /v1/synchronousDecrypt": Described(
            "Operations",
            "Decrypt a ciphertext",
            DecryptAnswer,
            (Example("AES-CTR, where every ciphertext has a payload", {"decryptRequest": _DECRYPT}, (AES_KEY,)),),
        ),
        **DESCRIBED_KEYS,
        **DESCRIBED_CERTIFICATES,
        "POST /v1/sign": Described(
            "Requests",
            "Sign a payload, and ask for the signature later",
            SignRequestId,
            (
                Example("ECDSA with P-256", {"signRequest": _SIGN, "requestSignature": None}, (EC_KEY,)),
                Example(
                    "With metadata of the caller",
                    {"signRequest": {**_SIGN, "metaData": META_DATA, "metaDataSignature": None}},
                    (EC_KEY,),
                ),
            ),
        ),
        "POST /v1/decrypt": Described(
            "Requests",
            "Decrypt a ciphertext, and ask for the payload later",
            DecryptRequestId,
            (
                Example(
                    "AES in CTR mode",
                    {"decryptRequest": {**_DECRYPT, "metaData": META_DATA}},
                    (AES_KEY,),
                ),
            ),
        ),
        "POST /v1/rotate": Described("Keys", "Named by the contract and not specified: refused", ErrorBody),
        "GET /v1/xpub/{keyName}": Described("Keys", "Named by the contract and not specified: refused", ErrorBody),
        "GET /v1/request/{id}": Described("Requests", "How a request stands", RequestAnswer),
        "DELETE /v1/request/{id}": Described("Requests", "Cancel a request, or remove one", dict[str, str]),
        "POST /v1/filteredRequests": Described(
            "Requests",
            "Requests by their state",
            FilteredRequests,
            (
                Example("All", {}),
                Example("Open ones, the newest first", {"status": ["PENDING"], "paging": _PAGING}),
            ),
        ),
        "GET /v1/filteredRequests": Described("Requests", "Requests by their state", FilteredRequests),
        "GET /actuator/health": Described("Service", "Whether the keystore answers", Health),
        "GET /": _PAGE,
        "GET /swagger-ui": _PAGE,
        "GET /swagger-ui/index.html": _PAGE,
        "GET /swagger-ui/{file}": Described(
            DOCUMENTS, "A file of the page", ("text/css", "text/javascript", "image/png")
        ),
        "GET /v3/api-docs": Described(DOCUMENTS, "This description", dict[str, Any]),
        "GET /v3/api-docs/swagger-config": Described(DOCUMENTS, "What the page shows", SwaggerConfig),
    }
)
