"""The issuer of a pinned certificate: needed to ask for it and to know who may answer; it makes nobody trusted."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID

from hsmgate.errors import Failure, Reason
from hsmgate.pki import ocsp
from hsmgate.pki import path as paths
from hsmgate.pki.ocsp_issuer import proves_issuer
from hsmgate.pki.trust import TrustSet, fingerprint

MOST_FETCHED = 1000  # issuers kept that came over the network
MOST_URLS = 2  # caIssuers entries of one certificate that are asked

Fetch = Callable[[str, float], Awaitable[bytes]]


class Issuers:
    """Looks in the truststore, in what the client sent, in `extra` (hsmgate.ocsp.issuers), then at AIA caIssuers."""

    def __init__(self, extra: Iterable[bytes], fetch: Fetch, timeout: float) -> None:
        """`extra`: DER; `timeout`: seconds for all URLs of one certificate. Failure: BAD_CERTIFICATE."""
        self._extra = [paths.parse(der) for der in extra]
        self._fetch = fetch
        self._timeout = timeout
        self._trust: TrustSet | None = None
        self._by_subject: dict[bytes, list[x509.Certificate]] = {}
        self._fetched: OrderedDict[str, x509.Certificate] = OrderedDict()
        self._running: dict[str, asyncio.Task[x509.Certificate | None]] = {}

    def at_hand(self, cert: x509.Certificate, sent: Iterable[bytes], trust: TrustSet) -> x509.Certificate | None:
        """The proven issuer, without asking anybody."""
        known = self._index(trust).get(cert.issuer.public_bytes(), [])
        for candidate in (*known, *_parsed(sent), *self._extra):
            if proves_issuer(cert, candidate):
                return candidate
        return self._fetched.get(_id(cert))

    async def over_network(self, cert: x509.Certificate) -> x509.Certificate:
        """The proven issuer, fetched; several that want the same one share the fetching. Failure: OCSP_NO_ISSUER."""
        name = _id(cert)
        task = self._running.get(name)
        if task is None:
            task = self._running[name] = asyncio.create_task(self._search(cert))
            task.add_done_callback(lambda _: self._running.pop(name))
        found = self._fetched.get(name) or await asyncio.shield(task)
        if found is None:
            raise Failure(
                Reason.OCSP_NO_ISSUER,
                f"{paths.name_of(cert)} ({name}) names a responder, but its issuer {cert.issuer.rfc4514_string()} is"
                " not known, so nobody can be asked about it. Put the issuer's certificate into a file and add to the"
                " configuration: hsmgate.ocsp.issuers: ['file:issuer.pem']",
            )
        return found

    async def _search(self, cert: x509.Certificate) -> x509.Certificate | None:
        try:
            async with asyncio.timeout(self._timeout):
                urls = ocsp.access_locations(cert, AuthorityInformationAccessOID.CA_ISSUERS) or []
                for url in urls[:MOST_URLS]:
                    candidate = await self._candidate(url, self._timeout / min(len(urls), MOST_URLS))
                    if candidate is not None and proves_issuer(cert, candidate):
                        self._fetched[_id(cert)] = candidate
                        if len(self._fetched) > MOST_FETCHED:
                            self._fetched.popitem(last=False)
                        return candidate
        except TimeoutError:
            return None
        return None

    async def _candidate(self, url: str, share: float) -> x509.Certificate | None:
        try:
            return paths.parse(await self._fetch(url, share))
        except Failure:
            return None

    def _index(self, trust: TrustSet) -> dict[bytes, list[x509.Certificate]]:
        """Entries of the truststore by subject; made once for each snapshot of trust."""
        if self._trust is not trust:
            by_subject: dict[bytes, list[x509.Certificate]] = {}
            for cert in _parsed(entry.der for entry in trust.entries):
                by_subject.setdefault(cert.subject.public_bytes(), []).append(cert)
            self._trust, self._by_subject = trust, by_subject
        return self._by_subject


def _id(cert: x509.Certificate) -> str:
    return fingerprint(cert.public_bytes(Encoding.DER))


def _parsed(ders: Iterable[bytes]) -> list[x509.Certificate]:
    """What parses of it: a client may send anything beside its certificate."""
    found = []
    for der in ders:
        try:
            found.append(paths.parse(der))
        except Failure:
            continue
    return found
