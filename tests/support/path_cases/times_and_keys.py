"""Validity periods, keys and signature algorithms."""

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from support import cast, certs, der_text
from support.certs import NOW, Made, authority, client, key
from support.path_cases.case import (
    ACCEPT,
    BAD,
    EXPIRED,
    LENIENT,
    REFUSE,
    UNSUPPORTED,
    WEAK,
    Case,
    below,
    case,
    mid,
    root,
)

_DAY = timedelta(days=1)
_UNLOADED = "no client on OpenSSL can load, and so send, this certificate"


def _raw_time(tag: int, text: str) -> bytes:
    return der_text.tlv(tag, text.encode())


def _utc(text: str) -> bytes:
    return _raw_time(der_text.UTC_TIME, text)


def _general(text: str) -> bytes:
    return _raw_time(der_text.GENERALIZED_TIME, text)


def times() -> list[Case]:
    clause = "RFC 5280 6.1.3 (a) (2)"
    form = "RFC 5280 4.1.2.5: UTCTime YYMMDDHHMMSSZ, GeneralizedTime YYYYMMDDHHMMSSZ"
    far = datetime(2055, 1, 1, tzinfo=UTC)
    soon = der_text.generalized_time(NOW + timedelta(days=300))
    return [
        case("leaf expired", clause, EXPIRED, cast.get("expired"), mid()),
        case("leaf not yet valid", clause, EXPIRED, cast.get("future"), mid()),
        case("leaf expired a second ago", clause, EXPIRED, client("x", mid(), end=NOW - timedelta(seconds=1)), mid()),
        case("leaf valid since now", "RFC 5280 4.1.2.5: inclusive", ACCEPT, client("x", mid(), start=NOW), mid()),
        case("intermediate expired", clause, EXPIRED, cast.get("below-expired-mid"), cast.get("expired-mid")),
        case("intermediate not yet valid", clause, EXPIRED, *below(authority("ca", root(), start=NOW + _DAY))),
        case(
            "anchor expired",
            "design: validity counts for anchors too",
            EXPIRED,
            cast.get("below-expired-root"),
            trust=[cast.get("expired-root")],
        ),
        case(
            "anchor not yet valid",
            "design: validity counts for anchors too",
            EXPIRED,
            cast.get("below-future-root"),
            trust=[cast.get("future-root")],
        ),
        case("leaf outlives its issuers", "no nesting in RFC 5280", ACCEPT, client("x", mid(), end=far), mid()),
        case("notAfter before notBefore", clause, EXPIRED, client("x", mid(), start=NOW + _DAY, end=NOW - _DAY), mid()),
        case(
            "no well-defined end",
            "RFC 5280 4.1.2.5: 99991231235959Z",
            ACCEPT,
            client("x", mid(), end=_general("99991231235959Z")),
            mid(),
        ),
        case(
            "GeneralizedTime before 2050",
            "RFC 5280 4.1.2.5: CAs must not, readers must be able to",
            ACCEPT,
            client("x", mid(), end=soon),
            mid(),
        ),
        case(
            "UTCTime of 1950",
            "RFC 5280 4.1.2.5.1: YY from 50 on is 19YY",
            ACCEPT,
            client("x", mid(), start=_utc("500101000000Z")),
            mid(),
        ),
        case(
            "UTCTime without seconds",
            form,
            BAD,
            client("x", mid(), start=_utc("2401010000Z")),
            mid(),
            handshake=_UNLOADED,
        ),
        case("UTCTime with an offset", form, BAD, client("x", mid(), start=_utc("240101000000+0100")), mid()),
        case(
            "GeneralizedTime with a fraction", form, BAD, client("x", mid(), end=_general("20550101000000.5Z")), mid()
        ),
        case(
            "GeneralizedTime without Z",
            form,
            BAD,
            client("x", mid(), end=_general("20550101000000")),
            mid(),
            handshake=_UNLOADED,
        ),
        case("UTCTime of a 13th month", form, BAD, client("x", mid(), start=_utc("241301000000Z")), mid()),
        case("31 June", form, BAD, client("x", mid(), start=_utc("240631000000Z")), mid()),
    ]


