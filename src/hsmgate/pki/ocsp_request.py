"""Reads an OCSPRequest (RFC 6960 4.1.1) from anybody: strict DER, bounded, no recursion."""

from functools import lru_cache

from hsmgate.errors import Failure, Reason
from hsmgate.pki import der
from hsmgate.record import Record

MOST_OCTETS = 10 * 1024
NONCE = "1.3.6.1.5.5.7.48.1.2"
MOST_NONCE = 128  # octets, RFC 9654 2.1
DIGESTS = {  # of a CertID
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
# May be critical: the nonce, and what a client would like of the answer, which it finds fulfilled or not when it has it
_UNDERSTOOD = frozenset({NONCE, "1.3.6.1.5.5.7.48.1.4", "1.3.6.1.5.5.7.48.1.8"})
_MOST_SERIAL = 64  # octets; RFC 5280 allows 20, and who asks for another one is told that nobody issued it
_BOOLEAN, _NULL = 0x01, 0x05
_VERSION, _REQUESTOR, _EXTENSIONS = 0xA0, 0xA1, 0xA2
_SIGNATURE = _SINGLE_EXTENSIONS = 0xA0


class Question(Record):
    """One CertID. `digest`: sha1 | sha256 | sha384 | sha512, empty for another; `raw`: its DER, to be given back."""

    digest: str
    name_hash: bytes
    key_hash: bytes
    serial: int
    raw: bytes


class Asked(Record):
    """What a request asks for, in its order. `nonce`: DER of the extension's value."""

    questions: tuple[Question, ...]
    nonce: bytes | None = None


def parse(request: bytes) -> Asked:
    """Take a request apart; its signature, where there is one, is not looked at. Failure: OCSP_MALFORMED."""
    if not 0 < len(request) <= MOST_OCTETS:
        raise _malformed(f"it has {len(request)} bytes")
    try:
        return _request(request)
    except Failure as failure:
        if failure.reason is Reason.OCSP_MALFORMED:
            raise
        raise _malformed(failure.detail) from None


def _malformed(why: str) -> Failure:
    return Failure(Reason.OCSP_MALFORMED, f"the OCSP request is malformed: {why}")


def _request(request: bytes) -> Asked:
    outer = der.fields(request, 1, 2, "OCSPRequest")
    if len(outer) == 2:
        der.only(der.content(outer[1], _SIGNATURE, "optionalSignature"), der.SEQUENCE, "Signature")
    fields = der.fields(outer[0].raw, 1, 4, "TBSRequest")
    order = [item.tag for item in fields]
    if order != [tag for tag in (_VERSION, _REQUESTOR, der.SEQUENCE, _EXTENSIONS) if tag in order]:
        raise _malformed("TBSRequest has fields that do not belong there")
    if _VERSION in order:  # version 1 is the default, which DER leaves out
        raise _malformed("only version 1 is known")
    listed = next((item.body for item in fields if item.tag == der.SEQUENCE), b"")
    questions = tuple(_question(item) for item in der.items(listed, "requestList"))
    if not questions:
        raise _malformed("it asks for nothing")
    extensions = _extensions(fields[-1].body) if order[-1] == _EXTENSIONS else {}
    nonce = extensions.get(NONCE)
    if nonce is not None and not 1 <= len(der.only(nonce, der.OCTET_STRING, "Nonce")) <= MOST_NONCE:
        raise _malformed(f"a nonce has 1 to {MOST_NONCE} octets")
    return Asked(questions=questions, nonce=nonce)


def _question(item: der.Tlv) -> Question:
    fields = der.fields(item.raw, 1, 2, "Request")
    if len(fields) == 2:
        _extensions(der.content(fields[1], _SINGLE_EXTENSIONS, "singleRequestExtensions"))
    algorithm, name_hash, key_hash, serial = der.fields(fields[0].raw, 4, 4, "CertID")
    return Question(
        digest=_digest(algorithm.raw),
        name_hash=der.content(name_hash, der.OCTET_STRING, "issuerNameHash"),
        key_hash=der.content(key_hash, der.OCTET_STRING, "issuerKeyHash"),
        serial=_serial(der.content(serial, der.INTEGER, "serialNumber")),
        raw=fields[0].raw,
    )


@lru_cache(maxsize=64)  # all clients together write it in a handful of ways
def _digest(algorithm: bytes) -> str:
    fields = der.fields(algorithm, 1, 2, "hashAlgorithm")
    oid = der.oid(fields[0], "hashAlgorithm")
    plain = len(fields) == 1 or fields[1].raw == bytes((_NULL, 0))
    return DIGESTS.get(oid, "") if plain else ""


def _serial(octets: bytes) -> int:
    padded = len(octets) > 1 and ((octets[0] == 0 and octets[1] < 0x80) or (octets[0] == 0xFF and octets[1] >= 0x80))
    if not 1 <= len(octets) <= _MOST_SERIAL or padded:
        raise _malformed("serialNumber is no INTEGER of DER")
    return int.from_bytes(octets, "big", signed=True)


def _extensions(body: bytes) -> dict[str, bytes]:
    """Their values by OID; one that is critical must be understood."""
    found: dict[str, bytes] = {}
    listed = der.items(der.only(body, der.SEQUENCE, "Extensions"), "Extensions")
    if not listed:
        raise _malformed("Extensions is empty")
    for item in listed:
        fields = der.fields(item.raw, 2, 3, "Extension")
        oid = der.oid(fields[0], "Extension")
        if len(fields) == 3:
            if der.content(fields[1], _BOOLEAN, "critical") != b"\xff":  # FALSE is the default, which DER leaves out
                raise _malformed("critical is no BOOLEAN of DER")
            if oid not in _UNDERSTOOD:
                raise _malformed(f"it has the critical extension {oid}")
        if oid in found:
            raise _malformed(f"it has the extension {oid} twice")
        found[oid] = der.content(fields[-1], der.OCTET_STRING, "extnValue")
    return found
