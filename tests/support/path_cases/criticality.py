"""Which extensions may be critical, and that unknown ones may not."""

from cryptography import x509

from support import certs, der_text
from support.certs import Extension, authority, client, usage
from support.path_cases.case import ACCEPT, BAD, CRITICALS, PROFILE, UNSUPPORTED, Case, below, ca, case, leaf, mid, root

_ANY_POLICY = x509.ObjectIdentifier("2.5.29.32.0")
_POLICY = x509.ObjectIdentifier("1.3.6.1.4.1.55555.3")
_AIA = x509.oid.AuthorityInformationAccessOID.OCSP
_LINK = x509.UniformResourceIdentifier("http://x.example/")
_POINT = x509.DistributionPoint([_LINK], None, None, None)


def _raw(dotted: str, value: bytes = b"\x05\x00", *, critical: bool) -> bytes:
    return der_text.extension(dotted, value, critical=critical)


def _signing(*extensions: Extension, **rest: bytes) -> certs.Made:
    return leaf(usage("digital_signature"), *extensions, subject=rest.get("subject", "leaf"))


def _policies(*policies: x509.ObjectIdentifier, critical: bool) -> Extension:
    return x509.CertificatePolicies([x509.PolicyInformation(p, None) for p in policies]), critical


def unknown() -> list[Case]:
    clause = "RFC 5280 4.2, 6.1.4 (o), 6.1.5 (f)"
    own = "1.3.6.1.4.1.55555.4"
    anchored = authority("odd root", None, _raw(own, critical=True))
    return [
        case("unknown critical extension in the leaf", clause, UNSUPPORTED, _signing(_raw(own, critical=True)), mid()),
        case(
            "unknown critical extension in the intermediate",
            clause,
            UNSUPPORTED,
            *below(authority("ca", root(), _raw(own, critical=True))),
        ),
        case("unknown critical extension in the anchor", clause, UNSUPPORTED, client("x", anchored), trust=[anchored]),
        case("unknown extension, not critical", clause, ACCEPT, _signing(_raw(own, critical=False)), mid()),
        case(
            "unknown extension whose value is no DER",
            clause,
            ACCEPT,
            _signing(_raw(own, b"\xff\xff\xff", critical=False)),
            mid(),
        ),
        case(
            "unknown extension in the intermediate, not critical",
            clause,
            ACCEPT,
            *below(authority("ca", root(), _raw(own, critical=False))),
        ),
        case(
            "critical FALSE written out",
            "X.690 11.5: DER leaves defaults out",
            BAD,
            _signing(_explicit_false(own)),
            mid(),
            openssl="OpenSSL reads BER here; we refuse what is not DER",
            strict="as without -x509_strict",
        ),
    ]


def _explicit_false(dotted: str) -> bytes:
    value = der_text.tlv(der_text.OCTET_STRING, b"\x05\x00")
    return der_text.sequence(der_text.oid(dotted), der_text.tlv(der_text.BOOLEAN, b"\x00"), value)


