"""The same of the rows of certificates."""

from types import MappingProxyType

from hsmgate.api.openapi.words import (
    CERTIFIED_KEY,
    EC_KEY,
    META_DATA,
    OTHERS_CERTIFICATE,
    OTHERS_REQUEST,
    Described,
    Example,
    Json,
)
from hsmgate.api.wire.certificates import CertificateAnswer, CsrAnswer, KeyCertificateAnswer
from hsmgate.api.wire.requests import SignRequestId

_TAG = "Certificates"
_WHO: Json = {"signKeyName": "orders", "signatureAlgorithm": "SHA256_WITH_ECDSA"}
_REQUEST: Json = {
    **_WHO,
    "standardCertificateAttributes": {
        "commonName": "orders.example.com",
        "organizationName": "Example",
        "country": "CH",
    },
    "keyUsage": ["DIGITAL_SIGNATURE"],
    "extendedKeyUsage": ["SERVER_AUTH"],
    "subjectAlternativeNames": [{"sanType": "DNS", "sanValue": "orders.example.com"}],
}
_SELF: Json = {
    **_WHO,
    "validity": 365,
    "commonName": "Orders authority",
    "certificateAuthority": True,
    "keyUsage": ["KEY_CERT_SIGN", "CRL_SIGN"],
}
_SIGN: Json = {
    "signKeyName": "authority",
    "signatureAlgorithm": "EDDSA",
    "validity": 90,
    "certificateSigningRequest": OTHERS_REQUEST,
    "keyUsage": ["DIGITAL_SIGNATURE"],
    "extendedKeyUsage": ["CLIENT_AUTH"],
}
_LATER: Json = {"metaData": META_DATA, "metaDataSignature": None}

DESCRIBED_CERTIFICATES: MappingProxyType[str, Described] = MappingProxyType(
    {
        "POST /v1/certificate/synchronous/request": Described(
            _TAG, "A certification request of a key", CsrAnswer, (Example("Of a TLS server", _REQUEST, (EC_KEY,)),)
        ),
        "POST /v1/certificate/synchronous/request/download": Described(
            _TAG,
            "The same as a file",
            ("application/x-pem-file",),
            (Example("Of a TLS server", _REQUEST, (EC_KEY,)),),
        ),
        "POST /v1/certificate/synchronous/selfsign": Described(
            _TAG,
            "A certificate of a key for itself",
            CertificateAnswer,
            (Example("Of an authority", _SELF, (EC_KEY,)),),
        ),
        "POST /v1/certificate/synchronous/create/selfSigned": Described(
            _TAG,
            "The same under its older path",
            CertificateAnswer,
            (Example("Of an authority", _SELF, (EC_KEY,)),),
        ),
        "POST /v1/certificate/synchronous/sign": Described(
            _TAG,
            "A certificate for a request, by an authority's key",
            CertificateAnswer,
            (Example("Of a TLS client", _SIGN, (CERTIFIED_KEY,)),),
        ),
        "POST /v1/certificate/import/plain": Described(
            _TAG,
            "Give a key a certificate from elsewhere",
            CertificateAnswer,
            (Example("A renewed one", {"label": "authority", "certificate": OTHERS_CERTIFICATE}, (CERTIFIED_KEY,)),),
        ),
        "GET /v1/certificate/{keyName}": Described(
            _TAG,
            "The certificate of a key",
            KeyCertificateAnswer,
            keys=(CERTIFIED_KEY,),
            values={"keyName": "authority"},
        ),
        "DELETE /v1/certificate/{keyName}": Described(
            _TAG,
            "Remove the certificate of a key",
            dict[str, str],
            keys=(CERTIFIED_KEY,),
            values={"keyName": "authority"},
        ),
        "POST /v1/certificate/request": Described(
            "Requests",
            "A certification request of a key, and ask for it later",
            SignRequestId,
            (Example("Of a TLS server", {"csrSignRequest": {**_REQUEST, **_LATER}}, (EC_KEY,)),),
        ),
        "POST /v1/certificate/sign": Described(
            "Requests",
            "A certificate for a request, by an authority's key, and ask for it later",
            SignRequestId,
            (Example("Of a TLS client", {"signCertificateRequest": {**_SIGN, **_LATER}}, (CERTIFIED_KEY,)),),
        ),
        "POST /v1/certificate/selfsign": Described(
            "Requests",
            "A certificate of a key for itself, and ask for it later",
            SignRequestId,
            (Example("Of an authority", {"selfSignCertificateRequest": {**_SELF, **_LATER}}, (EC_KEY,)),),
        ),
    }
)
