"""CRLs as authorities publish them, and as they should not."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from support.certs import Made

Entry = tuple[int, x509.ReasonFlags | None]


def make(
    by: Made,
    entries: Iterable[Entry] = (),
    number: int | None = 1,
    *extensions: tuple[x509.ExtensionType, bool],
    start: timedelta = timedelta(minutes=-5),
    end: timedelta = timedelta(hours=6),
    digest: hashes.SHA256 | hashes.SHA384 | None = None,
    entry_extension: tuple[x509.ExtensionType, bool] | None = None,
) -> bytes:
    now = datetime.now(UTC).replace(microsecond=0)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.load_der_x509_certificate(by.der).subject)
        .last_update(now + start)
        .next_update(now + end)
    )
    for serial, reason in entries:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - timedelta(hours=1))
        if reason is not None:
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
        if entry_extension is not None:
            entry = entry.add_extension(entry_extension[0], critical=entry_extension[1])
        builder = builder.add_revoked_certificate(entry.build())
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    return builder.sign(by.key, digest or hashes.SHA256()).public_bytes(Encoding.DER)
