"""Packs a key, its certificate and the chain above it into PKCS#12 (RFC 7292) as current tools open it."""

from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import (
    PBES,
    PKCS12PrivateKeyTypes,
    serialize_key_and_certificates,
)

from hsmgate.errors import Failure, Reason

# OpenSSL 3, Java 17, browsers and macOS 15 read PBES2 with AES-256 and a SHA-256 MAC. Java's own number of rounds; more
# would not help a weak password, which can be tried against the MAC, whose 2048 rounds cannot be chosen here.
ROUNDS = 10_000
# Java before 8u301, macOS before 15 and Windows before Server 2019 read no more than this; both are broken by today's
# measures, so the password alone must not be what protects such a file.
LEGACY_ROUNDS = 50_000


def pkcs12(
    alias: str,
    key: PKCS12PrivateKeyTypes,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    password: str,
    *,
    legacy: bool = False,
) -> bytes:
    """The bundle's DER. `chain`: what stands above `certificate`, its issuer first; the anchor may be left out.
    `legacy`: triple DES and a SHA-1 MAC, for readers that know nothing newer.

    Failure: INVALID_INPUT for an empty or non-ASCII password (tools disagree on how to encode it), a key of another
    certificate, or a chain in which one does not sign the one before it.
    """
    if not password or not password.isascii() or not password.isprintable():
        raise Failure(Reason.INVALID_INPUT, "the password of a bundle is printable ASCII and not empty")
    if key.public_key() != certificate.public_key():
        raise Failure(Reason.INVALID_INPUT, "the key does not belong to the certificate")
    _check_chain(certificate, chain)
    builder = PrivateFormat.PKCS12.encryption_builder()
    if legacy:
        builder = builder.kdf_rounds(LEGACY_ROUNDS).key_cert_algorithm(PBES.PBESv1SHA1And3KeyTripleDESCBC)
        builder = builder.hmac_hash(hashes.SHA1())  # noqa: S303 - the only one that such readers know
    else:
        builder = builder.kdf_rounds(ROUNDS).key_cert_algorithm(PBES.PBESv2SHA256AndAES256CBC)
        builder = builder.hmac_hash(hashes.SHA256())
    encryption = builder.build(password.encode("ascii"))
    return serialize_key_and_certificates(alias.encode(), key, certificate, list(chain), encryption)


def packable(key: CertificateIssuerPrivateKeyTypes) -> PKCS12PrivateKeyTypes:
    """The key, as one of a type that readers of PKCS#12 know. Failure: UNSUPPORTED_CERTIFICATE."""
    if isinstance(
        key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
    ):
        return key
    raise Failure(Reason.UNSUPPORTED_CERTIFICATE, "a bundle holds RSA, elliptic curve or Edwards keys")


def _check_chain(certificate: x509.Certificate, chain: Sequence[x509.Certificate]) -> None:
    for position, issuer in enumerate(chain):
        subject = chain[position - 1] if position else certificate
        try:
            subject.verify_directly_issued_by(issuer)
        except (InvalidSignature, ValueError, TypeError):
            raise Failure(
                Reason.INVALID_INPUT, "the chain is broken: one certificate did not sign the one below it"
            ) from None
