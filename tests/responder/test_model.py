"""In whatever order certificates are issued, held, released, revoked and expire: the answer equals the model's."""

import tempfile
from hashlib import sha256
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import insert

from hsmgate.adapters.pki_keys import SigningKeyStore
from hsmgate.adapters.sql.authorities import AuthorityRows
from hsmgate.adapters.sql.responder_rows import ResponderRows
from hsmgate.adapters.sql.schema import issued
from hsmgate.pki.responder import Policy
from hsmgate.responder.ahead import question_of
from hsmgate.responder.answers import Answers
from hsmgate.responder.known import KnownAuthorities
from hsmgate.responder.registry import Registry
from support import der_text as der
from support.certs import NOW
from support.pki_rows import Pki

DAY = 86400.0
SERIALS = st.integers(1, 12)
REASONS = ("unspecified", "keyCompromise", "superseded", "privilegeWithdrawn")


class Machine(RuleBasedStateMachine):
    """`model`: serial -> (status, expiry). Answers are asked for live and kept, before and after each change."""

    unissued = "unknown"

    def __init__(self) -> None:
        super().__init__()
        self.clock = NOW.timestamp() + 1
        self.model: dict[int, tuple[str, float]] = {}
        self._folder = tempfile.TemporaryDirectory()
        self.pki = Pki(Path(self._folder.name))
        self.issuer = self.pki.authority()
        log = structlog.wrap_logger(structlog.PrintLogger(), processors=[_drop])
        rows, more = AuthorityRows(self.pki.database), ResponderRows(self.pki.database)
        open_key = SigningKeyStore(self.pki.data_dir).open

        octets = iter(range(1 << 62))
        known = KnownAuthorities(
            rows, more, open_key, {}, self.pki.data_dir, 7 * DAY, "delegate", self.now,
            lambda size: sha256(b"%d" % next(octets)).digest()[:size], log,
        )  # fmt: skip
        self.registry = Registry((), known)
        policy = Policy(unissued=self.unissued, validity=3600.0, archive=2 * DAY)
        self.answers = Answers(self.registry, policy, self.now, log)

    def now(self) -> float:
        return self.clock

    def teardown(self) -> None:
        self.pki.close()
        self._folder.cleanup()

    @rule(serial=SERIALS, days=st.integers(1, 5))
    def issue(self, serial: int, days: int) -> None:
        if serial in self.model:
            return
        expiry = self.clock + days * DAY
        with self.pki.database.writing() as connection:
            connection.execute(
                insert(issued).values(
                    authority="clients", serial=f"{serial:x}", profile="client", subject="CN=x",
                    not_before=self.clock, not_after=expiry, created=self.clock,
                )
            )  # fmt: skip
        self.model[serial] = ("good", expiry)

    @rule(serial=SERIALS, reason=st.sampled_from(REASONS))
    def revoke(self, serial: int, reason: str) -> None:
        if serial in self.model:
            self.pki.set("clients", serial, float(int(self.clock)), reason)
            self.model[serial] = (reason, self.model[serial][1])

    @rule(serial=SERIALS)
    def hold(self, serial: int) -> None:
        if self.model.get(serial, ("", 0.0))[0] == "good":
            self.pki.set("clients", serial, float(int(self.clock)), "certificateHold")
            self.model[serial] = ("certificateHold", self.model[serial][1])

    @rule(serial=SERIALS)
    def release(self, serial: int) -> None:
        if self.model.get(serial, ("", 0.0))[0] == "certificateHold":
            self.pki.set("clients", serial, None, None)
            self.model[serial] = ("good", self.model[serial][1])

    @rule(seconds=st.sampled_from([0.1, 1.0, 60.0, 1799.0, 1801.0, 3600.0, DAY, 3.5 * DAY, 8 * DAY]))
    def wait(self, seconds: float) -> None:
        self.clock += seconds

    @rule()
    def sign_ahead(self) -> None:
        for served in self.registry.moving():
            for serial in self.model:
                self.answers.sign_ahead(served, question_of(served, serial))

    @invariant()
    def answers_are_the_model(self) -> None:
        issuer = x509.load_der_x509_certificate(self.issuer.der)
        for serial in (1, 5, 12, 13):
            for reply in (self.answers.live(self._request(serial)), self.answers.kept(self._request(serial))):
                parsed = ocsp.load_der_ocsp_response(reply.body)
                assert parsed.serial_number == serial
                self._compare(parsed, serial)
                self._is_in_force(parsed, issuer)

    def _compare(self, parsed: ocsp.OCSPResponse, serial: int) -> None:
        status, expiry = self.model.get(serial, ("never", 0.0))
        if status == "never" or expiry < self.clock - 2 * DAY:
            assert parsed.certificate_status is not ocsp.OCSPCertStatus.GOOD
            assert parsed.certificate_status.name.lower() == self.unissued
        elif status == "good":
            assert parsed.certificate_status is ocsp.OCSPCertStatus.GOOD
        else:
            assert parsed.certificate_status is ocsp.OCSPCertStatus.REVOKED
            told = parsed.revocation_reason
            assert (told.value if told else "unspecified") == status

    def _is_in_force(self, parsed: ocsp.OCSPResponse, issuer: x509.Certificate) -> None:
        (delegate,) = parsed.certificates
        delegate.verify_directly_issued_by(issuer)
        assert delegate.not_valid_before_utc.timestamp() <= self.clock < delegate.not_valid_after_utc.timestamp()
        assert parsed.this_update_utc.timestamp() <= self.clock
        if parsed.next_update_utc is not None:
            end = parsed.next_update_utc
            assert self.clock < end.timestamp() <= self.clock + 3600
            assert end <= delegate.not_valid_after_utc
        key = delegate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)

    def _request(self, serial: int) -> bytes:
        served = self.registry.all() or (self.registry.refresh() and self.registry.all())
        assert served
        cert_id = question_of(served[0], serial).raw
        return der.sequence(der.sequence(der.sequence(der.sequence(cert_id))))


class RevokedMachine(Machine):
    """Never issued is told as revoked."""

    unissued = "revoked"


def _drop(*_: object) -> str:
    raise structlog.DropEvent


TestModel = Machine.TestCase
TestModel.settings = settings(max_examples=10, stateful_step_count=25, deadline=None)
TestModelRevoked = RevokedMachine.TestCase
TestModelRevoked.settings = settings(max_examples=5, stateful_step_count=20, deadline=None)
