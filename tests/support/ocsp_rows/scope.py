"""Rows about which certificates are asked for, of whom, and with which issuer."""

from collections.abc import Callable
from functools import cache

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from hsmgate.errors import Reason
from support import certs
from support.certs import Made
from support.ocsp_answers import Answer, access, aia, delegate
from support.ocsp_rows.row import Row, Scene, who
from support.responder import Reply, http

_NO_ISSUER, _NO_RESPONDER, _ADDRESS = Reason.OCSP_NO_ISSUER, Reason.OCSP_NO_RESPONDER, Reason.OCSP_ADDRESS
Maker = Callable[[str, Made], Made]


def _good(s: Scene) -> Answer:
    return s.answer()


def _no_question(_s: Scene) -> Answer:
    raise AssertionError("nobody should have been asked")


def _client(*extensions: certs.Extension) -> Maker:
    return lambda _url, issuer: certs.client("scope client", issuer, *extensions)


def _named(*urls: str) -> Maker:
    """OCSP URLs in order; {url} is the row's responder, {port} its port."""
    return lambda url, issuer: certs.client(
        "scope client", issuer, aia(*(one.format(url=url, port=url.rpartition(":")[2]) for one in urls))
    )


def _entry(method: x509.ObjectIdentifier, location: x509.GeneralName) -> Maker:
    return _client(access((method, location)))


def _directory() -> x509.DirectoryName:
    return x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "responder")]))


@cache
def _mid(url: str) -> Made:
    return certs.authority("scope mid", who("root"), aia(url), private=certs.key("p256", "scope mid"))


# chains: the issuer's own certificate names the responder too
def _chain(leaf_named: bool) -> Maker:
    def make(url: str, issuer: Made) -> Made:
        del issuer
        return certs.client("below scope mid", _mid(url), *([aia(url)] if leaf_named else []))

    return make


def _about(leaf: str, mid: str) -> Callable[[Scene], Answer]:
    """The leaf's status as its issuer says, and the issuer's as the root says."""

    def speak(s: Scene) -> Answer:
        scope_mid = _mid(s.url)
        if s.query.request.serial_number == s.serial:
            return s.answer(s.single(status=leaf, issuer=scope_mid), signer=scope_mid, certificates=())
        asked = s.query.request.serial_number
        return s.answer(s.single(serial=asked, status=mid, issuer=who("root")), signer=who("root"), certificates=())

    return speak


# pins
def _pin(url: str, issuer: Made) -> Made:
    """The guide's case: a pinned leaf whose issuer is not in the truststore."""
    return certs.client("pinned", issuer, aia(url))


def _fetchable_pin(url: str, issuer: Made) -> Made:
    return certs.client("fetchable pin", issuer, aia(url, issuers=[url + "/dead.cer", url + "/issuer.cer"]))


def _fetching(*, found: bool) -> Callable[[Scene], Answer | Reply]:
    """The responder's own machine gives the issuer's certificate, or another one."""

    def speak(s: Scene) -> Answer | Reply:
        if s.query.line.startswith("GET"):
            if "dead" in s.query.line:
                return http(b"", "404 Not Found")
            return http(who("unknown ca" if found else "other ca").der, kind="application/pkix-cert")
        return s.answer()

    return speak


def _self_signed(url: str, _issuer: Made) -> Made:
    return certs.make("lone wolf", None, [certs.usage("digital_signature"), aia(url)])


def _own_word(s: Scene) -> Answer:
    return s.answer(s.single(issuer=s.client), signer=s.client, certificates=())


def _own_delegate(s: Scene) -> Answer:
    return s.answer(s.single(issuer=s.client), signer=delegate("lone wolf's friend", s.client))


_PIN = {"issuer": "unknown ca", "client": _pin}

