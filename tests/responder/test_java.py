"""Java's PKIX revocation checker believes our answers."""

import subprocess
from pathlib import Path

import pytest

from support import certs
from support.own_responder import OwnResponder
from support.pki_rows import Pki

SOURCE = Path(__file__).parents[1] / "support/RevocationCheck.java"
SAYS = {
    "good": "good",
    "revoked": "revoked KEY_COMPROMISE",
    "held": "revoked CERTIFICATE_HOLD",
    "released": "good",
    "unknown": "UNDETERMINED_REVOCATION_STATUS",
}


@pytest.mark.long
@pytest.mark.parametrize("sign_with", ["delegate", "authority"])
def test_java_believes_it(pki: Pki, tmp_path: Path, sign_with: str) -> None:
    issuer = pki.authority()
    made = {name: pki.issue(subject=name) for name in ("good", "revoked", "held", "released")}
    made["unknown"] = certs.client("unknown", issuer)
    pki.revoke(made["revoked"])
    for name in ("held", "released"):
        pki.revoke(made[name], "certificateHold")
    pki.release(made["released"])
    (tmp_path / "issuer.pem").write_bytes(issuer.pem)
    with OwnResponder(pki.database, tmp_path, f"sign-with: {sign_with}") as served:
        for name, says in SAYS.items():
            (tmp_path / "leaf.pem").write_bytes(made[name].pem)
            words = ["java", str(SOURCE), str(tmp_path / "issuer.pem"), str(tmp_path / "leaf.pem"), served.url]
            done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
            assert done.stdout.startswith(says), (name, done.stdout, done.stderr)
        assert served.answers.counts["good"] == 2