def _keyed(kind: str) -> Made:
    return client(f"leaf {kind}", mid(), private=key(kind, "leaf"))


def keys() -> list[Case]:
    clause = "design: RSA >= 2048; SP 800-57: at least 112 bits"
    point = key("p256", "point").public_key()
    assert isinstance(point, ec.EllipticCurvePublicKey)
    curve = der_text.sequence(der_text.oid("1.2.840.10045.2.1"), der_text.oid("1.2.840.10045.3.1.7"))

    def at(octets: bytes) -> bytes:
        return der_text.sequence(curve, der_text.bit_string(octets))

    compressed = at(point.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))
    off_curve = at(b"\x04" + b"\x01" * 64)
    unknown = der_text.sequence(der_text.sequence(der_text.oid("1.3.6.1.4.1.55555.5")), der_text.bit_string(b"key"))
    foreign_curve = der_text.sequence(
        der_text.sequence(der_text.oid("1.2.840.10045.2.1"), der_text.oid("1.3.6.1.4.1.55555.6")),
        der_text.bit_string(b"\x04" + b"\x01" * 64),
    )
    weak_root = authority("weak root", private=key("rsa1024", "root"))
    rsa_mid = authority("rsa mid", root(), private=key("rsa2048", "rsa mid"))
    dsa = "the design names RSA, ECDSA and EdDSA; TLS 1.3 has no DSA"
    return [
        case("RSA-2048 leaf", clause, ACCEPT, _keyed("rsa2048"), mid()),
        case("RSA-2048 with exponent 3", clause, ACCEPT, client("e3", mid(), private=key("rsa2048-e3", "leaf")), mid()),
        case(
            "RSA-2048 intermediate with exponent 3",
            clause,
            ACCEPT,
            *below(authority("ca", root(), private=key("rsa2048-e3", "leaf"))),
        ),
        case("RSA-1024 leaf", clause, WEAK, _keyed("rsa1024"), mid()),
        case("RSA-1024 intermediate", clause, WEAK, *below(authority("ca", root(), private=key("rsa1024", "mid")))),
        case("RSA-1024 anchor", clause, WEAK, client("x", weak_root), trust=[weak_root]),
        case("P-224 leaf", clause, ACCEPT, _keyed("p224"), mid(), handshake="P-224 is no curve of the server's TLS"),
        case("P-384 leaf", clause, ACCEPT, _keyed("p384"), mid()),
        case("P-521 leaf", clause, ACCEPT, _keyed("p521"), mid()),
        case(
            "secp256k1 leaf", clause, ACCEPT, _keyed("secp256k1"), mid(), handshake="secp256k1 is no curve of TLS 1.3"
        ),
        case("Ed25519 leaf", clause, ACCEPT, _keyed("ed25519"), mid()),
        case("Ed448 leaf", clause, ACCEPT, _keyed("ed448"), mid()),
        case("DSA leaf", dsa, REFUSE, _keyed("dsa1024"), mid()),
        case(
            "compressed point",
            "RFC 5480 2.2: may be supported",
            ACCEPT,
            client("compressed", mid(), public=compressed, private=key("p256", "point")),
            mid(),
        ),
        case("point that is not on the curve", "SEC 1", REFUSE, client("off", mid(), public=off_curve), mid()),
        case("key of an unknown type", clause, REFUSE, client("unknown", mid(), public=unknown), mid()),
        case("EC key on an unknown curve", clause, REFUSE, client("curve", mid(), public=foreign_curve), mid()),
        case("RSA intermediate below an EC root", clause, ACCEPT, *below(rsa_mid)),
        case("Ed25519 intermediate", clause, ACCEPT, *below(authority("ed", root(), private=key("ed25519", "ca")))),
        case("Ed448 intermediate", clause, ACCEPT, *below(authority("ed", root(), private=key("ed448", "ca")))),
        case(
            "P-521 intermediate with SHA-512",
            clause,
            ACCEPT,
            *below(authority("ca", root(), private=key("p521", "ca")), digest="sha512"),
        ),
    ]


