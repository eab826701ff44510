"""Kill server processes again and again, and prove that nothing is lost, exceeded or done twice.

    python faults/run.py                    the short form: 20,000 reservations, 10 kills
    python faults/run.py --long             1,000,000 reservations, 200 kills
    python faults/run.py --seed 7           what is random, again; kills fall where they fall

Exit code 1 when anything is wrong. docs/reliability.md tells what is checked.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from faults.clients import Client, Target
from faults.journal import Journal
from faults.oracle import Oracle
from faults.publishing import Publisher
from faults.servers import Servers
from faults.world import watch, write_world
from nba_engine.domain import ProfileUpdate
from nba_engine.store import open_store

SHORT, LONG = (20_000, 10), (1_000_000, 200)
CUSTOMERS = 1_000
TTL = 2  # seconds until a reservation expires that nobody confirmed; some are confirmed too late
QUIET = 30.0  # seconds after the last call until everything abandoned must have expired


def main() -> int:
    """Run, judge, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--long", action="store_true", help="about an hour instead of a minute")
    parser.add_argument("--reservations", type=int)
    parser.add_argument("--kills", type=int)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--folder", help="on the disk that is meant; default: for temporary files")
    given = parser.parse_args()
    reservations, kills = LONG if given.long else SHORT
    given.reservations = reservations if given.reservations is None else given.reservations
    given.kills = kills if given.kills is None else given.kills
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        return run(given, Path(folder))


def run(given: argparse.Namespace, folder: Path) -> int:
    """One run; the exit code."""
    began = time.monotonic()
    world = write_world(
        folder,
        processes=given.processes,
        reservations=given.reservations,
        customers=CUSTOMERS,
        ttl=TTL,
    )
    with closing(open_store(world.database)) as store:
        store.update([ProfileUpdate(identity=f"crm:{number}") for number in range(CUSTOMERS)])
    watch(world.database)
    journal = Journal(folder / "journal")
    oracle = Oracle(world.database, world.amounts)
    chosen = random.Random(given.seed)
    target = Target(given.reservations)
    kills = 0
    with Servers(world) as servers:
        clients = [
            Client(number, servers.address, CUSTOMERS, given.seed, journal, target, TTL)
            for number in range(given.clients)
        ]
        publisher = Publisher(
            servers.address, world, given.seed, journal, target, given.reservations
        )
        for thread in (*clients, publisher):
            thread.start()
        pace = given.reservations / (given.kills + 1)
        while kills < given.kills and not target.failed.is_set():
            until = target.count + pace * chosen.uniform(0.1, 0.9)
            while target.count < until and not target.failed.is_set():
                time.sleep(0.01)
            servers.kill_one(chosen)
            kills += 1
            oracle.check(journal)
        target.killed.set()
        for thread in (*clients, publisher):
            thread.join()
        loaded = time.monotonic() - began
        oracle.await_quiet(QUIET)
        oracle.finish(journal)
    problems = [*journal.problems, *oracle.wrong]
    if servers.exit_code:
        problems.append(f"nba serve ended with exit code {servers.exit_code}")
    report(given, journal, oracle, loaded)
    print(
        f"{publisher.published} times other amounts were published; {oracle.seconds:.0f} s were spent "
        f"on {kills + 1} checks; CPU seconds: {time.process_time():.0f} clients and checks, "
        f"{servers.cpu_seconds:.0f} servers"
    )
    double = len(oracle.double) + journal.two_answers
    for what in [*sorted(oracle.lost | oracle.exceeded | oracle.double)[:20], *problems[:20]]:
        print(f"WRONG: {what}")
    print(
        f"faults: lost {len(oracle.lost)}, exceeded {len(oracle.exceeded)}, double {double}, "
        f"kills {kills}, seed {given.seed}"
    )
    oracle.close()
    journal.close()
    return int(bool(oracle.lost or oracle.exceeded or double or problems))


def report(given: argparse.Namespace, journal: Journal, oracle: Oracle, loaded: float) -> None:
    """What happened, for docs/reliability.md."""
    print(
        f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}; {given.processes} processes, {given.clients} clients"
    )
    print(
        f"{len(journal.granted):,} reservations acknowledged of {oracle.grants:,} granted in "
        f"{loaded:.0f} s; {sum(journal.unknown.values()):,} calls without an answer, "
        f"{journal.refused:,} times nothing left"
    )
    print(
        f"{len(journal.recorded):,} interactions acknowledged, {journal.abandoned:,} reservations "
        f"abandoned, {oracle.late:,} confirmed after their time"
    )


if __name__ == "__main__":
    sys.exit(main())
