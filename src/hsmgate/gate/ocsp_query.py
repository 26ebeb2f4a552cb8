"""One OCSP query: all URLs of a certificate in order within one deadline, then the word of the one who signed."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hsmgate.errors import Failure, Reason
from hsmgate.pki import ocsp
from hsmgate.pki import path as paths
from hsmgate.pki.ocsp_signer import Signers
from hsmgate.pki.ocsp_url import MAX_URLS
from hsmgate.pki.trust import fingerprint
from hsmgate.usecases.revocation import Revocation


class Responders(Protocol):
    """Asks over HTTP. Failure: OCSP_NO_ANSWER, OCSP_HTTP, OCSP_ADDRESS."""

    async def ask(self, url: str, request: bytes, timeout: float) -> bytes: ...  # noqa: ASYNC109

    async def fetch(self, url: str, timeout: float) -> bytes: ...  # noqa: ASYNC109


class OcspQuery:
    """Asks and judges. `random` gives octets, `now` Unix seconds; `timeout` in seconds, `cert_id`: sha1 | sha256."""

    def __init__(
        self,
        responders: Responders,
        revocation: Revocation,
        rules: ocsp.Rules,
        cert_id: str,
        timeout: float,
        random: Callable[[int], bytes],
        now: Callable[[], float],
    ) -> None:
        self._responders = responders
        self._revocation = revocation
        self._rules = rules
        self._signers = Signers(rules.trusted_responders)
        self._cert_id = cert_id
        self._timeout = timeout
        self._random = random
        self._now = now

    async def prove(self, cert: x509.Certificate, issuer: x509.Certificate, urls: Sequence[str]) -> ocsp.Evidence:
        """Evidence of GOOD. Failure: REVOKED, STATUS_UNKNOWN, OCSP_*."""
        deadline = asyncio.get_running_loop().time() + self._timeout
        failure: Failure | None = None
        try:
            evidence = await self._ask(cert, issuer, urls, deadline)
        except Failure as error:
            if not isinstance(error.evidence, ocsp.Evidence):
                raise
            failure, evidence = error, error.evidence
        if evidence.unchecked_delegate is not None:  # nobody's word counts before the speaker is known to be good
            delegate = paths.parse(evidence.unchecked_delegate)
            evidence = _both(evidence, await self._check_delegate(delegate, issuer, urls, deadline))
        if failure is not None:
            raise Failure(failure.reason, failure.detail, evidence)
        return evidence

    async def _ask(
        self, cert: x509.Certificate, issuer: x509.Certificate, urls: Sequence[str], deadline: float
    ) -> ocsp.Evidence:
        """The next URL only after no answer; each has its share of the time that is left."""
        nonce = None if self._rules.nonce == "off" else self._random(ocsp.NONCE_OCTETS)
        request = ocsp.make_request(cert, issuer, self._cert_id, nonce)
        clock = asyncio.get_running_loop().time
        silent: Failure | None = None
        forbidden: Failure | None = None
        for count, url in enumerate(urls):
            share = max(deadline - clock(), 0.001) / (len(urls) - count)
            try:
                answer = await self._responders.ask(url, request, share)
                return ocsp.judge(answer, cert, issuer, nonce, self._now(), self._rules, self._signers)
            except Failure as failure:
                if failure.reason is Reason.OCSP_ADDRESS:
                    forbidden = failure
                elif failure.reason is Reason.OCSP_NO_ANSWER:
                    silent = failure
                else:
                    raise
        raise silent or forbidden or Failure(Reason.OCSP_NO_RESPONDER, "no responder is named")

    async def _check_delegate(
        self, delegate: x509.Certificate, issuer: x509.Certificate, urls: Sequence[str], deadline: float
    ) -> ocsp.Evidence:
        """A delegate without ocsp-nocheck must be good by another's word than its own. RFC 6960 4.2.2.2.1.

        Asked where it says itself, else where the client's status comes from: the issuer is the same.
        """
        named = ocsp.responder_urls(delegate) or urls

        async def ask() -> ocsp.Evidence:
            return await self._ask(delegate, issuer, named[:MAX_URLS], deadline)

        name = "delegate:" + fingerprint(delegate.public_bytes(Encoding.DER))
        why = f"the responder's certificate {paths.name_of(delegate)} carries no ocsp-nocheck and"
        try:
            proof = await self._revocation.check(name, ask, deadline, reuse=False)
        except Failure as failure:
            if failure.reason is Reason.OCSP_NO_ANSWER:
                raise
            raise Failure(Reason.OCSP_RESPONDER, f"{why} is not proven good: {failure}") from None
        if proof is None:
            raise Failure(Reason.OCSP_NO_ANSWER, f"{why} nobody answers for it")
        if proof.evidence.unchecked_delegate is not None:
            raise Failure(Reason.OCSP_RESPONDER, f"{why} is vouched for by one that nobody vouches for")
        return proof.evidence


def _both(evidence: ocsp.Evidence, delegate: ocsp.Evidence) -> ocsp.Evidence:
    """What is said holds only as long as the speaker is known to be good."""
    ends = [end for end in (evidence.next_update, delegate.next_update) if end is not None]
    return msgspec.structs.replace(evidence, next_update=min(ends, default=None), unchecked_delegate=None)
