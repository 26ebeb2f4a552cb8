"""basicConstraints, pathLenConstraint, keyUsage, extendedKeyUsage."""

from cryptography import x509

from support import cast, certs, der_text
from support.certs import CLIENT_AUTH, SERVER_AUTH, authority, client, constraints, purposes, usage
from support.path_cases.case import (
    ACCEPT,
    BAD,
    KEY_IDS,
    LENIENT,
    PROFILE,
    REFUSE,
    UNSUPPORTED,
    UNTRUSTED,
    Case,
    below,
    ca,
    case,
    leaf,
    mid,
    root,
)  # fmt: skip

_BC, _EKU, _KU = "2.5.29.19", "2.5.29.37", "2.5.29.15"
_TRUE = der_text.tlv(der_text.BOOLEAN, b"\xff")
_SIGN = usage("key_cert_sign", "crl_sign")
_MAIL = x509.oid.ExtendedKeyUsageOID.EMAIL_PROTECTION
_SGC = x509.ObjectIdentifier("2.16.840.1.113730.4.1")
_OWN = x509.ObjectIdentifier("1.3.6.1.4.1.55555.2")


def _raw_constraints(*parts: bytes, critical: bool = True) -> bytes:
    return der_text.extension(_BC, der_text.sequence(*parts), critical=critical)


def _chain(*lengths: int | None) -> tuple[certs.Made, ...]:
    """CAs with these pathLenConstraints from the top, and a client: as sent, leaf first."""
    made: list[certs.Made] = []
    for number, length in enumerate(lengths):
        made.insert(0, authority(f"ca {number}", made[0] if made else None, path_length=length))
    return (client("leaf", made[0]), *made)


def basic_constraints() -> list[Case]:
    clause = "RFC 5280 4.2.1.9, 6.1.4 (k)"
    return [
        case("leaf below the root", clause, ACCEPT, cast.get("direct")),
        case("leaf below an intermediate", clause, ACCEPT, cast.get("alice"), mid()),
        case("intermediate without basicConstraints", clause, UNTRUSTED, *below(ca(_SIGN))),
        case("intermediate with neither basicConstraints nor keyUsage", clause, UNTRUSTED, *below(ca())),
        case("intermediate CA:FALSE", clause, UNTRUSTED, *below(ca(constraints(ca=False), _SIGN))),
        case("intermediate with empty basicConstraints", clause, UNTRUSTED, *below(ca(_raw_constraints(), _SIGN))),
        case(
            "basicConstraints not critical",
            clause,
            ACCEPT,
            *below(ca(constraints(ca=True, critical=False), _SIGN)),
            strict=PROFILE,
        ),
        case(
            "CA:FALSE as an explicit default",
            "X.690 11.5: DER leaves defaults out",
            BAD,
            *below(ca(_raw_constraints(der_text.tlv(1, b"\x00")), _SIGN)),
        ),
        case(
            "BOOLEAN TRUE that is not FF",
            "X.690 11.1: DER knows one TRUE",
            BAD,
            *below(ca(_raw_constraints(der_text.tlv(1, b"\x01")), _SIGN)),
            openssl="OpenSSL reads BER here; we refuse what is not DER",
            strict="as without -x509_strict",
        ),
        case(
            "bytes after the value of basicConstraints",
            "X.690: one value",
            BAD,
            *below(ca(der_text.extension(_BC, der_text.sequence(_TRUE) + b"\x05\x00", critical=True), _SIGN)),
            openssl=LENIENT,
            strict=LENIENT,
        ),
        case(
            "negative pathLenConstraint",
            clause,
            REFUSE,
            *below(ca(_raw_constraints(_TRUE, der_text.integer(-1)), _SIGN)),
        ),
        case(
            "pathLenConstraint of 40 bits",
            "RFC 5280 4.2.1.9: INTEGER (0..MAX)",
            ACCEPT,
            *below(ca(_raw_constraints(_TRUE, der_text.integer(1 << 39)), _SIGN)),
        ),
        case(
            "pathLenConstraint beside CA:FALSE in a leaf",
            "RFC 5280 4.2.1.9: MUST NOT",
            BAD,
            leaf(_raw_constraints(der_text.integer(0)), usage("digital_signature")),
            mid(),
            openssl="a rule for CAs, which -x509_strict holds against the verifier; we refuse what the profile forbids",
        ),
        case("leaf without basicConstraints", clause, ACCEPT, leaf(usage("digital_signature")), mid()),
        case("leaf without any extension", clause, ACCEPT, certs.make("plain", mid()), mid(), strict=KEY_IDS),
        case("leaf that is X.509 v1", clause, ACCEPT, certs.version1("v1 leaf", mid()), mid()),
        case(
            "leaf CA:TRUE whose key may sign",
            "design: a CA certificate is no client",
            UNSUPPORTED,
            leaf(
                constraints(ca=True),
                usage("digital_signature", "key_cert_sign"),
                certs.subject_key_identifier(certs.key("p256", "of 'leaf'")),
            ),
            mid(),
            openssl="RFC 5280 lets a CA certificate be an end entity; ours must not, so that no CA key is a client's",
            strict="as without -x509_strict",
        ),
        case(
            "intermediate that is X.509 v1",
            "RFC 5280 6.1.4 (k): no v1 below the anchor",
            UNTRUSTED,
            *below(certs.version1("v1 mid", root())),
        ),
        case("leaf issued by a leaf", clause, UNTRUSTED, cast.get("below-alice"), cast.get("alice"), mid()),
    ]


