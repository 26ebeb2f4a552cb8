"""Authorities of elsewhere: index.txt, CRL from a file or URL, supplied signers; and what goes wrong with these."""

import os
import time
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from hsmgate.errors import Failure, Reason
from support import certs, crls
from support.certs import Made
from support.own_responder import OwnResponder, pair, request_of
from support.pki_rows import serial_of
from support.responder import Responder, http

TRY_LATER = bytes.fromhex("30030a0103")
PATIENCE = 20.0
DELEGATE = [certs.purposes(ExtendedKeyUsageOID.OCSP_SIGNING), (x509.OCSPNoCheck(), False)]
KEY_COMPROMISE = x509.ReasonFlags.key_compromise


class Lab:
    """An authority with a delegate, and certificates that it issued."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.issuer = certs.authority("a foreign CA")
        self.delegate = certs.make("a foreign responder", self.issuer, DELEGATE)
        self.good, self.revoked, self.never = (certs.client(name, self.issuer) for name in ("good", "revoked", "never"))
        (folder / "issuer.crt").write_bytes(self.issuer.pem)
        (folder / "signer.pem").write_bytes(pair(self.delegate))

    def index(self, *lines: str) -> Path:
        path = self.folder / "index.txt"
        path.with_suffix(".new").write_text("".join(f"{line}\n" for line in lines))
        path.with_suffix(".new").replace(path)
        return path

    def line(self, made: Made, status: str = "V") -> str:
        revoked = "260101000000Z,keyCompromise" if status == "R" else ""
        return f"{status}\t390101000000Z\t{revoked}\t{serial_of(made):02X}\tunknown\t/CN=x"

    def settings(self, source: str, more: str = "") -> str:
        fixed = f"issuer: '{self.folder}/issuer.crt', signer: '{self.folder}/signer.pem'"
        return f"sources: {{lab: {{{fixed}, {source}}}}}{more}"

    def serve(self, source: str, more: str = "") -> OwnResponder:
        return OwnResponder(None, self.folder, self.settings(source, more))

    def status(self, served: OwnResponder, leaf: Made) -> str:
        parsed = ocsp.load_der_ocsp_response(served.post(request_of(leaf, self.issuer)))
        if parsed.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return parsed.response_status.name
        return parsed.certificate_status.name


def eventually(what: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_an_index_tells_what_was_issued_and_is_read_again_when_it_changes(lab: Lab) -> None:
    path = lab.index(lab.line(lab.good), lab.line(lab.revoked, "R"))
    with lab.serve(f"index: '{path}'") as served:
        assert [lab.status(served, one) for one in (lab.good, lab.revoked, lab.never)] == ["GOOD", "REVOKED", "UNKNOWN"]
        lab.index(lab.line(lab.good, "R"), lab.line(lab.revoked, "R"), lab.line(lab.never))
        assert [lab.status(served, one) for one in (lab.good, lab.revoked, lab.never)] == ["REVOKED", "REVOKED", "GOOD"]
        evidence = served.judge(lab.never, lab.issuer, time.time())
        assert abs(evidence.this_update - time.time()) < 60


def test_a_broken_index_leaves_the_last_one_in_force(lab: Lab) -> None:
    path = lab.index(lab.line(lab.good), lab.line(lab.revoked, "R"))
    with lab.serve(f"index: '{path}'") as served:
        for broken in (lambda: path.write_text("nonsense\n"), lambda: path.write_text("V\t3901"), path.unlink):
            broken()
            assert [lab.status(served, one) for one in (lab.good, lab.revoked)] == ["GOOD", "REVOKED"]
            assert "responder.source-kept" in served.events()
            assert served.events().count("responder.source-kept") <= 3
        lab.index(lab.line(lab.revoked, "R"))
        assert [lab.status(served, one) for one in (lab.good, lab.revoked)] == ["UNKNOWN", "REVOKED"]
        assert {"responder.source-taken", "responder.source-shrunk"} <= set(served.events())


def test_an_index_that_stays_away_means_try_later_in_the_end(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    path = lab.index(lab.line(lab.good))
    with lab.serve(f"index: '{path}'", ", validity: 1m") as served:
        path.unlink()
        assert lab.status(served, lab.good) == "GOOD"
        (one,) = served.registry.all()
        one.statuses._looked_at -= 61  # type: ignore[attr-defined]
        assert lab.status(served, lab.good) == "TRY_LATER"


@pytest.mark.parametrize("form", ["DER", "PEM"])
def test_a_crl_tells_who_is_revoked_and_nothing_about_the_others(lab: Lab, form: str) -> None:
    der = crls.make(lab.issuer, [(serial_of(lab.revoked), KEY_COMPROMISE)])
    text = b"-----BEGIN X509 CRL-----\n" + b64encode(der) + b"\n-----END X509 CRL-----\n"
    (lab.folder / "list.crl").write_bytes(der if form == "DER" else text)
    with lab.serve(f"crl: '{lab.folder}/list.crl'") as served:
        assert [lab.status(served, one) for one in (lab.good, lab.revoked, lab.never)] == [
            "UNKNOWN",
            "REVOKED",
            "UNKNOWN",
        ]
    with lab.serve(f"crl: '{lab.folder}/list.crl', unlisted: good") as served:
        assert [lab.status(served, one) for one in (lab.good, lab.revoked, lab.never)] == ["GOOD", "REVOKED", "GOOD"]
        assert "responder.unlisted-good" in served.events()
        evidence = served.judge(lab.good, lab.issuer, time.time())
        crl = x509.load_der_x509_crl(der)
        assert evidence.this_update == crl.last_update_utc.timestamp()
        assert evidence.next_update == crl.last_update_utc.timestamp() + 3600  # a newer CRL may come at any time


def test_an_answer_ends_with_its_crl(lab: Lab) -> None:
    (lab.folder / "list.crl").write_bytes(crls.make(lab.issuer, end=timedelta(minutes=20)))
    with lab.serve(f"crl: '{lab.folder}/list.crl', unlisted: good") as served:
        evidence = served.judge(lab.good, lab.issuer, time.time())
        assert evidence.next_update is not None
        assert evidence.next_update < time.time() + 20 * 60 + 1
        got = served.get(request_of(lab.good, lab.issuer))
        assert got.headers["cache-control"].startswith("max-age=0,")
        (one,) = served.registry.all()
        crl = one.statuses._crl  # type: ignore[attr-defined]
        object.__setattr__(one.statuses, "_now", lambda: crl.next_update)
        assert lab.status(served, lab.good) == "TRY_LATER"  # and never good
        assert served.get(request_of(lab.good, lab.issuer)).body == TRY_LATER


def test_crls_go_forward_only_also_over_a_restart(lab: Lab, tmp_path: Path) -> None:
    from support.pki_rows import Pki

    path = lab.folder / "list.crl"
    old, new = (
        crls.make(lab.issuer, number=7, start=timedelta(hours=-2)),
        crls.make(lab.issuer, [(serial_of(lab.revoked), KEY_COMPROMISE)], 8),
    )
    path.write_bytes(new)
    settings = lab.settings(f"crl: '{path}', unlisted: good")
    pki = Pki(tmp_path)
    try:
        for _ in range(2):
            with OwnResponder(pki.database, tmp_path, settings) as served:
                assert lab.status(served, lab.revoked) == "REVOKED"
                path.write_bytes(old)
                assert lab.status(served, lab.revoked) == "REVOKED"
                kept = next(line for line in served.lines if line["event"] == "responder.source-kept")
                assert "number 7 comes after number 8" in str(kept["detail"])
    finally:
        pki.close()


OTHER = certs.authority("another CA")
POINT = [x509.UniformResourceIdentifier("http://c.example/1.crl")]


def distribution(**how: object) -> tuple[x509.ExtensionType, bool]:
    base: dict[str, object] = {
        "full_name": None, "relative_name": None, "only_contains_user_certs": False, "only_contains_ca_certs": False,
        "only_some_reasons": None, "indirect_crl": False, "only_contains_attribute_certs": False,
    }  # fmt: skip
    return x509.IssuingDistributionPoint(**{**base, **how}), True  # type: ignore[arg-type]


REFUSED: dict[str, Callable[[Lab], bytes]] = {
    "of another issuer": lambda _: crls.make(OTHER),
    "signed by another": lambda lab: crls.make(Made(lab.issuer.der, OTHER.key, lab.issuer.subject)),
    "a delta": lambda lab: crls.make(lab.issuer, (), 2, (x509.DeltaCRLIndicator(1), True)),
    "indirect": lambda lab: crls.make(lab.issuer, (), 2, distribution(full_name=POINT, indirect_crl=True)),
    "of users only": lambda lab: crls.make(lab.issuer, (), 2, distribution(only_contains_user_certs=True)),
    "of some reasons": lambda lab: crls.make(
        lab.issuer, (), 2, distribution(only_some_reasons=frozenset({KEY_COMPROMISE}))
    ),
    "critical and unknown": lambda lab: crls.make(
        lab.issuer, (), 2, (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)
    ),
    "an entry critical and unknown": lambda lab: crls.make(
        lab.issuer,
        [(5, None)],
        entry_extension=(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True),
    ),
    "out of date": lambda lab: crls.make(lab.issuer, start=timedelta(days=-2), end=timedelta(days=-1)),
    "from the future": lambda lab: crls.make(lab.issuer, start=timedelta(hours=1)),
    "no CRL": lambda _: b"nonsense",
    "cut short": lambda lab: crls.make(lab.issuer)[:-5],
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_crl_that_does_not_count(lab: Lab, name: str) -> None:
    (lab.folder / "list.crl").write_bytes(REFUSED[name](lab))
    with lab.serve(f"crl: '{lab.folder}/list.crl', unlisted: good") as served:
        assert lab.status(served, lab.good) == "TRY_LATER"
        assert "responder.source-kept" in served.events()
        (lab.folder / "list.crl").write_bytes(crls.make(lab.issuer, (), 3, distribution(full_name=POINT)))
        assert lab.status(served, lab.good) == "GOOD"
        assert {"responder.source-taken", "responder.source-partial"} <= set(served.events())


def test_a_crl_from_a_url(lab: Lab) -> None:
    crl = crls.make(lab.issuer, [(serial_of(lab.revoked), None)])
    with (
        Responder(lambda _: http(crl, kind="application/pkix-crl")) as site,
        lab.serve(f"crl-url: '{site.url}/list.crl', unlisted: good") as served,
    ):
        for job in served._responder.opened.background:
            served.spawn(job)
        eventually(lambda: lab.status(served, lab.revoked) == "REVOKED")
        assert lab.status(served, lab.good) == "GOOD"
        site.kill()
        assert lab.status(served, lab.revoked) == "REVOKED"


def test_a_url_that_cannot_be_asked_means_try_later(lab: Lab) -> None:
    with lab.serve("crl-url: 'http://127.0.0.1:9/list.crl', unlisted: good") as served:
        for job in served._responder.opened.background:
            served.spawn(job)
        eventually(lambda: "responder.source-kept" in served.events())
        assert lab.status(served, lab.good) == "TRY_LATER"


# signers


def test_a_signer_from_pkcs12_and_by_the_authority_itself(lab: Lab) -> None:
    cert = x509.load_der_x509_certificate(lab.delegate.der)
    bundle = serialize_key_and_certificates(
        b"x",
        lab.delegate.key,
        cert,
        [x509.load_der_x509_certificate(lab.issuer.der)],
        BestAvailableEncryption(b"secret"),
    )
    (lab.folder / "signer.pem").write_bytes(bundle)
    path = lab.index(lab.line(lab.good))
    with lab.serve(f"index: '{path}', signer-password: secret") as served:
        assert served.judge(lab.good, lab.issuer, time.time()).responder == "CN=a foreign responder"
    (lab.folder / "signer.pem").write_bytes(pair(lab.issuer))
    with lab.serve(f"index: '{path}'") as served:
        assert served.judge(lab.good, lab.issuer, time.time()).responder == "CN=a foreign CA"
        response = ocsp.load_der_ocsp_response(served.post(request_of(lab.good, lab.issuer)))
        assert response.certificates == []


def test_a_signer_of_elsewhere_is_believed_by_those_who_are_told_to(lab: Lab) -> None:
    stranger = certs.authority("a responder of its own")
    (lab.folder / "signer.pem").write_bytes(pair(stranger))
    path = lab.index(lab.line(lab.good))
    with lab.serve(f"index: '{path}'") as served:
        assert "responder.signer-foreign" in served.events()
        with pytest.raises(Failure) as caught:
            served.judge(lab.good, lab.issuer, time.time())
        assert caught.value.reason is Reason.OCSP_RESPONDER
        assert served.judge(lab.good, lab.issuer, time.time(), trusted=(stranger.der,)).nonce_echoed


def test_a_signer_that_changes_is_taken_and_a_broken_one_is_not(lab: Lab) -> None:
    path = lab.index(lab.line(lab.good))
    second = certs.make("the next responder", lab.issuer, DELEGATE)
    with lab.serve(f"index: '{path}'") as served:
        assert served.judge(lab.good, lab.issuer, time.time()).responder == "CN=a foreign responder"
        (lab.folder / "signer.pem").write_bytes(b"nonsense")
        served.look()
        assert served.judge(lab.good, lab.issuer, time.time()).responder == "CN=a foreign responder"
        assert "responder.signer-kept" in served.events()
        (lab.folder / "signer.pem").write_bytes(pair(second))
        os.utime(lab.folder / "signer.pem", (1, 1))
        served.look()
        assert served.judge(lab.good, lab.issuer, time.time()).responder == "CN=the next responder"


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda lab: (lab.folder / "index.txt").unlink(), "index.txt: no such file"),
        (lambda lab: (lab.folder / "index.txt").write_text("x\n"), "line 1: it has not the 6 fields"),
        (lambda lab: (lab.folder / "issuer.crt").write_text("x"), "issuer.crt"),
        (lambda lab: (lab.folder / "signer.pem").write_bytes(lab.delegate.pem), "holds no private key"),
        (
            lambda lab: (lab.folder / "signer.pem").write_bytes(
                pair(certs.client("x", lab.issuer, private=certs.key("rsa1024")))
            ),
            "1024 bits",
        ),
        (
            lambda lab: (lab.folder / "signer.pem").write_bytes(
                pair(certs.client("x", lab.issuer, end=certs.NOW - timedelta(hours=1)))
            ),
            "expired",
        ),
    ],
)
def test_what_cannot_be_used_at_the_start_is_refused(lab: Lab, spoil: Callable[[Lab], object], why: str) -> None:
    path = lab.index(lab.line(lab.good))
    spoil(lab)
    with pytest.raises(Failure, match=why) as caught:
        lab.serve(f"index: '{path}'")
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert "hsmgate.responder.sources.lab" in str(caught.value)
