"""`hsmgate check`: load everything as `serve` would, and say what it amounts to."""

import asyncio
import errno
import sys
import time

from hsmgate import responding
from hsmgate.adapters import listening
from hsmgate.adapters.log import make_log
from hsmgate.adapters.log_stdlib import forward_stdlib
from hsmgate.adapters.ocsp_http import Responders
from hsmgate.adapters.pkcs11.keystore import TokenKeystore
from hsmgate.adapters.sql import kind_of, look
from hsmgate.cli import revocation_notes, tables
from hsmgate.cli.rehearsal import rehearsed
from hsmgate.config import Config, Ocsp
from hsmgate.errors import Failure
from hsmgate.opening import open_parts
from hsmgate.pki import path as paths
from hsmgate.pki.trust import Role, TrustEntry
from hsmgate.record import Record

_EMPTY_REQUEST = bytes.fromhex("300430023000")  # OCSPRequest of an empty requestList


class Row(Record):
    """One entry of the truststore."""

    alias: str
    role: str
    sha256: str
    expires: str
    subject: str
    revocation: str
    note: str


def report(config: Config, *, as_json: bool) -> None:
    """Print what `serve` would run on, and change nothing; warnings go to stderr. Failure: where `serve` refuses."""
    log = make_log(sys.stderr, now=time.time, monotonic=time.monotonic)
    forward_stdlib(log)
    _try_address(config.server.address, config.server.port)
    if config.hsmgate.metrics.listen:
        host, _, port = config.hsmgate.metrics.listen.rpartition(":")
        _try_address(host.strip("[]"), int(port))
    if config.hsmgate.responder.listen:
        host, _, port = config.hsmgate.responder.listen.rpartition(":")
        _try_address(host.strip("[]"), int(port))
    with rehearsed(config) as there:
        parts = open_parts(there, log, rehearsal=True)
        try:
            if config.hsmgate.responder.listen:
                responding.check_sources(there, log)
            parts.keystore.ping()
            keys = len(parts.keystore.labels())
            if isinstance(parts.keystore, TokenKeystore):
                tables.warn(f"token {config.hsm.pkcs11.token}: {remark}" for remark in parts.keystore.remarks())
            entries = parts.keeper.current.trust.entries if parts.keeper else ()
            tls, client_auth = parts.plan.tls, parts.plan.client_auth
        finally:
            parts.close()
    rows = [row_of(entry, config.hsmgate.ocsp) for entry in entries]
    _try_responders([entry.der for entry in entries if entry.role is Role.PIN], config.hsmgate.ocsp)
    facts = {
        "configuration": ", ".join(map(str, config.files)),
        "listens": f"{'https' if tls else 'http'}://{config.server.address}:{config.server.port}",
        "client-auth": client_auth,
        "database": _database(config),
        "keystore": f"{config.hsm.backend}, {keys} keys",
        "data-dir": str(config.hsmgate.data_dir),
    }
    if as_json:
        tables.print_json({"facts": facts, "entries": rows})
        return
    for name, value in facts.items():
        print(f"{name}: {tables.plain(value)}")
    tables.show(rows, as_json=False)
    print("ok")


def _database(config: Config) -> str:
    """Product, version, place, and which tables it has."""
    source = config.datasource
    given = (source.url, source.username, source.password, config.hsmgate.data_dir)
    found = look(*given)
    return f"{kind_of(*given)}, {f'tables {found.found}' if found.found else 'no tables yet'}"


def _try_address(address: str, port: int) -> None:
    """A port in use is a warning: the service that is checked may be the one that runs."""
    try:
        listening.bind(address, port).close()
    except Failure as failure:
        if failure.evidence != errno.EADDRINUSE:
            raise
        tables.warn([f"{address} port {port} is in use, by this service or another"])


def _try_responders(pins: list[bytes], settings: Ocsp) -> None:
    """A responder that cannot be asked is a warning: it may be back when the service starts."""
    for url in revocation_notes.urls_to_try(pins, settings):
        try:
            asyncio.run(_knock(url, settings))
        except Failure as failure:
            tables.warn([f"the responder {url}: {failure}"])


async def _knock(url: str, settings: Ocsp) -> None:
    """Whether an OCSP responder answers there, whatever it says: the request asks for nothing (RFC 6960 4.1.1)."""
    responders = Responders(settings.allowed_responders)
    try:
        await responders.ask(url, _EMPTY_REQUEST, settings.timeout)
    finally:
        await responders.close()


def row_of(entry: TrustEntry, ocsp: Ocsp) -> Row:
    """What there is to say of an entry, with the line to add where it may be meant otherwise."""
    cert = paths.parse(entry.der)
    constraints = paths.basic_constraints(cert)
    note = ""
    if entry.role is Role.PIN and constraints is None:
        note = f"lets in this one certificate; if it may issue: hsmgate.trust.issuers: [{entry.sha256}]"
    elif entry.role is Role.ISSUER and cert.subject == cert.issuer:
        note = f"lets in what it signed; if it is one client: hsmgate.trust.pins: [{entry.sha256}]"
    return Row(
        alias=entry.alias,
        role=entry.role.value,
        sha256=entry.sha256,
        expires=f"{cert.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
        subject=cert.subject.rfc4514_string(),
        revocation=revocation_notes.note(entry.der, is_pin=entry.role is Role.PIN, settings=ocsp),
        note=note,
    )
