"""Go's OCSP package believes our answers."""

from pathlib import Path

import pytest

from support import certs, go_rules
from support.own_responder import OwnResponder, request_of
from support.pki_rows import Pki

SAYS = {
    "good": "ok good",
    "revoked": "ok revoked 1",
    "held": "ok revoked 6",
    "released": "ok good",
    "unknown": "ok unknown",
}


@pytest.mark.long
@pytest.mark.parametrize("sign_with", ["delegate", "authority"])
def test_go_believes_it(pki: Pki, tmp_path: Path, sign_with: str) -> None:
    issuer = pki.authority()
    made = {name: pki.issue(subject=name) for name in ("good", "revoked", "held", "released")}
    made["unknown"] = certs.client("unknown", issuer)
    pki.revoke(made["revoked"])
    for name in ("held", "released"):
        pki.revoke(made[name], "certificateHold")
    pki.release(made["released"])
    with OwnResponder(pki.database, tmp_path, f"sign-with: {sign_with}") as served:
        for name, leaf in made.items():
            folder = tmp_path / name
            folder.mkdir()
            (folder / "chain.pem").write_bytes(leaf.pem)
            (folder / "anchor.pem").write_bytes(issuer.pem)
            (folder / "answer.der").write_bytes(served.post(request_of(leaf, issuer)))
    other = tmp_path / "other"  # an answer about another certificate
    other.mkdir()
    for file, name in (("chain.pem", "good"), ("anchor.pem", "good"), ("answer.der", "revoked")):
        (other / file).write_bytes((tmp_path / name / file).read_bytes())
    found = go_rules.verdicts([*(tmp_path / name for name in SAYS), other], tmp_path / "cache")
    assert {path.name: says for path, says in found.items() if path != other} == SAYS
    assert "no response matching" in found[other], found
