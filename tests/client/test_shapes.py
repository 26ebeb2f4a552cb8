"""client/shapes.py and client/endpoints.py: what the service has, said a second time, is held to the first."""

from typing import Any, get_args

import msgspec
import pytest

from hsmgate.api.problems import ErrorBody
from hsmgate.api.routes import ROUTES, Route
from hsmgate.api.wire import (
    certificates,
    changes,
    ciphers,
    keys,
    macs,
    material,
    operations,
    policies,
    requests,
    service,
    wrapping,
)
from hsmgate.client import (
    AsyncClient,
    Client,
    certificate_operations,
    certificate_shapes,
    key_shapes,
    request_operations,
    request_shapes,
    shapes,
)
from hsmgate.client import operations as asked
from hsmgate.client.endpoints import ENDPOINTS, Role

WITHOUT = {  # rows of the service that the client needs no method for
    "GET /v1/key/{keyName}/attributes": "POST /v1/key/attributes takes a password and any name",
    "GET /v1/filteredRequests": "POST /v1/filteredRequests asks the same",
    "GET /v1/hsm/log/download": "GET /v1/hsm/log is the end of it",
    "GET /v1/key/{keyName}/export/plain": "POST /v1/key/export/plain takes a password and any name",
    "POST /v1/certificate/synchronous/request/download": "POST /v1/certificate/synchronous/request gives the same PEM",
    "POST /v1/certificate/synchronous/create/selfSigned": "an alias of POST /v1/certificate/synchronous/selfsign",
    "GET /v1/key/{keyName}/address": "POST /v1/key/address takes a password and any name",
    "DELETE /v1/key/{keyName}": "POST /v1/key/deleteKey takes a password and any name",
    "POST /v1/rotate": "the service does not implement it",
    "GET /v1/xpub/{keyName}": "the service does not implement it",
}
MIRRORED = {
    shapes.VersionInfo: service.VersionInfo,
    shapes.LicenseInfo: service.LicenseInfo,
    shapes.Health: service.Health,
    shapes.AttestationKey: service.AttestationKey,
    shapes.Approval: policies.ApprovalShape,
    shapes.Group: policies.GroupShape,
    shapes.Token: policies.TokenShape,
    shapes.Rule: policies.RuleShape,
    shapes.KeyStatus: policies.KeyStatusShape,
    shapes.Policy: policies.PolicyShape,
    shapes.Attributes: keys.RequestedAttributes,
    shapes.KeyAttributes: keys.ReportedAttributes,
    shapes.KeyJson: keys.KeyJson,
    shapes.SignedAttributes: keys.SignedAttributes,
    shapes.KeyBody: keys.KeyBody,
    shapes.AddressFormat: keys.AddressFormat,
    shapes.Address: keys.AddressTruncated,
    key_shapes.KeyAddress: keys.KeyAddress,
    shapes.Signed: operations.SignAnswer,
    shapes.SignBody: operations.SignBody,
    shapes.SignRequest: operations.SignRequest,
    shapes.Verified: operations.VerifyAnswer,
    shapes.VerifyBody: operations.VerifyBody,
    shapes.VerifySignatureRequest: operations.VerifySignatureRequest,
    shapes.CreateKeyBody: keys.CreateKeyBody,
    shapes.RandomOctets: service.RandomOctets,
    shapes.KeystoreStatistics: service.KeystoreStatistics,
    shapes.EncryptBody: ciphers.EncryptBody,
    shapes.EncryptRequest: ciphers.EncryptRequest,
    shapes.Encrypted: ciphers.EncryptAnswer,
    shapes.DecryptBody: ciphers.DecryptBody,
    shapes.DecryptRequest: ciphers.DecryptRequest,
    shapes.Decrypted: ciphers.DecryptAnswer,
    key_shapes.HmacBody: macs.HmacBody,
    key_shapes.HmacRequest: macs.HmacRequest,
    key_shapes.Hmac: macs.HmacAnswer,
    key_shapes.WrapBody: wrapping.WrapBody,
    key_shapes.WrapKeyRequest: wrapping.WrapKeyRequest,
    key_shapes.Wrapped: wrapping.WrapAnswer,
    key_shapes.UnwrapBody: wrapping.UnwrapBody,
    key_shapes.UnwrapKeyRequest: wrapping.UnwrapKeyRequest,
    key_shapes.BlockBody: changes.BlockBody,
    key_shapes.BlockRequest: changes.BlockRequest,
    key_shapes.UnblockBody: changes.UnblockBody,
    key_shapes.UnblockRequest: changes.UnblockRequest,
    key_shapes.NewRules: changes.NewRules,
    key_shapes.ModifyBody: changes.ModifyBody,
    key_shapes.ModifyRequest: changes.ModifyRequest,
    key_shapes.ImportBody: material.ImportBody,
    key_shapes.Exported: material.ExportAnswer,
    key_shapes.PasswordBody: changes.PasswordBody,
    certificate_shapes.Subject: certificates.StandardCertificateAttributes,
    certificate_shapes.AlternativeName: certificates.SubjectAlternativeName,
    certificate_shapes.CertificateFields: certificates.CsrBody,
    certificate_shapes.SignCertificateFields: certificates.SignCertificateBody,
    certificate_shapes.SubmittedFields: certificates.SubmittedSelfSign,
    certificate_shapes.SubmittedSignCertificate: certificates.SubmittedSignCertificate,
    certificate_shapes.SubmitCsrBody: certificates.SubmitCsrBody,
    certificate_shapes.SubmitSelfSignBody: certificates.SubmitSelfSignBody,
    certificate_shapes.SubmitSignCertificateBody: certificates.SubmitSignCertificateBody,
    certificate_shapes.ImportCertificateBody: certificates.ImportCertificateBody,
    certificate_shapes.CertificateRequest: certificates.CsrAnswer,
    certificate_shapes.Certificate: certificates.CertificateAnswer,
    certificate_shapes.KeyCertificate: certificates.KeyCertificateAnswer,
    request_shapes.SubmitSignBody: requests.SubmitSignBody,
    request_shapes.SubmittedDecryptRequest: requests.SubmittedDecryptRequest,
    request_shapes.SubmitDecryptBody: requests.SubmitDecryptBody,
    request_shapes.SubmittedUnwrapRequest: requests.SubmittedUnwrapRequest,
    request_shapes.SubmitUnwrapBody: requests.SubmitUnwrapBody,
    request_shapes.SubmittedModifyRequest: requests.SubmittedModifyRequest,
    request_shapes.SubmitModifyBody: requests.SubmitModifyBody,
    request_shapes.SubmittedBlockRequest: requests.SubmittedBlockRequest,
    request_shapes.SubmitBlockBody: requests.SubmitBlockBody,
    request_shapes.SubmittedUnblockRequest: requests.SubmittedUnblockRequest,
    request_shapes.SubmitUnblockBody: requests.SubmitUnblockBody,
    request_shapes.UnwrapRequestId: requests.UnwrapRequestId,
    request_shapes.ModifyKeyRequestId: requests.ModifyKeyRequestId,
    request_shapes.BlockKeyRequestId: requests.BlockKeyRequestId,
    request_shapes.UnblockKeyRequestId: requests.UnblockKeyRequestId,
    request_shapes.SignRequestId: requests.SignRequestId,
    request_shapes.DecryptRequestId: requests.DecryptRequestId,
    request_shapes.RequestState: requests.RequestAnswer,
    request_shapes.Paging: requests.PagingShape,
    request_shapes.FilterBody: requests.FilterBody,
    request_shapes.FilteredRequests: requests.FilteredRequests,
    shapes.ErrorBody: ErrorBody,
}
UNASKED = {  # members of requests that the client cannot set
    "request_signature", "verify_hmac_request", "sign_key_object", "signed_approvals", "context", "algorithm_oid",
    "derivation_value",
}  # fmt: skip
ROLES = {
    "keyManagementToken": Role.KEY_MANAGEMENT,
    "keyOperationToken": Role.KEY_OPERATION,
    "serviceToken": Role.SERVICE,
    "none": Role.NONE,
}


