import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hsmgate.errors import Failure, Reason
from hsmgate.pki import issue

NOW = datetime.now(UTC)
NAMES = [x509.DNSName("localhost"), x509.DNSName("gate.example")]


def p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def root() -> issue.Authority:
    return issue.root("a root", p256(), 1, issue.validity(NOW, issue.AUTHORITY_LIFETIME))


@pytest.fixture(scope="module")
def client_ca(root: issue.Authority) -> issue.Authority:
    key = p256()
    lifetime = issue.validity(NOW, issue.AUTHORITY_LIFETIME)
    certificate = issue.intermediate("an authority of clients", key.public_key(), root, 2, lifetime)
    return issue.Authority(certificate=certificate, key=key)


def leaf_of(issuer: issue.Authority, purpose: str) -> x509.Certificate:
    if purpose == "sslserver":
        days = issue.validity(NOW, issue.SERVER_LIFETIME)
        return issue.server(NAMES, p256().public_key(), issuer, 3, days)
    return issue.client("a client", p256().public_key(), issuer, 4, issue.validity(NOW, issue.CLIENT_LIFETIME))


def openssl_verify(
    folder: Path, leaf: x509.Certificate, anchor: x509.Certificate, untrusted: list[x509.Certificate], purpose: str
) -> subprocess.CompletedProcess[str]:
    for name, certificates in {"leaf": [leaf], "anchor": [anchor], "untrusted": untrusted}.items():
        (folder / name).write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in certificates))
    command = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", "anchor"]
    command += ["-untrusted", "untrusted"] if untrusted else []
    return subprocess.run([*command, "leaf"], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("purpose", ["sslserver", "sslclient"])
@pytest.mark.parametrize("below", ["root", "client_ca"])
def test_openssl_accepts_a_leaf_for_its_purpose_and_no_other(
    root: issue.Authority, client_ca: issue.Authority, tmp_path: Path, purpose: str, below: str
) -> None:
    issuer, untrusted = (root, []) if below == "root" else (client_ca, [client_ca.certificate])
    leaf = leaf_of(issuer, purpose)
    done = openssl_verify(tmp_path, leaf, root.certificate, untrusted, purpose)
    assert done.returncode == 0, done.stderr
    other = {"sslserver": "sslclient", "sslclient": "sslserver"}[purpose]
    done = openssl_verify(tmp_path, leaf, root.certificate, untrusted, other)
    assert "unsuitable certificate purpose" in done.stderr


def test_a_leaf_issues_nothing_that_openssl_would_accept(root: issue.Authority, tmp_path: Path) -> None:
    key = p256()
    leaf = issue.client("a client", key.public_key(), root, 3, issue.validity(NOW, issue.CLIENT_LIFETIME))
    usurper = issue.Authority(certificate=leaf, key=key)
    with pytest.raises(Failure, match="no certificate authority"):
        leaf_of(usurper, "sslclient")
    forged = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "forged")]))
        .issuer_name(leaf.subject)
        .public_key(p256().public_key())
        .serial_number(5)
        .not_valid_before(NOW - timedelta(minutes=1))
        .not_valid_after(NOW + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    done = openssl_verify(tmp_path, forged, root.certificate, [leaf], "sslclient")
    assert done.returncode != 0


def test_extensions_of_an_authority(root: issue.Authority, client_ca: issue.Authority) -> None:
    for certificate, path_length in ((root.certificate, 1), (client_ca.certificate, 0)):
        assert certificate.version is x509.Version.v3
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        assert constraints.critical
        assert (constraints.value.ca, constraints.value.path_length) == (True, path_length)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        assert usage.critical
        assert (usage.value.key_cert_sign, usage.value.crl_sign, usage.value.digital_signature) == (True, True, False)
    assert root.certificate.subject == root.certificate.issuer == client_ca.certificate.issuer


@pytest.mark.parametrize(
    ("purpose", "usage", "days"),
    [("sslserver", ExtendedKeyUsageOID.SERVER_AUTH, 397), ("sslclient", ExtendedKeyUsageOID.CLIENT_AUTH, 825)],
)
def test_extensions_and_lifetime_of_a_leaf(
    client_ca: issue.Authority, purpose: str, usage: x509.ObjectIdentifier, days: int
) -> None:
    leaf = leaf_of(client_ca, purpose)
    assert {e.oid._name: e.critical for e in leaf.extensions if e.critical} == {
        "basicConstraints": True,
        "keyUsage": True,
    }
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert leaf.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    assert not leaf.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [usage]
    pointer = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    above = client_ca.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert pointer.key_identifier == above.digest
    assert leaf.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest != above.digest
    # RFC 5280 4.1.2.5: both ends belong to the validity, so the lifetime is a second longer than their difference
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(days=days, seconds=-1)
    assert NOW - timedelta(minutes=10) < leaf.not_valid_before_utc < NOW - timedelta(minutes=1)
    assert isinstance(leaf.signature_hash_algorithm, hashes.SHA256)


def test_a_server_has_all_its_names_and_a_client_those_that_are_given(root: issue.Authority) -> None:
    server = leaf_of(root, "sslserver")
    assert list(server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == NAMES
    uri = x509.UniformResourceIdentifier("urn:example:client")
    days = issue.validity(NOW, issue.CLIENT_LIFETIME)
    client = issue.client("a client", p256().public_key(), root, 4, days, names=[uri])
    assert list(client.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == [uri]
    with pytest.raises(x509.ExtensionNotFound):
        leaf_of(root, "sslclient").extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_serial_numbers_are_positive_and_have_at_most_20_octets() -> None:
    assert issue.serial_number(b"\xff" * 20) == (1 << 159) - 1
    assert issue.serial_number(b"\x80" + bytes(19)) == 1 << 158
    for octets in (bytes(20), b"\xff" * 19, b"\xff" * 21, b""):
        with pytest.raises(Failure) as caught:
            issue.serial_number(octets)
        assert caught.value.reason is Reason.INVALID_INPUT


@pytest.mark.parametrize("serial", [0, -1, 1 << 159])
def test_a_serial_number_out_of_range_is_refused(root: issue.Authority, serial: int) -> None:
    with pytest.raises(Failure, match="serial number"):
        issue.client("c", p256().public_key(), root, serial, issue.validity(NOW, issue.CLIENT_LIFETIME))


@pytest.mark.parametrize("name", ["", "x" * 65])
def test_a_common_name_out_of_range_is_refused(root: issue.Authority, name: str) -> None:
    with pytest.raises(Failure, match="common name"):
        issue.client(name, p256().public_key(), root, 9, issue.validity(NOW, issue.CLIENT_LIFETIME))


def test_a_server_without_names_is_refused(root: issue.Authority) -> None:
    with pytest.raises(Failure, match="at least one name"):
        issue.server([], p256().public_key(), root, 9, issue.validity(NOW, issue.SERVER_LIFETIME))


def test_a_long_server_name_is_cut_in_the_subject_only(root: issue.Authority) -> None:
    name = ".".join(["label" * 5] * 4)
    days = issue.validity(NOW, issue.SERVER_LIFETIME)
    server = issue.server([x509.DNSName(name)], p256().public_key(), root, 9, days)
    assert server.subject.rfc4514_string() == f"CN={name[:64]}"
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [name]


def test_no_authority_below_one_that_issues_leaves_only(client_ca: issue.Authority) -> None:
    with pytest.raises(Failure, match="path length"):
        issue.intermediate("x", p256().public_key(), client_ca, 9, issue.validity(NOW, issue.CLIENT_LIFETIME))


def test_an_issuer_with_a_foreign_key_is_refused(root: issue.Authority) -> None:
    with pytest.raises(Failure, match="does not belong"):
        leaf_of(issue.Authority(certificate=root.certificate, key=p256()), "sslclient")


@pytest.mark.parametrize(
    ("start", "end"), [(timedelta(days=-1), timedelta(days=1)), (timedelta(0), timedelta(days=3651))]
)
def test_nothing_is_valid_longer_than_its_issuer(root: issue.Authority, start: timedelta, end: timedelta) -> None:
    with pytest.raises(Failure, match="beyond that of the issuer"):
        issue.client("c", p256().public_key(), root, 9, issue.Validity(not_before=NOW + start, not_after=NOW + end))


def test_a_validity_needs_a_zone_and_an_order(root: issue.Authority) -> None:
    for lifetime in (
        issue.Validity(not_before=NOW, not_after=NOW),
        issue.Validity(not_before=NOW.replace(tzinfo=None), not_after=NOW.replace(tzinfo=None) + timedelta(days=1)),
    ):
        with pytest.raises(Failure, match="validity"):
            issue.root("r", p256(), 9, lifetime)


def test_other_kinds_of_keys(tmp_path: Path) -> None:
    years = issue.validity(NOW, issue.AUTHORITY_LIFETIME)
    edwards = issue.root("an Ed25519 root", ed25519.Ed25519PrivateKey.generate(), 1, years)
    done = openssl_verify(tmp_path, leaf_of(edwards, "sslclient"), edwards.certificate, [], "sslclient")
    assert done.returncode == 0, done.stderr
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    with pytest.raises(Failure) as caught:
        issue.root("a weak root", weak, 1, years)
    assert caught.value.reason is Reason.WEAK_CERTIFICATE