def path_length() -> list[Case]:
    clause = "RFC 5280 4.2.1.9, 6.1.4 (l) and (m)"
    zero = authority("zero", path_length=0)
    again = authority("zero", zero, private=certs.key("p256", "zero again"))
    other = authority("other", again)
    wide = authority("wide", root(), path_length=200)
    deep = cast.get("deepest"), *(cast.get(f"level-{n}") for n in range(cast.LONGEST, 0, -1))
    deeper = cast.get("too-deep"), *(cast.get(f"level-{n}") for n in range(cast.LONGEST + 1, 0, -1))
    long = "design: at most ten certificates above the leaf; openssl's own bound is 100"
    one, two, zero_one = _chain(1, None), _chain(2, 1, 0), _chain(0, 5)
    three, claim, inner = _chain(1, None, None), _chain(1, 7, 7), _chain(None, 0, None)
    return [
        case("0 above the leaf", clause, ACCEPT, client("x", zero), trust=[zero]),
        case("0 above an intermediate", clause, UNTRUSTED, *zero_one[:2], trust=zero_one[2:]),
        case("1 above an intermediate", clause, ACCEPT, *one[:2], trust=one[2:]),
        case("1 above two intermediates", clause, UNTRUSTED, *three[:3], trust=three[3:]),
        case("2, 1, 0 in turn", clause, ACCEPT, *two[:3], trust=two[3:]),
        case("an intermediate that claims more than its issuer allows", clause, UNTRUSTED, *claim[:3], trust=claim[3:]),
        case("0 in the middle of the path", clause, UNTRUSTED, *inner[:3], trust=inner[3:]),
        case("a self-issued intermediate does not count", clause, ACCEPT, client("x", again), again, trust=[zero]),
        case(
            "what stands below a self-issued one counts",
            clause,
            UNTRUSTED,
            client("x", other),
            other,
            again,
            trust=[zero],
        ),
        case(
            "0 of an intermediate that is the anchor", clause, UNTRUSTED, *below(authority("sub", mid())), trust=[mid()]
        ),
        case("200", clause, ACCEPT, *below(wide)),
        case("ten certificates above the leaf", "design: depth at most 10", ACCEPT, *deep),
        case(
            "eleven certificates above the leaf",
            "design: depth at most 10",
            UNTRUSTED,
            *deeper,
            openssl=long,
            strict=long,
        ),
    ]


