"""The parser of requests: what clients send is read, everything else is malformed and nothing worse."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st

from hsmgate.errors import Failure, Reason
from hsmgate.pki.ocsp_request import MOST_OCTETS, Asked, parse
from support import certs
from support import der_text as der

ISSUER = certs.authority("CA of requests")
LEAF = certs.client("client of requests", ISSUER)
SHA1 = der.sequence(der.oid("1.3.14.3.2.26"), der.NULL)
NONCE_OID, UNKNOWN_OID = "1.3.6.1.5.5.7.48.1.2", "1.2.3.4"
TRUE = b"\x01\x01\xff"


def octets(value: bytes) -> bytes:
    return der.tlv(0x04, value)


def extension(oid: str, value: bytes, critical: bytes = b"") -> bytes:
    return der.sequence(der.oid(oid), critical, octets(value))


def cert_id(serial: bytes = b"\x05", algorithm: bytes = SHA1) -> bytes:
    return der.sequence(algorithm, octets(b"n" * 20), octets(b"k" * 20), der.tlv(0x02, serial))


def request(
    *items: bytes, version: bytes = b"", requestor: bytes = b"", extensions: tuple[bytes, ...] = (), rest: bytes = b""
) -> bytes:
    written = der.tlv(0xA2, der.sequence(*extensions)) if extensions else b""
    return der.sequence(der.sequence(version, requestor, der.sequence(*items), written), rest)


def one(serial: bytes = b"\x05", *extensions: bytes) -> bytes:
    return der.sequence(cert_id(serial), der.tlv(0xA0, der.sequence(*extensions)) if extensions else b"")


def nonce(value: bytes) -> bytes:
    return extension(NONCE_OID, octets(value))


@pytest.mark.parametrize(
    ("digest", "name"),
    [(hashes.SHA1(), "sha1"), (hashes.SHA256(), "sha256"), (hashes.SHA384(), "sha384"), (hashes.SHA512(), "sha512")],
)
def test_what_pyca_writes_is_read(digest: hashes.HashAlgorithm, name: str) -> None:
    cert, issuer = (x509.load_der_x509_certificate(made.der) for made in (LEAF, ISSUER))
    builder = ocsp.OCSPRequestBuilder().add_certificate(cert, issuer, digest)
    built = builder.add_extension(x509.OCSPNonce(b"n" * 32), critical=False).build()
    asked = parse(built.public_bytes(Encoding.DER))
    (question,) = asked.questions
    assert question.digest == name
    assert question.serial == built.serial_number == cert.serial_number
    assert question.name_hash == built.issuer_name_hash
    assert question.key_hash == built.issuer_key_hash
    assert asked.nonce == octets(b"n" * 32)


ACCEPTED = {
    "plain": (request(one()), 1),
    "several": (request(one(b"\x01"), one(b"\x02"), one(b"\x03")), 3),
    "the same twice": (request(one(), one()), 2),
    "longest serial": (request(one(b"\x00\xff" + b"\x01" * 19)), 1),
    "negative serial": (request(one(b"\xff")), 1),
    "nonce of one octet": (request(one(), extensions=(nonce(b"x"),)), 1),
    "nonce of 128 octets": (request(one(), extensions=(nonce(b"x" * 128),)), 1),
    "critical nonce": (request(one(), extensions=(extension(NONCE_OID, octets(b"x"), TRUE),)), 1),
    "unknown extension": (request(one(), extensions=(extension(UNKNOWN_OID, b""),)), 1),
    "unknown extension of one": (request(one(b"\x05", extension(UNKNOWN_OID, b"?"))), 1),
    "requestor": (request(one(), requestor=der.tlv(0xA1, der.tlv(0x82, b"me"))), 1),
    "signed, by whomever": (
        request(one(), rest=der.tlv(0xA0, der.sequence(der.sequence(der.oid("1.2.3")), b"\x03\x02\x00\x01"))),
        1,
    ),
    "unknown hash": (request(der.sequence(cert_id(algorithm=der.sequence(der.oid("1.2.3"))))), 1),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    octets_, count = ACCEPTED[name]
    assert len(parse(octets_).questions) == count


def test_an_unknown_hash_or_parameters_name_nobody() -> None:
    for algorithm in (der.sequence(der.oid("1.2.3")), der.sequence(der.oid("1.3.14.3.2.26"), octets(b"?"))):
        (question,) = parse(request(der.sequence(cert_id(algorithm=algorithm)))).questions
        assert question.digest == ""


def test_cert_ids_are_given_back_as_they_came() -> None:
    bare = cert_id(algorithm=der.sequence(der.oid("1.3.14.3.2.26")))
    asked = parse(request(one(), der.sequence(bare)))
    assert [question.raw for question in asked.questions] == [cert_id(), bare]
    assert {question.digest for question in asked.questions} == {"sha1"}


REFUSED = {
    "nothing": b"",
    "not DER": b"GET / HTTP/1.1",
    "empty sequence": b"\x30\x00",
    "no questions": request(),
    "rest after the end": request(one()) + b"\x00",
    "cut short": request(one())[:-1],
    "indefinite length": b"\x30\x80" + request(one())[2:] + b"\x00\x00",
    "long form of a short length": b"\x30\x81" + request(one())[1:],
    "too large": request(*[one()] * 200),
    "version 2": request(one(), version=der.tlv(0xA0, der.integer(1))),
    "version 1, written out": request(one(), version=der.tlv(0xA0, der.integer(0))),
    "fields in another order": der.sequence(
        der.sequence(der.tlv(0xA2, der.sequence(nonce(b"x"))), der.sequence(one()))
    ),
    "two lists": der.sequence(der.sequence(der.sequence(one()), der.sequence(one()))),
    "padded serial": request(one(b"\x00\x05")),
    "padded negative serial": request(one(b"\xff\xff")),
    "empty serial": request(one(b"")),
    "endless serial": request(one(b"\x01" * 65)),
    "nonce of no octets": request(one(), extensions=(nonce(b""),)),
    "nonce of 129 octets": request(one(), extensions=(nonce(b"x" * 129),)),
    "nonce without its wrapping": request(one(), extensions=(extension(NONCE_OID, b"raw"),)),
    "two nonces": request(one(), extensions=(nonce(b"x"), nonce(b"y"))),
    "unknown critical extension": request(one(), extensions=(extension(UNKNOWN_OID, b"", TRUE),)),
    "unknown critical extension of one": request(one(b"\x05", extension(UNKNOWN_OID, b"", TRUE))),
    "critical written as 1": request(one(), extensions=(extension(NONCE_OID, octets(b"x"), b"\x01\x01\x01"),)),
    "critical false, written out": request(one(), extensions=(extension(NONCE_OID, octets(b"x"), b"\x01\x01\x00"),)),
    "empty extensions": der.sequence(der.sequence(der.sequence(one()), der.tlv(0xA2, der.sequence()))),
    "question without serial": request(der.sequence(der.sequence(SHA1, octets(b"n"), octets(b"k")))),
    "signature that is none": request(one(), rest=der.tlv(0xA0, octets(b"?"))),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_malformed(name: str) -> None:
    with pytest.raises(Failure) as caught:
        parse(REFUSED[name])
    assert caught.value.reason is Reason.OCSP_MALFORMED


def test_a_request_has_at_most_ten_kilobytes() -> None:
    assert MOST_OCTETS == 10 * 1024
    item = one()
    most = request(*[item] * ((MOST_OCTETS - 16) // len(item)))
    assert len(most) <= MOST_OCTETS
    assert len(parse(most).questions) > 100


def outcome(data: bytes) -> Asked | None:
    try:
        return parse(data)
    except Failure as failure:
        if failure.reason is not Reason.OCSP_MALFORMED:
            raise
        return None


@given(st.binary(max_size=200))
def test_arbitrary_octets_are_malformed_or_read(data: bytes) -> None:
    outcome(data)


@given(st.sampled_from(sorted(ACCEPTED)), st.integers(0, 400), st.integers(0, 255))
def test_one_changed_octet_breaks_nothing(name: str, at: int, value: int) -> None:
    data = bytearray(ACCEPTED[name][0])
    data[at % len(data)] = value
    asked = outcome(bytes(data))
    if asked is not None:
        assert all(question.raw in bytes(data) for question in asked.questions)
