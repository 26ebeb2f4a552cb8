"""Name constraints, form by form, and how subject and issuer names chain."""

from ipaddress import ip_address, ip_network

from cryptography import x509
from cryptography.x509.oid import NameOID

from support import certs, der_text
from support.certs import Made, alternative_names, authority, client, constraints, name_constraints, usage
from support.path_cases.case import (
    ACCEPT,
    BAD,
    LENIENT,
    PROFILE,
    REFUSE,
    UNSUPPORTED,
    Case,
    below,
    ca,
    case,
    dns,
    mid,
    root,
)

_DNS, _MAIL, _IP, _DIR, _URI = (
    x509.DNSName, x509.RFC822Name, x509.IPAddress, x509.DirectoryName, x509.UniformResourceIdentifier,
)  # fmt: skip
_NC, _SAN = "2.5.29.30", "2.5.29.17"
_CLAUSE = "RFC 5280 4.2.1.10"
_LOOKS = "OpenSSL looks only at forms that the leaf has; the design refuses forms that are not implemented"
Names = list[x509.GeneralName]


def _net(text: str) -> x509.IPAddress:
    return _IP(ip_network(text))


def _host(text: str) -> x509.IPAddress:
    return _IP(ip_address(text))


def _org(*units: str) -> x509.DirectoryName:
    kinds = (NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.COMMON_NAME)
    return _DIR(x509.Name([x509.NameAttribute(kind, text) for kind, text in zip(kinds, units, strict=False)]))


def _under(
    permitted: Names | None, excluded: Names | None, san: Names, subject: str | bytes = "leaf"
) -> tuple[Made, Made]:
    """A leaf with these names below a constrained intermediate."""
    issuer = authority("constrained", root(), name_constraints(permitted, excluded))
    return client(subject, issuer, *([alternative_names(*san)] if san else [])), issuer


def _raw(value: bytes, *, critical: bool = True) -> bytes:
    return der_text.extension(_NC, value, critical=critical)


def _subtrees(tag: int, base: bytes, *more: bytes) -> bytes:
    return der_text.tlv(tag, der_text.sequence(base, *more))


