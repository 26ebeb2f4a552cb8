"""A client for hsmgate, and for what speaks the same contract: synchronous and for asyncio.

Needs httpx2, which the extra `hsmgate[client]` brings. Nothing of the service is imported.
"""

from hsmgate.client.access import ApiKeys
from hsmgate.client.certificate_operations import CertificateContent
from hsmgate.client.certificate_shapes import AlternativeName, Certificate, CertificateRequest, KeyCertificate, Subject
from hsmgate.client.errors import RequestFailed
from hsmgate.client.identity import P12, Identity, Pem
from hsmgate.client.key_shapes import Exported, Hmac, KeyAddress, NewRules, Wrapped
from hsmgate.client.request_shapes import (
    BlockKeyRequestId,
    DecryptRequestId,
    FilteredRequests,
    ModifyKeyRequestId,
    RequestState,
    SignRequestId,
    UnblockKeyRequestId,
    UnwrapRequestId,
)
from hsmgate.client.shapes import (
    Approval,
    AttestationKey,
    Attributes,
    Decrypted,
    Encrypted,
    Group,
    Health,
    KeyAttributes,
    KeyJson,
    KeyStatus,
    KeystoreStatistics,
    LicenseInfo,
    Policy,
    RandomOctets,
    Rule,
    Signed,
    SignedAttributes,
    Token,
    Verified,
    VersionInfo,
)

try:
    from hsmgate.client.flavours import AsyncClient, Client
except ModuleNotFoundError as missing:
    if missing.name != "httpx2":
        raise
    raise ModuleNotFoundError("hsmgate.client needs httpx2: pip install 'hsmgate[client]'", name="httpx2") from None

__all__ = [
    "P12",
    "AlternativeName",
    "ApiKeys",
    "Approval",
    "AsyncClient",
    "AttestationKey",
    "Attributes",
    "BlockKeyRequestId",
    "Certificate",
    "CertificateContent",
    "CertificateRequest",
    "Client",
    "DecryptRequestId",
    "Decrypted",
    "Encrypted",
    "Exported",
    "FilteredRequests",
    "Group",
    "Health",
    "Hmac",
    "Identity",
    "KeyAddress",
    "KeyAttributes",
    "KeyCertificate",
    "KeyJson",
    "KeyStatus",
    "KeystoreStatistics",
    "LicenseInfo",
    "ModifyKeyRequestId",
    "NewRules",
    "Pem",
    "Policy",
    "RandomOctets",
    "RequestFailed",
    "RequestState",
    "Rule",
    "SignRequestId",
    "Signed",
    "SignedAttributes",
    "Subject",
    "Token",
    "UnblockKeyRequestId",
    "UnwrapRequestId",
    "Verified",
    "VersionInfo",
    "Wrapped",
]
