"""A certificate factory: what a CA would issue and what it never would, from X.509 v1 to broken DER."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha1, sha256
from itertools import count
from typing import TypedDict, Unpack

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from support import der_text as der

PrivateKey = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | dsa.DSAPrivateKey
)
Extension = tuple[x509.ExtensionType, bool] | bytes  # (value, critical), or the whole Extension as DER

NOW = datetime.now(UTC).replace(microsecond=0)
CLIENT_AUTH, SERVER_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
ANY_EKU = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "md5": hashes.MD5(),
    "sha1": hashes.SHA1(),
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_RSA = {"md5": 4, "sha1": 5, "sha224": 14, "sha256": 11, "sha384": 12, "sha512": 13}
_ECDSA = {"sha1": "1", "sha224": "3.1", "sha256": "3.2", "sha384": "3.3", "sha512": "3.4"}
_HASH_OIDS = {"sha1": "1.3.14.3.2.26", "sha256": "2.16.840.1.101.3.4.2.1", "sha384": "2.16.840.1.101.3.4.2.2"}
_CURVES: dict[str, type[ec.EllipticCurve]] = {
    "p224": ec.SECP224R1,
    "p256": ec.SECP256R1,
    "p384": ec.SECP384R1,
    "p521": ec.SECP521R1,
    "secp256k1": ec.SECP256K1,
}
_serials = count(0x1000)


@cache
def key(kind: str = "p256", label: str = "") -> PrivateKey:
    """One key for each (kind, label) in a session: p256, ed25519, rsa2048, rsa2048-e3, dsa1024 ..."""
    del label
    if kind in _CURVES:
        return ec.generate_private_key(_CURVES[kind]())
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "ed448":
        return ed448.Ed448PrivateKey.generate()
    size, _, exponent = kind.partition("-e")
    if size.startswith("dsa"):
        return dsa.generate_private_key(int(size[3:]))
    return rsa.generate_private_key(int(exponent or 65537), int(size.removeprefix("rsa")))


@dataclass(frozen=True)
class Made:
    """A certificate and the key that belongs to it."""

    der: bytes
    key: PrivateKey
    subject: bytes  # Name DER

    @property
    def sha256(self) -> str:
        return sha256(self.der).hexdigest()

    @property
    def pem(self) -> bytes:
        return x509.load_der_x509_certificate(self.der).public_bytes(Encoding.PEM)

    @property
    def raw_pem(self) -> bytes:
        """PEM of what may be no certificate at all."""
        text = b64encode(self.der)
        lines = [text[at : at + 64] for at in range(0, len(text), 64)]
        return b"\n".join([b"-----BEGIN CERTIFICATE-----", *lines, b"-----END CERTIFICATE-----", b""])

    @property
    def key_der(self) -> bytes:
        return self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    @property
    def key_identifier(self) -> bytes:
        return key_identifier(self.key)


def spki(private: PrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_identifier(private: PrivateKey) -> bytes:
    return sha1(spki(private), usedforsecurity=False).digest()


def name(common_name: str, *more: tuple[x509.ObjectIdentifier, str]) -> bytes:
    """A Name with `more` attributes before the common name; empty text: the empty Name."""
    attributes = [x509.NameAttribute(kind, text) for kind, text in more]
    if common_name:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    return x509.Name(attributes).public_bytes()


def signature_algorithm(private: PrivateKey, digest: str = "sha256", *, pss: bool = False) -> bytes:
    """AlgorithmIdentifier of what `_sign` does."""
    if isinstance(private, rsa.RSAPrivateKey):
        if pss and digest == "sha1":  # every default of RFC 8017 A.2.3, left out as DER wants it
            return der.sequence(der.oid("1.2.840.113549.1.1.10"), der.sequence())
        if pss:
            hashed = der.sequence(der.oid(_HASH_OIDS[digest]), der.NULL)
            mgf = der.sequence(der.oid("1.2.840.113549.1.1.8"), hashed)
            salt = der.integer(_HASHES[digest].digest_size)
            parameters = der.sequence(der.tlv(0xA0, hashed), der.tlv(0xA1, mgf), der.tlv(0xA2, salt))
            return der.sequence(der.oid("1.2.840.113549.1.1.10"), parameters)
        return der.sequence(der.oid(f"1.2.840.113549.1.1.{_RSA[digest]}"), der.NULL)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return der.sequence(der.oid(f"1.2.840.10045.4.{_ECDSA[digest]}"))
    if isinstance(private, dsa.DSAPrivateKey):
        return der.sequence(der.oid("2.16.840.1.101.3.4.3.2"))
    return der.sequence(der.oid("1.3.101.112" if isinstance(private, ed25519.Ed25519PrivateKey) else "1.3.101.113"))


def _sign(private: PrivateKey, octets: bytes, digest: str, *, pss: bool) -> bytes:
    algorithm = _HASHES[digest]
    if isinstance(private, rsa.RSAPrivateKey):
        if pss:
            scheme = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
            return private.sign(octets, scheme, algorithm)
        return private.sign(octets, padding.PKCS1v15(), algorithm)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return private.sign(octets, ec.ECDSA(algorithm))
    if isinstance(private, dsa.DSAPrivateKey):
        return private.sign(octets, hashes.SHA256())
    return private.sign(octets)


def make(
    subject: str | bytes,
    by: Made | None = None,
    extensions: Sequence[Extension] = (),
    *,
    private: PrivateKey | None = None,
    version: int = 3,
    start: datetime | bytes = NOW - timedelta(days=1),
    end: datetime | bytes = NOW + timedelta(days=365),
    serial: int | None = None,
    digest: str = "sha256",
    pss: bool = False,
    issuer: bytes | None = None,
    public: bytes | None = None,
    inner_algorithm: bytes | None = None,
    outer_algorithm: bytes | None = None,
    signer: PrivateKey | None = None,
    spoil_signature: bool = False,
    trailing: bytes = b"",
) -> Made:
    """Any certificate. Self-signed without `by`; times and `extensions` may be raw DER; serial numbers count up."""
    subject_der = subject if isinstance(subject, bytes) else name(subject)
    private = private or key("p256", f"of {subject!r}")
    signer = signer or (by.key if by else private)
    algorithm = signature_algorithm(signer, digest, pss=pss)
    inner, outer = inner_algorithm or algorithm, outer_algorithm or algorithm
    written = [extension_der(e) for e in extensions]
    tbs = der.sequence(
        der.tlv(0xA0, der.integer(version - 1)) if version > 1 else b"",
        der.integer(next(_serials) if serial is None else serial),
        inner,
        issuer if issuer is not None else by.subject if by else subject_der,
        der.sequence(*(t if isinstance(t, bytes) else der.time(t) for t in (start, end))),
        subject_der,
        public or spki(private),
        der.tlv(0xA3, der.sequence(*written)) if written else b"",
    )
    signature = _sign(signer, tbs, digest, pss=pss)
    if spoil_signature:
        signature = signature[:-1] + bytes((signature[-1] ^ 1,))
    whole = der.sequence(tbs, outer, der.bit_string(signature))
    return Made(der=whole + trailing, key=private, subject=subject_der)


def extension_der(one: Extension) -> bytes:
    if isinstance(one, bytes):
        return one
    value, critical = one
    return der.extension(value.oid.dotted_string, value.public_bytes(), critical=critical)


# extensions
def constraints(*, ca: bool, path_length: int | None = None, critical: bool = True) -> Extension:
    return x509.BasicConstraints(ca=ca, path_length=path_length), critical


def usage(*bits: str, critical: bool = True) -> Extension:
    every = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    assert set(bits) <= set(every)
    return x509.KeyUsage(**{bit: bit in bits for bit in every}), critical


def purposes(*usages: x509.ObjectIdentifier, critical: bool = False) -> Extension:
    return x509.ExtendedKeyUsage(usages), critical


def alternative_names(*names: x509.GeneralName, critical: bool = False) -> Extension:
    return x509.SubjectAlternativeName(names), critical


def name_constraints(
    permitted: Sequence[x509.GeneralName] | None = None,
    excluded: Sequence[x509.GeneralName] | None = None,
    *,
    critical: bool = True,
) -> Extension:
    return x509.NameConstraints(permitted, excluded), critical


def subject_key_identifier(private: PrivateKey) -> Extension:
    return x509.SubjectKeyIdentifier(key_identifier(private)), False


def authority_key_identifier(identifier: bytes | None, *, critical: bool = False) -> Extension:
    return x509.AuthorityKeyIdentifier(identifier, None, None), critical


# profiles
class Rest(TypedDict, total=False):
    """What the profiles hand on to `make`."""

    private: PrivateKey
    start: datetime | bytes
    end: datetime | bytes
    serial: int
    digest: str
    pss: bool
    issuer: bytes
    public: bytes
    inner_algorithm: bytes
    outer_algorithm: bytes
    signer: PrivateKey
    spoil_signature: bool
    trailing: bytes


def _own_key(subject: str | bytes, rest: Rest) -> PrivateKey:
    return rest.setdefault("private", key("p256", f"of {subject!r}"))


def authority(
    subject: str | bytes,
    by: Made | None = None,
    *more: Extension,
    path_length: int | None = None,
    **rest: Unpack[Rest],
) -> Made:
    """A v3 CA as RFC 5280 wants it, with `more` extensions; root without `by`."""
    private = _own_key(subject, rest)
    extensions = [
        constraints(ca=True, path_length=path_length),
        usage("key_cert_sign", "crl_sign"),
        subject_key_identifier(private),
        *([authority_key_identifier(by.key_identifier)] if by else []),
        *more,
    ]
    return make(subject, by, extensions, **rest)


def client(subject: str | bytes, by: Made | None, *more: Extension, **rest: Unpack[Rest]) -> Made:
    """A v3 client certificate as RFC 5280 wants it, with `more` extensions."""
    _own_key(subject, rest)
    extensions = [
        constraints(ca=False),
        usage("digital_signature"),
        purposes(CLIENT_AUTH),
        *([authority_key_identifier(by.key_identifier)] if by else []),
        *more,
    ]
    return make(subject, by, extensions, **rest)


def version1(subject: str | bytes, by: Made | None = None, **rest: Unpack[Rest]) -> Made:
    """X.509 v1, as `openssl x509 -req` without an extension file makes (OpenSSL before 3.2)."""
    return make(subject, by, version=1, **rest)


def bare(subject: str | bytes, by: Made | None = None, **rest: Unpack[Rest]) -> Made:
    """v3 without basicConstraints, as OpenSSL 3.2 and later make: key identifiers only."""
    private = _own_key(subject, rest)
    extensions = [
        subject_key_identifier(private),
        *([authority_key_identifier(by.key_identifier)] if by else []),
    ]
    return make(subject, by, extensions, **rest)
