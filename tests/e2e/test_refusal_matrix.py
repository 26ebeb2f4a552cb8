"""Every endpoint through the real gate, with requests that would work, by clients that must not come in."""

import shutil
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from hsmgate.api.openapi.described import DESCRIBED
from hsmgate.api.routes import ROUTES, Route
from support import certs
from support.described import keys_of_all, maker_of, path_of
from support.issuer_answers import IssuerAnswers
from support.responder import Responder
from support.service import PATIENCE, Answer, Client, Quick, Service

rows = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.action)


class Stage:
    """A service whose clients may come without a certificate, and what its responder says of those with one."""

    def __init__(self, quick: Quick, service: Service, answers: IssuerAnswers) -> None:
        self.quick, self.service, self.answers = quick, service, answers
        self.stranger = _with(quick, _stranger())
        # one for each verdict: what is once revoked stays so, and our own client must go on
        self.judged = {says: _with(quick, _another(quick, says)) for says in ("revoked", "unknown", "nothing")}
        self.labels = ["first"]

    def call(self, route: Route, context: ssl.SSLContext) -> Answer:
        """The first example of the row."""
        examples = DESCRIBED[route.action].examples
        with Client(self.service.port, context) as client:
            return client.call(route.method, path_of(route), examples[0].body if examples else None)

    def labels_now(self) -> list[str]:
        """As our own client sees them, once the responder is asked again."""
        deadline = time.monotonic() + PATIENCE
        with self.quick.client(self.service.port) as client:
            while (answer := client.call("GET", "/v1/key")).status == 503:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert answer.status == 200, answer
            return list(answer.json)

    def make_keys(self) -> None:
        """What the examples need."""
        with self.quick.client(self.service.port) as client:
            for key in keys_of_all():
                assert client.call("POST", maker_of(key), key).status in {201, 400}
            self.labels = client.labels()


@pytest.fixture(scope="module")
def stage(used: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    quick = Quick(Path(shutil.copytree(used, tmp_path_factory.mktemp("matrix") / "quickstart")))
    for file in quick.data.glob("hsmgate.db*"):
        file.unlink()  # with its authorities: here a responder is asked, not our own PKI
    answers = IssuerAnswers(quick.truststore, quick.data / "pki/keys/clients.key")
    with Responder(answers) as responder:
        quick.edit(
            ("client-auth: need", "client-auth: want"),
            ("hsmgate:\n", f"hsmgate:\n  ocsp: {{responder: '{responder.url}'}}\n"),
        )
        with quick.serve() as service:
            made = Stage(quick, service, answers)
            made.make_keys()
            yield made


@pytest.fixture(autouse=True)
def _untouched(stage: Stage) -> Iterator[None]:
    """Whatever is refused changes nothing, and uses no key."""
    before = len(stage.quick.trail())
    yield
    stage.answers.says = "good"
    intents = [line for line in stage.quick.trail()[before:] if line["phase"] == "intent"]
    assert intents == []
    assert stage.labels_now() == stage.labels


def _stranger() -> certs.Made:
    """A client that looks like ours, of another issuer with the same name."""
    return certs.client("quickstart-client", certs.authority("hsmgate quickstart clients"))


def _another(quick: Quick, name: str) -> certs.Made:
    """Another client of the same issuer."""
    certificate = x509.load_pem_x509_certificate((quick.truststore).read_bytes())
    key = load_pem_private_key((quick.data / "pki/keys/clients.key").read_bytes(), None)
    assert isinstance(key, certs.PrivateKey)
    issuer = certs.Made(certificate.public_bytes(Encoding.DER), key, certificate.subject.public_bytes())
    identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    extensions = [
        certs.constraints(ca=False),
        certs.usage("digital_signature"),
        certs.purposes(certs.CLIENT_AUTH),
        certs.authority_key_identifier(identifier),
    ]
    return certs.make(name, issuer, extensions, private=certs.key("p256", name))


def _with(quick: Quick, made: certs.Made) -> ssl.SSLContext:
    pem = quick.folder / f"{made.sha256}.pem"
    pem.write_bytes(made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.pem)
    context = quick.context(certificate=False)
    context.load_cert_chain(pem)
    return context


def shape(answer: Answer) -> tuple[int, Any]:
    """Status and number of an error in the contract's shape."""
    assert set(answer.json) == {"errorCode", "reason", "message"}
    assert type(answer.json["errorCode"]) is int
    assert answer.json["reason"].startswith("res.error.")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    return answer.status, answer.json["errorCode"]


@rows
def test_without_a_certificate(stage: Stage, route: Route) -> None:
    answer = stage.call(route, stage.quick.context(certificate=False))
    if route.anonymous:
        assert answer.status == 200 or shape(answer) == (404, 102)
    else:
        assert shape(answer) == (401, 400)


@rows
def test_with_a_certificate_of_a_stranger(stage: Stage, route: Route) -> None:
    with pytest.raises(ssl.SSLError, match=r"UNKNOWN_CA|unknown ca"):
        stage.call(route, stage.stranger)


@rows
@pytest.mark.parametrize(
    ("says", "status", "code"), [("revoked", 403, 400), ("unknown", 403, 400), ("nothing", 503, 2)]
)
def test_with_a_certificate_that_is_not_good(stage: Stage, route: Route, says: str, status: int, code: int) -> None:
    """Also where none is needed: who shows one is judged by it."""
    stage.answers.says = says
    answer = stage.call(route, stage.judged[says])
    assert shape(answer) == (status, code)
    assert (answer.headers.get("connection") == "close") is (status == 403)
    assert ("retry-after" in answer.headers) is (status == 503)