def known() -> list[Case]:
    """Standard extensions that nobody here acts on: harmless, but not critical."""
    clause = "RFC 5280 4.2: reject a critical extension that is not processed"
    aia = x509.AuthorityInformationAccess([x509.AccessDescription(_AIA, _LINK)])
    crl, freshest = x509.CRLDistributionPoints([_POINT]), x509.FreshestCRL([_POINT])
    alternative = x509.IssuerAlternativeName([_LINK])
    poison, no_check = x509.PrecertPoison(), x509.OCSPNoCheck()
    constraints = x509.PolicyConstraints(0, None)
    inhibit = x509.InhibitAnyPolicy(0)
    skid = x509.SubjectKeyIdentifier(certs.key_identifier(certs.key("p256", "of 'leaf'")))
    proxy = der_text.sequence(der_text.sequence(der_text.oid("1.3.6.1.5.5.7.21.1")))
    netscape = der_text.tlv(der_text.BIT_STRING, b"\x07\x80")
    mapping = der_text.sequence(
        der_text.sequence(der_text.oid(_POLICY.dotted_string), der_text.oid("1.3.6.1.4.1.55555.9"))
    )
    rows: list[tuple[str, str, Extension, str]] = [
        ("authorityInfoAccess", ACCEPT, (aia, False), ""),
        ("authorityInfoAccess, critical", UNSUPPORTED, (aia, True), ""),
        ("cRLDistributionPoints", ACCEPT, (crl, False), ""),
        ("cRLDistributionPoints, critical", UNSUPPORTED, (crl, True), CRITICALS),
        ("freshestCRL, critical", UNSUPPORTED, (freshest, True), ""),
        ("issuerAltName, critical", UNSUPPORTED, (alternative, True), ""),
        ("subjectKeyIdentifier, critical", UNSUPPORTED, (skid, True), ""),
        ("OCSP no-check, critical", UNSUPPORTED, (no_check, True), CRITICALS),
        ("precertificate poison", UNSUPPORTED, (poison, True), ""),
        ("proxyCertInfo, critical", UNSUPPORTED, _raw("1.3.6.1.5.5.7.1.14", proxy, critical=True), ""),
        (
            "netscape-cert-type for clients, critical",
            UNSUPPORTED,
            _raw("2.16.840.1.113730.1.1", netscape, critical=True),
            CRITICALS,
        ),
        ("certificatePolicies", ACCEPT, _policies(_POLICY, critical=False), ""),
        ("certificatePolicies, critical", ACCEPT, _policies(_POLICY, critical=True), ""),
        ("subjectAltName, critical", ACCEPT, certs.alternative_names(x509.DNSName("x.example"), critical=True), ""),
    ]
    of_leaf = [case(f"{name}, in the leaf", clause, expect, _signing(extension), mid(), openssl=why, strict=why)
               for name, expect, extension, why in rows]  # fmt: skip
    above: list[tuple[str, str, Extension, str]] = [
        ("policyConstraints, critical", UNSUPPORTED, (constraints, True), CRITICALS),
        ("policyConstraints, not critical", ACCEPT, (constraints, False), ""),
        ("inhibitAnyPolicy, critical", UNSUPPORTED, (inhibit, True), CRITICALS),
        ("inhibitAnyPolicy, not critical", ACCEPT, (inhibit, False), ""),
        ("policyMappings, critical", UNSUPPORTED, _raw("2.5.29.33", mapping, critical=True), CRITICALS),
        ("anyPolicy, critical", ACCEPT, _policies(_ANY_POLICY, critical=True), ""),
        ("authorityInfoAccess, critical", UNSUPPORTED, (aia, True), ""),
    ]
    return of_leaf + [
        case(
            f"{name}, in the intermediate",
            clause,
            expect,
            *below(authority("ca", root(), extension)),
            openssl=why,
            strict=why,
        )
        for name, expect, extension, why in above
    ]


def authority_keys() -> list[Case]:
    clause = "RFC 5280 4.2.1.1"
    critical = certs.authority_key_identifier(mid().key_identifier, critical=True)
    wrong = certs.authority_key_identifier(b"\x00" * 20)
    by_serial = x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(x509.Name([]))], 0xDEAD), False
    sign = usage("digital_signature")
    no_identifier = certs.make("bare ca", root(), [certs.constraints(ca=True), usage("key_cert_sign")])
    return [
        case(
            "authorityKeyIdentifier, critical",
            "RFC 5280 4.2.1.1: MUST NOT be critical",
            UNSUPPORTED,
            certs.make("leaf", mid(), [critical, sign]),
            mid(),
        ),
        case(
            "authorityKeyIdentifier of another key",
            clause,
            "UNTRUSTED",
            certs.make("leaf", mid(), [wrong, sign]),
            mid(),
        ),
        case(
            "authorityKeyIdentifier with another serial number",
            clause,
            "UNTRUSTED",
            certs.make("leaf", mid(), [by_serial, sign]),
            mid(),
        ),
        case(
            "no authorityKeyIdentifier",
            "RFC 5280 6.1 does not look at it",
            ACCEPT,
            certs.make("leaf", mid(), [sign]),
            mid(),
            strict=PROFILE,
        ),
        case(
            "intermediate without key identifiers",
            "RFC 5280 6.1 does not look at them",
            ACCEPT,
            client(
                "x",
                no_identifier,
            ),
            no_identifier,
            strict=PROFILE,
        ),
        case(
            "no authorityKeyIdentifier in the leaf of the anchor",
            clause,
            ACCEPT,
            certs.make("leaf", root(), [sign, certs.constraints(ca=False)]),
            strict=PROFILE,
        ),
        case(
            "subjectKeyIdentifier that is no hash of the key",
            clause,
            ACCEPT,
            certs.make(
                "leaf",
                mid(),
                [
                    certs.authority_key_identifier(mid().key_identifier),
                    sign,
                    (x509.SubjectKeyIdentifier(b"any"), False),
                ],
            ),
            mid(),
        ),
        case(
            "intermediate without any extension but CA:TRUE",
            clause,
            ACCEPT,
            *below(ca(certs.constraints(ca=True))),
            strict=PROFILE,
        ),
    ]


def cases() -> list[Case]:
    return [*unknown(), *known(), *authority_keys()]
