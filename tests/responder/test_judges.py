"""Those who judge our answers and share no code with us: openssl, certomancer's parser, pyca; and our own gate."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp

from hsmgate.errors import Failure, Reason
from support import certs
from support.certs import Made
from support.own_responder import OwnResponder, request_of
from support.pki_rows import Pki, serial_of

Cast = dict[str, Made]
WORDS = {"good": "good", "revoked": "revoked", "held": "revoked", "released": "good", "unknown": "unknown"}


@pytest.fixture
def cast(pki: Pki) -> Cast:
    issuer = pki.authority()
    made = {name: pki.issue(subject=name) for name in ("good", "revoked", "held", "released")}
    pki.revoke(made["revoked"])
    for name in ("held", "released"):
        pki.revoke(made[name], "certificateHold")
    pki.release(made["released"])
    return made | {"unknown": certs.client("never recorded", issuer), "issuer": issuer}


@pytest.fixture
def served(pki: Pki, cast: Cast, tmp_path: Path) -> Iterator[OwnResponder]:
    with OwnResponder(pki.database, tmp_path) as responder:
        yield responder


@pytest.mark.parametrize("name", WORDS)
def test_openssl_believes_it(served: OwnResponder, cast: Cast, tmp_path: Path, name: str) -> None:
    (tmp_path / "issuer.pem").write_bytes(cast["issuer"].pem)
    (tmp_path / "leaf.pem").write_bytes(cast[name].pem)
    for more in ([], ["-no_nonce"], ["-sha256"]):
        done = subprocess.run(
            [
                "openssl", "ocsp", *more, "-issuer", "issuer.pem", "-cert", "leaf.pem", "-url", served.url,
                "-CAfile", "issuer.pem", "-no-CApath",
            ],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "Response verify OK" in done.stderr
        assert f"leaf.pem: {WORDS[name]}" in done.stdout
        assert "WARNING" not in done.stderr  # no nonce in the response
        if name == "held":
            assert "certificateHold" in done.stdout


VERDICTS = {"revoked": Reason.REVOKED, "held": Reason.REVOKED, "unknown": Reason.STATUS_UNKNOWN}


@pytest.mark.parametrize("name", WORDS)
def test_the_gate_believes_it_in_strict_mode(served: OwnResponder, cast: Cast, name: str) -> None:
    if name not in VERDICTS:
        evidence = served.judge(cast[name], cast["issuer"], time.time())
        assert evidence.nonce_echoed
        assert evidence.unchecked_delegate is None
        return
    with pytest.raises(Failure) as caught:
        served.judge(cast[name], cast["issuer"], time.time())
    assert caught.value.reason is VERDICTS[name]


@pytest.mark.parametrize("name", WORDS)
def test_pyca_reads_it(served: OwnResponder, cast: Cast, name: str) -> None:
    nonce = b"n" * 32
    parsed = ocsp.load_der_ocsp_response(served.post(request_of(cast[name], cast["issuer"], "sha256", nonce)))
    assert parsed.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL
    assert parsed.certificate_status.name.lower() == WORDS[name]
    assert parsed.serial_number == serial_of(cast[name])
    assert parsed.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == nonce
    (delegate,) = parsed.certificates
    issuer = x509.load_der_x509_certificate(cast["issuer"].der)
    delegate.verify_directly_issued_by(issuer)
    key = delegate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(parsed.signature, parsed.tbs_response_bytes, ec.ECDSA(hashes.SHA256()))
    if name == "held":
        assert parsed.revocation_reason is x509.ReasonFlags.certificate_hold
    if name == "unknown":
        assert parsed.next_update_utc is None
    else:
        assert parsed.next_update_utc is not None
        assert (parsed.next_update_utc - parsed.this_update_utc).total_seconds() == 3600


@pytest.mark.parametrize("name", WORDS)
def test_asn1crypto_reads_it_and_would_write_the_same(served: OwnResponder, cast: Cast, name: str) -> None:
    """certomancer's parser; written again from its values it must be the same octets, as DER has one form only."""
    response = served.post(request_of(cast[name], cast["issuer"], "sha1", b"n" * 16))
    parsed: Any = asn1_ocsp.OCSPResponse.load(response, strict=True)
    basic = parsed.basic_ocsp_response
    (single,) = basic["tbs_response_data"]["responses"]
    assert single["cert_status"].name == WORDS[name]
    assert basic["tbs_response_data"]["responder_id"].name == "by_key"
    assert parsed.native["response_status"] == "successful"
    data = basic["tbs_response_data"]
    assert data.copy().dump(force=True) == data.dump()
    assert data.dump() == ocsp.load_der_ocsp_response(response).tbs_response_bytes
