"""What a row is, and the people in it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from hsmgate.errors import Reason
from support import certs, der_text
from support.certs import Made
from support.ocsp_answers import Answer, Single, aia, delegate, now
from support.responder import Query, Reply, http

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Scene:
    """One row at work: the client that asks, its issuer, the query that came, and who else is there."""

    url: str  # of the row's responder
    client: Made
    issuer: Made
    query: Query

    @property
    def serial(self) -> int:
        return serial_of(self.client)

    @property
    def now(self) -> datetime:
        return now()

    def single(self, **changes: object) -> Single:
        """The right answer for the client, changed."""
        return replace(Single(self.serial, self.issuer), **changes)  # type: ignore[arg-type]

    def answer(self, *singles: Single, **changes: object) -> Answer:
        """Signed by the issuer, with the nonce echoed, unless changed; GOOD without singles."""
        signer = changes.pop("signer", self.issuer)
        assert isinstance(signer, Made)
        made = Answer(singles or (self.single(),), signer, nonce=self.query.nonce)
        if signer is self.issuer:
            made = replace(made, certificates=())
        return replace(made, **changes)  # type: ignore[arg-type]


def serial_of(made: Made) -> int:
    return x509.load_der_x509_certificate(made.der).serial_number


Speech = Callable[[Scene], Reply | bytes | Answer]  # what the responder does


@dataclass(frozen=True)
class Row:
    """`expected`: None is served. `rules`, `settings`: changes to Rules and OcspSettings."""

    name: str
    speech: Speech
    expected: Reason | None = None
    rules: Mapping[str, object] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    issuer: str = "ca"
    client: Callable[[str, Made], Made] | None = None  # (responder's URL, issuer): another than the usual one
    sent: Sequence[str] = ()  # what the client sends beside its certificate
    chain: Callable[[str], Made] | None = None  # the same, made for the responder's URL
    warm: bool = True  # a GOOD on the same connection comes before
    queries: int | None = None  # that the row may cost, beside the warm one


def reply(said: Reply | bytes | Answer) -> Reply:
    if isinstance(said, Answer):
        said = said.encoded()
    return http(said) if isinstance(said, bytes) else said


def a_client(url: str, issuer: Made) -> Made:
    """The usual client: its AIA names the row's responder."""
    return certs.client("row client", issuer, aia(url + "/ocsp"), private=certs.key("p256", "row client"))


@cache
def who(name: str) -> Made:
    """Authorities and delegates by name, made once."""
    return _MAKERS[name]()


def _ca(subject: str, kind: str, **more: object) -> Made:
    return certs.authority(subject, private=certs.key(kind, subject), **more)  # type: ignore[arg-type]


def _rogue() -> Made:
    """The CA's name, another key, and no key identifier that would give it away."""
    extensions = [certs.constraints(ca=True), certs.usage("key_cert_sign")]
    return certs.make("ocsp ca", extensions=extensions, private=certs.key("p256", "rogue"))


_MAKERS: dict[str, Callable[[], Made]] = {
    "ca": lambda: _ca("ocsp ca", "p256"),
    "rsa ca": lambda: _ca("ocsp rsa ca", "rsa2048"),
    "p384 ca": lambda: _ca("ocsp p384 ca", "p384"),
    "ed25519 ca": lambda: _ca("ocsp ed25519 ca", "ed25519"),
    "root": lambda: _ca("ocsp root", "p256"),
    "mid": lambda: certs.authority("ocsp mid", who("root"), path_length=0),
    "other ca": lambda: _ca("ocsp other ca", "p256"),
    "rogue": _rogue,
    "unknown ca": lambda: _ca("ocsp unknown ca", "p256"),  # of pins; nobody trusts it
    # delegates of "ca"
    "delegate": lambda: delegate("ocsp delegate", who("ca")),
    "rsa delegate": lambda: delegate("ocsp rsa delegate", who("ca"), kind="rsa2048"),
    "p384 delegate": lambda: delegate("ocsp p384 delegate", who("ca"), kind="p384"),
    "ed25519 delegate": lambda: delegate("ocsp ed25519 delegate", who("ca"), kind="ed25519"),
    "namesake delegate": lambda: delegate("ocsp ca", who("ca")),  # bears the CA's own name
    "delegate twin": lambda: delegate("ocsp delegate", who("ca"), private=certs.key("p256", "twin")),
    "unvouched delegate": lambda: delegate("ocsp unvouched", who("ca"), nocheck=False),
    "second unvouched delegate": lambda: delegate("ocsp second unvouched", who("ca"), nocheck=False),
    # who would like to be one
    "rogue delegate": lambda: delegate("ocsp delegate", who("rogue")),
    "other delegate": lambda: delegate("ocsp other delegate", who("other ca")),
    "root delegate": lambda: delegate("ocsp root delegate", who("root")),
    "own delegate": lambda: delegate("ocsp own delegate", None),
    "purposeless": lambda: delegate("ocsp purposeless", who("ca"), purposes=()),
    "wrong purpose": lambda: delegate("ocsp wrong purpose", who("ca"), purposes=(certs.CLIENT_AUTH,)),
    "any purpose": lambda: delegate("ocsp any purpose", who("ca"), purposes=(certs.ANY_EKU,)),
    "expired delegate": lambda: delegate("ocsp expired", who("ca"), start=now() - 9 * DAY, end=now() - HOUR),
    "future delegate": lambda: delegate("ocsp future", who("ca"), start=now() + HOUR, end=now() + DAY),
    "weak delegate": lambda: delegate("ocsp weak", who("ca"), kind="rsa1024"),
    "sha1 delegate": lambda: delegate("ocsp sha1", who("ca"), digest="sha1"),
    "sha1 rsa delegate": lambda: delegate("ocsp sha1", who("rsa ca"), digest="sha1"),
    "md5 delegate": lambda: delegate("ocsp md5", who("rsa ca"), digest="md5"),
    "no signer": lambda: certs.make(
        "ocsp no signer",
        who("ca"),
        [
            certs.usage("key_encipherment"),
            certs.purposes(ExtendedKeyUsageOID.OCSP_SIGNING),
            (x509.OCSPNoCheck(), False),
        ],
    ),
    "critical delegate": lambda: delegate(
        "ocsp critical", who("ca"), der_text.extension("1.3.6.1.4.1.55555.1", b"\x05\x00", critical=True)
    ),
    "other key delegate": lambda: delegate(
        "ocsp other key", who("ca"), certs.authority_key_identifier(b"x" * 20)
    ),
    "false issuer": lambda: certs.authority("ocsp unknown ca", private=certs.key("p256", "false")),
    "stranger": lambda: certs.client("ocsp stranger", who("other ca")),
    "trusted": lambda: certs.make("ocsp trusted", None, [certs.usage("digital_signature")]),
    "trusted twin": lambda: certs.make("ocsp trusted", None, private=certs.key("p256", "trusted twin")),
    "old trusted": lambda: certs.make("ocsp old trusted", None, start=now() - 9 * DAY, end=now() - HOUR),
}  # fmt: skip
