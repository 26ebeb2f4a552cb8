"""Requests and the judgement of answers, with pyca and openssl as the other side in both directions."""

import subprocess
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp as pyca
from cryptography.x509.oid import AuthorityInformationAccessOID

from hsmgate.errors import Failure, Reason
from hsmgate.pki import ocsp
from hsmgate.pki.ocsp import Rules, judge
from hsmgate.pki.ocsp_issuer import proves_issuer
from hsmgate.pki.ocsp_signer import MOST_DELEGATES, Signers
from support import certs, der_text
from support.certs import Made
from support.ocsp_answers import Answer, Single, access, aia, delegate, now

NONCE = bytes(range(32))
NONCE_DER = b"\x04\x20" + NONCE
CA = certs.authority("judging ca", private=certs.key("p256", "judging ca"))
CLIENT = certs.client("judged", CA)


def parsed(made: Made) -> x509.Certificate:
    return x509.load_der_x509_certificate(made.der)


def single(client: Made = CLIENT, issuer: Made = CA, **changes: object) -> Single:
    return Single(parsed(client).serial_number, issuer, **changes)  # type: ignore[arg-type]


def verdict(
    answer: bytes,
    client: Made = CLIENT,
    issuer: Made = CA,
    nonce: bytes | None = None,
    signers: Signers | None = None,
    rules: Rules | None = None,
) -> ocsp.Evidence | Failure:
    try:
        moment = now().timestamp()
        return judge(answer, parsed(client), parsed(issuer), nonce, moment, rules or Rules(), signers or Signers())
    except Failure as failure:
        return failure


def reason(answer: bytes, **given: object) -> Reason | None:
    outcome = verdict(answer, **given)  # type: ignore[arg-type]
    return outcome.reason if isinstance(outcome, Failure) else None


def openssl(*arguments: str | Path, expected: int = 0) -> str:
    command = ["openssl", "ocsp", *map(str, arguments)]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=20)
    assert run.returncode == expected, run.stderr
    return run.stdout + run.stderr


class Bench:
    """Files for openssl's command line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def cert(self, made: Made) -> Path:
        path = self.folder / f"{made.sha256}.pem"
        path.write_bytes(made.pem)
        return path

    def key(self, made: Made) -> Path:
        path = self.folder / f"{made.sha256}.key"
        path.write_bytes(made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return path

    def file(self, name: str, data: bytes = b"") -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def index(self, status: str, made: Made) -> Path:
        """openssl ca's database with one line: V valid, R revoked."""
        moment = now().strftime("%y%m%d%H%M%SZ") + ",keyCompromise" if status == "R" else ""
        line = f"{status}\t491231235959Z\t{moment}\t{parsed(made).serial_number:04X}\tunknown\t/CN=judged\n"
        self.file("index.txt.attr", b"unique_subject = no\n")
        return self.file("index.txt", line.encode())

    def answer(self, status: str, signer: Made, request: bytes, *more: str, made: Made = CLIENT) -> bytes:
        """What openssl answers to a request of ours."""
        out = self.folder / "answer.der"
        openssl(
            "-index", self.index(status, made), "-CA", self.cert(CA), "-rsigner", self.cert(signer), "-rkey",
            self.key(signer), "-reqin", self.file("request.der", request), "-respout", out, "-ndays", "1", *more,
        )  # fmt: skip
        return out.read_bytes()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# requests
@pytest.mark.parametrize(("digest", "size"), [("sha1", 20), ("sha256", 32)])
def test_the_request(digest: str, size: int) -> None:
    request = pyca.load_der_ocsp_request(ocsp.make_request(parsed(CLIENT), parsed(CA), digest, NONCE))
    assert request.serial_number == parsed(CLIENT).serial_number
    assert request.hash_algorithm.name == digest
    assert len(request.issuer_key_hash) == len(request.issuer_name_hash) == size
    assert [extension.value for extension in request.extensions] == [x509.OCSPNonce(NONCE)]
    assert not request.extensions[0].critical


