"""/v1/certificate/synchronous/sign and import/plain: whose certificate is signed by whom, and kept where."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from support.api import Api
from support.asgi_client import Response
from support.certifying import (
    AUTHORITY,
    KINDS,
    ask,
    authority,
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

KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "asked for")])
USAGE = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
CA_USAGE = x509.KeyUsage(False, False, False, False, False, True, True, False, False)


def b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def csr(*wanted: tuple[x509.ExtensionType, bool], key: Any = KEY, name: x509.Name = NAME, digest: Any = None) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    for extension, critical in wanted:
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, digest or hashes.SHA256()).public_bytes(Encoding.DER)


def sign(api: Api, label: str, request: bytes | str, **more: object) -> Response:
    text = request if isinstance(request, str) else b64(request)
    body = {"signKeyName": label, "signatureAlgorithm": "SHA256_WITH_ECDSA", "certificateSigningRequest": text, **more}
    return api.call("POST", "/v1/certificate/synchronous/sign", body)


def signed(api: Api, label: str, request: bytes | str, **more: object) -> x509.Certificate:
    response = sign(api, label, request, **more)
    assert response.status == 200, response.json
    return parsed(response.json["certificate"])


def test_a_chain_of_three(api: Api, tmp_path: Path) -> None:
    root, middle = authority(api, "RSA"), made(api)
    below = csr_of(api, middle, commonName="Issuing")
    body = wish(
        root, "SHA256_WITH_RSA", certificateSigningRequest=below, keyName=middle, commonName="Issuing", **AUTHORITY
    )
    answer = ask(api, "sign", body)
    assert answer["label"] == middle
    kept = api.call("GET", f"/v1/certificate/{middle}").json["certificate"]
    assert kept == answer["certificate"]
    leaf = signed(api, middle, csr()).public_bytes(Encoding.PEM).decode()
    anchor = api.call("GET", f"/v1/certificate/{root}").json["certificate"]
    verify = (
        "openssl",
        "verify",
        "-x509_strict",
        "-attime",
        "1706008000",
        "-CAfile",
        "root",
        "-untrusted",
        "middle",
        "leaf",
    )
    assert "leaf: OK" in judged(tmp_path, *verify, root=anchor, middle=kept, leaf=leaf)
    assert parsed(leaf).subject == NAME


FORMS = ["PEM", "NEW", "escaped", "no breaks", "bare", "bare with breaks"]


@pytest.mark.parametrize("form", FORMS)
def test_a_request_however_a_client_writes_it(api: Api, form: str) -> None:
    der = csr()
    pem = x509.load_der_x509_csr(der).public_bytes(Encoding.PEM).decode()
    text = {
        "PEM": pem,
        "NEW": pem.replace(" CERTIFICATE", " NEW CERTIFICATE"),
        "escaped": pem.replace("\n", "\\n"),
        "no breaks": pem.replace("\n", ""),
        "bare": b64(der),
        "bare with breaks": "\r\n".join(pem.splitlines()[1:-1]),
    }[form]
    assert signed(api, authority(api), text).public_key() == KEY.public_key()


def test_the_wish_of_the_authority_is_the_stronger_one(api: Api) -> None:
    label = authority(api)
    names = x509.SubjectAlternativeName([x509.DNSName("a.example.com"), x509.RFC822Name("a@example.com")])
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    asked = csr((names, False), (purposes, False), (USAGE, True))
    plain = {"basicConstraints", "subjectKeyIdentifier", "authorityKeyIdentifier"}
    for none in (None, "NO_COPY"):
        assert set(extensions(signed(api, label, asked, copyExtensions=none))) == plain
    found = extensions(signed(api, label, asked, copyExtensions="COPY"))
    assert set(found) == plain | {"keyUsage", "extendedKeyUsage", "subjectAltName"}
    assert (found["subjectAltName"][1], found["keyUsage"]) == (names, (True, USAGE))
    found = extensions(signed(api, label, asked, copyExtensions="COPY", extendedKeyUsage=["SERVER_AUTH"]))
    assert found["extendedKeyUsage"] == (True, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]))
    assert signed(api, label, asked, commonName="other").subject.rfc4514_string() == "CN=other"


CA = x509.BasicConstraints(ca=True, path_length=None)
COPIES: list[tuple[str, tuple[tuple[x509.ExtensionType, bool], ...]]] = [
    ("an authority", ((CA, True),)),
    ("an authority's usage", ((CA_USAGE, True),)),
    ("constraints", ((x509.NameConstraints([x509.DNSName("b")], None), True),)),
    ("unknown", ((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"), False),)),
    ("unknown purpose", ((x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.2.3.4")]), False),)),
    ("NUL in a name", ((x509.SubjectAlternativeName([x509.DNSName("a.example\0.com")]), False),)),
    ("other name", ((x509.SubjectAlternativeName([x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\5\0")]), False),)),
    ("directory name", ((x509.SubjectAlternativeName([x509.DirectoryName(NAME)]), False),)),
]


@pytest.mark.parametrize("wanted", [row[1] for row in COPIES], ids=[row[0] for row in COPIES])
def test_what_is_never_copied(
    api: Api, signers: list[str], wanted: tuple[tuple[x509.ExtensionType, bool], ...]
) -> None:
    label = authority(api)
    signers.clear()
    assert refused(sign(api, label, csr(*wanted), copyExtensions="COPY")) == (400, 411)
    assert signers == []
    found = extensions(signed(api, label, csr(*wanted)))
    assert found["basicConstraints"][1] == x509.BasicConstraints(ca=False, path_length=None)


def test_names_of_every_type_are_copied(api: Api) -> None:
    long = {"sanType": "OTHERNAME", "sanValue": "1.2.3;UTF8:" + "ü" * 200}
    names = [long, {"sanType": "IP", "sanValue": "2001:db8::1"}, {"sanType": "URI", "sanValue": "urn:x"}]
    label = made(api)
    asked = csr_of(api, label, subjectAlternativeNames=names)
    found = extensions(signed(api, authority(api), asked, copyExtensions="COPY"))
    assert found["subjectAltName"] == extensions(x509.load_pem_x509_csr(asked.encode()))["subjectAltName"]


def forged(der: bytes) -> bytes:
    return der[:-1] + bytes([der[-1] ^ 1])


def of_another(der: bytes) -> bytes:
    """The key of another in a request that is signed by its asker."""
    mine = x509.load_der_x509_csr(der).public_key()
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    assert isinstance(mine, ec.EllipticCurvePublicKey)
    old, new = (f"{key.public_numbers().x:064x}{key.public_numbers().y:064x}" for key in (mine, other))
    return bytes.fromhex(der.hex().replace(old, new))


EMPTY = x509.Name([])
MANY = x509.Name([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"u{number}") for number in range(101)])
CONTROL = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a\nb")])
REQUESTS: list[tuple[str, bytes | str, tuple[int, int]]] = [
    ("nothing", "", (400, 628)),
    ("no Base64", "***", (400, 628)),
    ("no request", b"\x30\x00", (400, 628)),
    ("something behind", csr() + b"\0", (400, 628)),
    ("two", b64(csr()) + b64(csr()), (400, 628)),
    ("too long", b64(bytes(64 * 1024 + 1)), (400, 628)),
    ("bad signature", forged(csr()), (400, 411)),
    ("another's key", of_another(csr()), (400, 411)),
    ("no subject", csr(name=EMPTY), (400, 411)),
    ("long subject", csr(name=MANY), (400, 411)),
    ("control characters", csr(name=CONTROL), (400, 411)),
    ("short key", csr(key=rsa.generate_private_key(65537, 1024)), (400, 411)),
    ("odd size", csr(key=rsa.generate_private_key(65537, 2056)), (400, 411)),
    ("Ed448", x509.CertificateSigningRequestBuilder().subject_name(NAME).sign(ed448.Ed448PrivateKey.generate(), None)
     .public_bytes(Encoding.DER), (400, 411)),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "expected"), [row[1:] for row in REQUESTS], ids=[row[0] for row in REQUESTS])
def test_requests_that_are_not_signed(
    api: Api, signers: list[str], request_: bytes | str, expected: tuple[int, int]
) -> None:
    label = authority(api)
    signers.clear()
    assert refused(sign(api, label, request_)) == expected
    body = {"signKeyName": label, "signatureAlgorithm": "SHA256_WITH_ECDSA"}
    text = request_ if isinstance(request_, str) else b64(request_)
    assert refused(later(api, "sign", body, certificateSigningRequest=text)) == expected
    assert signers == []


def test_only_an_authority_signs_for_others(api: Api) -> None:
    label = made(api)
    assert refused(sign(api, label, csr())) == (400, 402)
    self_signed(api, label)
    assert refused(sign(api, label, csr())) == (400, 402)
    self_signed(api, label, certificateAuthority=True, keyUsage=["CRL_SIGN"])
    assert refused(sign(api, label, csr())) == (400, 402)
    self_signed(api, label, certificateAuthority=True)
    assert sign(api, label, csr()).status == 200


def foreign_certificate(key: Any, signer: Any, *wanted: x509.ExtensionType, days: tuple[int, int] = (-9, 9)) -> bytes:
    now = datetime(2024, 1, 23, tzinfo=UTC)
    begin, end = (now + timedelta(days=day) for day in days)
    builder = x509.CertificateBuilder(NAME, NAME, key, 7, begin, end)
    for extension in wanted:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.DER)


def brought(api: Api, label: str, der: bytes) -> Response:
    return api.call("POST", "/v1/certificate/import/plain", {"label": label, "certificate": b64(der)})


def public_of(api: Api, label: str) -> Any:
    return parsed(self_signed(api, label)).public_key()


def test_an_authority_that_was_told_its_bounds_keeps_to_them(api: Api) -> None:
    label = made(api)
    key = public_of(api, label)
    leaves_only = x509.BasicConstraints(ca=True, path_length=0)
    assert brought(api, label, foreign_certificate(key, KEY, leaves_only)).status == 200
    assert refused(sign(api, label, csr(), certificateAuthority=True)) == (400, 402)
    found = signed(api, label, csr(), validity=365)
    assert found.not_valid_after_utc.isoformat() == "2024-02-01T00:00:00+00:00", "no longer than the issuer"
    assert api.audit.lines[-1].detail["remark"] == "valid no longer than the issuer"
    assert found.issuer == NAME
    for days in ((-9, -1), (1, 9)):
        assert brought(api, label, foreign_certificate(key, KEY, CA, days=days)).status == 200
        assert refused(sign(api, label, csr())) == (400, 402)


def test_a_certificate_that_says_a_thing_twice_is_no_authoritys(api: Api) -> None:
    label = made(api)
    twice = asn1.Certificate.load(foreign_certificate(public_of(api, label), KEY, CA))
    extensions = twice["tbs_certificate"]["extensions"]
    extensions.append(extensions[0])
    assert brought(api, label, twice.dump(force=True)).status == 200, "it is the key's all the same"
    assert refused(sign(api, label, csr())) == (400, 402)


def test_where_a_certificate_is_kept(api: Api) -> None:
    label, other = authority(api), made(api)
    lone = f"{other}-lone"
    assert refused(sign(api, label, csr(), keyName=other)) == (400, 608)
    assert refused(sign(api, label, csr(), keyName="a/b")) == (400, 610)
    assert refused(sign(api, label, csr(), keyName="attestation-key")) == (400, 608)
    response = sign(api, label, csr(), keyName=lone)
    assert (response.status, response.json["label"]) == (200, lone)
    assert api.call("GET", f"/v1/certificate/{lone}").json["certificate"] == response.json["certificate"]
    signature = b64(KEY.sign(b"data", ec.ECDSA(hashes.SHA256())))
    verify = {
        "signKeyName": lone,
        "payload": b64(b"data"),
        "signatureAlgorithm": "SHA256_WITH_ECDSA",
        "signature": signature,
    }
    assert api.call("POST", "/v1/verify", {"verifySignatureRequest": verify}).json == {"signatureValid": True}
    stranger = csr(key=ec.generate_private_key(ec.SECP256R1()))
    assert refused(sign(api, label, stranger, keyName=lone)) == (400, 608), "nobody's verification key is replaced"
    assert sign(api, label, csr(), keyName=lone).status == 200


def test_import_replaces_and_checks(api: Api) -> None:
    label, other = made(api), made(api)
    key = public_of(api, label)
    der = foreign_certificate(key, KEY)
    response = brought(api, label, der)
    assert response.status == 200
    pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()
    assert response.json == {"label": label, "certificate": pem}
    assert api.call("GET", f"/v1/certificate/{label}").json["rawCertificate"] == b64(der)
    assert refused(brought(api, other, der)) == (400, 402)
    assert refused(brought(api, "nobody", der)) == (404, 650)
    assert refused(brought(api, label, der + b"\0")) == (400, 626)
    assert refused(brought(api, label, b"")) == (400, 626)
    secret = made(api, algorithm="AES", keySize=128, curveOid=None, attributes={"decrypt": True})
    assert refused(brought(api, secret, der)) == (400, 613)
    assert api.call("POST", "/v1/certificate/import/plain", {"label": label, "certificate": pem}).status == 200


COMMAS = [
    (b",}", 200),
    (b", \n }\n", 200),
    (b"}", 200),
    (b",,}", 400),
    (b",", 400),
    (b",}}", 400),
    (b',"x":[1,]}', 400),
]


@pytest.mark.parametrize(("end", "status"), COMMAS)
def test_a_comma_before_the_last_brace(api: Api, end: bytes, status: int) -> None:
    label = made(api)
    der = foreign_certificate(public_of(api, label), KEY)
    raw = f'{{"label":"{label}","certificate":"{b64(der)}"'.encode() + end
    assert api.call("POST", "/v1/certificate/import/plain", raw=raw).status == status


def pkcs8(key: Any) -> str:
    return b64(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def test_certificates_come_and_go_with_imported_keys(api: Api) -> None:
    flags = {"sign": True, "extractable": True, "sensitive": False, "destroyable": True}
    der = foreign_certificate(KEY.public_key(), KEY, CA)
    for name, more in (
        ("c-private", {"privateKey": pkcs8(KEY), "attributes": flags}),
        ("c-lone", {}),
    ):
        body = {"label": name, "algorithm": "EC", "certificate": b64(der), **more}
        assert api.call("POST", "/v1/key/import/plain", body).status == 201
        assert api.call("GET", f"/v1/certificate/{name}").json["rawCertificate"] == b64(der)
    assert sign(api, "c-private", csr()).status == 200
    assert refused(sign(api, "c-lone", csr())) == (400, 614)
    assert api.call("POST", "/v1/key/export/plain", {"label": "c-private"}).json["certificate"] == b64(der)
    again = foreign_certificate(KEY.public_key(), KEY)
    for name in ("c-private", "c-lone"):  # the private key stays
        body = {"label": name, "algorithm": "EC", "certificate": b64(again)}
        assert api.call("POST", "/v1/key/import/plain", body).status == 201
        assert api.call("GET", f"/v1/certificate/{name}").json["rawCertificate"] == b64(again)
    assert refused(sign(api, "c-private", csr())) == (400, 402)
    other = ec.generate_private_key(ec.SECP256R1())
    others = b64(foreign_certificate(other.public_key(), other))
    assert refused(
        api.call("POST", "/v1/key/import/plain", {"label": "c-private", "algorithm": "EC", "certificate": others})
    ) == (400, 608)
    assert (
        api.call("POST", "/v1/key/import/plain", {"label": "c-lone", "algorithm": "EC", "certificate": others}).status
        == 201
    )
    assert api.call("GET", "/v1/certificate/c-lone").json["rawCertificate"] == others
    assert (
        api.call(
            "POST",
            "/v1/key/import/plain",
            {
                "label": "c-lone",
                "algorithm": "EC",
                "publicKey": b64(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
            },
        ).status
        == 201
    )
    assert refused(api.call("GET", "/v1/certificate/c-lone")) == (404, 650), "that of another key goes with it"
    for name in ("c-private", "c-lone"):
        assert api.call("DELETE", f"/v1/key/{name}").status == 200


def test_every_kind_of_key_is_certified(api: Api) -> None:
    label = authority(api)
    for kind, (_, algorithms) in KINDS.items():
        assert sign(api, label, csr_of(api, made(api, kind), algorithms[0])).status == 200, kind