def signatures() -> list[Case]:
    clause = "design: no SHA-1; RFC 6151, RFC 8017"
    issuer = authority("rsa root", private=key("rsa2048", "rsa root"))
    ecdsa = certs.signature_algorithm(key("p256"), "sha256")
    other = certs.signature_algorithm(key("p256"), "sha384")
    unknown = der_text.sequence(der_text.oid("1.3.6.1.4.1.55555.7"))
    null = der_text.sequence(der_text.oid("1.2.840.10045.4.3.2"), der_text.NULL)
    no_null = der_text.sequence(der_text.oid("1.2.840.113549.1.1.11"))
    dsa_root = authority("dsa root", private=key("dsa1024", "root"))

    def by_rsa(**rest: object) -> Made:
        return client("leaf", issuer, **rest)  # type: ignore[arg-type]

    return [
        *(
            case(f"RSA PKCS #1 v1.5 with {digest}", clause, expect, by_rsa(digest=digest), trust=[issuer])
            for digest, expect in (
                ("sha224", ACCEPT),
                ("sha256", ACCEPT),
                ("sha384", ACCEPT),
                ("sha512", ACCEPT),
                ("sha1", WEAK),
                ("md5", WEAK),
            )
        ),
        case("RSA-PSS with SHA-256", clause, ACCEPT, by_rsa(pss=True), trust=[issuer]),
        case("RSA-PSS with SHA-384", clause, ACCEPT, by_rsa(pss=True, digest="sha384"), trust=[issuer]),
        case("RSA-PSS with SHA-1", clause, WEAK, by_rsa(pss=True, digest="sha1"), trust=[issuer]),
        *(
            case(f"ECDSA with {digest}", clause, expect, client("leaf", mid(), digest=digest), mid())
            for digest, expect in (("sha224", ACCEPT), ("sha384", ACCEPT), ("sha512", ACCEPT), ("sha1", WEAK))
        ),
        case("intermediate signed with SHA-1", clause, WEAK, *below(authority("ca", root(), digest="sha1"))),
        case(
            "anchor signed with SHA-1",
            "nobody relies on an anchor's own signature",
            ACCEPT,
            cast.get("below-sha1-root"),
            trust=[cast.get("sha1-root")],
        ),
        case(
            "DSA issuer", "the design names RSA, ECDSA and EdDSA", UNSUPPORTED, client("x", dsa_root), trust=[dsa_root]
        ),
        case("signature changed by one bit", "RFC 5280 6.1.3 (a) (1)", BAD, cast.get("spoilt"), mid()),
        case(
            "signed by another key of the same name",
            "RFC 5280 6.1.3 (a) (1)",
            BAD,
            certs.make("x", mid(), [certs.usage("digital_signature")], signer=key("p256", "thief")),
            mid(),
        ),
        case(
            "inner and outer algorithm differ",
            "RFC 5280 4.1.1.2: MUST be the same",
            BAD,
            client("x", mid(), inner_algorithm=other),
            mid(),
        ),
        case(
            "unknown signature algorithm",
            "RFC 5280 4.1.1.2",
            REFUSE,
            client("x", mid(), inner_algorithm=unknown, outer_algorithm=unknown),
            mid(),
        ),
        case(
            "ECDSA with NULL parameters",
            "RFC 5758 3.2: MUST omit",
            BAD,
            client("x", mid(), inner_algorithm=null, outer_algorithm=null),
            mid(),
            openssl=LENIENT,
            strict=LENIENT,
        ),
        case(
            "RSA without NULL parameters",
            "RFC 4055 5: MUST be NULL; readers should accept both",
            ACCEPT,
            by_rsa(inner_algorithm=no_null, outer_algorithm=no_null),
            trust=[issuer],
        ),
        case(
            "RSA signature called ECDSA",
            "RFC 5280 6.1.3 (a) (1)",
            REFUSE,
            by_rsa(inner_algorithm=ecdsa, outer_algorithm=ecdsa),
            trust=[issuer],
        ),
    ]


def cases() -> list[Case]:
    return [*times(), *keys(), *signatures()]