def test_the_request_without_a_nonce() -> None:
    request = pyca.load_der_ocsp_request(ocsp.make_request(parsed(CLIENT), parsed(CA), "sha1", None))
    assert len(list(request.extensions)) == 0


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_openssl_reads_the_request(bench: Bench, digest: str) -> None:
    request = ocsp.make_request(parsed(CLIENT), parsed(CA), digest, NONCE)
    text = openssl("-reqin", bench.file("request.der", request), "-req_text", "-noverify")
    assert f"Hash Algorithm: {digest}" in text
    assert f"Serial Number: {parsed(CLIENT).serial_number:04X}" in text
    assert "Request Extensions:\n        OCSP Nonce:" in text
    same = openssl(
        "-issuer", bench.cert(CA), f"-{digest}", "-cert", bench.cert(CLIENT), "-no_nonce", "-reqout",
        bench.folder / "theirs.der", expected=0,
    )  # fmt: skip
    assert same == ""
    assert (bench.folder / "theirs.der").read_bytes() == ocsp.make_request(parsed(CLIENT), parsed(CA), digest, None)


# answers of others
@pytest.mark.parametrize("digest", ["sha1", "sha256"])
@pytest.mark.parametrize("by", ["issuer", "delegate"])
def test_openssl_answers(bench: Bench, digest: str, by: str) -> None:
    signer = CA if by == "issuer" else delegate("openssl delegate", CA)
    request = ocsp.make_request(parsed(CLIENT), parsed(CA), digest, NONCE)
    for more in ((), ("-resp_key_id",)):
        good = verdict(bench.answer("V", signer, request, *more), nonce=NONCE, rules=Rules(nonce="require"))
        assert isinstance(good, ocsp.Evidence)
        assert good.nonce_echoed
        assert good.next_update == pytest.approx(good.this_update + 86_400)
        assert reason(bench.answer("R", signer, request, *more), nonce=NONCE) is Reason.REVOKED
        stranger = certs.client("not issued", CA)
        assert reason(bench.answer("V", signer, request, *more, made=stranger), nonce=NONCE) is Reason.STATUS_UNKNOWN
    assert reason(bench.answer("V", signer, request), nonce=b"x" * 32) is Reason.OCSP_NONCE


@pytest.mark.parametrize("status", ["good", "revoked", "unknown"])
def test_pyca_answers(status: str) -> None:
    builder = pyca.OCSPResponseBuilder().add_response(
        cert=parsed(CLIENT),
        issuer=parsed(CA),
        algorithm=hashes.SHA256(),
        cert_status=pyca.OCSPCertStatus[status.upper()],
        this_update=now(),
        next_update=now() + timedelta(hours=1),
        revocation_time=now() if status == "revoked" else None,
        revocation_reason=x509.ReasonFlags.key_compromise if status == "revoked" else None,
    )
    builder = builder.responder_id(pyca.OCSPResponderEncoding.HASH, parsed(CA))
    answer = builder.sign(CA.key, hashes.SHA256()).public_bytes(Encoding.DER)
    expected = {"good": None, "revoked": Reason.REVOKED, "unknown": Reason.STATUS_UNKNOWN}
    assert reason(answer) is expected[status]


# our test answers, read by others
@pytest.mark.parametrize("status", ["good", "revoked", "unknown"])
@pytest.mark.parametrize("by_key", [False, True])
def test_openssl_and_pyca_read_the_answers_that_tests_are_made_of(bench: Bench, status: str, by_key: bool) -> None:
    signer = delegate("read delegate", CA)
    answer = Answer([single(status=status, reason=1)], signer, by_key=by_key, nonce=NONCE_DER).encoded()
    read = pyca.load_der_ocsp_response(answer)
    assert read.certificate_status.name == status.upper()
    text = openssl(
        "-respin", bench.file("answer.der", answer), "-issuer", bench.cert(CA), "-cert", bench.cert(CLIENT),
        "-CAfile", bench.cert(CA), "-no_nonce",
    )  # fmt: skip
    assert "Response verify OK" in text
    assert f": {status}" in text


