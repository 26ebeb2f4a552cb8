"""Metrics for Prometheus: counted where things happen, or read from the parts when they are asked for."""

import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import HTTPServer
from itertools import accumulate
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, Counter, Histogram, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from hsmgate.errors import Failure, Reason
from hsmgate.record import Record

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_AT_ONCE = 8  # connections
_PATIENCE = 5.0  # seconds without a byte


class Number(Record):
    """One value. A name that ends in _total is a counter, any other a gauge; `label` is empty or one label."""

    name: str
    text: str
    value: float
    label: str = ""
    label_value: str = ""


class Distribution(Record):
    """A histogram: how many fell below each bound, and one more place for those above all."""

    name: str
    text: str
    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float


@dataclass
class Readings:
    """What was read at one moment."""

    numbers: list[Number] = field(default_factory=list)
    distributions: list[Distribution] = field(default_factory=list)

    def number(self, name: str, text: str, value: float, label: str = "", label_value: str = "") -> None:
        """Add one value."""
        self.numbers.append(Number(name, text, float(value), label, label_value))


class _Reading(Collector):
    def __init__(self, read: Callable[[], Readings]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        found = self._read()
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for one in found.numbers:
            kind = CounterMetricFamily if one.name.endswith("_total") else GaugeMetricFamily
            family = families.setdefault(one.name, kind(one.name, one.text, labels=[one.label] if one.label else None))
            family.add_metric([one.label_value] if one.label else [], one.value)
        yield from families.values()
        for spread in found.distributions:
            bounds = [*map(str, spread.bounds), "+Inf"]
            buckets = list(zip(bounds, map(float, accumulate(spread.counts)), strict=True))
            yield HistogramMetricFamily(spread.name, spread.text, buckets=buckets, sum_value=spread.total)


class _Scrape(WSGIRequestHandler):
    timeout = _PATIENCE

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has above
        """Scrapes are no events."""


class _Server(ThreadingMixIn, WSGIServer):
    """Anybody may come here, and nobody may take the service's threads and descriptors: few at once, none for long."""

    daemon_threads = True

    def __init__(self, family: int, address: Any) -> None:  # noqa: ANN401 - as getaddrinfo has it
        self.address_family = family
        self._room = threading.BoundedSemaphore(_AT_ONCE)
        super().__init__(address, _Scrape)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the class above
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread to be had
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """A client that went away, or was too slow."""


class Metrics:
    """What is counted. Names of keys and peers are never labels."""

    def __init__(self, read: Callable[[], Readings]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Reading(read))
        self._requests = Counter(
            "hsmgate_requests", "Requests by row and HTTP status", ["action", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "hsmgate_request_seconds",
            "Time to the answer, by row",
            ["action"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._server: tuple[HTTPServer, threading.Thread] | None = None

    def request(self, action: str, status: int, seconds: float) -> None:
        """One request was answered. `action`: method and path template, never a path as sent."""
        self._requests.labels(action, str(status)).inc()
        self._seconds.labels(action).observe(seconds)

    def serve(self, listen: str) -> None:
        """Serve on host:port in a thread. Failure: CONFIG_INVALID when it is taken."""
        host, _, port = listen.rpartition(":")
        try:
            family, _, _, _, address = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
            server = _Server(family, address)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise Failure(Reason.CONFIG_INVALID, f"hsmgate.metrics.listen: cannot listen on {listen}: {why}") from None
        server.set_app(make_wsgi_app(self.registry))
        thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
        thread.start()
        self._server = (server, thread)

    @property
    def port(self) -> int:
        """Where it is served; 0 where it is not."""
        return self._server[0].server_port if self._server else 0

    def close(self) -> None:
        """Stop serving."""
        if self._server is not None:
            server, thread = self._server
            server.shutdown()
            server.server_close()
            thread.join()
            self._server = None
