"""Names that people type and strangers ask for: each becomes a name of a certificate, or a refusal of one line."""

import contextlib
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from hsmgate.errors import Failure, Reason
from hsmgate.pki import csr, names, openssl_ca
from support import certs


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("dns:gate.example", x509.DNSName("gate.example")),
        ("DNS:*.example.com", x509.DNSName("*.example.com")),
        ("ip:::1", x509.IPAddress(ipaddress.ip_address("::1"))),
        ("email:a.b@example.com", x509.RFC822Name("a.b@example.com")),
        ("uri:urn:example:a", x509.UniformResourceIdentifier("urn:example:a")),
    ],
)
def test_names(text: str, name: x509.GeneralName) -> None:
    assert names.general_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        *("", "dns", "dns:", "dns:a b", "dns:-a", "dns:a..b", "dns:a.*.b", "dns:*", "dns:ä.example", "dns:a\n"),
        *("dns:" + "a" * 64, "dns:" + ".".join(["a" * 60] * 5), "ip:1.2.3", "ip:10.0.0.0/8", "ip:1.2.3.4 "),
        *("email:a", "email:a@b@c", "uri:no", "uri:a b", "dir:CN=a", "rid:1.2", "x" * 10_000),
    ],
)
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(Failure) as caught:
        names.general_name(text)
    assert caught.value.reason is Reason.INVALID_INPUT
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "text", ["dns:example.com", "dns:.example.com", "ip:10.0.0.0/8", "email:example.com", "email:a@b.c", "dir:O=A"]
)
def test_subtrees(text: str) -> None:
    assert isinstance(names.subtree(text), x509.GeneralName)


@pytest.mark.parametrize("text", ["ip:10.0.0.1/8", "dns:*.a", "email:", "uri:http://a", "dir:"])
def test_what_is_no_subtree(text: str) -> None:
    with pytest.raises(Failure):
        names.subtree(text)


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("billing", "CN=billing"),
        ("CN=a,O=Example,C=CH", "CN=a,O=Example,C=CH"),
        ("CN=a\\, b", "CN=a\\, b"),
        ("2.5.4.3=a", "CN=a"),
        ("a space", "CN=a space"),
    ],
)
def test_subjects(text: str, subject: str) -> None:
    assert names.subject(text).rfc4514_string() == subject


@pytest.mark.parametrize(
    "text", ["", " ", "CN=", "CN=" + "a" * 65, "C=CHE", "CN=a,,O=b", "WHAT=a", "CN=a\x1b[2J", "a\n"]
)
def test_what_is_no_subject(text: str) -> None:
    with pytest.raises(Failure) as caught:
        names.subject(text)
    assert caught.value.reason is Reason.INVALID_INPUT
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("url", ["", "ftp://a", "http://", "http://a b", "https://a/\x00", "http://user@a/", "//a"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(Failure):
        names.url(url)


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_any_text_is_a_name_or_a_refusal(text: str) -> None:
    for read in (names.general_name, names.subtree, names.subject, names.url, openssl_ca.listed, openssl_ca.number):
        for form in (text, f"dns:{text}", f"CN={text}", f"V\t300101000000Z\t\t01\tx\t{text}"):
            with contextlib.suppress(Failure):
                read(form)


def request(*extensions: x509.ExtensionType, key: certs.PrivateKey | None = None, subject: str = "CN=a") -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name.from_rfc4514_string(subject))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    made = builder.sign(key or certs.key(), hashes.SHA256())
    return made.public_bytes(Encoding.DER)


def test_a_request_is_read_in_der_and_pem() -> None:
    der = request(x509.SubjectAlternativeName([x509.DNSName("a.example")]))
    asked = csr.read(der)
    assert asked.names == (x509.DNSName("a.example"),)
    assert asked.public_key == certs.key().public_key()
    assert csr.read(x509.load_der_x509_csr(der).public_bytes(Encoding.PEM)) == asked


def test_names_of_a_request_are_held_to_the_same_rules() -> None:
    odd = [x509.DNSName("a b"), x509.RegisteredID(x509.ObjectIdentifier("1.2.3")), x509.DirectoryName(x509.Name([]))]
    for name in odd:
        with pytest.raises(Failure) as caught:
            names.checked(csr.read(request(x509.SubjectAlternativeName([name]))).names)
        assert caught.value.reason is Reason.INVALID_INPUT
    many = [x509.DNSName(f"a{number}.example") for number in range(101)]
    with pytest.raises(Failure, match="at most 100"):
        names.checked(tuple(many))


def test_keys_that_are_not_certified() -> None:
    weak = rsa.generate_private_key(3, 2048)
    for key in (certs.key("secp256k1"), certs.key("p224"), certs.key("rsa1024"), weak, certs.key("dsa1024")):
        with pytest.raises(Failure) as caught:
            csr.read(request(key=key))
        assert caught.value.reason in (Reason.WEAK_CERTIFICATE, Reason.UNSUPPORTED_CERTIFICATE)


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_a_request_with_a_changed_octet_is_refused(where: float, change: int) -> None:
    der = bytearray(request(x509.SubjectAlternativeName([x509.DNSName("a.example")])))
    der[int(where * len(der))] ^= change
    with pytest.raises(Failure):
        csr.read(bytes(der))


def test_a_request_that_is_none() -> None:
    pem = x509.load_der_x509_csr(request()).public_bytes(Encoding.PEM)
    for content in (b"", b"\0" * 100, pem * 2, pem[:200], b"x" * 70_000, request(subject="CN=a\x07")):
        with pytest.raises(Failure):
            csr.read(content)


def test_a_curve_of_ours_signs_with_a_digest_of_its_strength() -> None:
    for curve, digest in ((ec.SECP256R1(), "sha256"), (ec.SECP384R1(), "sha384"), (ec.SECP521R1(), "sha512")):
        made = x509.load_der_x509_csr(csr.make("a", ec.generate_private_key(curve)))
        assert made.signature_hash_algorithm is not None
        assert made.signature_hash_algorithm.name == digest
