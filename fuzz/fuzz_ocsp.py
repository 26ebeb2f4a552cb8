"""Coverage-guided fuzzing of the judge of OCSP responses: only Failure escapes, and no GOOD that was not signed.

Each input is judged as a response, and once more as a ResponseData that an issuer signs here and now, so that what
lies behind the signature is reached too; a GOOD there must hold in the eyes of another ASN.1 library.
Run: python fuzz/fuzz_ocsp.py -max_total_time=60 fuzz/corpus/ocsp
Seeds: python fuzz/fuzz_ocsp.py seeds fuzz/corpus/ocsp
"""

import sys
import time
import warnings
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import new as digest_of
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import atheris

with atheris.instrument_imports(include=["hsmgate"]):
    from hsmgate.errors import Failure
    from hsmgate.pki import der, ocsp
    from hsmgate.pki.ocsp_signer import Signers

from asn1crypto import ocsp as judge_asn1
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from support import certs, der_text
from support.ocsp_answers import Answer, Single, key_octets, response

NOW = datetime(2030, 1, 1, tzinfo=UTC)
START, END = NOW - timedelta(days=9), NOW + timedelta(days=9)
RULES = ocsp.Rules()
NONCE = bytes(32)
NONCE_DER = b"\x04\x20" + NONCE
SERIAL = 0x1234
SECONDS = 5.0


def key(label: str) -> ed25519.Ed25519PrivateKey:
    """The same at every run, so that what was found can be played again."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(sha256(label.encode()).digest())


ISSUER = certs.make(
    "issuer", extensions=[certs.constraints(ca=True)], private=key("issuer"), serial=1, start=START, end=END
)
CLIENT = certs.make("client", ISSUER, private=key("client"), serial=SERIAL, start=START, end=END)
DELEGATE = certs.make(
    "delegate",
    ISSUER,
    [certs.purposes(ExtendedKeyUsageOID.OCSP_SIGNING), (x509.OCSPNoCheck(), False)],
    private=key("delegate"),
    serial=3,
    start=START,
    end=END,
)
CERT, CA = x509.load_der_x509_certificate(CLIENT.der), x509.load_der_x509_certificate(ISSUER.der)
SIGNERS = Signers()


def single(**changes: object) -> Single:
    times = {"this_update": NOW - timedelta(hours=1), "next_update": NOW + timedelta(hours=1)}
    return Single(**{"serial": SERIAL, "issuer": ISSUER, **times, **changes})  # type: ignore[arg-type]


def answer(*singles: Single, **changes: object) -> Answer:
    given = {"signer": ISSUER, "produced": NOW, "nonce": NONCE_DER, **changes}
    return Answer(singles or (single(),), **given)  # type: ignore[arg-type]


EXTENSION = der_text.extension("1.3.6.1.4.1.55555.1", b"\x05\x00")
SEEDS = {
    "good": answer(),
    "good-by-key": answer(by_key=True, certificates=()),
    "good-by-delegate": answer(signer=DELEGATE),
    "good-by-delegate-among-others": answer(signer=DELEGATE, certificates=[ISSUER.der, DELEGATE.der, CLIENT.der]),
    "good-sha256": answer(single(digest="sha256")),
    "good-among-several": answer(
        single(serial=1, status="revoked", revoked_at=NOW), single(), single(serial=2, status="unknown")
    ),
    "good-without-nonce-or-end": answer(single(endless=True), nonce=None),
    "good-with-extensions": answer(single(extensions=EXTENSION), extensions=EXTENSION),
    "revoked": answer(single(status="revoked", revoked_at=NOW, reason=1)),
    "unknown": answer(single(status="unknown")),
    "both": answer(single(), single(status="revoked", revoked_at=NOW)),
    "stale": answer(single(this_update=NOW - timedelta(days=8))),
}
SIGNED = {one.tbs() for one in SEEDS.values()}  # all that our keys ever signed, but for what an input makes


def judged(data: bytes) -> ocsp.Evidence | None:
    with suppress(Failure):
        return ocsp.judge(data, CERT, CA, NONCE, NOW.timestamp(), RULES, SIGNERS)
    return None


def as_response(data: bytes) -> None:
    """A GOOD comes only out of what was signed."""
    if judged(data) is not None:
        basic = judge_asn1.OCSPResponse.load(data, strict=True).basic_ocsp_response
        assert basic["tbs_response_data"].dump() in SIGNED, "good out of a changed response"


def as_signed(tbs: bytes) -> None:
    """Whatever it says is signed by the issuer; a GOOD must be one that another reader sees too."""
    algorithm = certs.signature_algorithm(ISSUER.key)
    basic = der_text.sequence(tbs, algorithm, der_text.bit_string(key("issuer").sign(tbs)))
    if judged(response(basic)) is None:
        return
    data = judge_asn1.ResponseData.load(tbs, strict=True)
    ours = [one for one in data["responses"] if is_ours(one["cert_id"])]
    assert ours, "good without an answer for the client"
    for one in ours:
        assert one["cert_status"].name == "good", "good beside another status"
        start, end = one["this_update"].native, one["next_update"].native
        assert NOW - timedelta(days=7) <= start <= NOW + timedelta(minutes=5)
        assert end is None or (end >= start and end >= NOW - timedelta(minutes=5))
    assert data["produced_at"].native <= NOW + timedelta(minutes=5)
    for extension in data["response_extensions"] or ():
        assert not extension["critical"].native or extension["extn_id"].native == "nonce"
        if extension["extn_id"].native == "nonce":
            assert extension["extn_value"].parsed.native == NONCE


def is_ours(cert_id: judge_asn1.CertId) -> bool:
    name = cert_id["hash_algorithm"]["algorithm"].native
    return bool(
        cert_id["serial_number"].native == SERIAL
        and cert_id["issuer_name_hash"].native == digest_of(name, ISSUER.subject).digest()
        and cert_id["issuer_key_hash"].native == digest_of(name, key_octets(ISSUER.key)).digest()
    )


def test_one_input(data: bytes) -> None:
    start = time.process_time()
    as_response(data)
    as_signed(data)
    with suppress(Failure):  # what a seed signs, changed and signed anew
        outer = der.fields(der.fields(data, 2, 2, "")[1].body, 2, 2, "")
        as_signed(der.fields(outer[1].body, 3, 4, "")[0].raw)
    spent = time.process_time() - start
    assert spent < SECONDS, f"{spent:.1f} s for {len(data)} bytes"


def write_seeds(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, seed in SEEDS.items():
        (folder / name).write_bytes(seed.encoded())


def main() -> None:
    warnings.simplefilter("ignore")  # pyca warns of odd serial numbers
    if sys.argv[1:2] == ["seeds"]:
        write_seeds(Path(sys.argv[2]))
        return
    assert judged(SEEDS["good"].encoded()), "the seeds do not do what they say"
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
