"""Writes OCSP answers (RFC 6960 4.2) octet by octet, right ones and every wrong one that a library would not make."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import new as digest_of

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from support import certs, der_text
from support.certs import Made

HOUR = timedelta(hours=1)
NONCE = "1.3.6.1.5.5.7.48.1.2"
BASIC = "1.3.6.1.5.5.7.48.1.1"
_HASHES = {
    "sha1": "1.3.14.3.2.26",
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
}


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def aia(*urls: str, issuers: Sequence[str] = ()) -> certs.Extension:
    """Authority information access: OCSP and caIssuers by URI."""
    named = [(AuthorityInformationAccessOID.OCSP, url) for url in urls]
    named += [(AuthorityInformationAccessOID.CA_ISSUERS, url) for url in issuers]
    return access(*((method, x509.UniformResourceIdentifier(url)) for method, url in named))


def access(*entries: tuple[x509.ObjectIdentifier, x509.GeneralName]) -> certs.Extension:
    return x509.AuthorityInformationAccess([x509.AccessDescription(*entry) for entry in entries]), False


def delegate(
    subject: str | bytes,
    by: Made | None,
    *more: certs.Extension,
    kind: str = "p256",
    nocheck: bool = True,
    purposes: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.OCSP_SIGNING,),
    **rest: object,
) -> Made:
    """A certificate that may sign OCSP answers for `by`."""
    extensions: list[certs.Extension] = [certs.usage("digital_signature"), *more]
    if purposes:
        extensions.append(certs.purposes(*purposes))
    if nocheck:
        extensions.append((x509.OCSPNoCheck(), False))
    private = rest.pop("private", None) or certs.key(kind, f"delegate {subject!r}")
    return certs.make(subject, by, extensions, private=private, **rest)  # type: ignore[arg-type]


def key_octets(private: certs.PrivateKey) -> bytes:
    """The BIT STRING's content: what key hashes go over."""
    public = private.public_key()
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = x509.SubjectKeyIdentifier.from_public_key(public).digest
    # the content stands at the end; its length follows from the hash that pyca makes of it
    return next(spki[at:] for at in range(len(spki)) if digest_of("sha1", spki[at:]).digest() == digest)


def time_of(moment: datetime) -> bytes:
    return der_text.generalized_time(moment)


@dataclass(frozen=True)
class Single:
    """One SingleResponse. Hashes and status may be replaced by anything."""

    serial: int
    issuer: Made
    status: str = "good"  # good | revoked | unknown
    digest: str = "sha1"
    this_update: datetime | None = None
    next_update: datetime | None = None
    endless: bool = False  # without nextUpdate
    revoked_at: datetime | None = None
    reason: int | None = None
    name_hash: bytes | None = None
    key_hash: bytes | None = None
    extensions: bytes = b""

    def encoded(self) -> bytes:
        start = self.this_update or now()
        end = self.next_update or start + HOUR
        return der_text.sequence(
            self._cert_id(),
            self._status(),
            time_of(start),
            b"" if self.endless else der_text.tlv(0xA0, time_of(end)),
            der_text.tlv(0xA1, der_text.sequence(self.extensions)) if self.extensions else b"",
        )

    def _cert_id(self) -> bytes:
        algorithm = der_text.sequence(der_text.oid(_HASHES[self.digest]), der_text.NULL)
        name_hash = self.name_hash or digest_of(self.digest, self.issuer.subject).digest()
        key_hash = self.key_hash or digest_of(self.digest, key_octets(self.issuer.key)).digest()
        return der_text.sequence(
            algorithm, der_text.tlv(0x04, name_hash), der_text.tlv(0x04, key_hash), der_text.integer(self.serial)
        )

    def _status(self) -> bytes:
        if self.status == "revoked":
            reason = b"" if self.reason is None else der_text.tlv(0xA0, der_text.tlv(0x0A, bytes((self.reason,))))
            return der_text.tlv(0xA1, time_of(self.revoked_at or now() - HOUR), reason)
        return b"\x80\x00" if self.status == "good" else b"\x82\x00"


@dataclass(frozen=True)
class Answer:
    """An OCSPResponse with its BasicOCSPResponse; the defaults make a right one."""

    singles: Sequence[Single]
    signer: Made
    by_key: bool = False  # ResponderID
    named: Made | None = None  # the ResponderID names this one instead of the signer
    certificates: Sequence[bytes] | None = None  # None: the signer's own
    produced: datetime | None = None
    nonce: bytes | None = None  # the extension's value, DER
    nonce_critical: bool = False
    extensions: bytes = b""
    digest: str = "sha256"
    pss: bool = False
    algorithm: bytes | None = None
    spoil: bool = False
    signature: bytes | None = None
    version: bytes = b""
    response_type: str = BASIC

    def tbs(self) -> bytes:
        named = self.named or self.signer
        if self.by_key:
            who = der_text.tlv(0xA2, der_text.tlv(0x04, digest_of("sha1", key_octets(named.key)).digest()))
        else:
            who = der_text.tlv(0xA1, named.subject)
        extensions = self.extensions
        if self.nonce is not None:
            extensions += der_text.extension(NONCE, self.nonce, critical=self.nonce_critical)
        return der_text.sequence(
            self.version,
            who,
            time_of(self.produced or now()),
            der_text.sequence(*(single.encoded() for single in self.singles)),
            der_text.tlv(0xA1, der_text.sequence(extensions)) if extensions else b"",
        )

    def basic(self) -> bytes:
        tbs = self.tbs()
        signature = self.signature
        if signature is None:
            signature = certs._sign(self.signer.key, tbs, self.digest, pss=self.pss)
        if self.spoil:
            signature = signature[:-1] + bytes((signature[-1] ^ 1,))
        algorithm = self.algorithm or certs.signature_algorithm(self.signer.key, self.digest, pss=self.pss)
        carried = (self.signer.der,) if self.certificates is None else self.certificates
        return der_text.sequence(
            tbs,
            algorithm,
            der_text.bit_string(signature),
            der_text.tlv(0xA0, der_text.sequence(*carried)) if carried else b"",
        )

    def encoded(self) -> bytes:
        return response(self.basic(), self.response_type)


def response(basic: bytes | None, kind: str = BASIC, status: int = 0) -> bytes:
    """OCSPResponse; without `basic` no responseBytes."""
    body = b"" if basic is None else der_text.sequence(der_text.oid(kind), der_text.tlv(0x04, basic))
    return der_text.sequence(der_text.tlv(0x0A, bytes((status,))), der_text.tlv(0xA0, body) if body else b"")
