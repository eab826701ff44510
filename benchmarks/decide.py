"""What a decision costs against the floor: a bare gRPC echo, in the same round robin.

    python benchmarks/decide.py [--rounds 5] [--seconds 3]

A synthetic world: 1,000 treatments, 1,002 rules, a logistic model of 20 features, 10,000 shuffled
customers in SQLite. In-process decisions read the store, run the rules, rank, render three
recommendations and log; with and without reserving one cap. The same decision over gRPC against
the echo's throughput. Gates: without the cap at most 1.5 x the CPU of an echo request; over gRPC at
least 0.30 of the echo's throughput. Exit code 1 when a gate fails.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import echo, wire, world
from nba_engine._gen.nba.v1 import decision_service_pb2, value_pb2
from nba_engine.app import open_app
from nba_engine.domain import DecisionRequest, PlacementRequest
from nba_engine.engine import Engine

MOST_CPU = 1.5
LEAST_THROUGHPUT = 0.30
THREADS = 4
DEVICES = ("phone", "laptop", "tablet")


def requests(seed: int = 3) -> list[DecisionRequest]:
    """One request per customer, in random order, with a context of three attributes."""
    source = random.Random(seed)
    numbers = list(range(world.CUSTOMERS))
    source.shuffle(numbers)
    return [
        DecisionRequest(
            identity=f"crm:{number}",
            placements=(PlacementRequest("home", 3),),
            context={
                "hour": float(source.randrange(24)),
                "sessions": float(source.randrange(9)),
                "device": source.choice(DEVICES),
            },
        )
        for number in numbers
    ]


def body(request: DecisionRequest) -> bytes:
    """The request as it goes over the wire."""
    message = decision_service_pb2.DecideRequest(
        identity=request.identity,
        placements=[
            decision_service_pb2.PlacementRequest(placement=p.placement, slots=p.slots)
            for p in request.placements
        ],
    )
    for name, value in request.context.items():
        kind = {"string_value": value} if isinstance(value, str) else {"double_value": value}
        message.context[name].CopyFrom(value_pb2.Value(**kind))
    return message.SerializeToString()


def load_customers(engine: Engine) -> None:
    """Write the 10,000 customers."""
    profiles = world.profiles()
    for start in range(0, len(profiles), 1_000):
        engine.load(updates=profiles[start : start + 1_000])


def cpu_micros(engine: Engine, asked: Sequence[DecisionRequest]) -> float:
    """CPU time per decision, all threads of this process (the log's and the store's too)."""
    with _as_servers_run():
        started = time.process_time()
        for request in asked:
            engine.decide(request)
        engine.log.flush()
        return (time.process_time() - started) / len(asked) * 1e6


@contextlib.contextmanager
def _as_servers_run() -> Iterator[None]:
    """All threads of this process on the core that the measured servers are on."""
    cores = os.sched_getaffinity(0)
    _keep_on({min(cores)})
    try:
        yield
    finally:
        _keep_on(cores)


def _keep_on(cores: set[int]) -> None:
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            os.sched_setaffinity(int(thread.name), cores)


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of load per round and server")
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args()
    asked = requests()
    bodies = [body(request) for request in asked]
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        world.write_model(folder / "model")
        plain, capped = (
            stack.enter_context(open_app(world.write_world(folder, capped=c))).engine
            for c in (False, True)
        )
        load_customers(plain)
        load_customers(capped)
        response_bytes = _response_bytes(folder, bodies)
        echoing = stack.enter_context(
            wire.Running(wire.echo_command(response_bytes=response_bytes, threads=THREADS))
        )
        serving = stack.enter_context(wire.Running(serve_command(folder)))
        for engine in (plain, capped):  # caches, prepared statements, threads
            cpu_micros(engine, asked[:500])
        gc.collect()
        gc.freeze()  # as `nba serve` does; here it keeps 10,000 requests out of collections, too
        rows: dict[str, list[float]] = {
            k: [] for k in ("echo", "plain", "capped", "echo/s", "grpc/s", "grpc cpu")
        }
        size = len(asked) // given.rounds
        for number in range(given.rounds):
            part = asked[number * size : (number + 1) * size]
            load = wire.Load(bodies=bodies, path=echo.PATH)
            floor = echoing.under(load, given.seconds)
            rows["echo"].append(floor.cpu_micros)
            rows["echo/s"].append(floor.per_second)
            rows["plain"].append(cpu_micros(plain, part))
            rows["capped"].append(cpu_micros(capped, part))
            served = serving.under(wire.Load(bodies=bodies), given.seconds)
            if served.failed:
                raise RuntimeError(f"{served.failed} of {served.requests} calls failed")
            rows["grpc/s"].append(served.per_second)
            rows["grpc cpu"].append(served.cpu_micros)
    return report(rows, len(bodies[0]), response_bytes, given.json)


def serve_command(folder: Path) -> list[str]:
    """How the plain world is served."""
    command = [sys.executable, "-m", "nba_engine.cli", "serve", "-s", str(folder / "catalog.toml")]
    return [*command, "--ready-file", "{ready}"]


def _response_bytes(folder: Path, bodies: Sequence[bytes]) -> int:
    """How long our answers are, so that the echo answers as much."""
    result = wire.measure(serve_command(folder), bodies[:500], 0.5, warm_up=0.3)
    return result.response_bytes // result.requests


def report(
    rows: dict[str, list[float]], request_bytes: int, response_bytes: int, file: Path | None
) -> int:
    """Print the table; the exit code."""

    def ratios(above: str, below: str) -> list[float]:
        return [a / b for a, b in zip(rows[above], rows[below], strict=True)]

    table = Table(title="A decision against a bare gRPC echo", title_justify="left", box=None)
    for heading in ("", "CPU us", "req/s", "ratio to echo", "spread"):
        table.add_column(heading, justify="left" if not heading else "right")
    figures: dict[str, float] = {}

    def line(label: str, key: str, cpu: str | None, rate: str | None, ratio: list[float]) -> None:
        figures[key] = statistics.median(ratio)
        table.add_row(
            label,
            f"{statistics.median(rows[cpu]):.0f}" if cpu else "",
            f"{statistics.median(rows[rate]):,.0f}" if rate else "",
            f"{figures[key]:.2f}",
            f"{min(ratio):.2f} … {max(ratio):.2f}",
        )

    line(f"echo, {THREADS} threads", "echo", "echo", "echo/s", [1.0])
    line("in-process, without a cap", "cpu", "plain", None, ratios("plain", "echo"))
    line("in-process, one cap reserved", "cpu_capped", "capped", None, ratios("capped", "echo"))
    line("over gRPC (throughput)", "throughput", "grpc cpu", "grpc/s", ratios("grpc/s", "echo/s"))
    console = Console(width=100)
    console.print(table)
    console.print(
        f"1,000 treatments, 1,002 rules, logistic model of 20 features, 10,000 customers, 3 slots; "
        f"request {request_bytes} B, response {response_bytes} B; medians of {len(rows['echo'])} "
        "rounds, 64 in flight over gRPC.",
        style="dim",
    )
    good = figures["cpu"] <= MOST_CPU and figures["throughput"] >= LEAST_THROUGHPUT
    console.print(
        f"gates: CPU {figures['cpu']:.2f} (at most {MOST_CPU}), throughput "
        f"{figures['throughput']:.2f} (at least {LEAST_THROUGHPUT:.2f}): "
        f"{'kept' if good else 'NOT kept'}"
    )
    if file is not None:
        file.write_text(json.dumps(figures | {"rows": rows}, indent=2))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
