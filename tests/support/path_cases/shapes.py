"""Odd shapes: encodings, versions, serial numbers, loops; and the roles of truststore entries."""

from datetime import timedelta

from support import cast, certs, der_text
from support.certs import Made, authority, client, constraints, key, usage
from support.path_cases.case import ACCEPT, BAD, LENIENT, REFUSE, UNTRUSTED, Case, below, case, leaf, mid, root

_BUILDS_PAST = "OpenSSL builds past a pin as soon as more is sent, and then trips over the v1 intermediate"
_VERSION = "OpenSSL takes extensions and fields as they come, whatever version they claim"
_REENCODED = "the client's OpenSSL reads it and sends its own encoding, which is sound"


def _der(made: Made, octets: bytes) -> Made:
    return Made(der=octets, key=made.key, subject=made.subject)


def encodings() -> list[Case]:
    clause = "X.690 10.1, RFC 5280 4.1"
    alice = cast.get("alice")
    body = alice.der[4:]
    indefinite = _der(alice, b"\x30\x80" + body + b"\x00\x00")
    padded = _der(alice, b"\x30\x83\x00" + alice.der[2:4] + body)
    sign = usage("digital_signature")
    twice = leaf(sign, sign)
    twice_unknown = leaf(sign, *[der_text.extension("1.3.6.1.4.1.55555.8", b"\x05\x00")] * 2)
    pre = "OpenSSL reads BER; its re-encoding is what our decision sees, so octets differ only where nothing is signed"
    return [
        case(
            "bytes after the certificate",
            clause,
            BAD,
            client("x", mid(), trailing=b"\x00"),
            mid(),
            openssl="openssl reads the first certificate of a file and leaves the rest",
            strict="as without -x509_strict",
            handshake=_REENCODED,
        ),
        case("indefinite length", clause, BAD, indefinite, mid(), openssl=pre, strict=pre, handshake=_REENCODED),
        case("length with a leading zero", clause, BAD, padded, mid(), openssl=pre, strict=pre, handshake=_REENCODED),
        case("cut short", clause, BAD, _der(alice, alice.der[:-1]), mid(), handshake="it cannot be loaded"),
        case("keyUsage twice", "RFC 5280 4.2: not more than one instance", BAD, twice, mid()),
        case(
            "an unknown extension twice",
            "RFC 5280 4.2: not more than one instance",
            BAD,
            twice_unknown,
            mid(),
            openssl=LENIENT,
            strict=LENIENT,
        ),
        case(
            "basicConstraints twice, TRUE and FALSE",
            "RFC 5280 4.2: not more than one instance",
            REFUSE,
            *below(_twice_constrained()),
        ),
    ]


def _twice_constrained() -> Made:
    return certs.make("ca", root(), [constraints(ca=True), constraints(ca=False), usage("key_cert_sign")])


def names() -> list[Case]:
    clause = "RFC 5280 4.1.2.4, X.680: a string of its type"
    sign, unloaded = usage("digital_signature"), "no client on OpenSSL can load, and so send, this certificate"
    rows = (
        ("UTF8String that is no UTF-8", 0x0C, b"\xff\xfe", "", unloaded),
        ("BMPString of three octets", 0x1E, b"abc", "", unloaded),
        ("PrintableString with what is not printable", 0x13, b"a\xffb", LENIENT, ""),
    )
    return [
        case(
            name,
            clause,
            REFUSE,
            leaf(sign, subject=der_text.name(("2.5.4.3", tag, value))),
            mid(),
            openssl=lenient,
            strict=lenient,
            handshake=handshake,
        )
        for name, tag, value, lenient, handshake in rows
    ]


def parameters() -> list[Case]:
    """Signature algorithms whose parameters are missing or senseless."""
    issuer = authority("rsa root", private=key("rsa2048", "rsa root"))
    pss = der_text.oid("1.2.840.113549.1.1.10")
    unknown_hash = der_text.sequence(der_text.tlv(0xA0, der_text.sequence(der_text.oid("1.2.3"), der_text.NULL)))
    odd = (
        ("no parameters", der_text.sequence(pss)),
        ("NULL as parameters", der_text.sequence(pss, der_text.NULL)),
        ("an unknown hash", der_text.sequence(pss, unknown_hash)),
    )
    return [
        case(f"RSA-PSS with {name}", "RFC 4055 3.1", REFUSE,
             client("leaf", issuer, inner_algorithm=algorithm, outer_algorithm=algorithm), trust=[issuer])
        for name, algorithm in odd
    ]  # fmt: skip