SCOPE_ROWS = [
    Row("off: nobody is asked", _no_question, settings={"check": "off"}, warm=False, queries=0),
    Row("if-present: without AIA", _no_question, client=_client(), warm=False, queries=0),
    Row("if-present: AIA with caIssuers only", _no_question, warm=False, queries=0,
        client=lambda url, issuer: certs.client("c", issuer, aia(issuers=[url]))),
    Row("require: without AIA", _no_question, _NO_RESPONDER, settings={"check": "require"}, client=_client(),
        warm=False, queries=0),
    Row("require: with AIA", _good, settings={"check": "require"}),
    Row("an OCSP entry that is no URI", _no_question, _NO_RESPONDER, warm=False, queries=0,
        client=_entry(AuthorityInformationAccessOID.OCSP, _directory())),
    Row("an OCSP entry that is an email address", _no_question, _NO_RESPONDER, warm=False, queries=0,
        client=_entry(AuthorityInformationAccessOID.OCSP, x509.RFC822Name("ocsp@example.com"))),
    Row("a responder in the configuration", _good, client=_client(), settings={"responder": "{url}"}),
    Row("a responder in the configuration overrides the AIA", _good, client=_named("http://192.0.2.1/"),
        settings={"responder": "{url}"}),
    Row("chain: both good", _about("good", "good"), client=_chain(leaf_named=True), chain=_mid,
        warm=False, queries=2),
    Row("chain: intermediate revoked", _about("good", "revoked"), Reason.REVOKED, client=_chain(leaf_named=True),
        chain=_mid, warm=False),
    Row("chain: leaf revoked", _about("revoked", "good"), Reason.REVOKED, client=_chain(leaf_named=True),
        chain=_mid, warm=False),
    Row("chain: no answer for the leaf, intermediate revoked", lambda s: http(b"", "500 Oops")
        if s.query.request.serial_number == s.serial else _about("good", "revoked")(s), Reason.REVOKED,
        client=_chain(leaf_named=True), chain=_mid, warm=False),
    Row("chain: leaf unknown, intermediate revoked", _about("unknown", "revoked"), Reason.REVOKED,
        client=_chain(leaf_named=True), chain=_mid, warm=False),
    Row("chain: intermediate unknown", _about("good", "unknown"), Reason.STATUS_UNKNOWN,
        client=_chain(leaf_named=True), chain=_mid, warm=False),
    Row("chain: only the intermediate names a responder, revoked", _about("good", "revoked"), Reason.REVOKED,
        client=_chain(leaf_named=False), chain=_mid, warm=False, queries=1),
    Row("leaf: a revoked intermediate is not asked for", _about("good", "revoked"), client=_chain(leaf_named=True),
        chain=_mid, settings={"scope": "leaf"}, warm=False, queries=1),
]  # fmt: skip

PIN_ROWS = [
    Row("pinned, no provable issuer", _no_question, _NO_ISSUER, **_PIN, warm=False, queries=0),  # type: ignore[arg-type]
    Row("pinned, a false issuer sent", _no_question, _NO_ISSUER, **_PIN, sent=["false issuer"],  # type: ignore[arg-type]
        warm=False, queries=0),
    Row("pinned, issuer in hsmgate.ocsp.issuers", _good, **_PIN,  # type: ignore[arg-type]
        settings={"issuers": (who("unknown ca").der,)}),
    Row("pinned, issuer sent by the client", _good, **_PIN, sent=["unknown ca"]),  # type: ignore[arg-type]
    Row("pinned, revoked, issuer sent by the client", lambda s: s.answer(s.single(status="revoked")),
        Reason.REVOKED, **_PIN, sent=["unknown ca"]),  # type: ignore[arg-type]
    Row("pinned, issuer in the truststore", _good, client=_pin),
    Row("pinned, issuer at caIssuers", _fetching(found=True), issuer="unknown ca", client=_fetchable_pin,
        warm=False, queries=3),
    Row("pinned, another certificate at caIssuers", _fetching(found=False), _NO_ISSUER, issuer="unknown ca",
        client=_fetchable_pin, warm=False, queries=2),
    Row("pinned, self-signed, its own word", _own_word, Reason.OCSP_RESPONDER, client=_self_signed, warm=False),
    Row("pinned, self-signed, its own delegate's word", _own_delegate, Reason.OCSP_RESPONDER, client=_self_signed,
        warm=False),
    Row("pinned, self-signed, a trusted responder's word", lambda s: s.answer(
        s.single(issuer=s.client), signer=who("trusted")), client=_self_signed, warm=False,
        rules={"trusted_responders": (who("trusted").der,)}),
]  # fmt: skip

