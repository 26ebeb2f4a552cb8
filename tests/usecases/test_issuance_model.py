"""For every certificate ever issued, in any order of acts, what responder and gate read is what the model says."""

import contextlib
import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from hsmgate.errors import Failure
from hsmgate.pki.issued import HOLD, REASONS, Issued, Revoked
from hsmgate.usecases import issuance_crl, issuance_leaves, issuance_states
from hsmgate.usecases.issuance_leaves import Renewal
from hsmgate.usecases.issuance_states import Selector
from support.small_pki import Clock, SmallPki, small_pki

DAY = 86400.0
FINAL = [reason for reason in REASONS if reason != HOLD]
names = itertools.count()


@dataclass
class Known:
    """The model of one certificate."""

    serial: int
    not_after: float
    revoked: Revoked | None = None


class Operators(RuleBasedStateMachine):
    """One authority, and its operators; `pki` is opened once for all runs, each of which has its own authority."""

    pki: SmallPki
    certificates = Bundle("certificates")

    @initialize()
    def start(self) -> None:
        self.pki.clock.at = Clock().at
        self.name = f"authority-{next(names)}"
        self.pki.root(self.name)
        self.model: dict[int, Known] = {}
        self.listed: dict[int, Revoked] = {}

    @rule(target=certificates, days=st.integers(1, 40))
    def issue(self, days: int) -> Known:
        return self._known(self.pki.issue(issuer=self.name, lifetime=timedelta(days=days)))

    @rule(target=certificates, old=certificates)
    def renew(self, old: Known) -> Known:
        row = issuance_states.find(self.pki.register, self._selector(old), self.pki.clock())
        if old.revoked is not None or old.not_after <= self.pki.clock():
            with pytest.raises(Failure):
                issuance_leaves.renew_leaf(self.pki.ports, Renewal(leaf=row))
            return old
        return self._known(issuance_leaves.renew_leaf(self.pki.ports, Renewal(leaf=row)))

    @rule(which=certificates, reason=st.sampled_from(REASONS))
    def revoke(self, which: Known, reason: str) -> None:
        before = which.revoked
        if before is not None and (before.reason != HOLD or reason == HOLD):
            with pytest.raises(Failure):
                issuance_states.revoke(self.pki.ports, self._selector(which), reason)
            return
        issuance_states.revoke(self.pki.ports, self._selector(which), reason)
        which.revoked = Revoked(at=float(int(self.pki.clock())) if before is None else before.at, reason=reason)

    @rule(which=certificates)
    def release(self, which: Known) -> None:
        if which.revoked is None or which.revoked.reason != HOLD:
            with pytest.raises(Failure):
                issuance_states.release(self.pki.ports, self._selector(which))
            return
        issuance_states.release(self.pki.ports, self._selector(which))
        which.revoked = None

    @rule(seconds=st.sampled_from([0.4, 1.0, 60.0, DAY, 20 * DAY]))
    def wait(self, seconds: float) -> None:
        self.pki.clock.at += seconds

    @rule()
    def crl(self) -> None:
        """It lists what is revoked; what expired leaves it once it stood on a CRL made after its expiry."""
        made = issuance_crl.make(self.pki.ports, self.name)
        found = x509.load_der_x509_crl(made.der)
        now = {known.serial: known.revoked for known in self.model.values() if known.revoked is not None}
        on_it = {entry.serial_number: entry.revocation_date_utc.timestamp() for entry in found}
        gone = now.keys() - on_it.keys()
        assert on_it == {serial: state.at for serial, state in now.items() if serial not in gone}
        for serial in gone:
            assert serial in self.listed, "it was never on a CRL"
            assert self.model[serial].not_after < self.pki.clock()
        self.listed = now

    @rule(serial=st.integers(1, (1 << 159) - 1))
    def a_serial_that_was_never_issued_is_unknown(self, serial: int) -> None:
        if serial not in self.model:
            assert self.pki.reads.find(self.name, serial) is None

    @invariant()
    def everybody_reads_what_the_model_says(self) -> None:
        for known in getattr(self, "model", {}).values():
            found = self.pki.reads.find(self.name, known.serial)
            assert found == Issued(not_after=known.not_after, revoked=known.revoked)

    def _known(self, handed: issuance_leaves.Handed) -> Known:
        certified = handed.certified
        assert certified.serial not in self.model
        self.model[certified.serial] = Known(certified.serial, certified.not_after)
        return self.model[certified.serial]

    def _selector(self, known: Known) -> Selector:
        return Selector(serial=known.serial, authority=self.name)


@contextlib.contextmanager
def machine() -> Iterator[type[Operators]]:
    with tempfile.TemporaryDirectory() as folder, small_pki(Path(folder) / "pki") as pki:
        yield type("Operators", (Operators,), {"pki": pki})


@pytest.mark.parametrize("examples", [6, pytest.param(400, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_any_order_of_acts(examples: int) -> None:
    with machine() as operators:
        run_state_machine_as_test(
            operators,
            settings=settings(
                max_examples=examples,
                stateful_step_count=25,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
