"""What stands in the extensions of our certificates (RFC 5280 4.2): who may do what, and where to ask about it."""

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes
from cryptography.x509.oid import AuthorityInformationAccessOID as Access

from hsmgate.record import Record


class Points(Record):
    """Where verifiers of what an authority issued find its OCSP responder, its certificate and its CRL: URLs."""

    ocsp: tuple[str, ...] = ()
    ca_issuers: tuple[str, ...] = ()
    crl: tuple[str, ...] = ()


class Constraints(Record):
    """The names that may stand below an authority (RFC 5280 4.2.1.10)."""

    permitted: tuple[x509.GeneralName, ...] = ()
    excluded: tuple[x509.GeneralName, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.permitted or self.excluded)


Builder = x509.CertificateBuilder


def authority(builder: Builder, path_length: int | None, constraints: Constraints) -> Builder:
    """Of a CA: it signs certificates and CRLs, and nothing else."""
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    builder = builder.add_extension(_key_usage(authority=True), critical=True)
    if constraints:
        names = x509.NameConstraints(list(constraints.permitted) or None, list(constraints.excluded) or None)
        builder = builder.add_extension(names, critical=True)
    return builder


def leaf(builder: Builder, purpose: x509.ObjectIdentifier, names: Sequence[x509.GeneralName]) -> Builder:
    """Of everybody else: TLS 1.2 with RSA key transport is not offered, so signing is all that a leaf's key does."""
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(authority=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder


def never_checked(builder: Builder) -> Builder:
    """RFC 6960 4.2.2.2.1: nobody asks a responder about itself; it lives for days instead."""
    return builder.add_extension(x509.OCSPNoCheck(), critical=False)


def issued_by(
    builder: Builder, issuer: x509.Certificate, issuer_key: CertificateIssuerPublicKeyTypes, points: Points
) -> Builder:
    """Point at the issuer's key by the identifier that its own certificate carries, and at where to ask about this."""
    builder = builder.add_extension(authority_key(issuer, issuer_key), critical=False)
    access = [
        *(x509.AccessDescription(Access.OCSP, x509.UniformResourceIdentifier(url)) for url in points.ocsp),
        *(x509.AccessDescription(Access.CA_ISSUERS, x509.UniformResourceIdentifier(url)) for url in points.ca_issuers),
    ]
    if access:
        builder = builder.add_extension(x509.AuthorityInformationAccess(access), critical=False)
    if points.crl:
        where = [x509.UniformResourceIdentifier(url) for url in points.crl]
        point = x509.DistributionPoint(full_name=where, relative_name=None, reasons=None, crl_issuer=None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    return builder


def authority_key(issuer: x509.Certificate, key: CertificateIssuerPublicKeyTypes) -> x509.AuthorityKeyIdentifier:
    """RFC 5280 4.2.1.1."""
    try:
        identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
