"""A gate without a network: real trust, real TLS in memory, a clock that is set."""

import asyncio
from typing import Any

import pytest
import structlog
from cryptography.x509 import load_der_x509_certificate

from hsmgate.errors import Failure, Reason
from hsmgate.gate.access import Access
from hsmgate.gate.admission import Admission, Connection
from hsmgate.gate.keeper import Snapshot, TrustKeeper
from hsmgate.gate.roles import Demand
from hsmgate.gate.tls import Channel, TlsSettings
from hsmgate.pki.material import Identity, Material
from hsmgate.pki.peer import Peer
from hsmgate.pki.trust import fingerprint
from support import certs
from support.certs import Made
from support.tls_client import TlsClient, in_memory

ROOT = certs.authority("root")
ALICE = certs.client("alice", ROOT)
SERVER = certs.make("localhost")
IDENTITY = Identity(key_der=SERVER.key_der, chain=(SERVER.der,))
START = load_der_x509_certificate(ALICE.der).not_valid_before_utc.timestamp()
END = load_der_x509_certificate(ALICE.der).not_valid_after_utc.timestamp()


class Clock:
    def __init__(self) -> None:
        self.now = START + 1000

    def __call__(self) -> float:
        return self.now


class Stage:
    """A gate without a network: its truststore is `trusted`, its clock is `clock`."""

    def __init__(
        self,
        *trusted: Made,
        client_auth: str = "need",
        open_to_anonymous: bool = False,
        access: Access | None = None,
    ) -> None:
        self.clock = Clock()
        self.trusted = trusted
        log = structlog.wrap_logger(structlog.PrintLogger(), processors=[self._drop])
        settings = TlsSettings(client_auth=client_auth)
        self.keeper = TrustKeeper(self._material, lambda: b"", settings, self.clock, log)
        self.admission = Admission(
            self.keeper, None, self.clock, access or Access(), open_to_anonymous=open_to_anonymous
        )

    @staticmethod
    def _drop(_logger: object, _method: str, event: Any) -> Any:
        del event
        raise structlog.DropEvent

    def _material(self) -> Material:
        entries = tuple((f"entry {number}", made.der) for number, made in enumerate(self.trusted))
        return Material(identity=IDENTITY, entries=entries)

    def swap(self, *trusted: Made) -> Snapshot:
        self.trusted = trusted
        asyncio.run(self.keeper.refresh(force=True))
        return self.keeper.current

    def connect(self, certificate: Made | None, *extra: Made) -> Connection:
        snapshot = self.keeper.current
        channel = Channel(snapshot.context, snapshot.trust, self.clock)
        assert in_memory(channel, TlsClient(None, certificate, [made.der for made in extra])) is None
        assert channel.established
        verdict = channel.verdict
        if certificate is None or verdict is None:
            return Connection(Peer(), channel, snapshot)
        peer = Peer(
            fingerprint=fingerprint(certificate.der),
            leaf_der=certificate.der,
            chain_der=verdict.path,
            trusted_by=verdict.trusted_by,
        )
        return Connection(peer, channel, snapshot)

    def ask(self, connection: Connection | None, *, anonymous_row: bool = False) -> Peer:
        scope = {"state": {"connection": connection}, "headers": []}
        return asyncio.run(self.admission(scope, Demand(anonymous=anonymous_row)))

    def refused(self, connection: Connection | None, *, anonymous_row: bool = False) -> Reason:
        with pytest.raises(Failure) as caught:
            self.ask(connection, anonymous_row=anonymous_row)
        return caught.value.reason
