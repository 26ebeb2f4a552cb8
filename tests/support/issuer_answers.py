"""What an issuer's responder says of any certificate, as the test wants it: good, revoked, unknown, or nothing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import ocsp

from support.responder import Query, Reply, http

_STATUS = {
    "good": ocsp.OCSPCertStatus.GOOD,
    "revoked": ocsp.OCSPCertStatus.REVOKED,
    "unknown": ocsp.OCSPCertStatus.UNKNOWN,
}


class IssuerAnswers:
    """A script for support.responder; `says` may be changed at any time, `nothing` being HTTP 503."""

    def __init__(self, issuer: Path, key: Path) -> None:
        self.says = "good"
        self._issuer = x509.load_pem_x509_certificate(issuer.read_bytes())
        loaded = load_pem_private_key(key.read_bytes(), None)
        assert isinstance(loaded, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
        self._key = loaded

    def __call__(self, query: Query) -> Reply:
        if self.says == "nothing":
            return http(b"", "503 Service Unavailable")
        asked, status = query.request, _STATUS[self.says]
        now = datetime.now(UTC).replace(microsecond=0)
        revoked = status is ocsp.OCSPCertStatus.REVOKED
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            asked.issuer_name_hash,
            asked.issuer_key_hash,
            asked.serial_number,
            asked.hash_algorithm,
            status,
            now,
            now + timedelta(minutes=5),
            now if revoked else None,
            x509.ReasonFlags.key_compromise if revoked else None,
        )
        signed = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, self._issuer).sign(self._key, hashes.SHA256())
        return http(signed.public_bytes(Encoding.DER))
