"""THE table: every path that the service has, and what its row demands before it runs."""

from collections.abc import Callable
from typing import Any

import msgspec

from hsmgate.api import calls, certificate_calls, key_calls, lanes, request_calls
from hsmgate.api.lanes import Cost
from hsmgate.api.pages import calls as pages
from hsmgate.api.plan import Planner
from hsmgate.api.wire.certificates import (
    CsrBody,
    ImportCertificateBody,
    SelfSignBody,
    SignCertificateBody,
    SubmitCsrBody,
    SubmitSelfSignBody,
    SubmitSignCertificateBody,
)
from hsmgate.api.wire.changes import BlockBody, ModifyBody, PasswordBody, UnblockBody
from hsmgate.api.wire.ciphers import DecryptBody, EncryptBody
from hsmgate.api.wire.keys import CreateKeyBody, KeyBody
from hsmgate.api.wire.macs import HmacBody
from hsmgate.api.wire.material import ImportBody
from hsmgate.api.wire.operations import SignBody, VerifyBody
from hsmgate.api.wire.requests import (
    FilterBody,
    SubmitBlockBody,
    SubmitDecryptBody,
    SubmitModifyBody,
    SubmitSignBody,
    SubmitUnblockBody,
    SubmitUnwrapBody,
)
from hsmgate.api.wire.wrapping import UnwrapBody, WrapBody
from hsmgate.gate.roles import Role
from hsmgate.record import Record

__all__ = ["KB", "ROUTES", "Role", "Route"]

KB = 1024


class Route(Record):
    """A row. `touches_key`: an intent is audited first. `body_limit` in bytes, also where no body is wanted."""

    method: str
    path: str  # `{...}` stands for one segment
    role: Role
    plan: Planner
    ok: int = 200
    body: type | None = None
    body_limit: int = 16 * KB
    touches_key: bool = False
    anonymous: bool = False  # open to peers without a certificate
    audited: bool = True
    cost: Callable[[Any], Cost] = lanes.quick  # of a decoded body
    comma: bool = False  # one before the last brace of the body is passed over: a client sends it
    with_query: bool = False  # the planner gets the query as its last parameter, still encoded
    only_reads: bool = False  # of the database: nothing that makes it wait for another writer
    kind: Callable[[Any], str | None] = lanes.alike  # of a decoded body: what takes about as long; None: always long

    @property
    def action(self) -> str:
        return f"{self.method} {self.path}"


def _using(
    path: str, plan: Planner, body: type, cost: Callable[[Any], Cost], ok: int = 200, *, limit: int = 16 * KB
) -> Route:
    """A row of keyOperationToken that uses a key."""
    return Route("POST", path, Role.KO, plan, ok, body, limit, touches_key=True, cost=cost)


def _computing(
    path: str,
    plan: Planner,
    body: type,
    cost: Callable[[Any], Cost],
    *,
    limit: int = 256 * KB,
    kind: Callable[[Any], str | None] = lanes.alike,
) -> Route:
    """A row of keyOperationToken that uses a key, and leaves everything as it was."""
    row = _using(path, plan, body, cost, limit=limit)
    return msgspec.structs.replace(row, only_reads=True, kind=kind)


def _certifying(
    path: str, plan: Planner, body: type, cost: Callable[[Any], Cost] = lanes.of_certificate, ok: int = 200
) -> Route:
    """A row below /v1/certificate, of keyManagementToken, that signs with a key."""
    return Route("POST", f"/v1/certificate/{path}", Role.KM, plan, ok, body, 256 * KB, touches_key=True, cost=cost)


_CERTIFICATES = (
    _certifying("synchronous/request", certificate_calls.request, CsrBody),
    _certifying("synchronous/request/download", certificate_calls.download_request, CsrBody),
    _certifying("synchronous/selfsign", certificate_calls.self_sign, SelfSignBody),
    _certifying("synchronous/create/selfSigned", certificate_calls.self_sign, SelfSignBody),
    _certifying("synchronous/sign", certificate_calls.sign, SignCertificateBody),
    Route(
        "POST",
        "/v1/certificate/import/plain",
        Role.KM,
        certificate_calls.bring_in,
        200,
        ImportCertificateBody,
        256 * KB,
        touches_key=True,
        comma=True,
    ),
    Route("GET", "/v1/certificate/{keyName}", Role.KM, certificate_calls.find),
    Route("DELETE", "/v1/certificate/{keyName}", Role.KM, certificate_calls.remove, touches_key=True),
    _certifying("request", certificate_calls.submit_request, SubmitCsrBody, lanes.of_submitted_csr, 201),
    _certifying("sign", certificate_calls.submit_sign, SubmitSignCertificateBody, lanes.of_submitted_certificate, 201),
    _certifying("selfsign", certificate_calls.submit_self_sign, SubmitSelfSignBody, lanes.of_submitted_self_sign, 201),
)