# name, permitted, excluded, names of the leaf, verdict, why openssl decides otherwise
_ROWS: list[tuple[str, Names | None, Names | None, Names, str, str]] = [
    ("DNS: below the permitted name", dns("ok.example"), None, dns("a.b.ok.example"), ACCEPT, ""),
    ("DNS: exactly the permitted name", dns("ok.example"), None, dns("ok.example"), ACCEPT, ""),
    ("DNS: letters of the other case", dns("OK.example"), None, dns("a.ok.EXAMPLE"), ACCEPT, ""),
    ("DNS: outside", dns("ok.example"), None, dns("a.bad.example"), UNSUPPORTED, ""),
    ("DNS: ends alike within a label", dns("ok.example"), None, dns("notok.example"), UNSUPPORTED, ""),
    ("DNS: one of two names outside", dns("ok.example"), None, dns("a.ok.example", "a.bad.example"), UNSUPPORTED, ""),
    ("DNS: two permitted names", dns("ok.example", "too.example"), None, dns("a.too.example"), ACCEPT, ""),
    ("DNS: permitted with a leading dot, below", dns(".ok.example"), None, dns("a.ok.example"), ACCEPT, ""),
    ("DNS: permitted with a leading dot, exactly", dns(".ok.example"), None, dns("ok.example"), UNSUPPORTED, ""),
    ("DNS: the empty constraint permits all", dns(""), None, dns("any.example"), ACCEPT, ""),
    ("DNS: the empty constraint excludes all", None, dns(""), dns("any.example"), UNSUPPORTED, ""),
    ("DNS: excluded", None, dns("no.example"), dns("a.no.example"), UNSUPPORTED, ""),
    ("DNS: excluded exactly", None, dns("no.example"), dns("no.example"), UNSUPPORTED, ""),
    ("DNS: beside the excluded", None, dns("no.example"), dns("yes.example"), ACCEPT, ""),
    ("DNS: excluded inside permitted", dns("ok.example"), dns("n.ok.example"), dns("a.n.ok.example"), UNSUPPORTED, ""),
    ("DNS: wildcard below the permitted name", dns("ok.example"), None, dns("*.ok.example"), ACCEPT, ""),
    ("DNS: wildcard wider than the permitted name", dns("a.ok.example"), None, dns("*.ok.example"), UNSUPPORTED, ""),
    ("DNS: wildcard over an excluded name", None, dns("no.ok.example"), dns("*.ok.example"), UNSUPPORTED,
     "a wildcard stands for the excluded name too; OpenSSL compares texts"),
    ("DNS: A-label inside", dns("xn--bcher-kva.example"), None, dns("a.xn--bcher-kva.example"), ACCEPT, ""),
    ("DNS: A-label outside", dns("bucher.example"), None, dns("a.xn--bcher-kva.example"), UNSUPPORTED, ""),
    ("DNS: the leaf has no name of the form", dns("ok.example"), None, [_MAIL("a@bad.example")], ACCEPT, ""),
    ("IP: inside", [_net("10.1.0.0/16")], None, [_host("10.1.2.3")], ACCEPT, ""),
    ("IP: outside", [_net("10.1.0.0/16")], None, [_host("10.2.2.3")], UNSUPPORTED, ""),
    ("IP: excluded", None, [_net("10.1.0.0/16")], [_host("10.1.2.3")], UNSUPPORTED, ""),
    ("IP: beside the excluded", None, [_net("10.1.0.0/16")], [_host("10.2.2.3")], ACCEPT, ""),
    ("IP: one host", [_net("10.1.2.3/32")], None, [_host("10.1.2.3")], ACCEPT, ""),
    ("IP: every address", [_net("0.0.0.0/0")], None, [_host("10.1.2.3")], ACCEPT, ""),
    ("IP: v6 inside", [_net("2001:db8::/32")], None, [_host("2001:db8::1")], ACCEPT, ""),
    ("IP: v6 outside", [_net("2001:db8::/32")], None, [_host("2001:db9::1")], UNSUPPORTED, ""),
    ("IP: v4 where only v6 is permitted", [_net("2001:db8::/32")], None, [_host("10.1.2.3")], UNSUPPORTED, ""),
    ("IP: v4 where v6 is excluded", None, [_net("::/0")], [_host("10.1.2.3")], ACCEPT, ""),
    ("mail: host", [_MAIL("ok.example")], None, [_MAIL("a@ok.example")], ACCEPT, ""),
    ("mail: host of the other case", [_MAIL("ok.example")], None, [_MAIL("a@OK.example")], ACCEPT, ""),
    ("mail: below the host", [_MAIL("ok.example")], None, [_MAIL("a@b.ok.example")], UNSUPPORTED, ""),
    ("mail: domain", [_MAIL(".ok.example")], None, [_MAIL("a@b.ok.example")], ACCEPT, ""),
    ("mail: domain, exactly", [_MAIL(".ok.example")], None, [_MAIL("a@ok.example")], UNSUPPORTED, ""),
    ("mail: mailbox", [_MAIL("a@ok.example")], None, [_MAIL("a@ok.example")], ACCEPT, ""),
    ("mail: other mailbox", [_MAIL("a@ok.example")], None, [_MAIL("b@ok.example")], UNSUPPORTED, ""),
    ("mail: mailbox of the other case", [_MAIL("a@ok.example")], None, [_MAIL("A@ok.example")], UNSUPPORTED, ""),
    ("mail: excluded", None, [_MAIL("no.example")], [_MAIL("a@no.example")], UNSUPPORTED, ""),
    ("URI: a form that is not implemented", [_URI("ok.example")], None, [_URI("http://ok.example/")], UNSUPPORTED,
     "OpenSSL implements URIs; the design refuses forms that are not implemented here"),
    ("URI: excluded, and the leaf has none", None, [_URI("no.example")], dns("a.example"), UNSUPPORTED,
     "OpenSSL implements URIs; the design refuses forms that are not implemented here"),
    ("registeredID: a form that is not implemented", [x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))], None,
     dns("a.example"), UNSUPPORTED,
     _LOOKS),
    ("otherName: a form that is not implemented",
     [x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), b"\x0c\x01a")], None, dns("a.example"), UNSUPPORTED,
     _LOOKS),
]  # fmt: skip


