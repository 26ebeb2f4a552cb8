"""Coverage-guided fuzzing of the responder: only Failure leaves the parser, all get an answer, none a false good.

python fuzz/fuzz_ocsp_request.py -max_total_time=60 fuzz/corpus/ocsp_request
python fuzz/fuzz_ocsp_request.py seeds fuzz/corpus/ocsp_request      writes the seeds
"""

import sys
import time
import warnings
from base64 import b64encode
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
with (
    atheris.instrument_imports(include=["hsmgate.pki.ocsp_request", "hsmgate.pki.der", "hsmgate.responder"]),
    warnings.catch_warnings(),
):
    warnings.simplefilter("ignore")
    import structlog
    from cryptography import x509
    from cryptography.x509 import ocsp

    from hsmgate.errors import Failure, Reason
    from hsmgate.pki.issued import Issued, Revoked
    from hsmgate.pki.ocsp_request import MOST_OCTETS, parse
    from hsmgate.pki.responder import Identity, Policy, Signer, signer
    from hsmgate.responder.answers import Answers
    from hsmgate.responder.http import request_of
    from hsmgate.responder.registry import Registry, Served
    from pki.test_ocsp_request import ACCEPTED, REFUSED
    from support import certs
    from support.own_responder import joined
    from support.own_responder import request_of as asking

SECONDS = 2.0  # of CPU for one input
ISSUER = certs.authority("CA of the fuzzer")
CERT = x509.load_der_x509_certificate(ISSUER.der)
NOW = 1_800_000_000.0
KNOWN = {5: Issued(not_after=None), 6: Issued(not_after=None, revoked=Revoked(at=NOW - 60))}
LEAVES = [certs.client(f"leaf {serial}", ISSUER, serial=serial) for serial in (5, 6, 7)]


class Statuses:
    complete = True

    def find(self, serial: int) -> Issued | None:
        return KNOWN.get(serial)

    def window(self) -> None:
        return None


class Anybody(Registry):
    """Every issuer is ours: keys are new in each run, and the corpus is not."""

    def find(self, wanted: Identity) -> Served | None:
        return self.all()[0] if wanted[0] else None


class Own:
    def __init__(self) -> None:
        self._signer = signer(ISSUER.key, CERT, include=False)

    def current(self) -> Signer:
        return self._signer

    def ends(self) -> None:
        return None

    def check(self) -> None:
        return None


def broken(_: object, method: str, fields: dict[str, object]) -> str:
    if method in ("error", "exception"):
        raise AssertionError(f"the responder broke: {fields}")
    raise structlog.DropEvent


ANSWERS = Answers(
    Anybody([Served("fuzz", CERT, Statuses(), Own())], None),
    Policy(),
    lambda: NOW,
    structlog.wrap_logger(structlog.PrintLogger(), processors=[broken]),
)


def parsed(data: bytes) -> None:
    try:
        asked = parse(data)
    except Failure as failure:
        if failure.reason is not Reason.OCSP_MALFORMED:
            raise
        return
    assert asked.questions
    for question in asked.questions:
        assert question.raw in data


def answered(data: bytes) -> None:
    for reply in (ANSWERS.live(data), ANSWERS.kept(data)):
        response = ocsp.load_der_ocsp_response(reply.body)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            continue
        for single in response.responses:
            known = KNOWN.get(single.serial_number)
            good = single.certificate_status is ocsp.OCSPCertStatus.GOOD
            assert good == (known is not None and known.revoked is None)


def test_one_input(data: bytes) -> None:
    start = time.process_time()
    parsed(data)
    answered(data)
    if data[:1] == b"\x30" and len(data) <= MOST_OCTETS:  # as every request begins: its Base64 with no slash
        assert request_of(b"/" + b64encode(data)) == data
    request_of(data)
    spent = time.process_time() - start
    assert spent < SECONDS, f"{spent:.1f} s for {len(data)} bytes"


def seeds() -> dict[str, bytes]:
    own = {f"leaf-{digest}": asking(LEAVES[0], ISSUER, digest, b"n" * 8) for digest in ("sha1", "sha256")}
    own["several-of-one"] = joined(*(asking(leaf, ISSUER) for leaf in LEAVES))
    named = {name: octets for name, (octets, _) in ACCEPTED.items()} | REFUSED
    return own | {name.replace(" ", "-").replace(",", ""): octets for name, octets in named.items() if octets}


def main() -> None:
    if sys.argv[1:2] == ["seeds"]:
        folder = Path(sys.argv[2])
        folder.mkdir(parents=True, exist_ok=True)
        for name, seed in seeds().items():
            (folder / name).write_bytes(seed)
        return
    reply = ANSWERS.live(seeds()["several-of-one"])
    assert reply.status == "several", f"the seeds do not do what they say: {reply}"
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
