"""/v1/certificate/...: what keys sign about themselves and others, judged by openssl and keytool."""

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from support.api import Api
from support.certifying import (
    AUTHORITY,
    KINDS,
    ask,
    count,
    csr_of,
    extensions,
    judged,
    later,
    made,
    parsed,
    refused,
    self_signed,
    wish,
)

EVERY = [(kind, algorithm) for kind, (_, algorithms) in KINDS.items() for algorithm in algorithms]
BY_JAVA = {"RSA", "P-256", "P-521", "Ed25519", "DSA"}  # its other curves went with Java 16


@pytest.mark.parametrize(("kind", "algorithm"), EVERY, ids=[f"{kind} {name}" for kind, name in EVERY])
def test_openssl_verifies_and_keytool_prints(api: Api, tmp_path: Path, kind: str, algorithm: str) -> None:
    label = made(api, kind)
    csr = csr_of(api, label, algorithm)
    assert csr.startswith("-----BEGIN NEW CERTIFICATE REQUEST-----\n")
    assert "verify OK" in judged(tmp_path, "openssl", "req", "-in", "csr", "-verify", "-noout", csr=csr)
    root = self_signed(api, label, algorithm, commonName="Authority", **AUTHORITY)
    leaf = ask(api, "sign", wish(label, algorithm, certificateSigningRequest=csr, commonName="leaf"))["certificate"]
    strict = [] if kind == "brainpoolP256r1" else ["-x509_strict"]
    verify = ["openssl", "verify", *strict, "-check_ss_sig", "-attime", "1706008000", "-CAfile", "root"]
    assert judged(tmp_path, *verify, "root", root=root).startswith("root: OK")
    assert judged(tmp_path, *verify, "leaf", leaf=leaf).startswith("leaf: OK")
    if kind in BY_JAVA:
        for file in ("csr", "root", "leaf"):
            command = "-printcertreq" if file == "csr" else "-printcert"
            printed = judged(tmp_path, "keytool", command, "-file", file)
            assert "CN=" in printed


def test_a_self_signed_certificate_is_there_until_it_is_deleted(api: Api) -> None:
    label = made(api)
    path = f"/v1/certificate/{label}"
    assert refused(api.call("GET", path)) == (404, 650)
    before = count(api)
    pem = self_signed(api, label)
    found = api.call("GET", path).json
    der = parsed(pem).public_bytes(Encoding.DER)
    assert found == {"label": label, "certificate": pem, "rawCertificate": base64.b64encode(der).decode()}
    assert count(api) == before + 1
    assert (api.call("DELETE", path).status, api.call("DELETE", path).status) == (200, 404)
    assert refused(api.call("GET", path)) == (404, 650)
    assert count(api) == before
    assert api.call("POST", "/v1/key/attributes", {"label": label}).status == 200, "the key stays"


EVERYTHING: dict[str, Any] = {
    "standardCertificateAttributes": {
        "commonName": "orders", "country": "CH", "stateOrProvinceName": "Zürich", "locality": "Zürich",
        "organizationName": "Example", "organizationIdentifier": "VATCH-1", "organizationUnitName": "Keys",
        "email": "keys@example.com", "title": "Dr", "surname": "Muster", "givenName": "Eva", "initials": "E",
        "pseudonym": "hidden", "generationQualifier": "II",
    },
    "commonName": "ignored beside the attributes",
    "keyUsage": ["DIGITAL_SIGNATURE", "CONTENT_COMMITMENT", "KEY_ENCIPHERMENT", "DATA_ENCIPHERMENT", "KEY_AGREEMENT",
                 "KEY_CERT_SIGN", "CRL_SIGN", "ENCIPHER_ONLY", "DECIPHER_ONLY"],
    "extendedKeyUsage": ["ANY_EXTENDED_KEY_USAGE", "SERVER_AUTH", "CLIENT_AUTH", "CODE_SIGNING", "EMAIL_PROTECTION",
                         "TIME_STAMPING", "OCSP_SIGNING"],
    "subjectAlternativeNames": [
        {"sanType": "DNS", "sanValue": "orders.example.com"}, {"sanType": "IP", "sanValue": "192.0.2.7"},
        {"sanType": "IP", "sanValue": "2001:db8::7"}, {"sanType": "URI", "sanValue": "urn:example:orders"},
        {"sanType": "EMAIL", "sanValue": "keys@example.com"},
        {"sanType": "OTHERNAME", "sanValue": "1.3.6.1.4.1.311.20.2.3;UTF8:eva@exämple.com"},
    ],
    "certificateAuthority": True,
}  # fmt: skip
SUBJECT = (
    "CN = orders, OU = Keys, O = Example, organizationIdentifier = VATCH-1, L = Zürich, ST = Zürich, C = CH, "
    "emailAddress = keys@example.com, title = Dr, SN = Muster, GN = Eva, initials = E, generationQualifier = II"
)
CRITICAL = {"keyUsage", "extendedKeyUsage", "basicConstraints"}