def forms() -> list[Case]:
    return [
        case(name, _CLAUSE, expect, *_under(permitted, excluded, san), openssl=why, strict=why)
        for name, permitted, excluded, san, expect, why in _ROWS
    ]


def subjects() -> list[Case]:
    bank, casino = _org("Bank"), _org("Casino")
    inside, outside = _org("Bank", "Desk", "x").value.public_bytes(), _org("Casino", "Desk", "x").value.public_bytes()
    mailed = x509.Name([x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@bad.example")]).public_bytes()
    spaced = _org("bank  ", "Desk").value.public_bytes()
    hostlike = "host.bad.example"
    empty = certs.name("")
    return [
        case("subject: inside", _CLAUSE, ACCEPT, *_under([bank], None, [], inside)),
        case("subject: outside", _CLAUSE, UNSUPPORTED, *_under([bank], None, [], outside)),
        case("subject: excluded", _CLAUSE, UNSUPPORTED, *_under(None, [casino], [], outside)),
        case("subject: other case and blanks", "RFC 5280 7.1", ACCEPT, *_under([bank], None, [], spaced)),
        case(
            "subject: only the first RDN of the constraint",
            _CLAUSE,
            UNSUPPORTED,
            *_under([_org("Bank", "Vault")], None, [], inside),
        ),
        case("directoryName in subjectAltName outside", _CLAUSE, UNSUPPORTED, *_under([bank], None, [casino], inside)),
        case(
            "e-mail in the subject outside",
            "RFC 5280 4.2.1.10: also emailAddress of the subject",
            UNSUPPORTED,
            *_under([_MAIL("ok.example")], None, [], mailed),
        ),
        case(
            "e-mail in the subject beside a subjectAltName",
            "stricter than RFC 5280 4.2.1.10, as OpenSSL is",
            UNSUPPORTED,
            *_under([_MAIL("ok.example")], None, dns("a.example"), mailed),
        ),
        case(
            "common name that looks like a host",
            "design: OpenSSL's word counts too (it holds such names to DNS constraints)",
            UNSUPPORTED,
            *_under(dns("ok.example"), None, [], hostlike),
        ),
        case(
            "common name that looks like a host, excluded",
            "design: OpenSSL's word counts too",
            UNSUPPORTED,
            *_under(None, dns("bad.example"), [], hostlike),
        ),
        case("empty subject with a permitted directoryName", _CLAUSE, ACCEPT, *_empty_subject(bank, empty)),
    ]


def _empty_subject(permitted: x509.DirectoryName, empty: bytes) -> tuple[Made, Made]:
    issuer = authority("constrained", root(), name_constraints([permitted]))
    names = alternative_names(x509.DNSName("a.example"), critical=True)
    return client(empty, issuer, names), issuer


def positions() -> list[Case]:
    outer = authority("outer", root(), name_constraints(dns("ok.example")))
    inner = authority("inner", outer, name_constraints(dns("in.ok.example")))
    widened = authority("inner", outer, name_constraints(dns("ok.example", "bad.example")))
    top = authority("constrained root", None, name_constraints(dns("ok.example")))
    again = authority("outer", outer, alternative_names(*dns("bad.example")), private=certs.key("p256", "outer again"))
    named = authority("named", outer, alternative_names(*dns("bad.example")))
    soft = authority("soft", root(), name_constraints(dns("ok.example"), critical=False))

    def at(issuer: Made, *texts: str) -> Made:
        return client("leaf", issuer, alternative_names(*dns(*texts)))

    self_leaf = certs.make(
        outer.subject, outer,
        [usage("digital_signature"), certs.authority_key_identifier(outer.key_identifier),
         certs.subject_key_identifier(certs.key("p256", "self leaf")), alternative_names(*dns("bad.example"))],
        private=certs.key("p256", "self leaf"),
    )  # fmt: skip
    return [
        case("two levels: inside both", _CLAUSE, ACCEPT, at(inner, "a.in.ok.example"), inner, outer),
        case("two levels: inside the outer only", _CLAUSE, UNSUPPORTED, at(inner, "a.ok.example"), inner, outer),
        case("two levels: the inner widens", _CLAUSE, UNSUPPORTED, at(widened, "a.bad.example"), widened, outer),
        case(
            "constraints of the anchor",
            "design: those of the anchor bind too",
            UNSUPPORTED,
            at(top, "a.bad.example"),
            trust=[top],
        ),
        case("constraints of the anchor, inside", _CLAUSE, ACCEPT, at(top, "a.ok.example"), trust=[top]),
        case(
            "a self-issued intermediate is not bound",
            "RFC 5280 6.1.3 (b)",
            ACCEPT,
            at(again, "a.ok.example"),
            again,
            outer,
        ),
        case(
            "below a self-issued intermediate",
            "RFC 5280 6.1.3 (b)",
            UNSUPPORTED,
            at(again, "a.bad.example"),
            again,
            outer,
        ),
        case(
            "a self-issued leaf is bound",
            "RFC 5280 6.1.3 (b): unless it is the final certificate",
            UNSUPPORTED,
            self_leaf,
            outer,
        ),
        case("an intermediate's own name outside", _CLAUSE, UNSUPPORTED, at(named, "a.ok.example"), named, outer),
        case("constraints that are not critical bind", _CLAUSE, UNSUPPORTED, *(at(soft, "a.bad.example"), soft)),
        case("constraints that are not critical, inside", _CLAUSE, ACCEPT, *(at(soft, "a.ok.example"), soft)),
        case(
            "constraints in a leaf",
            "RFC 5280 4.2.1.10: only in CA certificates; a leaf constrains nobody",
            ACCEPT,
            client("leaf", mid(), name_constraints(dns("ok.example"))),
            mid(),
        ),
    ]


def odd() -> list[Case]:
    ok = der_text.tlv(0x82, b"ok.example")
    minimum, maximum = der_text.tlv(0x80, b"\x01"), der_text.tlv(0x81, b"\x01")
    hole = der_text.tlv(0x87, bytes((10, 0, 0, 0, 255, 0, 255, 0)))
    short = der_text.tlv(0x87, bytes((10, 0, 0, 0, 255, 0)))
    latin = der_text.tlv(0x82, "bücher.example".encode("latin-1"))
    party = der_text.tlv(0xA5, der_text.tlv(0xA1, der_text.tlv(0x0C, b"x")))
    named = alternative_names(*dns("a.ok.example"))

    def under(value: bytes, san: certs.Extension = named) -> tuple[Made, Made]:
        issuer = ca(constraints(ca=True), usage("key_cert_sign"), _raw(value))
        return client("leaf", issuer, san), issuer

    short_address = der_text.extension(_SAN, der_text.sequence(der_text.tlv(0x87, b"\x0a\x00\x00")))
    address = alternative_names(_host("10.1.2.3"))
    return [
        case(
            "constraints without subtrees",
            "RFC 5280 4.2.1.10: not an empty sequence",
            BAD,
            *under(der_text.sequence()),
            openssl=LENIENT,
            strict=LENIENT,
        ),
        case(
            "subtree with a minimum",
            "RFC 5280 4.2.1.10: minimum is 0",
            UNSUPPORTED,
            *under(der_text.sequence(_subtrees(0xA0, ok, minimum))),
        ),
        case(
            "subtree with a maximum",
            "RFC 5280 4.2.1.10: maximum is absent",
            UNSUPPORTED,
            *under(der_text.sequence(_subtrees(0xA0, ok, maximum))),
        ),
        case(
            "IP mask with a hole", "RFC 4632: a prefix", BAD, *under(der_text.sequence(_subtrees(0xA0, hole)), address)
        ),
        case(
            "IP constraint of six octets",
            "RFC 5280 4.2.1.10: eight or 32",
            BAD,
            *under(der_text.sequence(_subtrees(0xA0, short)), address),
        ),
        case(
            "DNS constraint that is not ASCII",
            "RFC 5280 7.2: A-labels in an IA5String",
            BAD,
            *under(der_text.sequence(_subtrees(0xA0, latin))),
        ),
        case(
            "ediPartyName constraint",
            "design: forms that are not implemented refuse",
            REFUSE,
            *under(der_text.sequence(_subtrees(0xA1, party))),
            openssl=_LOOKS,
            strict=_LOOKS,
        ),
        case(
            "subjectAltName with an address of three octets",
            "RFC 5280 4.2.1.6: four or sixteen",
            BAD,
            client("leaf", mid(), short_address),
            mid(),
            openssl=LENIENT,
            strict=LENIENT,
        ),
        case(
            "subjectAltName without names",
            "RFC 5280 4.2.1.6: at least one",
            BAD,
            client("leaf", mid(), der_text.extension(_SAN, der_text.sequence())),
            mid(),
            openssl=LENIENT,
        ),
        case(
            "x400Address in subjectAltName",
            "design: what does not parse is refused",
            BAD,
            client("leaf", mid(), der_text.extension(_SAN, der_text.sequence(der_text.tlv(0xA3)))),
            mid(),
            openssl=LENIENT,
            strict=LENIENT,
        ),
    ]


def chaining() -> list[Case]:
    clause = "RFC 5280 6.1.3 (a) (4), 7.1"
    exact = "refusing an odd chain is acceptable: names chain only when they are octet for octet the same"
    printable = der_text.name(("2.5.4.3", 0x13, b"root"))
    upper = der_text.name(("2.5.4.3", 0x0C, b"ROOT"))
    wrong = der_text.name(("2.5.4.3", 0x0C, b"other"))
    empty = certs.name("")
    nameless = authority(empty)
    nul = der_text.name(("2.5.4.3", 0x0C, b"a\x00b"))
    bitty = der_text.name(("2.5.4.3", 0x1E, "bmp".encode("utf-16-be")))
    return [
        case(
            "issuer in another string type",
            clause,
            BAD,
            certs.client("leaf", root(), issuer=printable),
            openssl=exact,
            strict=exact,
        ),
        case(
            "issuer in letters of the other case",
            clause,
            BAD,
            certs.client("leaf", root(), issuer=upper),
            openssl=exact,
            strict=exact,
        ),
        case("issuer is another name", clause, "UNTRUSTED", certs.client("leaf", root(), issuer=wrong)),
        case(
            "empty issuer",
            "RFC 5280 4.1.2.4: non-empty; 6.1 only compares",
            ACCEPT,
            client("x", nameless),
            trust=[nameless],
            strict=PROFILE,
        ),
        case(
            "empty subject with a critical subjectAltName",
            "RFC 5280 4.1.2.6",
            ACCEPT,
            client(empty, mid(), alternative_names(*dns("a.example"), critical=True)),
            mid(),
        ),
        case(
            "empty subject without subjectAltName",
            "RFC 5280 4.1.2.6: CAs must name; 6.1 does not look",
            ACCEPT,
            client(empty, mid()),
            mid(),
            strict=PROFILE,
        ),
        case("NUL in the common name", "no rule: the name is data, shown escaped", ACCEPT, client(nul, mid()), mid()),
        case("common name as BMPString", "RFC 5280 4.1.2.4", ACCEPT, client(bitty, mid()), mid()),
    ]


def cases() -> list[Case]:
    return [*forms(), *subjects(), *positions(), *odd(), *chaining(), *_below_root()]


def _below_root() -> list[Case]:
    issuer = authority("constrained", root(), name_constraints(dns("ok.example")))
    return [case("ordinary client without names below a constrained CA", _CLAUSE, ACCEPT, *below(issuer))]
