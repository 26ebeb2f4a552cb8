"""The decision table: its rows, and what a client sees when a row is tried over loopback or in memory."""

import time
import tomllib
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

from hsmgate.errors import Failure
from hsmgate.gate import tls
from hsmgate.pki import trust
from hsmgate.record import Record
from support import cast, gate
from support.certs import Made
from support.tls_client import Outcome, TlsClient, in_memory, visit

TABLE = Path(__file__).parent.parent / "gate" / "decision_table.toml"
REFUSED, NO_START, ANONYMOUS = "refused", "no start", "anonymous"


class Row(Record):
    """See the head of decision_table.toml."""

    name: str
    trust: tuple[str, ...]
    send: tuple[str, ...]
    expect: str
    tls: str
    alert: str = ""
    format: str = "PEM"
    client_auth: str = "need"
    issuers: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    chooses_by_names: bool = False
    log: str = ""

    @property
    def named(self) -> dict[str, frozenset[str]]:
        """hsmgate.trust.issuers and .pins."""
        return {
            "issuers": frozenset(cast.get(name).sha256 for name in self.issuers),
            "pins": frozenset(cast.get(name).sha256 for name in self.pins),
        }

    @property
    def log_line(self) -> str:
        """What the log must hold, names replaced by fingerprints."""
        text = self.log
        for name in self.trust:
            text = text.replace("{" + name + "}", cast.get(name).sha256)
        return text


class Seen(Record):
    """A row's result: how the client was trusted, or refused with which alert."""

    verdict: str
    alert: str = ""


@lru_cache(maxsize=1)
def rows() -> tuple[Row, ...]:
    """The whole table."""
    return tuple(msgspec.convert(tomllib.loads(TABLE.read_text())["row"], tuple[Row, ...]))


def row(name: str) -> Row:
    (found,) = (r for r in rows() if r.name == name)
    return found


def _attempt(row: Row, run: Callable[[TlsClient], Outcome]) -> Outcome:
    chain: Sequence[Made] = [cast.get(name) for name in row.send]
    if row.chooses_by_names and chain:
        probe = TlsClient(row.tls)
        run(probe)
        names = [name.der() for name in probe.connection.get_client_ca_list()]
        if names and not any(made.der.find(name) >= 0 for made in chain[:1] for name in names if name != made.subject):
            chain = []
    return run(TlsClient(row.tls, chain[0] if chain else None, [made.der for made in chain[1:]]))


def _seen(outcome: Outcome) -> Seen:
    if outcome.response is not None:
        head, _, body = outcome.response.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), outcome.response
        return Seen(verdict=body.decode())
    return Seen(verdict=REFUSED, alert=outcome.alert or "closed")


def over_loopback(row: Row, port: int) -> Seen:
    """A real handshake and request."""
    return _seen(_attempt(row, lambda client: visit(port, client)))


def without_network(row: Row) -> tuple[Seen, str]:
    """The same decision code without sockets and files, for many repetitions; and what the log would say."""
    said = ""
    entries = [(name, cast.get(name).der) for name in row.trust]
    try:
        trusted = trust.build(entries, row.named["issuers"], row.named["pins"])
        context = tls.build_context(gate.identity(), trusted, tls.TlsSettings(client_auth=row.client_auth))
    except Failure as failure:
        return Seen(verdict=NO_START), str(failure)

    def run(client: TlsClient) -> Outcome:
        nonlocal said
        channel = tls.Channel(context, trusted, time.time)
        said = str(in_memory(channel, client) or "")
        if not channel.established or client.alert:
            return Outcome(response=None, alert=client.alert)
        verdict = channel.verdict.trusted_by if channel.verdict else ANONYMOUS
        return Outcome(response=b"HTTP/1.1 200 OK\r\n\r\n" + verdict.encode(), alert=None)

    return _seen(_attempt(row, run)), said


def holds(row: Row) -> bool:
    """Whether a row is as the table says, without a network; where a connection ends by its size only that runs."""
    seen, said = without_network(row)
    return seen == Seen(verdict=row.expect, alert=row.alert) and row.log_line in said
