"""The judgement of one request: is the peer of this connection trusted now, unrevoked now, and may it call this."""

from collections.abc import Callable, MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Any

from hsmgate.errors import Failure, Reason
from hsmgate.gate.access import Access
from hsmgate.gate.keeper import Snapshot, TrustKeeper
from hsmgate.gate.limits import peer_of
from hsmgate.gate.revocation import Plan, RevocationGate
from hsmgate.gate.roles import Demand
from hsmgate.gate.tls import Channel, judge_again
from hsmgate.pki.ocsp import Evidence
from hsmgate.pki.peer import Peer
from hsmgate.pki.trust import Verdict


class Connection:
    """The peer of one connection, and what the last judgement of it rests on, with the snapshot it was made on."""

    def __init__(self, peer: Peer, channel: Channel, snapshot: Snapshot) -> None:
        self.peer = peer
        self._channel = channel
        self._number = snapshot.number
        self._verdict: Verdict | Failure | None = channel.verdict
        self._plan: Plan | None = None
        self._planned = 0  # the number of the revocation gate that the plan was made for

    def judge(self, snapshot: Snapshot, now: float) -> Verdict:
        """Trusted on this snapshot, at this moment. Failure: UNTRUSTED, EXPIRED ..."""
        if self._number != snapshot.number:
            self._number = snapshot.number
            self._plan = None
            self._verdict = self._judge_again(snapshot, now)
        if isinstance(self._verdict, Failure):
            raise Failure(self._verdict.reason, self._verdict.detail)
        if self._verdict is None:
            raise Failure(Reason.UNTRUSTED, "the certificate was never judged")
        if not self._verdict.not_before <= now <= self._verdict.not_after:
            raise Failure(Reason.EXPIRED, f"{self.peer.subject}: a certificate of its path is not valid now")
        return self._verdict

    async def plan(self, verdict: Verdict, snapshot: Snapshot, revocation: RevocationGate) -> Plan:
        """What must be asked about this peer; made once for each snapshot. Failure: OCSP_NO_ISSUER ..."""
        if self._plan is None or self._planned != revocation.number:
            number, planned = self._number, revocation.number
            plan = await revocation.plan(verdict.path, self._channel.sent_chain(), snapshot.trust)
            if number == self._number:
                self._plan, self._planned = plan, planned
            return plan
        return self._plan

    def _judge_again(self, snapshot: Snapshot, now: float) -> Verdict | Failure:
        try:
            sent = [*self._channel.sent_chain(), *self.peer.chain_der[1:]]
            return judge_again(snapshot.trust, self.peer.leaf_der, list(dict.fromkeys(sent)), now, snapshot.store)
        except Failure as failure:
            return Failure(failure.reason, failure.detail)  # without its traceback, which holds on to this connection


class Admission:
    """Called by the one dispatcher for every request: trust, then revocation, then access.

    `open_to_anonymous`: nothing is needed where neither API keys nor JWTs are on (insecure, loopback only).
    """

    def __init__(
        self,
        keeper: TrustKeeper | None,
        revocation: RevocationGate | None,
        now: Callable[[], float],
        access: Access,
        *,
        open_to_anonymous: bool,
    ) -> None:
        self._keeper = keeper
        self._revocation = revocation
        self._now = now
        self._access = access
        self._open = open_to_anonymous

    async def __call__(self, scope: MutableMapping[str, Any], demand: Demand) -> Peer:
        """The peer that may call, or Failure: NO_CERTIFICATE, UNTRUSTED, EXPIRED, REVOKED, OCSP_*, and of access
        MISSING_TOKEN, INVALID_TOKEN, MISSING_API_KEY, INVALID_API_KEY.
        """
        connection: Connection | None = scope["state"].get("connection")
        if connection is None or self._keeper is None or connection.peer.anonymous:
            return self._anonymous(scope, connection.peer if connection else Peer(), demand)
        snapshot = self._keeper.current
        verdict = connection.judge(snapshot, self._now())
        if self._revocation is not None:
            plan = await connection.plan(verdict, snapshot, self._revocation)
            evidence = await self._revocation.judge(plan) if plan.questions else []
            scope["state"]["revocation"] = _note(plan, evidence)
        if not demand.anonymous:
            proven = self._access.judge(scope["headers"], demand, connection.peer.fingerprint)
            scope["state"]["access"] = proven
        return connection.peer

    def _anonymous(self, scope: MutableMapping[str, Any], peer: Peer, demand: Demand) -> Peer:
        """Without a certificate everything that is on must pass, and something must; which failed is not told."""
        if demand.anonymous or (self._open and not self._access.on):
            return peer
        try:
            proven = self._access.judge(scope["headers"], demand, _address(scope))
        except Failure as failure:
            raise Failure(Reason.NO_CERTIFICATE, f"no client certificate, and {failure}") from None
        if not proven:
            raise Failure(Reason.NO_CERTIFICATE, "a client certificate is needed")
        scope["state"]["access"] = proven
        return peer


def _address(scope: MutableMapping[str, Any]) -> str:
    """Whom an anonymous request comes from."""
    client = scope.get("client")
    return f"address {peer_of(client[0])}" if client else ""


def _note(plan: Plan, evidence: Sequence[Evidence]) -> str:
    """What goes into the audit line: which answers proved the peer unrevoked, or why none did."""
    if not plan.questions:
        return f"not checked: {plan.not_checked}"
    said = [f"good as of {_iso(one.this_update)}, {_source(one)}" for one in evidence]
    missing = len(plan.questions) - len(evidence)
    if missing:
        said.append(f"{missing} without an answer, allowed by hsmgate.ocsp.on-failure")
    return "; ".join(said)


def _source(evidence: Evidence) -> str:
    return f"response {evidence.digest[:32]}" if evidence.digest else evidence.responder


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