def numbers() -> list[Case]:
    clause = "RFC 5280 4.1.2.2: CAs must; readers should be prepared to handle gracefully"
    return [
        case("serial number 0", clause, ACCEPT, client("x", mid(), serial=0), mid()),
        case("negative serial number", clause, ACCEPT, client("x", mid(), serial=-5), mid()),
        case("serial number of 20 octets", clause, ACCEPT, client("x", mid(), serial=(1 << 158) + 1), mid()),
        case("serial number of 40 octets", clause, ACCEPT, client("x", mid(), serial=(1 << 318) + 1), mid()),
        case("the same serial number as its issuer", clause, ACCEPT, client("x", mid(), serial=1), mid()),
        case(
            "v1 with extensions",
            "RFC 5280 4.1.2.9: extensions only in v3",
            BAD,
            certs.make("x", mid(), [usage("digital_signature")], version=1),
            mid(),
            openssl=_VERSION,
        ),
        case(
            "v2",
            "RFC 5280 4.1.2.1; nobody issues them",
            BAD,
            certs.make("x", mid(), version=2),
            mid(),
            openssl=_VERSION,
            strict=_VERSION,
        ),
        case(
            "version 4",
            "RFC 5280 4.1.2.1: there is none",
            BAD,
            certs.make("x", mid(), version=4),
            mid(),
            openssl=_VERSION,
        ),
        case("CA in v1 with CA:TRUE", "RFC 5280 6.1.4 (k): v3", UNTRUSTED, *below(_v1_ca()), openssl=_VERSION),
    ]


def _v1_ca() -> Made:
    return certs.make("v1 ca", root(), [constraints(ca=True), usage("key_cert_sign")], version=1)


def graphs() -> list[Case]:
    clause = "RFC 5280 6: any one path that holds"
    a_key, b_key = key("p256", "a"), key("p256", "b")
    a_root = authority("a", private=a_key)
    b_root = authority("b", private=b_key)
    a_by_b, b_by_a = authority("a", b_root, private=a_key), authority("b", a_root, private=b_key)
    under_a = client("x", a_root)
    expired_cross = authority(
        "a", b_root, private=a_key, start=certs.NOW - timedelta(days=9), end=certs.NOW - timedelta(days=2)
    )
    rolled = authority("root", root(), private=key("p256", "next root"))
    alice = cast.get("alice")
    stranger_root = cast.get("other-root")
    forged = cast.get("forged-alice"), cast.get("forged-mid"), cast.get("forged-root")
    return [
        case("cross-signed, by the other root", clause, ACCEPT, under_a, a_by_b, trust=[b_root]),
        case("cross-signed, both ways sent: a loop", clause, ACCEPT, under_a, a_by_b, b_by_a, trust=[b_root]),
        case("a loop that leads nowhere", clause, UNTRUSTED, under_a, a_by_b, b_by_a),
        case(
            "the own root beside an expired cross certificate",
            clause,
            ACCEPT,
            under_a,
            expired_cross,
            trust=[a_root, b_root],
        ),
        case("only an expired cross certificate", clause, "EXPIRED", under_a, expired_cross, trust=[b_root]),
        case(
            "a root's next key, self-issued by the old",
            "RFC 5280 4.2.1.9: self-issued",
            ACCEPT,
            client("x", rolled),
            rolled,
        ),
        case("needless certificates", clause, ACCEPT, alice, stranger_root, cast.get("bob"), mid(), a_root),
        case(
            "chain in the wrong order",
            clause,
            ACCEPT,
            client("x", cast.get("level-3")),
            cast.get("level-1"),
            cast.get("level-3"),
            cast.get("level-2"),
        ),
        case("the same intermediate ten times", clause, ACCEPT, alice, *[mid()] * 10),
        case("forged chain of the same names", clause, BAD, *forged),
        case("intermediate missing", clause, UNTRUSTED, alice),
        case("another root", clause, UNTRUSTED, cast.get("stranger"), stranger_root),
        case("self-signed client", clause, UNTRUSTED, cast.get("pin-v1")),
        case("its own issuer, not self-signed: a loop of one", clause, UNTRUSTED, _own_issuer()),
        case("intermediate as the only anchor", "design: any issuer entry is an anchor", ACCEPT, alice, trust=[mid()]),
        case("two issuers of one name", clause, ACCEPT, cast.get("carol"), trust=[mid(), cast.get("mid-v2")]),
    ]


