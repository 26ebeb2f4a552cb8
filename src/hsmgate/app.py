"""The composition root: Config -> parts -> server. Reading it names the whole system."""

import asyncio
import functools
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from typing import cast

import uvloop

from hsmgate import __version__
from hsmgate.adapters import listening
from hsmgate.adapters.log import make_log
from hsmgate.adapters.log_stdlib import forward_stdlib
from hsmgate.api.dispatch import Dispatcher, Log
from hsmgate.api.pages.table import documents
from hsmgate.api.problems import answer
from hsmgate.config import Config
from hsmgate.gate.admission import Admission
from hsmgate.gate.http import BoundedHttp
from hsmgate.gate.protocol import Gatehouse
from hsmgate.gate.server import GateServer, below_the_gate
from hsmgate.gauges import metrics_of
from hsmgate.opening import Parts, open_parts, ports_of
from hsmgate.publishing import publishing
from hsmgate.responding import Responder, open_responder
from hsmgate.running import Course, beside_requests, described, note, site_rules
from hsmgate.upkeep import Upkeep
from hsmgate.usecases.ports import AuditEvent
from hsmgate.usecases.service import CONTRACT_VERSION
from hsmgate.workers import Place, is_first, listener_of

THREADS = 4  # worker threads for calls that block; more only fight for the interpreter lock


def serve(config: Config, announce: Callable[[int], None], place: Place | None = None) -> None:
    """Serve until SIGTERM or SIGINT. `announce` is called with the port once it listens; `place`: as one of several
    workers. Failure: as open_parts.
    """
    os.umask(0o077)  # nothing that is made here is anybody else's
    listening.forbid_core_dumps()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to reload
    log = make_log(sys.stderr, now=time.time, monotonic=time.monotonic, json=config.hsmgate.log.format == "json")
    forward_stdlib(log)
    if line := listening.allow_descriptors(config.hsmgate.limits.connections):
        log.warning("limits.descriptors", detail=line)
    with ExitStack() as ends:  # undone from its last line to its first
        listener = listener_of(place, config.server.address, config.server.port)
        ends.callback(listener.close)
        parts = open_parts(config, log)
        ends.callback(parts.close)
        asked_for = is_first(place) and config.hsmgate.responder.listen
        responder = open_responder(config, parts.database, log, lambda: parts.keystore) if asked_for else None
        listening.listen(listener)
        parts.audit.append(AuditEvent("event", "start", result="ok", detail={"version": __version__}))
        ends.callback(note, parts, AuditEvent("event", "end", result="ok"))
        executor = ThreadPoolExecutor(THREADS, "worker")
        ends.callback(executor.shutdown, cancel_futures=True)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(config, parts, responder, executor, listener, announce, place))


async def _run(
    config: Config,
    parts: Parts,
    responder: Responder | None,
    executor: Executor,
    listener: socket.socket,
    announce: Callable[[int], None],
    place: Place | None,
) -> None:
    """Everything that requests go through, and what runs beside them."""
    ports = ports_of(config, parts)
    is_open = parts.plan.open_to_anonymous
    admission = Admission(parts.keeper, parts.revocation, time.time, parts.access, open_to_anonymous=is_open)
    hosts, log = config.hsmgate.hosts, cast("Log", parts.log)
    house = Gatehouse(parts.keeper, parts.limits, answer, time.time, parts.log) if parts.keeper else None
    metrics = metrics_of(config, parts, house, place.number if place else 0, responder)
    dispatcher = Dispatcher(
        ports,
        admission,
        executor,
        site_rules(parts, hosts),
        log,
        observe=metrics.request,
        documents=documents(described(parts, CONTRACT_VERSION)) if config.swagger_enabled else {},
        strict_roles=config.api_authentication.strict_roles,
    )
    upkeep = Upkeep(ports, config.hsmgate.requests.keep, parts.log)
    others = (upkeep.run, *publishing(config, parts, place), *(responder.background if responder else ()))
    beside = beside_requests(place, config.hsmgate.health.socket)
    course = Course(parts, dispatcher, house, executor, hosts, config.hsmgate.trust.reload, *beside)
    url = listening.url_of(listener, "https" if house else "http")
    announced = functools.partial(announce, listener.getsockname()[1])
    started = functools.partial(course.started, f"API Version: {CONTRACT_VERSION}", url, announced)
    plain = functools.partial(BoundedHttp, limits=parts.limits, problem=answer)
    server = GateServer(
        below_the_gate(dispatcher, house.protocol if house else plain, listening.BACKLOG),
        on_started=functools.partial(course.started_as, place) if place else started,
        on_hangup=course.reload,
        on_ending=course.ending,
        background=(*course.background, *others),
    )
    try:
        if responder is not None:
            await responder.start()
        await server.serve(sockets=[listener])
    finally:
        metrics.close()
        if responder is not None:
            await responder.stop()
        await course.ended()
