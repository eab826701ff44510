"""The days of `prices_world.py` through `nba serve` with four processes, on simulated time.

Day 0 begins with nothing: no prices, no profile. Then `nba prices refresh` learns from its decision log,
and day 1 is played with what it learned; with ``--without-refresh`` by what the servers have seen themselves:
the prices that day 0 ended with, its traffic, what its contacts earned. With ``--drift 0.3`` actions get
30 % better or worse during day 1, which history does not know. Everything is the real thing: gRPC, the SQLite
store, its ledger, prices stepped by whichever process is first. The value is that of the answers; the optimum
that of `prices.py`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import grpc
import numpy as np

from benchmarks.prices import optimum
from benchmarks.prices_world import (
    CAMPAIGNS,
    CHANNELS,
    DAY,
    MONDAY,
    Traffic,
    World,
    catalog_of,
    make_traffic,
    make_world,
    worths,
)
from nba_engine._gen.nba.v1.decision_service_pb2 import DecideRequest, PlacementRequest
from nba_engine._gen.nba.v1.decision_service_pb2_grpc import DecisionServiceStub
from nba_engine.store import open_store

GATE, GATE_SEEN, GATE_DRIFT = 0.97, 0.95, 0.92
THREADS = 8
PROCESSES = 4

_SETTINGS = """
[server]
listen = "127.0.0.1:0"
processes = {processes}
threads = 4
[store]
url = "sqlite:nba.db"
decision_log = "decisions.db"
[logging]
level = "warning"
""" + "".join(
    f'[[pipeline]]\nstage = "{stage}"\n'
    for stage in ("profile", "eligibility", "contact_policy", "propensity")
)
_SETTINGS += 'settings = { model = "" }\n' + "".join(
    f'[[pipeline]]\nstage = "{stage}"\n' for stage in ("value", "arbitration", "slate")
)


def write_shop(folder: Path, world: World, *, processes: int = PROCESSES) -> Path:
    """Settings, the catalog, and a simulated store; the settings file."""
    (folder / "catalog").mkdir()
    (folder / "catalog" / "world.toml").write_text(catalog_of(world), "utf-8")
    (folder / "nba.toml").write_text(_SETTINGS.replace("{processes}", str(processes)), "utf-8")
    open_store(folder / "nba.db", simulated=True).close()
    return folder / "nba.toml"


class Played(NamedTuple):
    """What a day earned; by how much a limit was overspent, at most (in its own unit)."""

    value: float
    over: float
    answers: int


def requests_of(world: World, traffic: Traffic, day: int, seed: int) -> Iterator[DecideRequest]:
    """The requests of a day; what an action would earn comes with them."""
    gain = traffic.propensity * (world.lever * world.value)
    for at, moment in enumerate(traffic.time.tolist()):
        request = DecideRequest(
            identity=f"crm:{day}-{at}",
            placements=[PlacementRequest(placement="place", slots=1)],
            seed=seed + at,
        )
        request.time.FromMicroseconds(int((MONDAY + day * DAY + moment) * 1e6))
        gains = request.context["gain"].map_value
        gains.SetInParent()  # also where nothing fits
        for action in np.flatnonzero(~np.isnan(gain[at])).tolist():
            gains.values[f"a{action}"].double_value = float(gain[at, action])
        yield request


@contextmanager
def serving(folder: Path, settings: Path) -> Iterator[str]:
    """`nba serve`; the address."""
    ready = folder / f"ready-{time.monotonic_ns()}"
    nba = Path(sysconfig.get_path("scripts")) / "nba"
    process = subprocess.Popen(
        [nba, "serve", "--settings", settings, "--ready-file", ready], stdout=subprocess.DEVNULL
    )
    try:
        while not ready.exists():
            assert process.poll() is None, "nba serve ended"
            time.sleep(0.05)
        yield ready.read_text("utf-8")
    finally:
        process.terminate()
        process.wait()


def play(address: str, world: World, traffic: Traffic, day: int, seed: int) -> Played:
    """Ask for a whole day in the order of its times, a few requests at once."""
    worth = worths(world, traffic)
    options = [("grpc.use_local_subchannel_pool", 1)]
    with ExitStack() as stack, ThreadPoolExecutor(THREADS) as pool:
        stubs = [
            DecisionServiceStub(stack.enter_context(grpc.insecure_channel(address, options)))
            for _ in range(2 * THREADS)
        ]

        def ask(numbered: tuple[int, DecideRequest]) -> int:
            at, request = numbered
            answer = stubs[at % len(stubs)].Decide(request, timeout=300.0, wait_for_ready=True)
            (shown,) = answer.decision.recommendations
            return -1 if shown.action == "nothing" else int(shown.action[1:])

        asked = enumerate(requests_of(world, traffic, day, seed))
        picked = np.array(list(pool.map(ask, asked)), dtype=np.intp)
    rows = np.flatnonzero(picked >= 0)
    actions = picked[rows]
    spent = np.bincount(world.campaign[actions], world.cost[actions], CAMPAIGNS)
    contacts = np.bincount(world.channel[actions], minlength=CHANNELS)
    over = np.concatenate([spent, contacts]) - world.amount.astype(np.intp)
    return Played(float(worth[rows, actions].sum()), max(0.0, float(over.max())), len(rows))


def play_days(
    folder: Path,
    *,
    seed: int,
    requests: int,
    processes: int = PROCESSES,
    refresh: bool = True,
    drift: float = 0.0,
) -> dict[str, float]:
    """Both days; shares of the optimum, and what was overspent. ``drift``: of the second day."""
    world = make_world(seed, requests)
    settings = write_shop(folder, world, processes=processes)
    nba = Path(sysconfig.get_path("scripts")) / "nba"
    found: dict[str, float] = {}
    for day, name in enumerate(("from nothing", "after a refresh" if refresh else "the day after")):
        traffic = make_traffic(world, seed, requests, day=day, drift=drift if day else 0.0)
        started = time.monotonic()
        with serving(folder, settings) as address:
            played = play(address, world, traffic, day, seed)
        took = time.monotonic() - started
        found[name] = played.value / optimum(world, traffic)
        found["overspent"] = max(found.get("overspent", 0.0), round(played.over, 6))
        print(
            f"day {day}, {name}: {found[name]:.4f} of the optimum, {played.answers:,} contacts, "
            f"overspent {played.over:.6g} ({requests / took:.0f} requests/s)",
            flush=True,
        )
        if not day and refresh:
            subprocess.run([nba, "prices", "refresh", "-s", settings], check=True)
    return found


def main() -> int:
    """Print the shares; 1 when the gate is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1, help="so many, from --seed on: the median")
    parser.add_argument("--requests", type=int, default=30_000)
    parser.add_argument("--drift", type=float, default=0.0, help="0.3: of 30 % during day 1")
    parser.add_argument(
        "--without-refresh", action="store_true", help="the second day by what servers saw"
    )
    options = parser.parse_args()
    refresh = not options.without_refresh
    reached, over = [], 0.0
    for seed in range(options.seed, options.seed + options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            found = play_days(
                Path(folder),
                seed=seed,
                requests=options.requests,
                refresh=refresh,
                drift=options.drift,
            )
        reached.append(found["after a refresh" if refresh else "the day after"])
        over = max(over, found["overspent"])
    gate = GATE_DRIFT if options.drift else GATE if refresh else GATE_SEEN
    median = float(np.median(reached))
    kept = median >= gate and over <= 0.0
    told = (
        f"median {median:.4f}, lowest {min(reached):.4f}" if len(reached) > 1 else f"{median:.4f}"
    )
    print(
        f"day 1: {told} of the optimum, overspent {over:g}; gate {gate}: {'kept' if kept else 'NOT KEPT'}"
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
