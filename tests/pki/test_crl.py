"""CRLs against pyca and openssl, which read what we write octet by octet."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from hsmgate.adapters.pki_keys import KINDS, SigningKeyStore
from hsmgate.errors import Failure
from hsmgate.pki import crl, issue
from hsmgate.pki.issued import REASONS
from support import certs

NOW = datetime.now(UTC).replace(microsecond=0)
THEN = NOW + timedelta(days=7)
FAST = [kind for kind in KINDS if not kind.startswith("rsa")] + ["rsa2048"]


def root(key: CertificateIssuerPrivateKeyTypes | None = None) -> issue.Authority:
    return issue.root("a root", key or certs.key(), 1, issue.validity(NOW, issue.AUTHORITY_LIFETIME))


@pytest.mark.parametrize("kind", FAST)
def test_every_kind_of_key_signs_a_crl_that_openssl_verifies(tmp_path: Path, kind: str) -> None:
    authority = root(SigningKeyStore(tmp_path).make("file:k", kind))
    (tmp_path / "ca.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    der = crl.build(authority, 3, NOW, THEN, [crl.Entry(serial=9, at=NOW.timestamp(), reason="superseded")])
    (tmp_path / "crl.der").write_bytes(der)
    command = ["openssl", "crl", "-inform", "DER", "-in", "crl.der", "-CAfile", "ca.pem", "-noout", "-text"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "verify OK" in done.stderr, done.stderr
    for text in ("Version 2", "X509v3 CRL Number: \n                3\n", "Superseded", "Serial Number: 09"):
        assert text in done.stdout
    assert x509.load_der_x509_crl(der).is_signature_valid(authority.key.public_key())


def test_what_goes_in_comes_out() -> None:
    at = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
    entries = [
        crl.Entry(serial=(1 << 159) - 1 - number, at=(at + timedelta(seconds=number)).timestamp(), reason=reason)
        for number, reason in enumerate(REASONS)
    ]
    authority = root()
    found = x509.load_der_x509_crl(crl.build(authority, 1 << 60, NOW, THEN, entries))
    assert (found.last_update_utc, found.next_update_utc) == (NOW, THEN)
    assert found.issuer == authority.certificate.subject
    assert [one.serial_number for one in found] == [entry.serial for entry in entries]
    assert [one.revocation_date_utc.timestamp() for one in found] == [entry.at for entry in entries]
    for one, entry in zip(found, entries, strict=True):
        if entry.reason == "unspecified":  # RFC 5280 5.3.1: it should be left out
            assert not list(one.extensions)
        else:
            reason = one.extensions.get_extension_for_class(x509.CRLReason)
            assert (reason.value.reason.value, reason.critical) == (entry.reason, False)
    assert found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 1 << 60
    own = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    pointer = found.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert pointer.key_identifier == own.digest


def test_an_empty_crl_has_no_list_at_all() -> None:
    der = crl.build(root(), 1, NOW, THEN, [])
    assert len(x509.load_der_x509_crl(der)) == 0
    # RFC 5280 5.1.2.6: behind nextUpdate come the extensions, [0]
    year = f"{THEN:%y%m%d%H%M%SZ}".encode()
    assert der[der.index(year) + len(year)] == 0xA0


def test_octet_by_octet_as_pyca_writes_it() -> None:
    """All but the signature, which is another one each time."""
    authority = root()
    entries = [crl.Entry(serial=7 + n, at=NOW.timestamp(), reason="keyCompromise") for n in range(300)]
    reason = x509.CRLReason(x509.ReasonFlags.key_compromise)
    listed = [
        x509.RevokedCertificateBuilder()
        .serial_number(entry.serial)
        .revocation_date(NOW)
        .add_extension(reason, critical=False)
        .build()
        for entry in entries
    ]
    own = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.certificate.subject)
    builder = builder.last_update(NOW).next_update(THEN)
    for one in listed:
        builder = builder.add_revoked_certificate(one)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False
    ).add_extension(x509.CRLNumber(12), critical=False)
    theirs = builder.sign(authority.key, hashes.SHA256())
    ours = x509.load_der_x509_crl(crl.build(authority, 12, NOW, THEN, entries))
    assert ours.tbs_certlist_bytes == theirs.tbs_certlist_bytes


def test_only_who_may_sign_crls_does() -> None:
    authority = root()
    stranger = issue.Authority(certificate=authority.certificate, key=certs.key(label="another"))
    with pytest.raises(Failure, match="does not belong"):
        crl.build(stranger, 1, NOW, THEN, [])
    leaf_key = certs.key(label="a leaf")
    leaf = issue.client("c", leaf_key.public_key(), authority, 2, issue.validity(NOW, issue.CLIENT_LIFETIME))
    with pytest.raises(Failure, match="key usage"):
        crl.build(issue.Authority(certificate=leaf, key=leaf_key), 1, NOW, THEN, [])