_LONG = "http://127.0.0.1:{port}/" + "x" * 30_000
URL_ROWS = [
    *(
        Row(f"forbidden URL: {url[:60]}", _no_question, _ADDRESS, client=_named(url), warm=False, queries=0)
        for url in (
            "ldap://127.0.0.1:{port}/", "file:///etc/passwd", "gopher://127.0.0.1:{port}/x", "ftp://127.0.0.1:{port}/",
            "//127.0.0.1:{port}/", "127.0.0.1:{port}", "http:127.0.0.1:{port}", "http://", "http:///x", "",
            "http://user@127.0.0.1:{port}/", "http://user:secret@127.0.0.1:{port}/", "http://127.0.0.1:{port}@169.254.169.254/",
            "http://127.0.0.1:{port}\\@x/", "http://127.0.0.1:{port} /", "http://127.0.0.1:{port}/\r\nX: y",
            "http://127.0.0.1:22/", "http://127.0.0.1:25/", "http://127.0.0.1:6000/", "http://127.0.0.1:0/",
            "http://127.0.0.1:65536/", "http://127.0.0.1:-1/", "http://127.0.0.1:{port}x/", _LONG,
            "http://169.254.169.254/latest/meta-data/", "http://[::ffff:169.254.169.254]/", "http://2852039166/",
            "http://0xa9fea9fe/", "http://0251.0376.0251.0376/", "http://[fe80::1]/", "http://[64:ff9b::a9fe:a9fe]/",
            "http://0.0.0.0:{port}/", "http://[::]:{port}/", "http://224.0.0.1/", "http://255.255.255.255/", "http://0:{port}/",
        )
    ),
    Row("ten forbidden URLs", _no_question, _ADDRESS, warm=False, queries=0,
        client=_named(*(f"http://169.254.169.{number}/" for number in range(10)))),
    Row("a forbidden URL before a good one", _good, client=_named("ldap://127.0.0.1/", "{url}")),
    Row("two forbidden addresses before a good one", _good,
        client=_named("http://169.254.1.1/", "http://[::ffff:169.254.1.1]/", "{url}")),
    Row("nobody listens at the first URL", _good, client=_named("http://127.0.0.1:1025/", "{url}")),
    Row("nobody listens at nine, the tenth answers", _good,
        client=_named(*["http://127.0.0.1:1025/"] * 9, "{url}")),
    Row("tryLater at the first URL", lambda s: b"\x30\x03\x0a\x01\x03" if "later" in s.query.line else s.answer(),
        client=_named("{url}/later", "{url}/now"), warm=False, queries=2),
    Row("HTTP 500 at the first URL", lambda s: http(b"", "500 Oops") if "first" in s.query.line else s.answer(),
        client=_named("{url}/first", "{url}/now"), warm=False, queries=2),
    Row("a bad answer at the first URL ends it", lambda s: b"bad" if "first" in s.query.line else s.answer(),
        Reason.OCSP_MALFORMED, client=_named("{url}/first", "{url}/now"), warm=False, queries=1),
    Row("HTTP 404 at the first URL ends it", lambda s: http(b"", "404 No") if "first" in s.query.line else s.answer(),
        Reason.OCSP_HTTP, client=_named("{url}/first", "{url}/now"), warm=False, queries=1),
    Row("unknown at the first URL ends it", lambda s: s.answer(
        s.single(status="unknown" if "first" in s.query.line else "good")), Reason.STATUS_UNKNOWN,
        client=_named("{url}/first", "{url}/now"), warm=False, queries=1),
    Row("nobody listens", _no_question, Reason.OCSP_NO_ANSWER, client=_named("http://127.0.0.1:1025/"), warm=False,
        queries=0),
    Row("a name that does not exist", _no_question, Reason.OCSP_NO_ANSWER, warm=False, queries=0,
        client=_named("http://responder.invalid/")),
]  # fmt: skip

ROWS = [*SCOPE_ROWS, *PIN_ROWS, *URL_ROWS]