def test_every_field_as_openssl_reads_it(api: Api, tmp_path: Path) -> None:
    label = made(api)
    csr = csr_of(api, label, **EVERYTHING)
    pem = self_signed(api, label, **EVERYTHING)
    for command, text in (("req", csr), ("x509", pem)):
        read = judged(
            tmp_path, "openssl", command, "-in", "it", "-noout", "-text", "-nameopt", "oneline,-esc_msb,utf8", it=text
        )
        assert SUBJECT in read
        assert "ignored" not in read
        for word in (
            (
                "Digital Signature, Non Repudiation, Key Encipherment, Data Encipherment, Key Agreement, "
                "Certificate Sign, CRL Sign, Encipher Only, Decipher Only"
            ),
            (
                "Any Extended Key Usage, TLS Web Server Authentication, TLS Web Client Authentication, Code Signing, "
                "E-mail Protection, Time Stamping, OCSP Signing"
            ),
            (
                "DNS:orders.example.com, IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:7, "
                "URI:urn:example:orders, email:keys@example.com, othername: UPN::eva@ex"
            ),
            "CA:TRUE",
            "X509v3 Subject Key Identifier",
        ):
            assert word in read
    for found in (x509.load_pem_x509_csr(csr.encode()), parsed(pem)):
        assert {name for name, (critical, _) in extensions(found).items() if critical} == CRITICAL


def test_what_is_not_asked_for_is_not_there(api: Api) -> None:
    found = parsed(self_signed(api, made(api)))
    assert set(extensions(found)) == {"basicConstraints", "subjectKeyIdentifier", "authorityKeyIdentifier"}
    assert extensions(found)["basicConstraints"] == (True, x509.BasicConstraints(ca=False, path_length=None))
    assert found.not_valid_before_utc.isoformat() == "2024-01-23T10:49:43+00:00"
    assert (found.not_valid_after_utc - found.not_valid_before_utc).days == 364, "365 days, both ends included"
    assert found.serial_number.bit_length() > 100
    assert found.serial_number != parsed(self_signed(api, made(api))).serial_number


@pytest.mark.parametrize(
    ("given", "usages"),
    [
        (["DIGITAL_SIGNATURE,KEY_AGREEMENT"], 2),
        (["DIGITAL_SIGNATURE, KEY_AGREEMENT"], 2),
        ([""], 0),
        ([], 0),
        (None, 0),
        (["DIGITAL_SIGNATURE", "", "DIGITAL_SIGNATURE"], 1),
    ],
)
def test_usages_as_clients_join_them(api: Api, given: object, usages: int) -> None:
    found = extensions(parsed(self_signed(api, made(api), keyUsage=given, extendedKeyUsage=[""])))
    flags = str(found["keyUsage"][1]).count("=True") if "keyUsage" in found else 0
    assert (flags, "extendedKeyUsage" in found) == (usages, False)


def test_a_request_leaves_a_certificate_where_there_is_none(api: Api) -> None:
    label = made(api)
    csr_of(api, label, commonName="placeholder")
    first = api.call("GET", f"/v1/certificate/{label}").json["certificate"]
    assert parsed(first).subject.rfc4514_string() == "CN=placeholder"
    csr_of(api, label, commonName="another")
    assert api.call("GET", f"/v1/certificate/{label}").json["certificate"] == first
    assert self_signed(api, label) == api.call("GET", f"/v1/certificate/{label}").json["certificate"] != first


def test_a_request_as_a_file(api: Api) -> None:
    label = made(api)
    name = f'{label} ü"\\'
    body = {"label": name, "attributes": {"sign": True}, **KINDS["P-256"][0]}
    assert api.call("POST", "/v1/key", body).status == 201
    response = api.call("POST", "/v1/certificate/synchronous/request/download", wish(name))
    assert response.status == 200
    assert response.header("content-disposition") == (
        f"attachment; filename=\"{label}____.csr\"; filename*=UTF-8''{label}%20%C3%BC%22%5C.csr"
    )
    assert response.header("content-type") == "application/x-pem-file"
    assert x509.load_pem_x509_csr(response.body).is_signature_valid


