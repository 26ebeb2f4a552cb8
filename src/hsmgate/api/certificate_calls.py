"""From a decoded request to its plan, for certificates: one small function for each row."""

import hashlib
import re
import uuid
from collections.abc import Callable
from urllib.parse import quote

from hsmgate.api.calls import guesses_of
from hsmgate.api.plan import Answer, Document, Fact, Plan
from hsmgate.api.wire.certificates import (
    CertificateAnswer,
    CsrAnswer,
    CsrBody,
    ImportCertificateBody,
    KeyCertificateAnswer,
    SelfSignBody,
    SignCertificateBody,
    SubmitCsrBody,
    SubmitSelfSignBody,
    SubmitSignCertificateBody,
    certificate_pem,
    csr_pem,
)
from hsmgate.api.wire.fields import encoded
from hsmgate.api.wire.operations import refuse_unverified
from hsmgate.api.wire.requests import SignRequestId, details_of
from hsmgate.domain.request import Details
from hsmgate.record import Record
from hsmgate.usecases import certificate_signing, certificates, requests
from hsmgate.usecases.certificate_signing import SignRequest
from hsmgate.usecases.certificates import Certify, Made
from hsmgate.usecases.ports import Ports
from hsmgate.usecases.requests import Done, Submission

Params = tuple[str, ...]
_NOTHING: dict[str, str] = {}  # an empty object: clients parse the body of every answer
_PEM_TYPE = "application/x-pem-file"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


class _Asked(Record):
    """What is to be made of a key, before or after it is answered."""

    kind: str  # of a request that is answered later
    label: str
    algorithm: str
    password: str | None
    check: Callable[[Ports], object]
    make: Callable[[Ports], Made]
    pem: Callable[[bytes], str]
    about: dict[str, Fact]


def request(_: Params, body: CsrBody) -> Plan:
    """POST /v1/certificate/synchronous/request."""
    refuse_unverified("requestSignature", body.request_signature)
    return _now(_csr(body.command()), lambda made: CsrAnswer(made.label, csr_pem(made.der)))


def download_request(_: Params, body: CsrBody) -> Plan:
    """POST /v1/certificate/synchronous/request/download."""
    refuse_unverified("requestSignature", body.request_signature)
    return _now(_csr(body.command()), lambda made: _file(f"{made.label}.csr", csr_pem(made.der)))


def self_sign(_: Params, body: SelfSignBody) -> Plan:
    """POST /v1/certificate/synchronous/selfsign."""
    refuse_unverified("requestSignature", body.request_signature)
    return _now(_self_signed(body.command()), _certificate)


def sign(_: Params, body: SignCertificateBody) -> Plan:
    """POST /v1/certificate/synchronous/sign."""
    refuse_unverified("requestSignature", body.request_signature)
    return _now(_signed(body.command()), _certificate)


def bring_in(_: Params, body: ImportCertificateBody) -> Plan:
    """POST /v1/certificate/import/plain."""
    der = body.der()
    return Plan(
        {"key": body.label, "payloadBytes": len(der), "payloadSha256": hashlib.sha256(der).hexdigest()},
        lambda ports: Answer(_certificate(certificates.bring_in(ports, body.label, der))),
    )


def find(params: Params, _body: None) -> Plan:
    """GET /v1/certificate/{keyName}."""
    label = params[0]

    def run(ports: Ports) -> Answer:
        der = certificates.read(ports, label)
        return Answer(KeyCertificateAnswer(label, certificate_pem(der), encoded(der)))

    return Plan({"key": label}, run)


def remove(params: Params, _body: None) -> Plan:
    """DELETE /v1/certificate/{keyName}."""
    label = params[0]

    def run(ports: Ports) -> Answer:
        certificates.remove(ports, label)
        return Answer(_NOTHING)

    return Plan({"key": label}, run)


def submit_request(_: Params, body: SubmitCsrBody) -> Plan:
    """POST /v1/certificate/request."""
    asked = body.csr_sign_request
    return _later(_csr(asked.command()), details_of(asked))


def submit_self_sign(_: Params, body: SubmitSelfSignBody) -> Plan:
    """POST /v1/certificate/selfsign."""
    asked = body.self_sign_certificate_request
    return _later(_self_signed(asked.command()), details_of(asked))


def submit_sign(_: Params, body: SubmitSignCertificateBody) -> Plan:
    """POST /v1/certificate/sign."""
    asked = body.sign_certificate_request
    return _later(_signed(asked.command()), details_of(asked))


def _csr(wish: Certify) -> _Asked:
    return _about_itself("csrsign", wish, certificates.request, csr_pem)


def _self_signed(wish: Certify) -> _Asked:
    return _about_itself("selfsign", wish, certificates.self_sign, certificate_pem)


def _about_itself(
    kind: str, wish: Certify, make: Callable[[Ports, Certify], Made], pem: Callable[[bytes], str]
) -> _Asked:
    return _Asked(
        kind,
        wish.label,
        wish.algorithm,
        wish.password,
        lambda ports: certificates.check(ports, wish),
        lambda ports: make(ports, wish),
        pem,
        {"subject": wish.subject.rfc4514_string()},
    )


def _signed(wish: SignRequest) -> _Asked:
    about: dict[str, Fact] = {
        "subject": None if wish.subject is None else wish.subject.rfc4514_string(),
        "newKey": wish.new_label,
        "payloadBytes": len(wish.csr),
        "payloadSha256": hashlib.sha256(wish.csr).hexdigest(),
    }
    return _Asked(
        "crtsign",
        wish.label,
        wish.algorithm,
        wish.password,
        lambda ports: certificate_signing.check(ports, wish),
        lambda ports: certificate_signing.sign(ports, wish),
        certificate_pem,
        about,
    )


def _now(asked: _Asked, answer: Callable[[Made], object]) -> Plan:
    def run(ports: Ports) -> Answer:
        made = asked.make(ports)
        return Answer(answer(made), made.remark)

    return Plan(
        {"key": asked.label, "algorithm": asked.algorithm, **asked.about},
        run,
        guesses=guesses_of(asked.label, asked.password),
    )


def _later(asked: _Asked, details: Details) -> Plan:
    """The result of the request is the PEM."""
    request_id = str(uuid.uuid4())

    def execute(ports: Ports) -> Done:
        made = asked.make(ports)
        return Done(asked.pem(made.der), made.remark)

    wish = Submission(request_id, asked.kind, asked.label, asked.check, execute, details)
    return Plan(
        {"request": request_id, "key": asked.label, "algorithm": asked.algorithm, **asked.about},
        lambda ports: Answer(SignRequestId(request_id), requests.submit(ports, wish)),
        guesses=guesses_of(asked.label, asked.password),
    )


def _certificate(made: Made) -> CertificateAnswer:
    return CertificateAnswer(made.label, certificate_pem(made.der))


def _file(name: str, pem: str) -> Document:
    """As an attachment. A label may hold whatever is printable, a header may not (RFC 6266)."""
    plain, whole = _UNSAFE.sub("_", name), quote(name, safe="")
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{whole}"
    return Document(_PEM_TYPE, pem.encode(), ((b"content-disposition", disposition.encode()),))
