"""`hsmgate ocsp serve`: the responder without the gate, from the configuration that the gate has."""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Literal

import msgspec
import uvloop

from hsmgate import responding
from hsmgate.adapters import listening
from hsmgate.adapters.log import make_log
from hsmgate.adapters.log_stdlib import forward_stdlib
from hsmgate.adapters.private_files import make_folder
from hsmgate.adapters.sql.connect import connect
from hsmgate.adapters.sql.database import Database
from hsmgate.config import Config, Hsmgate, Responder, Source, load, units
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record
from hsmgate.responder import alone
from hsmgate.responder.listener import LIMITS

DEFAULT_LISTEN = "127.0.0.1:2560"  # the port that OCSP responders have had for long


def configured(config: Path | None, profile: str | None, listen: str | None) -> Config:
    """The configuration, with the address of the command line where one is given. Failure: CONFIG_INVALID."""
    environ = dict(os.environ)
    if listen is not None:
        environ["HSMGATE_RESPONDER_LISTEN"] = listen
    loaded = load(config, profile, environ, Path.cwd())
    if loaded.hsmgate.responder.listen:
        return loaded
    given = msgspec.structs.replace(loaded.hsmgate.responder, listen=DEFAULT_LISTEN)
    return msgspec.structs.replace(loaded, hsmgate=msgspec.structs.replace(loaded.hsmgate, responder=given))


class Given(Record):
    """The command line of a responder without configuration."""

    issuer: Path
    signer: Path
    signer_password: str | None
    index: Path | None
    crl: str | None
    unlisted: Literal["good", "refuse"]


def unconfigured(given: Given, listen: str | None) -> Config:
    """A configuration for one authority, without a database. Failure: CONFIG_INVALID."""
    is_url = given.crl is not None and given.crl.lower().startswith(("http:", "https:"))
    try:
        where = units.listen(listen or DEFAULT_LISTEN)
        url = units.http_url(given.crl) if is_url and given.crl is not None else None
    except ValueError as error:
        raise Failure(Reason.CONFIG_INVALID, f"the command line: {error}") from None
    source = Source(
        issuer=given.issuer,
        signer=given.signer,
        signer_password=given.signer_password,
        index=given.index,
        crl=Path(given.crl) if given.crl is not None and not is_url else None,
        crl_url=url,
        unlisted=given.unlisted,
    )
    here = Path.cwd()
    responder = Responder(listen=where, sources={"authority": source})
    return Config(folder=here, files=(), hsmgate=Hsmgate(data_dir=here, responder=responder))


def serve(config: Config) -> None:
    """Serve until told to end. Failure: what is wrong with the configuration, in one line."""
    os.umask(0o077)
    listening.forbid_core_dumps()
    as_json = config.hsmgate.log.format == "json"
    log = make_log(sys.stderr, now=time.time, monotonic=time.monotonic, json=as_json)
    forward_stdlib(log)
    for line in config.warnings:
        log.warning("config.warning", detail=line)
    if line := listening.allow_descriptors(LIMITS.connections):
        log.warning("limits.descriptors", detail=line)
    database = _database(config) if config.files else None
    try:
        responder = responding.open_responder(config, database, log)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(alone.run(responder.start, responder.stop, responder.background))
    finally:
        if database is not None:
            database.close()


def _database(config: Config) -> Database:
    make_folder(config.hsmgate.data_dir)
    source = config.datasource
    return connect(source.url, source.username, source.password, config.hsmgate.data_dir)
