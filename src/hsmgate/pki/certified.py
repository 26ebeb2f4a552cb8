"""Certificates and certification requests as the key API words them (endpoints.md section 6): values in, DER out."""

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    CertificateIssuerPublicKeyTypes,
)
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose

from hsmgate.errors import Failure, Reason
from hsmgate.pki import extensions
from hsmgate.pki.issue import Validity
from hsmgate.record import Record

Digest = hashes.SHA224 | hashes.SHA256 | hashes.SHA384 | hashes.SHA512
# what each signature algorithm of certificates hashes with; None: EdDSA hashes by itself
DIGESTS: dict[str, Digest | None] = {
    "SHA224_WITH_RSA": hashes.SHA224(),
    "SHA256_WITH_RSA": hashes.SHA256(),
    "SHA384_WITH_RSA": hashes.SHA384(),
    "SHA512_WITH_RSA": hashes.SHA512(),
    "SHA256_WITH_ECDSA": hashes.SHA256(),
    "SHA384_WITH_ECDSA": hashes.SHA384(),
    "SHA512_WITH_ECDSA": hashes.SHA512(),
    "SHA256_WITH_DSA": hashes.SHA256(),
    "EDDSA": None,
}
KEY_USAGES = {  # the contract's name -> pyca's
    "DIGITAL_SIGNATURE": "digital_signature",
    "CONTENT_COMMITMENT": "content_commitment",
    "KEY_ENCIPHERMENT": "key_encipherment",
    "DATA_ENCIPHERMENT": "data_encipherment",
    "KEY_AGREEMENT": "key_agreement",
    "KEY_CERT_SIGN": "key_cert_sign",
    "CRL_SIGN": "crl_sign",
    "ENCIPHER_ONLY": "encipher_only",
    "DECIPHER_ONLY": "decipher_only",
}
EXTENDED_KEY_USAGES = {
    "ANY_EXTENDED_KEY_USAGE": Purpose.ANY_EXTENDED_KEY_USAGE,
    "SERVER_AUTH": Purpose.SERVER_AUTH,
    "CLIENT_AUTH": Purpose.CLIENT_AUTH,
    "CODE_SIGNING": Purpose.CODE_SIGNING,
    "EMAIL_PROTECTION": Purpose.EMAIL_PROTECTION,
    "TIME_STAMPING": Purpose.TIME_STAMPING,
    "OCSP_SIGNING": Purpose.OCSP_SIGNING,
}


class Wanted(Record):
    """What the extensions shall say: names of the two tables above, alternative names, whether it is an authority."""

    key_usage: tuple[str, ...] = ()
    extended_key_usage: tuple[str, ...] = ()
    names: tuple[x509.GeneralName, ...] = ()
    authority: bool = False


def check(wanted: Wanted) -> None:
    """Failure: INVALID_CERTIFICATE_REQUEST (usages that contradict each other)."""
    usages = set(wanted.key_usage)
    if "KEY_CERT_SIGN" in usages and not wanted.authority:  # OpenSSL would take it for an authority
        raise _wrong("KEY_CERT_SIGN is for an authority: certificateAuthority must be true with it.")
    if usages & {"ENCIPHER_ONLY", "DECIPHER_ONLY"} and "KEY_AGREEMENT" not in usages:
        raise _wrong("ENCIPHER_ONLY and DECIPHER_ONLY need KEY_AGREEMENT.")


def request(subject: x509.Name, wanted: Wanted, key: CertificateIssuerPrivateKeyTypes, digest: Digest | None) -> bytes:
    """A certification request (PKCS#10), DER, that asks for these extensions."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension, critical in _extensions(wanted, key.public_key()):
        builder = builder.add_extension(extension, critical)
    if wanted.authority:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, digest).public_bytes(Encoding.DER)


def self_signed(
    subject: x509.Name,
    wanted: Wanted,
    key: CertificateIssuerPrivateKeyTypes,
    digest: Digest | None,
    serial: int,
    lifetime: Validity,
) -> bytes:
    """A certificate of a key for itself, DER."""
    builder = _start(subject, subject, wanted, key.public_key(), serial, lifetime)
    own = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return builder.add_extension(own, critical=False).sign(key, digest).public_bytes(Encoding.DER)


def signed(
    subject: x509.Name,
    public_key: CertificateIssuerPublicKeyTypes,
    wanted: Wanted,
    issuer: x509.Certificate,
    key: CertificateIssuerPrivateKeyTypes,
    digest: Digest | None,
    serial: int,
    lifetime: Validity,
) -> bytes:
    """A certificate by an authority, DER. That `issuer` may issue it is the caller's to check."""
    builder = _start(subject, issuer.subject, wanted, public_key, serial, lifetime)
    whose = extensions.authority_key(issuer, key.public_key())
    return builder.add_extension(whose, critical=False).sign(key, digest).public_bytes(Encoding.DER)


def _start(
    subject: x509.Name,
    issuer: x509.Name,
    wanted: Wanted,
    public_key: CertificateIssuerPublicKeyTypes,
    serial: int,
    lifetime: Validity,
) -> x509.CertificateBuilder:
    """Always with basicConstraints: what says that it is no authority never is one, for any verifier."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(lifetime.not_before)
        .not_valid_after(lifetime.not_after)
        .add_extension(x509.BasicConstraints(ca=wanted.authority, path_length=None), critical=True)
    )
    for extension, critical in _extensions(wanted, public_key):
        builder = builder.add_extension(extension, critical)
    return builder


def _extensions(wanted: Wanted, public_key: CertificateIssuerPublicKeyTypes) -> list[tuple[x509.ExtensionType, bool]]:
    """With whether each is critical (endpoints.md section 6.1)."""
    found: list[tuple[x509.ExtensionType, bool]] = []
    if wanted.key_usage:
        flags = {field: name in wanted.key_usage for name, field in KEY_USAGES.items()}
        found.append((x509.KeyUsage(**flags), True))
    if wanted.extended_key_usage:
        purposes = [EXTENDED_KEY_USAGES[name] for name in wanted.extended_key_usage]
        found.append((x509.ExtendedKeyUsage(purposes), True))
    if wanted.names:
        found.append((x509.SubjectAlternativeName(wanted.names), False))
    found.append((x509.SubjectKeyIdentifier.from_public_key(public_key), False))
    return found


def _wrong(detail: str) -> Failure:
    return Failure(Reason.INVALID_CERTIFICATE_REQUEST, detail)
