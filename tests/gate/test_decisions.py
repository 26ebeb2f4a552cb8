"""Every row of the decision table, with a real truststore, a real handshake and a real request."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hsmgate.errors import Failure, Reason
from hsmgate.gate.tls import TlsSettings
from hsmgate.pki import truststore
from hsmgate.pki.material import Material
from support import cast, decisions, gate, stores
from support.decisions import NO_START, REFUSED, Row, Seen


@pytest.fixture(scope="module")
def gates() -> Iterator[gate.Gates]:
    with gate.gates() as opened:
        yield opened


@pytest.fixture(scope="module")
def opened(gates: gate.Gates, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Row], tuple[int, dict[str, str]]]:
    """The port of the row's gate, and the alias of each truststore entry by its name in the table."""
    contents: dict[tuple[object, ...], bytes] = {}
    ports: dict[tuple[object, ...], tuple[int, dict[str, str]]] = {}

    def content_of(row: Row, folder: Path) -> bytes:
        wanted = (row.format, row.trust)
        if wanted not in contents:
            contents[wanted] = stores.write(row.format, [(name, cast.get(name)) for name in row.trust], folder)
        return contents[wanted]

    def open_for(row: Row) -> tuple[int, dict[str, str]]:
        wanted = (row.format, row.trust, row.issuers, row.pins, row.client_auth)
        if wanted not in ports:
            content = content_of(row, tmp_path_factory.mktemp("store"))
            store = truststore.read(content, stores.PASSWORD, "trust-store", hint=row.format)
            assert store.format == row.format
            entries = tuple((entry.alias, entry.der) for entry in store.entries)
            named = row.named
            material = Material(identity=gate.identity(), entries=entries, issuers=named["issuers"], pins=named["pins"])
            keeper = gates.keeper(lambda: material, TlsSettings(client_auth=row.client_auth), time.time)
            by_der = {cast.get(name).der: name for name in row.trust}
            ports[wanted] = gates.open(keeper, time.time), {by_der[der]: alias for alias, der in entries}
        return ports[wanted]

    return open_for


@pytest.mark.parametrize("row", decisions.rows(), ids=lambda row: row.name)
def test_row(row: Row, opened: Callable[[Row], tuple[int, dict[str, str]]], gates: gate.Gates) -> None:
    if row.expect == NO_START:
        with pytest.raises(Failure) as refusal:
            opened(row)
        assert refusal.value.reason is Reason.CONFIG_INVALID
        assert row.log_line in str(refusal.value)
        return
    port, aliases = opened(row)
    before = len(gates.logged)
    seen = decisions.over_loopback(row, port)
    role, _, name = row.expect.partition(":")
    expect = f"{role}:{aliases[name]}" if name else role
    assert seen == Seen(verdict=expect, alert=row.alert)
    refusals = [event for event in gates.logged[before:] if event["event"] == "handshake.refused"]
    if row.expect == REFUSED:
        assert any(row.log_line in event["detail"] for event in refusals), refusals
    elif not row.chooses_by_names:
        assert not refusals


def test_aliases_are_those_of_the_store(opened: Callable[[Row], tuple[int, dict[str, str]]]) -> None:
    for row in decisions.rows():
        if row.expect != NO_START and row.format != "DER":  # a DER file holds no alias
            assert all(name == alias for name, alias in opened(row)[1].items())


def test_table_is_whole() -> None:
    rows = decisions.rows()
    assert len({row.name for row in rows}) == len(rows) >= 80
    assert {row.format for row in rows} == {"PEM", "DER", "JKS", "JCEKS", "PKCS12"}
    assert {row.client_auth for row in rows} == {"need", "want", "none"}
    assert {row.tls for row in rows} == {"1.2", "1.3"}
    for row in rows:
        assert {*row.trust, *row.send, *row.issuers, *row.pins} <= set(cast.names())
        assert (row.expect == REFUSED) == bool(row.alert)


@pytest.mark.parametrize("row", [r for r in decisions.rows() if r.alert != "closed"], ids=lambda row: row.name)
def test_the_run_without_network_tells_the_same(row: Row) -> None:
    """What the mutation tests repeat is the same decision."""
    assert decisions.holds(row)
