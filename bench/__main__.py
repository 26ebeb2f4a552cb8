"""Run the suite: rounds of every row on both servers in turn; prints a table, writes JSON and an SVG chart."""

import argparse
import json
import platform
import shutil
import ssl
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import answers, load, revocation, servers, token
from bench.chart import chart

ANSWER = '["attestation-example","bench-p256"]'
SIGN = {
    "signRequest": {
        "payload": "aGVsbG8gd29ybGQ=",
        "payloadType": "UNSPECIFIED",
        "signKeyName": "bench-p256",
        "signatureAlgorithm": "SHA256_WITH_ECDSA",
        "signatureType": "DER",
    }
}
KEY = {
    "label": "bench-p256",
    "algorithm": "EC",
    "curveOid": "1.2.840.10045.3.1.7",
    "attributes": {"sign": True, "decrypt": False, "unwrap": False, "destroyable": True},
}


_CELLS = (("cpu_us", "CPU"), ("latency_us", "latency"))
_RATIOS = (("cpu_ratio", "CPU"), ("latency_ratio", "latency"))


@dataclass
class Row:
    """One row: what is done, how often a round, and the CPU microseconds per request of each round."""

    name: str
    count: int
    run: Callable[[ssl.SSLContext, int, int], None]
    results: dict[str, list[float]]
    walls: dict[str, list[float]]


def rows(scale: float) -> list[Row]:
    get, sign = load.request("GET", "/v1/key"), load.request("POST", "/v1/synchronousSign", SIGN)

    def of(name: str, count: int, run: Callable[[ssl.SSLContext, int, int], None]) -> Row:
        return Row(name, max(load.CONNECTIONS, int(count * scale)), run, {}, {})

    return [
        of("keep-alive GET /v1/key", 8000, lambda context, port, n: load.keep_alive(context, port, get, n)),
        of("full handshake + GET", 800, lambda context, port, n: load.handshakes(context, port, get, n)),
        of("keep-alive P-256 sign", 4000, lambda context, port, n: load.keep_alive(context, port, sign, n)),
    ]


def measure(row: Row, server: servers.Server, context: ssl.SSLContext) -> None:
    before, start = server.cpu(), time.monotonic()
    row.run(context, server.port, row.count)
    wall, cpu = time.monotonic() - start, server.cpu() - before
    row.results.setdefault(server.name, []).append(cpu / row.count * 1e6)
    row.walls.setdefault(server.name, []).append(row.count / wall)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of requests")
    parser.add_argument("--out", type=Path, default=Path("bench/out"))
    options = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="hsmgate-bench-"))
    try:
        place = servers.make_place(scratch / "quickstart")
        context = load.client_context(place.ca, place.client_pem)
        with servers.hsmgate(place, servers.with_own_pki(place)) as ours, servers.nginx(place, ANSWER) as reference:
            load.keep_alive(context, ours.port, load.request("POST", "/v1/key", KEY), load.CONNECTIONS, (201, 400))
            table = rows(options.scale)
            for number in range(options.rounds + 1):
                for row in table:
                    for server in (ours, reference):
                        measure(row, server, context)
                        if number == 0:  # the first round warms up
                            row.results.clear()
                            row.walls.clear()
        checks = revocation.measure(place, options.rounds, options.scale)
        answered = answers.measure(scratch / "responder", options.rounds, options.scale)
        signing = token.measure(scratch / "token", options.rounds, options.scale)
    finally:
        shutil.rmtree(scratch)
    report(table, checks, answered, signing, options.out, options.rounds)


def report(
    table: list[Row],
    checks: list[dict[str, float | str]],
    answered: list[dict[str, float | str]],
    signing: list[dict[str, float | str]],
    out: Path,
    rounds: int,
) -> None:
    """Print medians; ratios are of rounds side by side."""
    lines = []
    for row in table:
        pairs = list(zip(row.results["hsmgate"], row.results["nginx"], strict=True))
        lines.append(
            {
                "row": row.name,
                "hsmgate_us": statistics.median(row.results["hsmgate"]),
                "nginx_us": statistics.median(row.results["nginx"]),
                "ratio": statistics.median(a / b for a, b in pairs if b),
                "ratio_min": min((a / b for a, b in pairs if b), default=0.0),
                "ratio_max": max((a / b for a, b in pairs if b), default=0.0),
                "hsmgate_per_s": statistics.median(row.walls["hsmgate"]),
                "nginx_per_s": statistics.median(row.walls["nginx"]),
            }
        )
    print(f"server CPU per request, one process each, {rounds} rounds; ratio: hsmgate / nginx answering a constant")
    print(f"{'':26}{'hsmgate':>12}{'nginx':>12}{'ratio':>8}{'(min-max)':>16}")
    for line in lines:
        span = f"({line['ratio_min']:.1f}-{line['ratio_max']:.1f})"
        print(
            f"{line['row']:26}{line['hsmgate_us']:>9.0f} us{line['nginx_us']:>9.0f} us{line['ratio']:>8.1f}{span:>16}"
        )
    print("\nwhat the OCSP check adds: one client, keep-alive; ratios to the check switched off")
    for check in checks:
        cells = [f"{check[name]:>9.0f} us {title}" for name, title in _CELLS if name in check]
        cells += [f"x{check[name]:.2f} {title}" for name, title in _RATIOS if name in check]
        print(f"{check['row']:40}{'   '.join(cells)}")
    print("\nour own OCSP responder, P-256; server CPU of one answer, beside a bare signature")
    for one in answered:
        print(f"{one['row']:40}{one['cpu_us']:>9.0f} us CPU{one['per_s_and_core']:>9.0f} per s and core")
    print("\nsigning in SoftHSM2, CPU per signature; share: bare loop of C_SignInit and C_Sign / hsmgate's keystore")
    for way in signing:
        print(
            f"{way['row']:26}{way['hsmgate_us']:>9.0f} us{way['bare_us']:>9.0f} us{way['share']:>8.2f}"
            f"{way['hsmgate_per_s']:>12.0f}/s{way['bare_per_s']:>9.0f}/s"
        )
    bars = [
        (row.name, statistics.median(row.results["hsmgate"]), statistics.median(row.results["nginx"])) for row in table
    ]
    out.mkdir(parents=True, exist_ok=True)
    document = {
        "machine": platform.platform(),
        "python": platform.python_version(),
        "rounds": rounds,
        "rows": lines,
        "ocsp": checks,
        "responder": answered,
        "token": signing,
    }
    (out / "bench.json").write_text(json.dumps(document, indent=2) + "\n")
    (out / "bench.svg").write_text(chart(bars))
    print(f"written: {out / 'bench.json'}, {out / 'bench.svg'}")


if __name__ == "__main__":
    main()