def members(shape: type[msgspec.Struct]) -> dict[str, str]:
    """Names in Python -> names on the wire."""
    return dict(zip(shape.__struct_fields__, shape.__struct_encode_fields__, strict=True))


@pytest.mark.parametrize(("ours", "theirs"), MIRRORED.items(), ids=lambda shape: shape.__name__)
def test_a_shape_has_the_members_of_the_services(ours: type[msgspec.Struct], theirs: type[msgspec.Struct]) -> None:
    lacking = {name: wire for name, wire in members(theirs).items() if name not in members(ours)}
    assert set(lacking) <= UNASKED, lacking
    assert {name: members(theirs).get(name) for name in members(ours)} == members(ours)


@pytest.mark.parametrize(
    "ours",
    [
        shapes.PayloadType,
        shapes.SignatureType,
        request_shapes.RequestStatus,
        request_shapes.SortOrder,
        certificate_shapes.SanType,
    ],
)
def test_choices_are_those_of_the_service(ours: Any) -> None:
    theirs = {
        shapes.PayloadType: operations.PayloadType,
        shapes.SignatureType: operations.SignatureType,
        request_shapes.RequestStatus: requests.Status,
        request_shapes.SortOrder: requests.SortOrder,
        certificate_shapes.SanType: certificates.SanType,
    }[ours]
    assert get_args(ours) == get_args(theirs)


def test_every_shape_is_held() -> None:
    ours = {
        one
        for module in (shapes, key_shapes, request_shapes, certificate_shapes)
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, msgspec.Struct)
    }
    assert {one.__name__ for one in ours - set(MIRRORED)} == {
        "WireRecord", "Nothing", "DerivedAttributes",
    }  # fmt: skip


def repeatable(route: Route) -> bool:
    return route.method == "GET" or route.action in {
        "POST /v1/key/attributes",
        "POST /v1/key/address",
        "POST /v1/verify",
        "POST /v1/filteredRequests",
    }


def test_the_client_has_every_endpoint() -> None:
    pages = {route.action for route in ROUTES if route.anonymous} - {"GET /actuator/health"}
    rows = [route for route in ROUTES if route.action not in pages]
    theirs = {route.action: (ROLES[route.role.value], repeatable(route)) for route in rows}
    ours = {endpoint.action: (endpoint.role, endpoint.repeatable) for endpoint in ENDPOINTS}
    assert {action: row for action, row in theirs.items() if action not in WITHOUT} == ours
    assert set(WITHOUT) <= set(theirs)
    assert len(ours) == len(ENDPOINTS)


def test_both_flavours_have_every_operation() -> None:
    public = {
        name
        for module in (asked, request_operations, certificate_operations)
        for name, one in vars(module).items()
        if getattr(one, "__module__", "") == module.__name__
    }
    operation_names = {name for name in public if name.islower() and not name.startswith("_")}
    assert len(operation_names) == len(ENDPOINTS)
    for flavour in (Client, AsyncClient):
        own = {name for name in vars(flavour) if not name.startswith("_")}
        assert own - {"close", "run"} == operation_names
