"""The table of endpoints that drives both flavours of the client."""

from enum import Enum
from typing import Any, Generic, TypeVar

from hsmgate.client import certificate_shapes, key_shapes, request_shapes, shapes
from hsmgate.record import Record

T = TypeVar("T")


class Role(Enum):
    """The API key that an endpoint takes; values are fields of ApiKeys."""

    KEY_MANAGEMENT = "key_management"
    KEY_OPERATION = "key_operation"
    SERVICE = "service"
    NONE = ""


class Endpoint(Record, Generic[T]):
    """A row. `answer`: what its body is, bytes where that is no JSON. `repeatable`: asking twice changes nothing."""

    method: str
    path: str  # `{...}` stands for one segment
    role: Role
    answer: type[T]
    repeatable: bool = False
    signable: bool = False  # its body holds one object, beside which a signature may stand

    @property
    def action(self) -> str:
        return f"{self.method} {self.path}"


VERSION = Endpoint("GET", "/v1/versionInfo", Role.SERVICE, shapes.VersionInfo, repeatable=True)
LICENCE = Endpoint("GET", "/v1/licenseInfo", Role.SERVICE, shapes.LicenseInfo, repeatable=True)
STATISTICS = Endpoint("GET", "/v1/keystore/statistics", Role.SERVICE, shapes.KeystoreStatistics, repeatable=True)
LOG = Endpoint("GET", "/v1/hsm/log", Role.SERVICE, bytes, repeatable=True)
RANDOM = Endpoint("GET", "/v1/generateRandom/{length}", Role.KEY_OPERATION, shapes.RandomOctets, repeatable=True)
HEALTH = Endpoint("GET", "/actuator/health", Role.NONE, shapes.Health, repeatable=True)
LIST_KEYS = Endpoint("GET", "/v1/key", Role.KEY_MANAGEMENT, list[str], repeatable=True)
CREATE_KEY = Endpoint("POST", "/v1/key", Role.KEY_MANAGEMENT, shapes.SignedAttributes)
KEY = Endpoint("POST", "/v1/key/attributes", Role.KEY_MANAGEMENT, shapes.SignedAttributes, repeatable=True)
ADDRESS = Endpoint("POST", "/v1/key/address", Role.KEY_MANAGEMENT, key_shapes.KeyAddress, repeatable=True)
DELETE_KEY = Endpoint("POST", "/v1/key/deleteKey", Role.KEY_MANAGEMENT, shapes.Nothing)
ATTESTATION_KEY = Endpoint(
    "GET", "/v1/attestation/{keyName}", Role.KEY_MANAGEMENT, shapes.AttestationKey, repeatable=True
)
SIGN = Endpoint("POST", "/v1/synchronousSign", Role.KEY_OPERATION, shapes.Signed, signable=True)
VERIFY = Endpoint("POST", "/v1/verify", Role.KEY_OPERATION, shapes.Verified, repeatable=True, signable=True)
ENCRYPT = Endpoint("POST", "/v1/encrypt", Role.KEY_OPERATION, shapes.Encrypted, signable=True)
DECRYPT = Endpoint("POST", "/v1/synchronousDecrypt", Role.KEY_OPERATION, shapes.Decrypted, signable=True)
HMAC = Endpoint("POST", "/v1/synchronousHmac", Role.KEY_OPERATION, key_shapes.Hmac, signable=True)
WRAP = Endpoint("POST", "/v1/wrap", Role.KEY_OPERATION, key_shapes.Wrapped, signable=True)
UNWRAP = Endpoint("POST", "/v1/synchronousUnwrap", Role.KEY_OPERATION, shapes.SignedAttributes, signable=True)
BLOCK = Endpoint("POST", "/v1/synchronousBlock", Role.KEY_OPERATION, shapes.Nothing, signable=True)
UNBLOCK = Endpoint("POST", "/v1/synchronousUnblock", Role.KEY_OPERATION, shapes.Nothing, signable=True)
MODIFY = Endpoint("POST", "/v1/synchronousModify", Role.KEY_MANAGEMENT, shapes.Nothing, signable=True)
IMPORT = Endpoint("POST", "/v1/key/import/plain", Role.KEY_MANAGEMENT, shapes.SignedAttributes)
EXPORT = Endpoint("POST", "/v1/key/export/plain", Role.KEY_MANAGEMENT, key_shapes.Exported)
CHANGE_PASSWORD = Endpoint("POST", "/v1/key/changePassword", Role.KEY_MANAGEMENT, shapes.Nothing)
REQUEST_CERTIFICATE = Endpoint(
    "POST", "/v1/certificate/synchronous/request", Role.KEY_MANAGEMENT, certificate_shapes.CertificateRequest
)
SELF_SIGN = Endpoint(
    "POST", "/v1/certificate/synchronous/selfsign", Role.KEY_MANAGEMENT, certificate_shapes.Certificate
)
SIGN_CERTIFICATE = Endpoint(
    "POST", "/v1/certificate/synchronous/sign", Role.KEY_MANAGEMENT, certificate_shapes.Certificate
)
IMPORT_CERTIFICATE = Endpoint(
    "POST", "/v1/certificate/import/plain", Role.KEY_MANAGEMENT, certificate_shapes.Certificate
)
CERTIFICATE = Endpoint(
    "GET", "/v1/certificate/{keyName}", Role.KEY_MANAGEMENT, certificate_shapes.KeyCertificate, repeatable=True
)
DELETE_CERTIFICATE = Endpoint("DELETE", "/v1/certificate/{keyName}", Role.KEY_MANAGEMENT, shapes.Nothing)
SUBMIT_CERTIFICATE_REQUEST = Endpoint(
    "POST", "/v1/certificate/request", Role.KEY_MANAGEMENT, request_shapes.SignRequestId, signable=True
)
SUBMIT_SELF_SIGN = Endpoint(
    "POST", "/v1/certificate/selfsign", Role.KEY_MANAGEMENT, request_shapes.SignRequestId, signable=True
)
SUBMIT_SIGN_CERTIFICATE = Endpoint(
    "POST", "/v1/certificate/sign", Role.KEY_MANAGEMENT, request_shapes.SignRequestId, signable=True
)
SUBMIT_SIGN = Endpoint("POST", "/v1/sign", Role.KEY_OPERATION, request_shapes.SignRequestId, signable=True)
SUBMIT_DECRYPT = Endpoint("POST", "/v1/decrypt", Role.KEY_OPERATION, request_shapes.DecryptRequestId, signable=True)
SUBMIT_UNWRAP = Endpoint("POST", "/v1/unwrap", Role.KEY_OPERATION, request_shapes.UnwrapRequestId, signable=True)
SUBMIT_MODIFY = Endpoint("POST", "/v1/modify", Role.KEY_MANAGEMENT, request_shapes.ModifyKeyRequestId, signable=True)
SUBMIT_BLOCK = Endpoint("POST", "/v1/block", Role.KEY_OPERATION, request_shapes.BlockKeyRequestId, signable=True)
SUBMIT_UNBLOCK = Endpoint("POST", "/v1/unblock", Role.KEY_OPERATION, request_shapes.UnblockKeyRequestId, signable=True)
REQUEST = Endpoint("GET", "/v1/request/{id}", Role.KEY_OPERATION, request_shapes.RequestState, repeatable=True)
WITHDRAW = Endpoint("DELETE", "/v1/request/{id}", Role.KEY_OPERATION, shapes.Nothing)
REQUESTS = Endpoint(
    "POST", "/v1/filteredRequests", Role.KEY_OPERATION, request_shapes.FilteredRequests, repeatable=True
)

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    VERSION,
    LICENCE,
    STATISTICS,
    LOG,
    RANDOM,
    HEALTH,
    LIST_KEYS,
    CREATE_KEY,
    KEY,
    ADDRESS,
    DELETE_KEY,
    ATTESTATION_KEY,
    SIGN,
    VERIFY,
    ENCRYPT,
    DECRYPT,
    HMAC,
    WRAP,
    UNWRAP,
    BLOCK,
    UNBLOCK,
    MODIFY,
    IMPORT,
    EXPORT,
    CHANGE_PASSWORD,
    REQUEST_CERTIFICATE,
    SELF_SIGN,
    SIGN_CERTIFICATE,
    IMPORT_CERTIFICATE,
    CERTIFICATE,
    DELETE_CERTIFICATE,
    SUBMIT_CERTIFICATE_REQUEST,
    SUBMIT_SELF_SIGN,
    SUBMIT_SIGN_CERTIFICATE,
    SUBMIT_SIGN,
    SUBMIT_DECRYPT,
    SUBMIT_UNWRAP,
    SUBMIT_MODIFY,
    SUBMIT_BLOCK,
    SUBMIT_UNBLOCK,
    REQUEST,
    WITHDRAW,
    REQUESTS,
)