# evidence
def test_evidence_of_good() -> None:
    start = now() - timedelta(minutes=5)
    answer = Answer([single(this_update=start)], CA, nonce=NONCE_DER).encoded()
    evidence = verdict(answer, nonce=NONCE)
    assert isinstance(evidence, ocsp.Evidence)
    assert evidence.serial == f"{parsed(CLIENT).serial_number:x}"
    assert evidence.this_update == start.timestamp()
    assert evidence.next_update == start.timestamp() + 3600
    assert evidence.responder == "CN=judging ca"
    assert evidence.digest == sha256(answer).hexdigest()
    assert evidence.nonce_echoed
    assert evidence.unchecked_delegate is None


def test_evidence_beside_revoked() -> None:
    failure = verdict(Answer([single(status="revoked", reason=1)], CA).encoded())
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.REVOKED
    assert isinstance(failure.evidence, ocsp.Evidence)
    assert "(keyCompromise)" in failure.detail


def test_evidence_of_several_answers_is_the_most_careful() -> None:
    hour = timedelta(hours=1)
    old, new = single(this_update=now() - hour, next_update=now() + 9 * hour), single(next_update=now() + hour)
    good = verdict(Answer([new, old], CA).encoded())
    assert isinstance(good, ocsp.Evidence)
    assert good.this_update == pytest.approx(now().timestamp() - 3600, abs=2)
    assert good.next_update == pytest.approx(now().timestamp() + 3600, abs=2)
    one, other = (single(status="revoked", this_update=now() - hour, endless=True), single(status="revoked"))
    failure = verdict(Answer([one, other], CA).encoded())
    assert isinstance(failure, Failure)
    assert isinstance(failure.evidence, ocsp.Evidence)
    assert failure.evidence.this_update == pytest.approx(now().timestamp(), abs=2)


def test_a_delegate_without_nocheck_is_named() -> None:
    speaker = delegate("unvouched", CA, nocheck=False)
    for status in ("good", "revoked"):
        outcome = verdict(Answer([single(status=status)], speaker).encoded())
        evidence = outcome.evidence if isinstance(outcome, Failure) else outcome
        assert isinstance(evidence, ocsp.Evidence)
        assert evidence.unchecked_delegate == speaker.der


# delegates are remembered, and not for longer than they hold
def test_a_remembered_delegate_still_expires() -> None:
    speaker = delegate("short-lived", CA, end=now() + timedelta(hours=1))
    signers = Signers()
    answer = Answer([single(next_update=now() + timedelta(days=1))], speaker).encoded()
    assert reason(answer, signers=signers) is None
    later = now().timestamp() + 7200
    with pytest.raises(Failure, match="expired"):
        judge(answer, parsed(CLIENT), parsed(CA), None, later, Rules(), signers)


def test_a_delegate_is_remembered_for_its_issuer_only() -> None:
    speaker, signers = delegate("one ca's delegate", CA), Signers()
    assert reason(Answer([single()], speaker).encoded(), signers=signers) is None
    other = certs.authority("other judging ca")
    client = certs.client("other client", other)
    answer = Answer([single(client, other)], speaker).encoded()
    assert reason(answer, client=client, issuer=other, signers=signers) is Reason.OCSP_RESPONDER


def test_few_delegates_are_remembered() -> None:
    signers = Signers()
    for number in range(MOST_DELEGATES + 5):
        speaker = delegate(f"delegate {number}", CA, private=certs.key("p256", "many"))
        assert reason(Answer([single()], speaker).encoded(), signers=signers) is None
    assert len(signers._fit) == MOST_DELEGATES


