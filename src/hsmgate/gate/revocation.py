"""Revocation at the gate: which certificates of a peer are asked for, of whom, and about which issuer."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hsmgate.errors import Failure, Reason
from hsmgate.gate.issuers import Issuers
from hsmgate.gate.ocsp_query import OcspQuery, Responders
from hsmgate.gate.own_pki import OwnPki
from hsmgate.gate.refusal import explain
from hsmgate.pki import ocsp
from hsmgate.pki import path as paths
from hsmgate.pki.ocsp_url import MAX_URLS
from hsmgate.pki.trust import TrustSet, fingerprint
from hsmgate.record import Record
from hsmgate.usecases.revocation import Counts, Revocation

_WORST = (Reason.REVOKED, Reason.STATUS_UNKNOWN)


class OcspSettings(Record):
    """`hsmgate.ocsp` as far as it says whom to ask; the rest is in Rules and the freshness contract."""

    check: str = "if-present"  # off | if-present | require
    scope: str = "chain"  # leaf | chain
    cert_id: str = "sha1"  # sha1 | sha256
    responder: str | None = None
    timeout: float = 2.0
    rules: ocsp.Rules = ocsp.Rules()
    issuers: tuple[bytes, ...] = ()  # DER of certificates that only help to make CertIDs


class Question(Record):
    """One certificate to ask for. `id`: its SHA-256; its signature binds it to one issuer, so that is all it takes."""

    id: str
    name: str
    cert_der: bytes
    issuer_der: bytes  # empty: not at hand, to be fetched
    urls: tuple[str, ...]
    serial: int
    own: str = ""  # the authority of ours that issued it: it is asked, not the URLs


class Plan(Record):
    """What has to be asked for one peer. `not_checked`: why nothing is, empty where something is.

    `unchecked`: names of the certificates in scope that name no responder.
    """

    questions: tuple[Question, ...]
    not_checked: str = ""
    unchecked: tuple[str, ...] = ()


class RevocationGate:
    """Judges a peer's path: every certificate that is in scope must be proven good, now."""

    def __init__(
        self,
        settings: OcspSettings,
        revocation: Revocation,
        responders: Responders,
        random: Callable[[int], bytes],
        now: Callable[[], float],
        own: OwnPki,
    ) -> None:
        """Failure: BAD_CERTIFICATE (of trusted-responders or issuers)."""
        self._settings = settings
        self._revocation = revocation
        self._own = own
        self._now = now
        self._issuers = Issuers(settings.issuers, responders.fetch, settings.timeout / 2)
        self._query = OcspQuery(responders, revocation, settings.rules, settings.cert_id, settings.timeout, random, now)

    async def plan(self, path: Sequence[bytes], sent: Iterable[bytes], trust: TrustSet) -> Plan:
        """What to ask for this path (leaf first, as judged); asks nobody. Failure: OCSP_NO_RESPONDER."""
        if self._settings.check == "off":
            return Plan(questions=(), not_checked="hsmgate.ocsp.check is off")
        certs = [paths.parse(der) for der in path]
        below = certs[:-1] if len(certs) > 1 else certs
        if self._settings.scope == "leaf":
            below = below[:1]
        questions, unchecked = [], []
        for depth, cert in enumerate(below):
            issuer = certs[depth + 1] if len(certs) > 1 else self._own.issuer_of(cert)
            if own := self._own.name_of(issuer):
                questions.append(_question(cert, issuer, (), own))
            elif (urls := self._urls(cert, is_leaf=depth == 0)) is None:
                unchecked.append(paths.name_of(cert))
            else:
                questions.append(_question(cert, issuer or self._issuers.at_hand(cert, sent, trust), urls))
        why = "" if questions else "no certificate of the path names a responder"
        return Plan(questions=tuple(questions), not_checked=why, unchecked=tuple(unchecked))

    def _urls(self, cert: x509.Certificate, *, is_leaf: bool) -> list[str] | None:
        named = ocsp.responder_urls(cert)
        if self._settings.responder and (is_leaf or named is not None):
            return [self._settings.responder]
        if named is None and not (is_leaf and self._settings.check == "require"):
            return None
        if not named:
            why = "names no responder, and one is required" if named is None else "names a responder, but by no URL"
            raise _explain(
                paths.name_of(cert),
                fingerprint(cert.public_bytes(Encoding.DER)),
                Failure(Reason.OCSP_NO_RESPONDER, why),
            )
        return named[:MAX_URLS]

    @property
    def number(self) -> int:
        """Changes when plans have to be made anew: another authority of ours is there."""
        return self._own.number

    @property
    def counts(self) -> Counts:
        """What happened, for metrics."""
        return self._revocation.counts

    async def judge(self, plan: Plan) -> list[ocsp.Evidence]:
        """Every certificate of the plan is good now. Failure: REVOKED, STATUS_UNKNOWN, CONNECTIVITY, OCSP_*."""
        if plan.questions and all(question.own for question in plan.questions):
            return await self._judge_own(plan.questions)
        deadline = asyncio.get_running_loop().time() + self._settings.timeout
        found = await asyncio.gather(*(self._judge(q, deadline) for q in plan.questions), return_exceptions=True)
        failures = [one for one in found if isinstance(one, BaseException)]
        if failures:  # a proven REVOKED says more than somebody else's silence
            raise min(failures, key=_weight)
        return [one for one in found if isinstance(one, ocsp.Evidence)]

    async def _judge(self, question: Question, deadline: float) -> ocsp.Evidence | None:
        if question.own:
            return (await self._judge_own((question,)))[0]
        try:
            issuer = question.issuer_der
            if not issuer:
                found = await self._issuers.over_network(paths.parse(question.cert_der))
                issuer = found.public_bytes(Encoding.DER)
            proof = await self._revocation.check(question.id, self._asker(question, issuer), deadline)
        except Failure as failure:
            raise _explain(question.name, question.id, failure) from None
        return proof.evidence if proof is not None else None

    async def _judge_own(self, questions: Sequence[Question]) -> list[ocsp.Evidence]:
        """By our own authorities alone, in one visit of the database."""
        self.counts.own += len(questions)
        asked_at, found, failures = self._now(), [], []
        try:
            answers = await self._own.look_up([(question.own, question.serial) for question in questions])
        except Failure as failure:
            self.counts.failed(failure.reason)
            raise _explain(questions[0].name, questions[0].id, failure) from None
        for question, issued in zip(questions, answers, strict=True):
            try:
                found.append(self._own.verdict(question.own, question.serial, issued, asked_at))
            except Failure as failure:
                self.counts.failed(failure.reason)
                failures.append(_explain(question.name, question.id, failure))
        if failures:
            raise min(failures, key=_weight)
        return found

    def _asker(self, question: Question, issuer: bytes) -> Callable[[], Awaitable[ocsp.Evidence]]:
        async def ask() -> ocsp.Evidence:
            return await self._query.prove(paths.parse(question.cert_der), paths.parse(issuer), question.urls)

        return ask


def _weight(failure: BaseException) -> int:
    """What ends the request comes first, then what says most."""
    if not isinstance(failure, Failure):
        return -1
    return _WORST.index(failure.reason) if failure.reason in _WORST else len(_WORST)


def _explain(name: str, sha256: str, failure: Failure) -> Failure:
    return failure if failure.reason is Reason.OCSP_NO_ISSUER else explain(name, sha256, failure)


def _question(cert: x509.Certificate, issuer: x509.Certificate | None, urls: Sequence[str], own: str = "") -> Question:
    cert_der = cert.public_bytes(Encoding.DER)
    return Question(
        id=fingerprint(cert_der),
        name=paths.name_of(cert),
        cert_der=cert_der,
        issuer_der=issuer.public_bytes(Encoding.DER) if issuer is not None else b"",
        urls=tuple(urls),
        serial=cert.serial_number,
        own=own,
    )
