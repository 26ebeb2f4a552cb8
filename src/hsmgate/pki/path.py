"""Our own checks of a certification path, beside OpenSSL's (RFC 5280 section 6, narrowed)."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from hsmgate.errors import Failure, Reason
from hsmgate.pki import name_constraints

MAX_DEPTH = 10  # certificates above the leaf
MIN_RSA_BITS = 2048
MIN_EC_BITS = 224
_SHOWN = 200  # characters of a name in a message
_WEAK_HASHES = frozenset({"md5", "sha1"})
# Extensions that may be critical because this module acts on them. certificatePolicies needs no action as long as
# no policy is demanded and policyConstraints are refused.
_IMPLEMENTED = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.CERTIFICATE_POLICIES,
    }
)
# What load_der_x509_certificate and its extensions raise for certificates that RFC 5280 or pyca do not know.
_UNPARSEABLE = (
    ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)  # fmt: skip


@lru_cache(maxsize=256)  # issuers are met at every handshake, and a leaf several times in one; at most 16 MB
def parse(der: bytes) -> x509.Certificate:
    """A certificate from DER. Failure: BAD_CERTIFICATE."""
    try:
        cert = x509.load_der_x509_certificate(der)
        # pyca parses these when they are asked for: asked for now, so that nothing below meets a broken one
        _ = (cert.extensions, cert.subject, cert.issuer, cert.not_valid_before_utc, cert.not_valid_after_utc)
    except _UNPARSEABLE as error:
        raise Failure(Reason.BAD_CERTIFICATE, f"the certificate does not parse: {error}") from None
    return cert


def name_of(cert: x509.Certificate) -> str:
    """The subject for messages, serial number where it is empty; what a stranger wrote forges and floods no log."""
    text = cert.subject.rfc4514_string() or f"serial {cert.serial_number:x}"
    shown = "".join(letter if letter.isprintable() else f"\\{ord(letter):04X}" for letter in text[:_SHOWN])
    return shown + "..." * (len(text) > _SHOWN)


def basic_constraints(cert: x509.Certificate) -> x509.BasicConstraints | None:
    """The extension, or None where it is absent (X.509 v1 among them)."""
    try:
        return cert.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return None


def key_usage(cert: x509.Certificate) -> x509.KeyUsage | None:
    """The extension, or None where it is absent."""
    try:
        return cert.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None


def check_validity(certs: Sequence[x509.Certificate], now: float) -> tuple[float, float]:
    """The window in which all are valid, in Unix seconds. Failure: EXPIRED when `now` is outside."""
    start = max(cert.not_valid_before_utc.timestamp() for cert in certs)
    end = min(cert.not_valid_after_utc.timestamp() for cert in certs)
    for cert in certs:
        if now > cert.not_valid_after_utc.timestamp():
            when = cert.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
            raise Failure(Reason.EXPIRED, f"{name_of(cert)}: expired at {when}")
        if now < cert.not_valid_before_utc.timestamp():
            when = cert.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
            raise Failure(Reason.EXPIRED, f"{name_of(cert)}: not valid before {when}")
    return start, end


def check_signature(cert: x509.Certificate, issuer: x509.Certificate) -> None:
    """`cert` names `issuer` and is signed by its key. Failure: BAD_CERTIFICATE."""
    try:
        cert.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        raise Failure(Reason.BAD_CERTIFICATE, f"{name_of(cert)}: not signed by {name_of(issuer)}") from None


def check_strength(cert: x509.Certificate) -> None:
    """RSA >= 2048, EC >= 224 bits, no SHA-1 or MD5 signature. Failure: WEAK_CERTIFICATE."""
    check_key_strength(cert)
    try:
        digest = cert.signature_hash_algorithm
    except (UnsupportedAlgorithm, ValueError):
        raise Failure(Reason.UNSUPPORTED_CERTIFICATE, f"{name_of(cert)}: unknown signature algorithm") from None
    if digest is not None and digest.name in _WEAK_HASHES:
        raise Failure(Reason.WEAK_CERTIFICATE, f"{name_of(cert)}: signed with {digest.name}")


def check_key_strength(cert: x509.Certificate) -> None:
    """The key alone. Failure: WEAK_CERTIFICATE, UNSUPPORTED_CERTIFICATE (a key type without TLS use)."""
    try:
        key = cert.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise Failure(Reason.UNSUPPORTED_CERTIFICATE, f"{name_of(cert)}: unknown key type") from None
    if isinstance(key, rsa.RSAPublicKey):
        bits, least = key.key_size, MIN_RSA_BITS
    elif isinstance(key, ec.EllipticCurvePublicKey):
        bits, least = key.key_size, MIN_EC_BITS
    elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return
    else:
        raise Failure(Reason.UNSUPPORTED_CERTIFICATE, f"{name_of(cert)}: keys of this type are not accepted")
    if bits < least:
        raise Failure(Reason.WEAK_CERTIFICATE, f"{name_of(cert)}: {bits} bit key, at least {least} needed")


def check_criticals(cert: x509.Certificate) -> None:
    """No critical extension that we do not act on. Failure: UNSUPPORTED_CERTIFICATE."""
    for extension in cert.extensions:
        if extension.critical and extension.oid not in _IMPLEMENTED:
            raise Failure(
                Reason.UNSUPPORTED_CERTIFICATE,
                f"{name_of(cert)}: critical extension {extension.oid.dotted_string} is not implemented",
            )


def check_form(cert: x509.Certificate) -> None:
    """What RFC 5280 forbids and parsers let pass. Failure: BAD_CERTIFICATE."""
    if cert.version is x509.Version.v1 and len(cert.extensions):
        raise Failure(Reason.BAD_CERTIFICATE, f"{name_of(cert)}: extensions in a certificate of version 1")
    try:
        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    if not list(names):
        raise Failure(Reason.BAD_CERTIFICATE, f"{name_of(cert)}: a subjectAltName without names")


def check_extended_key_usage(cert: x509.Certificate) -> None:
    """clientAuth or no extension at all, as OpenSSL wants it of issuers too. Failure: UNSUPPORTED_CERTIFICATE."""
    try:
        usages = set(cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return
    if ExtendedKeyUsageOID.CLIENT_AUTH not in usages:
        raise Failure(Reason.UNSUPPORTED_CERTIFICATE, f"{name_of(cert)}: extended key usage lacks clientAuth")


def check_leaf(leaf: x509.Certificate) -> None:
    """What an issued client certificate must be. Failure: UNSUPPORTED_CERTIFICATE."""
    constraints = basic_constraints(leaf)
    if constraints is not None and constraints.ca:
        raise Failure(Reason.UNSUPPORTED_CERTIFICATE, f"{name_of(leaf)}: a CA certificate is no client")
    usage = key_usage(leaf)
    if usage is not None and not usage.digital_signature:
        raise Failure(Reason.UNSUPPORTED_CERTIFICATE, f"{name_of(leaf)}: key usage lacks digitalSignature")
    check_extended_key_usage(leaf)


def may_issue(cert: x509.Certificate) -> bool:
    """v3 with basicConstraints CA:TRUE, and keyCertSign where keyUsage is present."""
    constraints, usage = basic_constraints(cert), key_usage(cert)
    return (
        cert.version is x509.Version.v3
        and constraints is not None
        and constraints.ca
        and (usage is None or usage.key_cert_sign)
    )


def _self_issued(cert: x509.Certificate) -> bool:
    return cert.subject == cert.issuer


def _check_issuers(path: Sequence[x509.Certificate], *, legacy_anchor: bool) -> None:
    for depth, issuer in enumerate(path[1:], start=1):
        is_anchor = depth == len(path) - 1
        below = sum(1 for cert in path[1:depth] if not _self_issued(cert))
        if is_anchor and legacy_anchor:
            limit: int | None = 0
        elif may_issue(issuer):
            constraints = basic_constraints(issuer)
            limit = constraints.path_length if constraints is not None else None
        else:
            raise Failure(Reason.UNTRUSTED, f"{name_of(issuer)}: no CA certificate, so it may not issue")
        # A legacy anchor signs the leaf and nothing else, self-issued certificates among them.
        if (limit is not None and below > limit) or (is_anchor and legacy_anchor and depth != 1):
            raise Failure(Reason.UNTRUSTED, f"{name_of(issuer)}: path longer than it allows")


def _check_constraints(path: Sequence[x509.Certificate]) -> None:
    for depth, issuer in enumerate(path[1:], start=1):
        try:
            constraints = issuer.extensions.get_extension_for_class(x509.NameConstraints).value
        except x509.ExtensionNotFound:
            continue
        below = [path[0], *(cert for cert in path[1:depth] if not _self_issued(cert))]
        name_constraints.check(constraints, below)


def check_path(path: Sequence[x509.Certificate], now: float, *, legacy_anchor: bool) -> tuple[float, float]:
    """Judge a path, leaf first and trust anchor last; returns the window in which it holds (Unix seconds).

    `legacy_anchor`: the anchor has no basicConstraints and was named by the operator; its path length is 0.
    Failure: EXPIRED, BAD_CERTIFICATE, UNTRUSTED, WEAK_CERTIFICATE, UNSUPPORTED_CERTIFICATE.
    """
    if not 2 <= len(path) <= MAX_DEPTH + 1:
        raise Failure(Reason.UNTRUSTED, f"path of {len(path)} certificates, at most {MAX_DEPTH + 1} accepted")
    window = check_validity(path, now)
    _check_issuers(path, legacy_anchor=legacy_anchor)
    for cert, issuer in pairwise(path):
        check_strength(cert)  # first: pyca does not even verify what is too weak
        check_signature(cert, issuer)
    check_key_strength(path[-1])
    for cert in path:
        check_form(cert)
        check_criticals(cert)
    check_leaf(path[0])
    for issuer in path[1:]:
        check_extended_key_usage(issuer)
    _check_constraints(path)
    return window