PREPARED: list[tuple[str, dict[str, Any], tuple[int, int]]] = [
    ("no name", {"commonName": None}, (400, 411)),
    ("empty name", {"commonName": ""}, (400, 411)),
    ("attributes without name", {"commonName": "", "standardCertificateAttributes": {"country": "CH"}}, (400, 411)),
    ("long name", {"commonName": "x" * 65}, (400, 411)),
    ("NUL", {"commonName": "orders\0.example.com"}, (400, 411)),
    ("line break", {"commonName": "orders\nCN=root"}, (400, 411)),
    ("turned text", {"commonName": "orders\u202emoc"}, (400, 411)),
    ("blank", {"commonName": "  "}, (400, 411)),
    ("country", {"standardCertificateAttributes": {"commonName": "x", "country": "CHE"}}, (400, 411)),
    ("e-mail", {"standardCertificateAttributes": {"commonName": "x", "email": "ü@example.com"}}, (400, 411)),
    ("no DNS name", {"subjectAlternativeNames": [{"sanType": "DNS", "sanValue": "a b"}]}, (400, 411)),
    ("no address", {"subjectAlternativeNames": [{"sanType": "IP", "sanValue": "300.1.1.1"}]}, (400, 411)),
    ("no URI", {"subjectAlternativeNames": [{"sanType": "URI", "sanValue": "x"}]}, (400, 411)),
    ("NUL in a name", {"subjectAlternativeNames": [{"sanType": "EMAIL", "sanValue": "a\0@b.c"}]}, (400, 411)),
    ("no OID", {"subjectAlternativeNames": [{"sanType": "OTHERNAME", "sanValue": "9.1;UTF8:x"}]}, (400, 411)),
    ("bad OID", {"subjectAlternativeNames": [{"sanType": "OTHERNAME", "sanValue": "1.99;UTF8:x"}]}, (400, 411)),
    ("no type", {"subjectAlternativeNames": [{"sanType": "dns", "sanValue": "a.b"}]}, (400, 600)),
    ("many names", {"subjectAlternativeNames": [{"sanType": "DNS", "sanValue": "a.b"}] * 101}, (400, 600)),
    ("usage", {"keyUsage": ["SIGN"]}, (400, 600)),
    ("extended usage", {"extendedKeyUsage": ["serverAuth"]}, (400, 600)),
    ("an authority's usage", {"keyUsage": ["KEY_CERT_SIGN"]}, (400, 411)),
    ("usage of agreement", {"keyUsage": ["ENCIPHER_ONLY"]}, (400, 411)),
    ("other key's algorithm", {"signatureAlgorithm": "SHA256_WITH_RSA"}, (400, 607)),
    ("not for certificates", {"signatureAlgorithm": "SHA1_WITH_ECDSA"}, (400, 607)),
    ("no algorithm", {"signatureAlgorithm": "SHA256withECDSA"}, (400, 600)),
    ("approvals", {"signedApprovals": ["AAAA"]}, (501, 101)),
    ("password", {"keyPassword": "none is needed"}, (400, 620)),
]


@pytest.mark.parametrize(("fields", "expected"), [row[1:] for row in PREPARED], ids=[row[0] for row in PREPARED])
@pytest.mark.parametrize("what", ["request", "selfsign"])
def test_what_no_certificate_says(api: Api, what: str, fields: dict[str, Any], expected: tuple[int, int]) -> None:
    label = made(api)
    body = wish(label, validity=365) | fields
    assert refused(api.call("POST", f"/v1/certificate/synchronous/{what}", body)) == expected
    later = {"request": "csrSignRequest", "selfsign": "selfSignCertificateRequest"}[what]
    assert refused(api.call("POST", f"/v1/certificate/{what}", {later: body})) == expected
    assert refused(api.call("GET", f"/v1/certificate/{label}")) == (404, 650)


@pytest.mark.parametrize(
    ("days", "expected"),
    [(0, (400, 619)), (36501, (400, 619)), (-1, (400, 600)), (None, (400, 600)), (1.5, (400, 600)), ("1", (400, 600))],
)
def test_validity_has_its_bounds(api: Api, days: object, expected: tuple[int, int]) -> None:
    body = wish(made(api), validity=days)
    assert refused(api.call("POST", "/v1/certificate/synchronous/selfsign", body)) == expected
    longest = wish(made(api), validity=36500)
    assert api.call("POST", "/v1/certificate/synchronous/selfsign", longest).status == 200


APPROVALS = {"ruleUse": {"tokens": [{"name": "t", "timelock": 60, "timeout": 0, "groups": []}]}}
UNFIT: list[tuple[str, dict[str, Any], tuple[int, int]]] = [
    ("may not sign", {"attributes": {"decrypt": True}}, (400, 614)),
    ("is blocked", {"policy": {"keyStatus": {"blocked": True}}}, (500, 701)),
    ("needs approvals", {"policy": APPROVALS}, (500, 701)),
    ("is secret", {"algorithm": "AES", "keySize": 256, "curveOid": None, "attributes": {"decrypt": True}}, (400, 613)),
]


@pytest.mark.parametrize(("fields", "expected"), [row[1:] for row in UNFIT], ids=[row[0] for row in UNFIT])
def test_a_key_that_may_not_sign_signs_no_certificate(
    api: Api, signers: list[str], fields: dict[str, Any], expected: tuple[int, int]
) -> None:
    label = made(api, **fields)
    csr = csr_of(api, made(api))
    for what in ("request", "selfsign", "sign"):
        body = wish(label, validity=1, certificateSigningRequest=csr)
        assert refused(api.call("POST", f"/v1/certificate/synchronous/{what}", body)) == expected
        assert refused(later(api, what, body)) == expected
    assert label not in signers


def test_a_body_that_is_signed_has_nothing_that_the_signature_is_over(api: Api) -> None:
    body = wish(made(api), requestSignature={"signature": "AAAA", "digestAlgorithm": "SHA-256", "publicKey": "AAAA"})
    assert refused(api.call("POST", "/v1/certificate/synchronous/request", body)) == (501, 101)
    api.ports.__dict__["request_signers"] = frozenset({b"somebody"})
    assert refused(api.call("POST", "/v1/certificate/synchronous/request", wish(made(api)))) == (400, 415)
