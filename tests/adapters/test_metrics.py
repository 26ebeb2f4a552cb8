"""Metrics: what is counted and what is read is served in Prometheus' format, and nowhere else."""

import re
import socket
import threading
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hsmgate.adapters.metrics import Distribution, Metrics, Readings
from hsmgate.errors import Failure, Reason


def read() -> Readings:
    found = Readings()
    found.number("hsmgate_connections", "Open", 3)
    found.number("hsmgate_failures_total", "By reason", 2, "reason", "STALE")
    found.number("hsmgate_failures_total", "By reason", 5, "reason", "NONCE")
    found.distributions.append(Distribution("hsmgate_age_seconds", "Age", (1.0, 2.0), (4, 0, 1), 9.5))
    return found


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    made = Metrics(read)
    made.serve("127.0.0.1:0")
    yield made
    made.close()


def samples(metrics: Metrics) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics.port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        sample.name + "".join(f",{name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_readings_are_served_as_they_are_now(metrics: Metrics) -> None:
    found = samples(metrics)
    assert found["hsmgate_connections"] == 3
    assert found["hsmgate_failures_total,reason=STALE"] == 2
    assert found["hsmgate_failures_total,reason=NONCE"] == 5
    assert found["hsmgate_age_seconds_bucket,le=1.0"] == 4
    assert found["hsmgate_age_seconds_bucket,le=2.0"] == 4
    assert found["hsmgate_age_seconds_count"] == 5
    assert found["hsmgate_age_seconds_sum"] == 9.5


def test_requests_are_counted_by_row_and_status(metrics: Metrics) -> None:
    metrics.request("GET /v1/key", 200, 0.003)
    metrics.request("GET /v1/key", 200, 0.004)
    metrics.request("GET /v1/key", 403, 0.001)
    found = samples(metrics)
    assert found["hsmgate_requests_total,action=GET /v1/key,status=200"] == 2
    assert found["hsmgate_requests_total,action=GET /v1/key,status=403"] == 1
    assert found["hsmgate_request_seconds_count,action=GET /v1/key"] == 3


def test_a_port_that_is_taken_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Failure) as caught:
        Metrics(read).serve(f"127.0.0.1:{taken.getsockname()[1]}")
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert re.fullmatch(r"hsmgate\.metrics\.listen: cannot listen on 127\.0\.0\.1:\d+: .+", caught.value.detail)


def test_closing_twice_is_harmless(metrics: Metrics) -> None:
    metrics.close()
    metrics.close()
    assert metrics.port == 0


def test_silent_clients_take_few_threads_and_leave_room_again(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hsmgate.adapters.metrics._Scrape.timeout", 0.3)
    before = threading.active_count()
    silent = [socket.create_connection(("127.0.0.1", metrics.port)) for _ in range(40)]
    turned_away = silent[-1]
    turned_away.settimeout(10)
    assert turned_away.recv(1) == b""
    assert threading.active_count() - before <= 8
    for one in silent[:8]:
        one.settimeout(10)
        assert one.recv(1) == b""  # waited for in vain
    assert samples(metrics)["hsmgate_connections"] == 3
    for one in silent:
        one.close()
    assert capfd.readouterr().err == ""