@pytest.mark.parametrize(
    ("mask", "expected"), [("sha256", None), ("sha1", Reason.OCSP_WEAK), ("sha384", Reason.OCSP_WEAK)]
)
def test_pss_with_another_mask_digest(mask: str, expected: Reason | None) -> None:
    """What is signed with SHA-256 may not lean on SHA-1 in the mask (RFC 4055 3.1)."""
    ca = certs.authority("pss ca", private=certs.key("rsa2048", "pss ca"))
    client = certs.client("pss client", ca)
    hashed = {name: der_text.sequence(der_text.oid(oid), der_text.NULL) for name, oid in certs._HASH_OIDS.items()}
    mgf = der_text.tlv(0xA1, der_text.sequence(der_text.oid("1.2.840.113549.1.1.8"), hashed[mask]))
    parameters = der_text.sequence(
        der_text.tlv(0xA0, hashed["sha256"]),
        b"" if mask == "sha1" else mgf,  # the default, which DER leaves out
        der_text.tlv(0xA2, der_text.integer(32)),
    )
    algorithm = der_text.sequence(der_text.oid("1.2.840.113549.1.1.10"), parameters)
    unsigned = Answer([single(client, ca, this_update=now())], ca, algorithm=algorithm, produced=now())
    assert isinstance(ca.key, rsa.RSAPrivateKey)
    scheme = padding.PSS(padding.MGF1(certs._HASHES[mask]), 32)
    signature = ca.key.sign(unsigned.tbs(), scheme, hashes.SHA256())
    answer = replace(unsigned, signature=signature).encoded()
    assert reason(answer, client=client, issuer=ca) is expected


# where to ask
def test_responder_urls() -> None:
    ocsp_method = AuthorityInformationAccessOID.OCSP
    uri, mail = x509.UniformResourceIdentifier("http://a/"), x509.RFC822Name("a@b")
    assert ocsp.responder_urls(parsed(CLIENT)) is None
    for extension, expected in (
        (aia("http://b/", "http://a/", issuers=["http://c/"]), ["http://b/", "http://a/"]),
        (aia(issuers=["http://c/"]), None),
        (access((ocsp_method, mail)), []),
        (access((ocsp_method, mail), (ocsp_method, uri)), ["http://a/"]),
    ):
        assert ocsp.responder_urls(parsed(certs.client("named", CA, extension))) == expected


# who is the issuer
def test_an_issuer_is_proven_by_name_signature_and_key() -> None:
    rogue = certs.make("judging ca", extensions=[certs.constraints(ca=True)], private=certs.key("p256", "rogue"))
    renamed = certs.make("renamed ca", extensions=[certs.constraints(ca=True)], private=CA.key)
    assert proves_issuer(parsed(CLIENT), parsed(CA))
    assert not proves_issuer(parsed(CLIENT), parsed(rogue))
    assert not proves_issuer(parsed(CLIENT), parsed(renamed))
    assert not proves_issuer(parsed(CLIENT), parsed(CLIENT))


def test_an_aki_that_names_another_key_refuses_an_issuer() -> None:
    private = certs.key("p256", "aki ca")
    ca = certs.make("aki ca", extensions=[certs.constraints(ca=True)], private=private)
    own, other = certs.key_identifier(private), b"x" * 20
    key_hash = x509.SubjectKeyIdentifier.from_public_key(private.public_key()).digest
    for identifier, expected in ((key_hash, True), (other, False), (None, True)):
        extension = certs.authority_key_identifier(identifier)
        assert proves_issuer(parsed(certs.make("leaf", ca, [extension])), parsed(ca)) is expected
    claiming = certs.make(
        "aki ca", extensions=[certs.constraints(ca=True), certs.subject_key_identifier(private)], private=private
    )
    leaf = certs.make("leaf", claiming, [certs.authority_key_identifier(own)])
    assert proves_issuer(parsed(leaf), parsed(claiming))


def test_a_chosen_rsa_exponent_proves_nothing_unless_the_aki_is_the_key() -> None:
    """Whoever may choose the exponent makes a key for any given signature; a key identifier can be claimed."""
    private = certs.key("rsa2048-e3", "exponent ca")
    key_hash = x509.SubjectKeyIdentifier.from_public_key(private.public_key()).digest
    claimed = (x509.SubjectKeyIdentifier(b"c" * 20), False)
    ca = certs.make("exponent ca", extensions=[certs.constraints(ca=True), claimed], private=private)
    plain = certs.make("leaf", ca)
    by_claim = certs.make("leaf", ca, [certs.authority_key_identifier(b"c" * 20)])
    by_key = certs.make("leaf", ca, [certs.authority_key_identifier(key_hash)])
    assert [proves_issuer(parsed(leaf), parsed(ca)) for leaf in (plain, by_claim, by_key)] == [False, False, True]