def _own_issuer() -> Made:
    return certs.make("alone", None, [usage("digital_signature")], signer=key("p256", "somebody else"))


def roles() -> list[Case]:
    """Pins, legacy issuers, issuers as clients: where the design is stricter, or more lenient, than OpenSSL."""
    pin = "design: a pin is exactly one certificate and never issues"
    v1_pin, guide = cast.get("pin-v1"), cast.get("guide-mid")
    legacy = "the design's named entries without basicConstraints; openssl has no such thing"
    vouched = "for pins the operator vouched: only validity counts"
    entry = "design: an issuer entry is no client unless it is named in pins"
    partial = "with -partial_chain openssl takes any entry as an issuer of v1 or CA shape"
    self_ca, alice = cast.get("self-ca"), cast.get("alice")
    return [
        case("pinned v1", pin, ACCEPT, cast.get("guide-client"), trust=[cast.get("guide-client")]),
        case(
            "pinned v1 with its intermediate sent",
            pin,
            ACCEPT,
            cast.get("guide-client"),
            guide,
            trust=[cast.get("guide-client")],
            openssl=_BUILDS_PAST,
            strict=_BUILDS_PAST,
        ),
        case("pinned v3", pin, ACCEPT, alice, mid(), trust=[alice]),
        case("below a self-signed v1 pin", pin, UNTRUSTED, cast.get("below-pin-v1"), trust=[v1_pin], openssl=partial),
        case("below a v1 pin", pin, UNTRUSTED, cast.get("below-guide-client"), trust=[cast.get("guide-client")]),
        case("below a pinned leaf", pin, UNTRUSTED, cast.get("below-alice"), alice, trust=[alice]),
        case("re-issued certificate of a pin", pin, UNTRUSTED, cast.get("alice-reissued"), mid(), trust=[alice]),
        case("sibling of a pin", pin, UNTRUSTED, cast.get("bob"), mid(), trust=[alice]),
        case(
            "expired pin",
            "design: validity counts for pins",
            "EXPIRED",
            cast.get("expired"),
            mid(),
            trust=[cast.get("expired")],
        ),
        *(
            case(
                f"pin: {name}", vouched, ACCEPT, cast.get(name), trust=[cast.get(name)], openssl=vouched, strict=vouched
            )
            for name in ("rsa1024", "server-only", "critical", "no-signature")
        ),
        case("below a v1 intermediate that is not named", legacy, UNTRUSTED, cast.get("guide-client"), trust=[guide]),
        case(
            "below a named v1 intermediate",
            legacy,
            ACCEPT,
            cast.get("guide-client"),
            trust=[guide],
            issuers=[guide],
            openssl=legacy,
            strict=legacy,
        ),
        case(
            "below a named v3 intermediate without basicConstraints",
            legacy,
            ACCEPT,
            cast.get("new-client"),
            trust=[cast.get("new-mid")],
            issuers=[cast.get("new-mid")],
            openssl=legacy,
            strict=legacy,
        ),
        case(
            "two below a named v1 intermediate",
            legacy,
            UNTRUSTED,
            cast.get("guide-sub-client"),
            cast.get("guide-sub-mid"),
            trust=[guide],
            issuers=[guide],
        ),
        case(
            "v3 CA below a named v1 intermediate",
            legacy,
            UNTRUSTED,
            cast.get("guide-v3-sub-client"),
            cast.get("guide-v3-sub-mid"),
            trust=[guide],
            issuers=[guide],
        ),
        case(
            "self-issued CA below a named v1 intermediate",
            legacy,
            UNTRUSTED,
            cast.get("guide-self-issued-client"),
            cast.get("guide-self-issued-mid"),
            trust=[guide],
            issuers=[guide],
        ),
        case(
            "v1 intermediate below a root",
            legacy,
            UNTRUSTED,
            cast.get("guide-client"),
            guide,
            trust=[cast.get("guide-root")],
            issuers=[guide],
        ),
        case("issuer entry as client", entry, UNTRUSTED, self_ca, trust=[self_ca], openssl=entry, strict=entry),
        case("issuer entry in pins as client", entry, ACCEPT, self_ca, trust=[self_ca], pins=[self_ca]),
        case(
            "below an issuer entry in pins",
            entry,
            UNTRUSTED,
            cast.get("below-self-ca"),
            trust=[self_ca],
            pins=[self_ca],
            openssl=entry,
        ),
    ]


def cases() -> list[Case]:
    return [*encodings(), *names(), *parameters(), *numbers(), *graphs(), *roles()]