ROUTES: tuple[Route, ...] = (
    Route("GET", "/v1/versionInfo", Role.SV, calls.version_info, only_reads=True),
    Route("GET", "/v1/licenseInfo", Role.SV, calls.license_info, only_reads=True),
    Route("GET", "/v1/keystore/statistics", Role.SV, calls.statistics),
    Route("GET", "/v1/hsm/log", Role.SV, calls.hsm_log),
    Route("GET", "/v1/hsm/log/download", Role.SV, calls.hsm_log_download),
    Route("GET", "/v1/generateRandom/{length}", Role.KO, calls.generate_random, only_reads=True),
    Route(
        "POST",
        "/v1/key",
        Role.KM,
        calls.create_key,
        201,
        CreateKeyBody,
        256 * KB,
        touches_key=True,
        cost=lanes.of_creation,
    ),
    Route("GET", "/v1/key", Role.KM, calls.list_keys, only_reads=True),
    Route(
        "POST", "/v1/key/attributes", Role.KM, calls.key_attributes, 200, KeyBody, touches_key=True, cost=lanes.of_key
    ),
    Route("GET", "/v1/key/{keyName}/attributes", Role.KM, calls.named_key_attributes, touches_key=True),
    Route("POST", "/v1/key/address", Role.KM, calls.key_address, 200, KeyBody, touches_key=True, cost=lanes.of_key),
    Route("GET", "/v1/key/{keyName}/address", Role.KM, calls.named_key_address, touches_key=True),
    Route("POST", "/v1/key/deleteKey", Role.KM, calls.delete_key, 200, KeyBody, touches_key=True, cost=lanes.of_key),
    Route("DELETE", "/v1/key/{keyName}", Role.KM, calls.delete_named_key, touches_key=True),
    Route("GET", "/v1/attestation/{keyName}", Role.KM, calls.attestation_key, touches_key=True),  # may be made now
    _computing("/v1/synchronousSign", calls.sign, SignBody, lanes.of_signature, kind=lanes.kind_of_signature),
    Route(
        "POST",
        "/v1/verify",
        Role.KO,
        calls.verify,
        200,
        VerifyBody,
        256 * KB,
        cost=lanes.of_verification,
        only_reads=True,
    ),
    _computing("/v1/encrypt", key_calls.encrypt, EncryptBody, lanes.of_encryption),
    _computing("/v1/synchronousDecrypt", key_calls.decrypt, DecryptBody, lanes.of_decryption),
    _computing("/v1/synchronousHmac", key_calls.hmac, HmacBody, lanes.of_hmac),
    _computing("/v1/wrap", key_calls.wrap, WrapBody, lanes.of_wrapping, limit=16 * KB),
    _using("/v1/synchronousUnwrap", key_calls.unwrap, UnwrapBody, lanes.of_unwrapping, 201, limit=256 * KB),
    _using("/v1/synchronousBlock", key_calls.block, BlockBody, lanes.of_block),
    _using("/v1/synchronousUnblock", key_calls.unblock, UnblockBody, lanes.of_unblock),
    Route(
        "POST",
        "/v1/synchronousModify",
        Role.KM,
        key_calls.modify,
        200,
        ModifyBody,
        256 * KB,
        touches_key=True,
        cost=lanes.of_modify,
    ),
    Route(
        "POST",
        "/v1/key/import/plain",
        Role.KM,
        key_calls.import_key,
        201,
        ImportBody,
        256 * KB,
        touches_key=True,
        cost=lanes.of_import,
    ),
    Route(
        "POST",
        "/v1/key/export/plain",
        Role.KM,
        key_calls.export_key,
        200,
        KeyBody,
        touches_key=True,
        cost=lanes.of_key,
    ),
    Route("GET", "/v1/key/{keyName}/export/plain", Role.KM, key_calls.export_named_key, touches_key=True),
    Route(
        "POST",
        "/v1/key/changePassword",
        Role.KM,
        key_calls.change_password,
        200,
        PasswordBody,
        touches_key=True,
        cost=lanes.of_change,
    ),
    _using("/v1/sign", request_calls.submit_sign, SubmitSignBody, lanes.of_signature, 201, limit=256 * KB),
    _using("/v1/decrypt", request_calls.submit_decrypt, SubmitDecryptBody, lanes.of_decryption, 201, limit=256 * KB),
    _using("/v1/unwrap", request_calls.submit_unwrap, SubmitUnwrapBody, lanes.of_unwrapping, 201, limit=256 * KB),
    Route(
        "POST",
        "/v1/modify",
        Role.KM,
        request_calls.submit_modify,
        201,
        SubmitModifyBody,
        256 * KB,
        touches_key=True,
        cost=lanes.of_modify,
    ),
    _using("/v1/block", request_calls.submit_block, SubmitBlockBody, lanes.of_block, 201, limit=256 * KB),
    _using("/v1/unblock", request_calls.submit_unblock, SubmitUnblockBody, lanes.of_unblock, 201, limit=256 * KB),
    Route("POST", "/v1/rotate", Role.KM, calls.not_implemented, 501),
    Route("GET", "/v1/xpub/{keyName}", Role.KM, calls.not_implemented, 501),
    *_CERTIFICATES,
    Route("GET", "/v1/request/{id}", Role.KO, request_calls.find),
    Route("DELETE", "/v1/request/{id}", Role.KO, request_calls.withdraw),
    Route("POST", "/v1/filteredRequests", Role.KO, request_calls.filtered, 200, FilterBody),
    Route("GET", "/v1/filteredRequests", Role.KO, request_calls.filtered_by_query, with_query=True),
    Route("GET", "/actuator/health", Role.NONE, calls.health, anonymous=True, audited=False),
    *(
        Route("GET", path, Role.NONE, plan, anonymous=True, audited=False)
        for path, plan in (
            ("/", pages.at(pages.PAGE)),
            ("/swagger-ui", pages.at(pages.PAGE)),
            (pages.PAGE, pages.at(pages.PAGE)),
            ("/swagger-ui/{file}", pages.file),
            (pages.API_DOCS, pages.at(pages.API_DOCS)),
            (pages.CONFIG, pages.at(pages.CONFIG)),
        )
    ),
)
