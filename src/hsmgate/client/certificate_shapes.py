"""The same of certificates."""

from typing import Literal

from hsmgate.record import WireRecord

SanType = Literal["DNS", "IP", "URI", "EMAIL", "OTHERNAME"]


class Subject(WireRecord, omit_defaults=True):
    """The parts of a subject, in the words of the contract's standardCertificateAttributes."""

    common_name: str
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


class AlternativeName(WireRecord):
    """`san_value` of an OTHERNAME is `OID;UTF8:text`."""

    san_type: SanType
    san_value: str


class CertificateFields(WireRecord, kw_only=True, omit_defaults=True):
    sign_key_name: str
    signature_algorithm: str
    key_password: list[str] | None = None
    validity: int | None = None
    common_name: str | None = None
    standard_certificate_attributes: Subject | None = None
    key_usage: tuple[str, ...] = ()
    extended_key_usage: tuple[str, ...] = ()
    subject_alternative_names: tuple[AlternativeName, ...] = ()
    certificate_authority: bool = False


class SignCertificateFields(CertificateFields, kw_only=True, omit_defaults=True):
    certificate_signing_request: str
    copy_extensions: Literal["NO_COPY", "COPY"] | None = None
    key_name: str | None = None


class SubmittedFields(CertificateFields, kw_only=True, omit_defaults=True):
    meta_data: bytes | None = None
    meta_data_signature: bytes | None = None


class SubmittedSignCertificate(SignCertificateFields, kw_only=True, omit_defaults=True):
    meta_data: bytes | None = None
    meta_data_signature: bytes | None = None


class SubmitCsrBody(WireRecord):
    csr_sign_request: SubmittedFields


class SubmitSelfSignBody(WireRecord):
    self_sign_certificate_request: SubmittedFields


class SubmitSignCertificateBody(WireRecord):
    sign_certificate_request: SubmittedSignCertificate


class ImportCertificateBody(WireRecord):
    """DER."""

    label: str
    certificate: bytes


class CertificateRequest(WireRecord):
    """A request as PEM."""

    label: str
    certificate_signing_request: str


class Certificate(WireRecord):
    """As PEM."""

    label: str
    certificate: str


class KeyCertificate(WireRecord):
    """As PEM and as DER."""

    label: str
    certificate: str
    raw_certificate: bytes
