"""Knocks single decisions out of the code: the decision table, or a probe, must notice each."""

import time
from collections.abc import Callable, Iterator

import pytest
from OpenSSL import SSL

from hsmgate.errors import Failure, Reason
from hsmgate.gate import protocol, tls
from hsmgate.pki import trust
from hsmgate.pki.material import Material
from support import cast, decisions, gate, mutants, mutation, tls_probes
from support.decisions import Seen
from support.mutants import Mutation
from support.mutation import Edit

every = pytest.mark.parametrize("mutant", mutants.EVERY, ids=lambda m: f"{m.decision}: {m.name}")


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as opened:
        yield opened


@every
def test_its_row_fails(mutant: Mutation, patch: pytest.MonkeyPatch) -> None:
    row = decisions.row(mutant.row)
    assert decisions.holds(row)
    mutation.apply(mutant.edits, patch)
    seen, said = decisions.without_network(row)
    assert not decisions.holds(row)
    assert "the judgement failed" not in said  # the mutant decides, it does not crash
    assert (seen.verdict == row.expect) == mutant.only_told


@pytest.mark.long
@every
def test_most_rows_do_not_care(mutant: Mutation, patch: pytest.MonkeyPatch) -> None:
    """A mutant that breaks the whole table would prove nothing."""
    rows = [row for row in decisions.rows() if row.alert != "closed"]
    mutation.apply(mutant.edits, patch)
    failed = [row.name for row in rows if not decisions.holds(row)]
    assert mutant.row in failed
    assert len(failed) < len(rows) / 3, failed


def test_every_decision_is_knocked_out() -> None:
    decided = {mutant.decision for mutant in mutants.EVERY}
    assert decided >= {1, 2, 3, 4, 5, 6, 7}  # 8 is below: it is about contexts, not about clients


def test_without_the_bound_on_bytes(patch: pytest.MonkeyPatch) -> None:
    """Decision 6: 64 KB."""
    row = decisions.row("more than 64 KB of handshake, TLS 1.3")
    material = Material(identity=gate.identity(), entries=(("root", cast.get("root").der),))
    with gate.gates() as gates:
        port = gates.open(gates.keeper(lambda: material, tls.TlsSettings(), time.time), time.time)
        assert decisions.over_loopback(row, port) == Seen(verdict=row.expect, alert=row.alert)
        patch.setattr(protocol, "HANDSHAKE_BYTES", 1 << 20)
        assert decisions.over_loopback(row, port) == Seen(verdict="issuer:root")


def _context() -> tuple[SSL.Context, trust.TrustSet]:
    trusted = trust.build([("mid", cast.get("mid").der)])
    return tls.build_context(gate.identity(), trusted, tls.TlsSettings()), trusted


def _option(old: str, new: str) -> tuple[Edit, ...]:
    # without an id for its sessions OpenSSL resumes none where client certificates are asked for
    mode = "context.set_mode("
    named = f"context.set_session_id(b'gate'); {mode}"
    return tuple(
        Edit(module="gate.tls", function="build_context", old=before, new=after)
        for before, after in ((old, new), (mode, named))
    )


@pytest.mark.parametrize(
    ("edits", "probe"),
    [
        (_option("SSL.OP_NO_TICKET | ", ""), lambda c, t: tls_probes.resumes(c, t, "1.2", cast.get("alice"))),
        (_option("SSL.OP_NO_TICKET | ", ""), lambda c, t: tls_probes.resumes(c, t, "1.3", cast.get("alice"))),
        (_option("CACHE_OFF", "CACHE_SERVER"), lambda c, t: tls_probes.resumes(c, t, "1.2", cast.get("alice"))),
        (_option("CACHE_OFF", "CACHE_SERVER"), lambda c, t: tls_probes.resumes(c, t, "1.3", cast.get("alice"))),
        # since OpenSSL 3.0 leaving OP_NO_RENEGOTIATION out is not enough: 1 << 8 is OP_ALLOW_CLIENT_RENEGOTIATION
        (_option("SSL.OP_NO_RENEGOTIATION", "(1 << 8)"), lambda c, t: tls_probes.renegotiates(c, t, cast.get("alice"))),
    ],
    ids=["tickets, TLS 1.2", "tickets, TLS 1.3", "session ids, TLS 1.2", "session ids, TLS 1.3", "renegotiation"],
)
def test_the_probe_notices(
    edits: tuple[Edit, ...], probe: Callable[[SSL.Context, trust.TrustSet], bool], patch: pytest.MonkeyPatch
) -> None:
    """Decision 7."""
    assert not probe(*_context())
    mutation.apply(edits, patch)
    assert probe(*_context())


def test_without_the_proof(patch: pytest.MonkeyPatch) -> None:
    """Decision 8: a context that asks nobody for a certificate is found out by nothing else."""
    material = Material(identity=gate.identity(), entries=(("mid", cast.get("mid").der),))
    careless = [
        Edit(module="gate.tls", function="build_context", old=f"({before}_VERIFY_MODES[settings.client_auth]",
             new=f"({before}SSL.VERIFY_NONE")
        for before in ("", "context._context, ")
    ]  # fmt: skip
    mutation.apply(careless, patch)
    patch.setattr("hsmgate.gate.keeper.build_context", tls.build_context)
    with gate.gates() as gates:
        with pytest.raises(Failure) as refusal:
            gates.keeper(lambda: material, tls.TlsSettings(), time.time)
        assert refusal.value.reason is Reason.INTEGRITY
        call = "prove(context, trust, self._settings, self._now)"
        mutation.apply(
            [Edit(module="gate.keeper", function="TrustKeeper._build", old=call, new="pass")], patch
        )  # fmt: skip
        gates.keeper(lambda: material, tls.TlsSettings(), time.time)
