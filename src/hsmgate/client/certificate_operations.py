"""The same for certificates. `content`: what one shall say; algorithms: SHA256_WITH_RSA, SHA256_WITH_ECDSA, EDDSA."""

from typing import Any
from urllib.parse import quote

from hsmgate.client import certificate_shapes as forms
from hsmgate.client import endpoints, request_shapes, shapes
from hsmgate.client.call import Call, characters, with_body
from hsmgate.client.endpoints import Endpoint
from hsmgate.record import Record


class CertificateContent(Record):
    """What a certificate or request shall say; `subject`: its parts, or a common name alone."""

    subject: forms.Subject | str | None = None
    key_usage: tuple[str, ...] = ()
    extended_key_usage: tuple[str, ...] = ()
    names: tuple[forms.AlternativeName, ...] = ()
    authority: bool = False


_NOTHING = CertificateContent()


def request_certificate(
    label: str, algorithm: str, content: CertificateContent, *, password: str | None = None
) -> Call[forms.CertificateRequest]:
    """A certification request of a key, which carries a self-signed certificate from then on if it had none."""
    fields = _fields(label, algorithm, content, password)
    return with_body(endpoints.REQUEST_CERTIFICATE, forms.CertificateFields(**fields))


def self_sign(
    label: str, algorithm: str, content: CertificateContent, days: int, *, password: str | None = None
) -> Call[forms.Certificate]:
    """A certificate of a key for itself, kept beside it."""
    fields = _fields(label, algorithm, content, password)
    return with_body(endpoints.SELF_SIGN, forms.CertificateFields(**fields, validity=days))


def sign_certificate(
    label: str,
    algorithm: str,
    request: str,
    content: CertificateContent = _NOTHING,
    *,
    days: int | None = None,
    copy_extensions: bool = False,
    key_name: str | None = None,
    password: str | None = None,
) -> Call[forms.Certificate]:
    """A certificate for a request (PEM), by an authority's key; without a subject it has the request's.

    `key_name`: the key beside which it is kept.
    """
    fields = _fields(label, algorithm, content, password) | _about_request(request, days, copy_extensions, key_name)
    return with_body(endpoints.SIGN_CERTIFICATE, forms.SignCertificateFields(**fields))


def import_certificate(label: str, certificate: bytes) -> Call[forms.Certificate]:
    """Give a key a certificate from elsewhere: DER."""
    return with_body(endpoints.IMPORT_CERTIFICATE, forms.ImportCertificateBody(label, certificate))


def certificate(label: str) -> Call[forms.KeyCertificate]:
    """The certificate of a key."""
    return _named(endpoints.CERTIFICATE, label)


def delete_certificate(label: str) -> Call[shapes.Nothing]:
    """Remove the certificate of a key; the key stays."""
    return _named(endpoints.DELETE_CERTIFICATE, label)


def submit_certificate_request(
    label: str,
    algorithm: str,
    content: CertificateContent,
    *,
    password: str | None = None,
    meta_data: bytes | None = None,
    meta_data_signature: bytes | None = None,
) -> Call[request_shapes.SignRequestId]:
    """Submit a certification request; its result, PEM, is asked for with `request`."""
    fields = _fields(label, algorithm, content, password) | _meta(meta_data, meta_data_signature)
    return with_body(endpoints.SUBMIT_CERTIFICATE_REQUEST, forms.SubmitCsrBody(forms.SubmittedFields(**fields)))


def submit_self_sign(
    label: str,
    algorithm: str,
    content: CertificateContent,
    days: int,
    *,
    password: str | None = None,
    meta_data: bytes | None = None,
    meta_data_signature: bytes | None = None,
) -> Call[request_shapes.SignRequestId]:
    """Submit a self-signed certificate; its result, PEM, is asked for with `request`."""
    fields = _fields(label, algorithm, content, password) | _meta(meta_data, meta_data_signature)
    body = forms.SubmitSelfSignBody(forms.SubmittedFields(**fields, validity=days))
    return with_body(endpoints.SUBMIT_SELF_SIGN, body)


def submit_sign_certificate(
    label: str,
    algorithm: str,
    request: str,
    content: CertificateContent = _NOTHING,
    *,
    days: int | None = None,
    copy_extensions: bool = False,
    key_name: str | None = None,
    password: str | None = None,
    meta_data: bytes | None = None,
    meta_data_signature: bytes | None = None,
) -> Call[request_shapes.SignRequestId]:
    """Submit a certificate for a request; its result, PEM, is asked for with `request`."""
    fields = _fields(label, algorithm, content, password) | _about_request(request, days, copy_extensions, key_name)
    asked = forms.SubmittedSignCertificate(**fields, **_meta(meta_data, meta_data_signature))
    return with_body(endpoints.SUBMIT_SIGN_CERTIFICATE, forms.SubmitSignCertificateBody(asked))


def _fields(label: str, algorithm: str, content: CertificateContent, password: str | None) -> dict[str, Any]:
    alone = content.subject if isinstance(content.subject, str) else None
    return {
        "sign_key_name": label,
        "signature_algorithm": algorithm,
        "key_password": characters(password),
        "common_name": alone,
        "standard_certificate_attributes": None if alone else content.subject,
        "key_usage": content.key_usage,
        "extended_key_usage": content.extended_key_usage,
        "subject_alternative_names": content.names,
        "certificate_authority": content.authority,
    }


def _about_request(request: str, days: int | None, copy: bool, key_name: str | None) -> dict[str, Any]:
    return {
        "certificate_signing_request": request,
        "validity": days,
        "copy_extensions": "COPY" if copy else None,
        "key_name": key_name,
    }


def _meta(data: bytes | None, signature: bytes | None) -> dict[str, Any]:
    return {"meta_data": data, "meta_data_signature": signature}


def _named(endpoint: Endpoint[Any], label: str) -> Call[Any]:
    return Call(endpoint, endpoint.path.replace("{keyName}", quote(label, safe="")))
