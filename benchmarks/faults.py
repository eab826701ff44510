"""What a faulty plugin costs the decisions that it does not touch.

    python benchmarks/faults.py [--rounds 5] [--seconds 4]

The synthetic world of `benchmarks/decide.py` over gRPC, with one more stage: a plugin with
``timeout_ms = 20`` that goes wrong for one customer in ten. It sleeps for a second, waits as long
for a socket that never answers, raises, or spins in pure Python. Two open loads at once: 50 % of
what the server can do for the other customers, 5 % for those that meet the fault. p99 of the others
against that with the same loads and the same stage without a fault, in the same round. Gates: at
most 2 x for a plugin that sleeps, waits or raises; what spinning costs is only told. Exit code 1
when a gate fails.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import wire, world
from benchmarks.decide import body, load_customers, requests
from nba_engine.app import open_app

MOST = 2.0
LOAD, FAULTY = 0.5, 0.05  # shares of what the server can do
FAULTS = {
    "none": "no fault",
    "raise": "it raises",
    "sleep": "it sleeps",
    "socket": "it waits for a socket",
    "spin": "it spins",
}
GATED = ("raise", "sleep", "socket")

PLUGIN = '''
import socket
import time

import msgspec

from nba_engine.domain import StageFactory
from nba_engine.plugin import hookimpl

nba_plugin_api = "1.0"
SECONDS = 1.0


class FaultySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    fault: str = "none"


class Faulty:
    """Goes wrong for every tenth customer."""

    def __init__(self, settings, resources):
        self._act = getattr(self, settings.fault)
        self._near, self._far = socket.socketpair()
        self._near.settimeout(SECONDS)

    def apply(self, deciding):
        if deciding.request.identity.endswith("0"):
            self._act()

    def none(self):
        pass

    def sleep(self):
        time.sleep(SECONDS)

    def socket(self):
        self._near.recv(1)

    def spin(self):
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            pass

    def raise_(self):
        raise RuntimeError("this customer is too much for me")


setattr(Faulty, "raise", Faulty.raise_)


@hookimpl
def nba_stages():
    return {"faulty": StageFactory(build=Faulty, settings=FaultySettings, on_error="ignore")}
'''
STAGE = """[[pipeline]]
stage = "faulty"
timeout_ms = 20
settings = {{ fault = "{fault}" }}
[[pipeline]]
stage = "value"
"""


def write_servers(folder: Path, failures: int) -> dict[str, list[str]]:
    """A world per fault, each with the same customers; the commands that serve them."""
    plain = folder / "plain"
    plain.mkdir()
    world.write_model(plain / "model")
    with open_app(world.write_world(plain, capped=False)) as app:
        load_customers(app.engine)
    (folder / "bench_faulty.py").write_text(PLUGIN)
    info = folder / "bench_faulty-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-faulty\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[nba_engine]\nbench_faulty = bench_faulty\n")
    commands: dict[str, list[str]] = {}
    for fault in FAULTS:
        shutil.copytree(plain, folder / fault)
        settings = folder / fault / "catalog.toml"
        text = settings.read_text()
        at = '[[pipeline]]\nstage = "value"\n'
        text = text.replace(at, STAGE.format(fault=fault))
        # no deadline: what a starved machine does to it is not the question
        text = text.replace("[server]\n", "[server]\ndefault_deadline_ms = 60000\n")
        settings.write_text(f"{text}[breaker]\nfailures = {failures}\n")
        command = [sys.executable, "-m", "nba_engine.cli", "serve", "-s", str(settings)]
        commands[fault] = [*command, "--ready-file", "{ready}"]
    return commands


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of load per round and fault")
    parser.add_argument("--failures", type=int, default=5, help="in a row that open the breaker")
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args()
    asked = requests()
    faulty = [body(one) for one in asked if one.identity.endswith("0")]
    others = [body(one) for one in asked if not one.identity.endswith("0")]
    results: dict[str, list[wire.Result]] = {fault: [] for fault in FAULTS}
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        root = Path(__file__).resolve().parents[1]
        environ = {"PYTHONPATH": f"{folder}:{root}"}
        servers = {
            fault: stack.enter_context(wire.Running(command, environ=environ))
            for fault, command in write_servers(folder, given.failures).items()
        }
        for server in servers.values():
            server.under(wire.Load(bodies=others), 0.5)
        most = servers["none"].under(wire.Load(bodies=others), given.seconds).per_second
        loads = [
            wire.Load(bodies=others, per_second=LOAD * most, in_flight=64),
            wire.Load(bodies=faulty, per_second=FAULTY * most, in_flight=64, connections=1),
        ]
        for _ in range(given.rounds):
            for fault in random.sample(list(FAULTS), len(FAULTS)):
                of_others, of_faulty = servers[fault].under_all(loads, given.seconds)
                if of_others.failed or of_faulty.failed:
                    raise RuntimeError(f"{fault}: {of_others.failed + of_faulty.failed} failed")
                results[fault].append(of_others)
    return report(results, most, given.json)


def report(results: dict[str, list[wire.Result]], most: float, file: Path | None) -> int:
    """Print the table; the exit code."""
    table = Table(title="Decisions beside a faulty plugin", title_justify="left", box=None)
    for heading in ("the plugin", "req/s", "p50 ms", "p99 ms", "p99 ratio", "spread"):
        table.add_column(heading, justify="left" if heading == "the plugin" else "right")
    figures: dict[str, float] = {}
    for fault, rows in results.items():
        ratios = [
            row.latencies[1] / base.latencies[1]
            for row, base in zip(rows, results["none"], strict=True)
        ]
        figures[fault] = statistics.median(ratios)
        p50, p99 = (statistics.median(row.latencies[n] for row in rows) * 1e3 for n in (0, 1))
        table.add_row(
            FAULTS[fault],
            f"{statistics.median(row.per_second for row in rows):,.0f}",
            f"{p50:.2f}",
            f"{p99:.2f}",
            f"{figures[fault]:.2f}",
            f"{min(ratios):.2f} … {max(ratios):.2f}",
        )
    console = Console(width=100)
    console.print(table)
    console.print(
        f"Other customers than those that meet the fault: {LOAD:.0%} of the {most:,.0f} decisions "
        f"a second that the server can do, evenly; {FAULTY:.0%} more meet it. timeout_ms = 20; "
        f"medians of {len(results['none'])} rounds.",
        style="dim",
    )
    worst = max(figures[fault] for fault in GATED)
    good = worst <= MOST
    console.print(
        f"gate: p99 while it raises, sleeps or waits {worst:.2f} (at most {MOST}): "
        f"{'kept' if good else 'NOT kept'}; spinning {figures['spin']:.1f}: no gate"
    )
    if file is not None:
        rows_of = {f: [row.latencies for row in rows] for f, rows in results.items()}
        file.write_text(json.dumps(figures | {"rows": rows_of}, indent=2))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