def key_usage() -> list[Case]:
    clause = "RFC 5280 4.2.1.3, 6.1.4 (n)"
    sign_less = ca(constraints(ca=True), usage("crl_sign", "digital_signature"))
    agree = leaf(usage("key_agreement"), purposes(CLIENT_AUTH))
    no_bits = der_text.extension(_KU, der_text.tlv(der_text.BIT_STRING, b"\x00"), critical=True)
    return [
        case("CA without keyUsage", clause, ACCEPT, *below(ca(constraints(ca=True))), strict=PROFILE),
        case("CA without keyCertSign", clause, UNTRUSTED, *below(sign_less)),
        case(
            "CA without keyCertSign, with a path length",
            clause,
            UNTRUSTED,
            *below(ca(constraints(ca=True, path_length=0), usage("digital_signature"))),
        ),
        case(
            "CA's keyUsage not critical",
            clause,
            ACCEPT,
            *below(ca(constraints(ca=True), usage("key_cert_sign", critical=False))),
        ),
        case(
            "CA's keyUsage not critical and without keyCertSign",
            clause,
            UNTRUSTED,
            *below(ca(constraints(ca=True), usage("crl_sign", critical=False))),
        ),
        case("anchor without keyCertSign", "design: it is a pin", UNTRUSTED, client("x", sign_less), trust=[sign_less]),
        case("leaf with digitalSignature", clause, ACCEPT, leaf(usage("digital_signature")), mid()),
        case("leaf without digitalSignature", "RFC 8446 4.4.2.2", UNSUPPORTED, leaf(usage("key_encipherment")), mid()),
        case(
            "leaf with keyAgreement only",
            "RFC 8446 4.4.2.2: digitalSignature",
            UNSUPPORTED,
            agree,
            mid(),
            openssl="keyAgreement was enough for fixed Diffie-Hellman client certificates, which TLS no longer has",
            strict="as without -x509_strict",
        ),
        case(
            "leaf with nonRepudiation only", "RFC 8446 4.4.2.2", UNSUPPORTED, leaf(usage("content_commitment")), mid()
        ),
        case("leaf whose keyUsage has no bit", "RFC 5280 4.2.1.3: at least one", REFUSE, leaf(no_bits), mid()),
        case(
            "CA:FALSE leaf with keyCertSign",
            "RFC 5280 6.1: no rule for the last certificate; it issues nothing",
            ACCEPT,
            leaf(constraints(ca=False), usage("digital_signature", "key_cert_sign")),
            mid(),
            strict=PROFILE,
        ),
        case(
            "client of a CA:FALSE certificate with keyCertSign",
            clause,
            UNTRUSTED,
            *below(leaf(constraints(ca=False), usage("digital_signature", "key_cert_sign"))),
            mid(),
        ),
        case(
            "keyUsage that is no BIT STRING",
            "X.690",
            BAD,
            leaf(der_text.extension(_KU, der_text.NULL, critical=True)),
            mid(),
        ),
    ]


def extended_key_usage() -> list[Case]:
    clause = "RFC 5280 4.2.1.12; design: clientAuth or none"
    sign, top = usage("digital_signature"), constraints(ca=True)
    server_root = authority("server root", None, purposes(SERVER_AUTH))
    any_leaf = leaf(sign, purposes(certs.ANY_EKU))
    both_any = leaf(sign, purposes(certs.ANY_EKU, CLIENT_AUTH))
    empty = der_text.extension(_EKU, der_text.sequence())
    sgc = ca(top, _SIGN, purposes(_SGC, SERVER_AUTH))
    nested = "RFC 5280 has no rule for a CA's extended key usage; ours is at least as narrow as OpenSSL's"
    return [
        case("clientAuth", clause, ACCEPT, leaf(sign, purposes(CLIENT_AUTH)), mid()),
        case("clientAuth, critical", clause, ACCEPT, leaf(sign, purposes(CLIENT_AUTH, critical=True)), mid()),
        case("clientAuth among others", clause, ACCEPT, leaf(sign, purposes(_MAIL, CLIENT_AUTH, SERVER_AUTH)), mid()),
        case("serverAuth only", clause, UNSUPPORTED, leaf(sign, purposes(SERVER_AUTH)), mid()),
        case("serverAuth only, critical", clause, UNSUPPORTED, leaf(sign, purposes(SERVER_AUTH, critical=True)), mid()),
        case("anyExtendedKeyUsage only", clause, UNSUPPORTED, any_leaf, mid()),
        case("anyExtendedKeyUsage and clientAuth", clause, ACCEPT, both_any, mid()),
        case("emailProtection only", clause, UNSUPPORTED, leaf(sign, purposes(_MAIL)), mid()),
        case("a purpose of somebody's own", clause, UNSUPPORTED, leaf(sign, purposes(_OWN)), mid()),
        case("an empty list of purposes", "RFC 5280: SIZE (1..MAX)", REFUSE, leaf(sign, empty), mid()),
        case("intermediate for clientAuth", clause, ACCEPT, *below(ca(top, _SIGN, purposes(CLIENT_AUTH)))),
        case("intermediate for serverAuth only", clause, UNSUPPORTED, *below(ca(top, _SIGN, purposes(SERVER_AUTH)))),
        case(
            "intermediate for any purpose",
            "design: OpenSSL's word counts, and it wants clientAuth of CAs",
            UNSUPPORTED,
            *below(ca(top, _SIGN, purposes(certs.ANY_EKU))),
        ),
        case("intermediate for Netscape's step-up", clause, UNSUPPORTED, *below(sgc)),
        case("anchor for serverAuth only", clause, UNSUPPORTED, client("x", server_root), trust=[server_root]),
        case(
            "leaf for clientAuth below an intermediate for mail",
            nested,
            UNSUPPORTED,
            *below(ca(top, _SIGN, purposes(_MAIL))),
        ),
    ]


def cases() -> list[Case]:
    return [*basic_constraints(), *path_length(), *key_usage(), *extended_key_usage()]
