"""The one exception of the house. What its reasons look like on the wire stands in api/problems.py."""

from enum import Enum, auto


class Reason(Enum):
    """Why something was refused or failed. Every member has exactly one row in api/problems.py."""

    # the gate
    NO_CERTIFICATE = auto()  # the peer presented none and one is needed
    UNTRUSTED = auto()  # no path to an issuer, no pin
    EXPIRED = auto()  # the certificate or one above it is expired or not yet valid
    UNSUPPORTED_CERTIFICATE = auto()  # usage, criticality, constraint or form that we do not accept
    WEAK_CERTIFICATE = auto()  # key or signature below the accepted strength
    BAD_CERTIFICATE = auto()  # signature wrong or not parseable
    NOT_ALLOWED = auto()  # this caller may not call this
    MISSING_TOKEN = auto()  # JWTs are on and the request has none
    INVALID_TOKEN = auto()
    MISSING_API_KEY = auto()  # API keys are on and the request has none
    INVALID_API_KEY = auto()  # unknown, or of another role
    CROSS_SITE = auto()  # a browser request from a foreign site, or a foreign Host
    # revocation
    REVOKED = auto()
    STATUS_UNKNOWN = auto()  # the responder does not know the certificate
    OCSP_NO_ANSWER = auto()  # connect, time-out, 5xx, tryLater: the only case that on-failure: allow covers
    OCSP_HTTP = auto()  # an HTTP answer that is none: 204, 3xx, 4xx, other content, too long
    OCSP_UNSUCCESSFUL = auto()  # a status other than successful and tryLater
    OCSP_MALFORMED = auto()
    OCSP_MISMATCH = auto()  # no answer for this certificate and issuer
    OCSP_CONFLICT = auto()  # answers for this certificate that disagree
    OCSP_STALE = auto()  # past nextUpdate or older than max-age
    OCSP_TIME = auto()  # times from the future, or nextUpdate before thisUpdate
    OCSP_SIGNATURE = auto()
    OCSP_WEAK = auto()  # SHA-1, MD5 or a short key
    OCSP_RESPONDER = auto()  # signed by one who may not answer for this issuer
    OCSP_NONCE = auto()
    OCSP_CRITICAL = auto()  # a critical extension that we do not act on
    OCSP_ADDRESS = auto()  # a responder's URL or address that is never asked
    OCSP_NO_ISSUER = auto()  # the issuer of a certificate cannot be proven, so no CertID can be made
    OCSP_NO_RESPONDER = auto()  # a responder is required and none is named, or none usable
    # the request
    NO_SUCH_PATH = auto()
    METHOD_NOT_ALLOWED = auto()
    UNSUPPORTED_MEDIA_TYPE = auto()
    BODY_TOO_LARGE = auto()
    HEADER_TOO_LARGE = auto()
    REQUEST_TIMEOUT = auto()
    BAD_REQUEST = auto()  # not HTTP
    INVALID_JSON = auto()
    INVALID_INPUT = auto()
    INVALID_ENCODING = auto()
    INVALID_PAYLOAD = auto()
    INVALID_NUMBER = auto()  # out of range
    INVALID_TAG_LENGTH = auto()
    INVALID_KEY_SIZE = auto()
    INVALID_KEY_NAME = auto()
    INVALID_ATTRIBUTES = auto()
    KEY_ENCODING = auto()  # a key inside a request that cannot be read, or is not sound
    CERTIFICATE_ENCODING = auto()
    CSR_ENCODING = auto()
    INVALID_CERTIFICATE_REQUEST = auto()  # what a certificate shall say, or who asks for it
    INVALID_CERTIFICATE = auto()  # a certificate inside a request, e.g. in a policy
    UNSUPPORTED_APPROVER_KEY = auto()
    APPROVER_NOT_FOUND = auto()
    UNSUPPORTED_ADDRESS_FORMAT = auto()
    ADDRESS_NEEDS_POLICY = auto()
    # keys
    KEY_NOT_FOUND = auto()
    KEY_EXISTS = auto()
    KEY_PASSWORD_MISMATCH = auto()
    KEY_FORBIDS = auto()  # an attribute of the key forbids the operation
    INVALID_KEY_TYPE = auto()
    ALGORITHM_NOT_FOR_KEY = auto()
    KEY_BLOCKED = auto()
    APPROVALS_MISSING = auto()
    UNSUPPORTED_OPERATION = auto()  # not for keys of this sort
    UNWRAP_FAILED = auto()  # whatever is wrong; the contract has one answer
    TOO_MANY_GUESSES = auto()  # of the passwords of keys
    DECRYPT_FAILED = auto()  # wrong tag, padding or key: which one is never told
    SIGNATURE_INVALID = auto()  # a verdict; the verify endpoint turns it into false
    REQUEST_SIGNER_NOT_ALLOWED = auto()  # requests must be signed, by others than this
    NOT_IMPLEMENTED = auto()
    REQUEST_NOT_FOUND = auto()  # one that is answered later
    # around
    CONFIG_INVALID = auto()
    CONFIG_MISSING = auto()
    STORE_UNREADABLE = auto()  # a truststore or key store that cannot be read
    STORE_UNSUPPORTED = auto()  # a store format, or an edit, that we refuse
    CONNECTIVITY = auto()  # token, database or peer unreachable
    OVERLOADED = auto()
    AUDIT_UNAVAILABLE = auto()
    INTEGRITY = auto()  # a seal, chain or digest does not hold
    KEYSTORE = auto()  # the keystore refused
    INTERNAL = auto()


class Failure(Exception):  # noqa: N818 - the house's word for it
    """A refusal or failure: its reason, and one sentence for a person, without key material, PINs or secrets."""

    def __init__(self, reason: Reason, detail: str = "", evidence: object = None) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        self.evidence = evidence  # what proves a verdict, e.g. an OCSP answer that says revoked

    def __str__(self) -> str:
        return self.detail or self.reason.name.lower().replace("_", " ")
