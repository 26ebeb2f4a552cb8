"""The certificates that the decision table names: authorities, clients, and those who would like to be one."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache

from cryptography import x509
from cryptography.x509.oid import NameOID

from support import certs, der_text
from support.certs import NOW, Made, authority, bare, client, key, make, version1

_PAST: certs.Rest = {"start": NOW - timedelta(days=60), "end": NOW - timedelta(days=1)}
_FUTURE: certs.Rest = {"start": NOW + timedelta(days=1), "end": NOW + timedelta(days=60)}
_PRIVATE_OID = "1.3.6.1.4.1.55555.1"  # nobody's
_DNS, _DIRECTORY = x509.DNSName, x509.DirectoryName
LONGEST = 9  # intermediates below the root: ten certificates above the leaf, the most that is accepted


@cache
def get(name: str) -> Made:
    """The certificate of this name, made once."""
    return _MAKERS[name]()


def _rsa(label: str) -> certs.Rest:
    return {"private": key("rsa2048", label)}


def _self_signed_ca(subject: str, private: certs.PrivateKey | None = None) -> Made:
    """What `openssl req -x509` makes: CA:TRUE, no key usage."""
    private = private or key("p256", subject)
    extensions = [certs.subject_key_identifier(private), certs.constraints(ca=True)]
    return make(subject, extensions=extensions, private=private)


def _unknown(*, critical: bool, size: int = 2) -> bytes:
    return der_text.extension(_PRIVATE_OID, der_text.tlv(0x04, b"x" * size), critical=critical)


def _directory(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.DirectoryName:
    return _DIRECTORY(x509.Name([x509.NameAttribute(kind, text) for kind, text in attributes]))


def _constrained(
    permitted: list[x509.GeneralName] | None = None, excluded: list[x509.GeneralName] | None = None
) -> Made:
    return authority("constrained", get("root"), certs.name_constraints(permitted, excluded), path_length=0)


def _named(dns: str, issuer: str) -> Made:
    return client(f"client {dns}", get(issuer), certs.alternative_names(_DNS(dns)))


def _sub(number: int) -> Made:
    return authority(f"level {number}", get(f"level-{number - 1}") if number > 1 else get("root"))


def _forger(subject: str, by: Made | None = None, *, ca: bool) -> Made:
    """Same subject as somebody else, another key; no key identifier that would give it away."""
    extensions = [certs.constraints(ca=ca), certs.usage("key_cert_sign" if ca else "digital_signature")]
    return make(subject, by, extensions, private=key("p256", f"forged {subject}"))


def _with(*extensions: certs.Extension) -> Made:
    return make(f"usage {len(extensions)}", get("mid"), [certs.constraints(ca=False), *extensions])


def _big(number: int) -> Made:
    return make(f"big {number}", extensions=[_unknown(critical=False, size=14_000)])


_MAKERS: Mapping[str, Callable[[], Made]] = {
    # a PKI as RFC 5280 wants it
    "root": lambda: authority("root"),
    "mid": lambda: authority("mid", get("root"), path_length=0),
    "alice": lambda: client("alice", get("mid")),
    "bob": lambda: client("bob", get("mid")),
    "direct": lambda: client("direct", get("root")),
    "alice-reissued": lambda: client("alice", get("mid")),  # same subject and key, another certificate
    "other-root": lambda: authority("other root"),
    "stranger": lambda: client("stranger", get("other-root")),
    "rsa-root": lambda: authority("rsa root", **_rsa("rsa root")),
    "rsa-client": lambda: client("rsa client", get("rsa-root"), **_rsa("rsa client")),
    "ed25519-client": lambda: client("ed25519 client", get("mid"), private=key("ed25519", "client")),
    "p384-client": lambda: client("p384 client", get("mid"), private=key("p384", "client")),
    "mid-v2": lambda: authority("mid", get("root"), private=key("p256", "mid v2")),  # the CA's next key
    "carol": lambda: client("carol", get("mid-v2")),
    # what the printed guide makes: v1, and v3 without basicConstraints from OpenSSL 3.2 on
    "guide-root": lambda: _self_signed_ca("localhost", key("rsa2048", "guide root")),
    "guide-mid": lambda: version1("intermediate", get("guide-root"), **_rsa("guide mid")),
    "guide-client": lambda: version1("client", get("guide-mid"), **_rsa("guide client")),
    "guide-sibling": lambda: version1("sibling", get("guide-mid")),
    "guide-v3-client": lambda: client("v3 client", get("guide-mid")),
    "guide-sub-mid": lambda: version1("sub intermediate", get("guide-mid")),
    "guide-sub-client": lambda: version1("sub client", get("guide-sub-mid")),
    "guide-v3-sub-mid": lambda: authority("v3 sub intermediate", get("guide-mid")),
    "guide-v3-sub-client": lambda: client("v3 sub client", get("guide-v3-sub-mid")),
    "guide-self-issued-mid": lambda: authority(get("guide-mid").subject, get("guide-mid"), private=key("p256", "self")),
    "guide-self-issued-client": lambda: client("below self-issued", get("guide-self-issued-mid")),
    "below-guide-client": lambda: version1("below client", get("guide-client")),
    "new-mid": lambda: bare("new intermediate", get("guide-root")),
    "new-client": lambda: bare("new client", get("new-mid")),
    "below-new-client": lambda: bare("below new client", get("new-client")),
    "legacy-expired": lambda: version1("expired legacy", get("guide-root"), **_PAST),
    "legacy-expired-client": lambda: version1("below expired legacy", get("legacy-expired")),
    "server-only-legacy-client": lambda: make("s", get("guide-mid"), [certs.purposes(certs.SERVER_AUTH)]),
    "pin-v1": lambda: version1("pin v1"),  # self-signed
    "below-pin-v1": lambda: version1("below pin v1", get("pin-v1")),
    # who must not issue
    "below-alice": lambda: client("below alice", get("alice")),
    "ca-false": lambda: make("ca false", get("root"), [certs.constraints(ca=False), certs.usage("key_cert_sign")]),
    "below-ca-false": lambda: client("below ca false", get("ca-false")),
    "no-cert-sign": lambda: make("no sign", get("root"), [certs.constraints(ca=True), certs.usage("crl_sign")]),
    "below-no-cert-sign": lambda: client("below no sign", get("no-cert-sign")),
    "self-ca": lambda: _self_signed_ca("self ca"),
    "below-self-ca": lambda: client("below self ca", get("self-ca")),
    "plain-root": lambda: _self_signed_ca("plain root"),
    # forgeries
    "forged-root": lambda: _forger("root", ca=True),
    "forged-mid": lambda: _forger("mid", get("forged-root"), ca=True),
    "forged-alice": lambda: client("alice", get("forged-mid"), private=key("p256", "forged alice")),
    "lone-forged-mid": lambda: _forger("mid", ca=True),
    "by-lone-forged-mid": lambda: _forger("bob", get("lone-forged-mid"), ca=False),
    "forged-pin": lambda: _forger("alice", ca=False),
    "spoilt": lambda: make("spoilt", get("mid"), [certs.purposes(certs.CLIENT_AUTH)], spoil_signature=True),
    # times
    "expired": lambda: client("expired", get("mid"), **_PAST),
    "future": lambda: client("future", get("mid"), **_FUTURE),
    "expired-mid": lambda: authority("expired mid", get("root"), **_PAST),
    "below-expired-mid": lambda: client("below expired mid", get("expired-mid")),
    "expired-root": lambda: authority("expired root", **_PAST),
    "below-expired-root": lambda: client("below expired root", get("expired-root")),
    "future-root": lambda: authority("future root", **_FUTURE),
    "below-future-root": lambda: client("below future root", get("future-root")),
    # usage
    "server-only": lambda: _with(certs.purposes(certs.SERVER_AUTH)),
    "any-purpose": lambda: _with(certs.purposes(certs.ANY_EKU)),
    "no-purpose": _with,
    "both-purposes": lambda: _with(certs.purposes(certs.SERVER_AUTH, certs.CLIENT_AUTH)),
    "no-signature": lambda: _with(certs.usage("key_encipherment"), certs.purposes(certs.CLIENT_AUTH)),
    "server-mid": lambda: authority("server mid", get("root"), certs.purposes(certs.SERVER_AUTH)),
    "below-server-mid": lambda: client("below server mid", get("server-mid")),
    # strength
    "sha1": lambda: client("sha1", get("rsa-root"), digest="sha1"),
    "sha1-ec": lambda: client("sha1 ec", get("mid"), digest="sha1"),
    "md5": lambda: client("md5", get("rsa-root"), digest="md5"),
    "sha1-mid": lambda: authority("sha1 mid", get("root"), digest="sha1"),
    "below-sha1-mid": lambda: client("below sha1 mid", get("sha1-mid")),
    "rsa1024": lambda: client("rsa1024", get("mid"), private=key("rsa1024", "client")),
    "rsa1024-mid": lambda: authority("rsa1024 mid", get("root"), private=key("rsa1024", "mid")),
    "below-rsa1024-mid": lambda: client("below rsa1024 mid", get("rsa1024-mid")),
    "sha1-root": lambda: authority("sha1 root", digest="sha1"),  # nobody checks an anchor's own signature
    "below-sha1-root": lambda: client("below sha1 root", get("sha1-root")),
    # lengths
    "root-0": lambda: authority("root 0", path_length=0),
    "mid-0": lambda: authority("mid 0", get("root-0")),
    "below-mid-0": lambda: client("below mid 0", get("mid-0")),
    **{f"level-{number}": (lambda n=number: _sub(n)) for number in range(1, LONGEST + 2)},  # type: ignore[misc]
    "deepest": lambda: client("deepest", get(f"level-{LONGEST}")),
    "too-deep": lambda: client("too deep", get(f"level-{LONGEST + 1}")),
    # critical extensions and name constraints
    "critical": lambda: client("critical", get("mid"), _unknown(critical=True)),
    "uncritical": lambda: client("uncritical", get("mid"), _unknown(critical=False)),
    "critical-mid": lambda: authority("critical mid", get("root"), _unknown(critical=True)),
    "below-critical-mid": lambda: client("below critical mid", get("critical-mid")),
    "permitted-mid": lambda: _constrained([_DNS("clients.example")]),
    "inside": lambda: _named("a.clients.example", "permitted-mid"),
    "outside": lambda: _named("a.other.example", "permitted-mid"),
    "host-outside": lambda: client("host.other.example", get("permitted-mid")),  # no subjectAltName
    "excluded-mid": lambda: _constrained(excluded=[_DNS("secret.example")]),
    "beside-excluded": lambda: _named("open.example", "excluded-mid"),
    "excluded": lambda: _named("a.secret.example", "excluded-mid"),
    "uri-mid": lambda: _constrained([x509.UniformResourceIdentifier("clients.example")]),
    "below-uri-mid": lambda: client("below uri mid", get("uri-mid")),
    "directory-mid": lambda: _constrained([_directory((NameOID.ORGANIZATION_NAME, "Bank"))]),
    "in-bank": lambda: client(certs.name("x", (NameOID.ORGANIZATION_NAME, "Bank")), get("directory-mid")),
    "out-of-bank": lambda: client(certs.name("x", (NameOID.ORGANIZATION_NAME, "Casino")), get("directory-mid")),
    "leaf-ca": lambda: authority("leaf ca", get("root")),  # a CA below the root that comes as a client
    **{f"big-{number}": (lambda n=number: _big(n)) for number in range(5)},  # type: ignore[misc]
}  # fmt: skip


def names() -> list[str]:
    return list(_MAKERS)
