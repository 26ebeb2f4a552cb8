"""Bodies of the certificate endpoints (endpoints.md section 6)."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from cryptography import x509

from hsmgate.api.wire.fields import Number, Password, armoured, encoded, password, whole
from hsmgate.api.wire.operations import refuse_unverified
from hsmgate.api.wire.signatures import RequestSignatureShape
from hsmgate.errors import Failure, Reason
from hsmgate.pki import certified_names
from hsmgate.pki.certified import EXTENDED_KEY_USAGES, KEY_USAGES, Wanted
from hsmgate.record import WireRecord
from hsmgate.usecases.certificate_signing import SignRequest
from hsmgate.usecases.certificates import Certify

SanType = Literal["DNS", "IP", "URI", "EMAIL", "OTHERNAME"]
Usages = Annotated[list[str], msgspec.Meta(max_length=32)]
_LINE = 64


class StandardCertificateAttributes(WireRecord):
    """The parts of a subject; null ones are absent."""

    common_name: str | None = None
    country: str | None = None
    state_or_province_name: str | None = None
    locality: str | None = None
    organization_name: str | None = None
    organization_identifier: str | None = None
    organization_unit_name: str | None = None
    email: str | None = None
    title: str | None = None
    surname: str | None = None
    given_name: str | None = None
    initials: str | None = None
    pseudonym: str | None = None
    generation_qualifier: str | None = None


class SubjectAlternativeName(WireRecord):
    san_type: SanType
    san_value: str


class CertificateFields(WireRecord, kw_only=True):
    """What all of them share."""

    sign_key_name: str
    signature_algorithm: str
    key_password: Password = None
    validity: Number = None
    common_name: str | None = None
    standard_certificate_attributes: StandardCertificateAttributes | None = None
    key_usage: Usages | None = None
    extended_key_usage: Usages | None = None
    subject_alternative_names: Annotated[list[SubjectAlternativeName], msgspec.Meta(max_length=100)] | None = None
    certificate_authority: bool | None = None
    signed_approvals: list[str] | None = None

    def wanted(self) -> Wanted:
        """The extensions. Failure: INVALID_INPUT, INVALID_CERTIFICATE_REQUEST."""
        return Wanted(
            key_usage=_usages(self.key_usage, "keyUsage", KEY_USAGES),
            extended_key_usage=_usages(self.extended_key_usage, "extendedKeyUsage", EXTENDED_KEY_USAGES),
            names=tuple(
                certified_names.alternative(name.san_type, name.san_value)
                for name in self.subject_alternative_names or ()
            ),
            authority=bool(self.certificate_authority),
        )

    def subject(self) -> x509.Name | None:
        """The subject, where one is named. Failure: INVALID_CERTIFICATE_REQUEST."""
        attributes = self.standard_certificate_attributes
        if attributes is None and not self.common_name:
            return None
        given = msgspec.to_builtins(attributes) if attributes is not None else {}
        return certified_names.subject({**given, "commonName": given.get("commonName") or self.common_name})

    def certify(self, *, days: int | None) -> Certify:
        """Failure: as wanted() and subject(); INVALID_CERTIFICATE_REQUEST (no subject), NOT_IMPLEMENTED."""
        refuse_unverified("signedApprovals", self.signed_approvals)
        return Certify(
            label=self.sign_key_name,
            algorithm=self.signature_algorithm,
            subject=self.subject() or certified_names.subject({}),
            wanted=self.wanted(),
            password=password(self.key_password),
            days=days,
        )


class CsrFields(CertificateFields, kw_only=True):
    def command(self) -> Certify:
        """Failure: as certify(). The validity means nothing here."""
        whole(self.validity, "validity")
        return self.certify(days=None)


class SelfSignFields(CertificateFields, kw_only=True):
    def command(self) -> Certify:
        """Failure: as certify(); INVALID_INPUT (no validity)."""
        days = whole(self.validity, "validity")
        if days is None:
            raise Failure(Reason.INVALID_INPUT, "Object missing required field `validity`")
        return self.certify(days=days)


class SignCertificateFields(CertificateFields, kw_only=True):
    certificate_signing_request: str
    copy_extensions: Literal["NO_COPY", "COPY"] | None = None
    key_name: str | None = None

    def command(self) -> SignRequest:
        """Failure: as wanted() and subject(); CSR_ENCODING, NOT_IMPLEMENTED."""
        refuse_unverified("signedApprovals", self.signed_approvals)
        csr = armoured(self.certificate_signing_request, "certificateSigningRequest", Reason.CSR_ENCODING)
        if csr is None:
            raise Failure(Reason.CSR_ENCODING, "certificateSigningRequest is empty.")
        return SignRequest(
            label=self.sign_key_name,
            algorithm=self.signature_algorithm,
            csr=csr,
            subject=self.subject(),
            wanted=self.wanted(),
            password=password(self.key_password),
            days=whole(self.validity, "validity"),
            copy=self.copy_extensions == "COPY",
            new_label=self.key_name or None,
        )


class CsrBody(CsrFields, kw_only=True):
    """POST /v1/certificate/synchronous/request."""

    request_signature: RequestSignatureShape | None = None


class SelfSignBody(SelfSignFields, kw_only=True):
    """POST /v1/certificate/synchronous/selfsign."""

    request_signature: RequestSignatureShape | None = None


class SignCertificateBody(SignCertificateFields, kw_only=True):
    """POST /v1/certificate/synchronous/sign."""

    request_signature: RequestSignatureShape | None = None


class ImportCertificateBody(WireRecord):
    """POST /v1/certificate/import/plain."""

    label: str
    certificate: str

    def der(self) -> bytes:
        """Failure: CERTIFICATE_ENCODING."""
        return armoured(self.certificate, "certificate", Reason.CERTIFICATE_ENCODING) or b""


class SubmittedCsr(CsrFields, kw_only=True):
    meta_data: str | None = None
    meta_data_signature: str | None = None


class SubmittedSelfSign(SelfSignFields, kw_only=True):
    meta_data: str | None = None
    meta_data_signature: str | None = None


class SubmittedSignCertificate(SignCertificateFields, kw_only=True):
    meta_data: str | None = None
    meta_data_signature: str | None = None


class SubmitCsrBody(WireRecord):
    """POST /v1/certificate/request."""

    csr_sign_request: SubmittedCsr
    request_signature: RequestSignatureShape | None = None


class SubmitSelfSignBody(WireRecord):
    """POST /v1/certificate/selfsign."""

    self_sign_certificate_request: SubmittedSelfSign
    request_signature: RequestSignatureShape | None = None


class SubmitSignCertificateBody(WireRecord):
    """POST /v1/certificate/sign."""

    sign_certificate_request: SubmittedSignCertificate
    request_signature: RequestSignatureShape | None = None


class CsrAnswer(WireRecord):
    """The request as PEM."""

    label: str
    certificate_signing_request: str


class CertificateAnswer(WireRecord):
    """The certificate as PEM."""

    label: str
    certificate: str


class KeyCertificateAnswer(WireRecord):
    """The same, and the certificate's DER in Base64."""

    label: str
    certificate: str
    raw_certificate: str


def csr_pem(der: bytes) -> str:
    """A request in the armour of the contract."""
    return _pem("NEW CERTIFICATE REQUEST", der)


def certificate_pem(der: bytes) -> str:
    """A certificate in its armour."""
    return _pem("CERTIFICATE", der)


def _pem(kind: str, der: bytes) -> str:
    lines = re.findall(f".{{1,{_LINE}}}", encoded(der))
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""])


def _usages(given: list[str] | None, name: str, known: Mapping[str, object]) -> tuple[str, ...]:
    """Names in a list, or several in one text with commas, as one client joins them; empty ones are none."""
    found = [one.strip() for text in given or () for one in text.split(",")]
    for one in found:
        if one and one not in known:
            raise Failure(Reason.INVALID_INPUT, f"{name} {one[:40]!a} is not one of {', '.join(known)}.")
    return tuple(dict.fromkeys(one for one in found if one))
