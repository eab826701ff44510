"""Kill server processes again and again, and prove that nothing is lost, exceeded or done twice.

    python faults/run.py                    the short form: 20,000 reservations, 10 kills
    python faults/run.py --long             1,000,000 reservations, 200 kills
    python faults/run.py --seed 7           what is random, again; kills fall where they fall
    python faults/run.py --store postgres   in PostgreSQL, whose server is killed, stopped and frozen, too

Exit code 1 when anything is wrong: then the run's files stay, and stderr says where. How far it has
come is shown on stderr, too. docs/reliability.md tells what is checked.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from faults.clients import Client, Target
from faults.database import Database, SqliteDatabase, watch
from faults.journal import Journal
from faults.oracle import Oracle
from faults.publishing import Publisher
from faults.servers import Servers
from faults.showing import Progress, State
from faults.world import write_world
from nba_engine.domain import ProfileUpdate, Store
from nba_engine.store import open_store

SHORT, LONG = (20_000, 10), (1_000_000, 200)
PER_FAULT = 2  # kills of processes for each fault of a database server
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
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--faults", type=int, help="of a database server; default: half of --kills")
    parser.add_argument(
        "--away", type=float, default=5.0, help="seconds that it is stopped, frozen"
    )
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--folder", help="on the disk that is meant; default: for temporary files")
    parser.add_argument(
        "--keep", action="store_true", help="the run's files, also when nothing is wrong"
    )
    given = parser.parse_args()
    reservations, kills = LONG if given.long else SHORT
    given.reservations = reservations if given.reservations is None else given.reservations
    given.kills = kills if given.kills is None else given.kills
    given.faults = given.kills // PER_FAULT if given.faults is None else given.faults
    opened = postgres if given.store == "postgres" else sqlite
    folder = Path(tempfile.mkdtemp(prefix="nba-faults-", dir=given.folder))
    code = 1
    try:
        with opened(given, folder) as place:
            try:
                code = run(given, folder, place)
            finally:
                if code or given.keep:
                    place.database.save(folder)
    finally:
        if code or given.keep:
            print(f"the files of this run are in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder)
    return code


class Place(NamedTuple):
    """Where a store is. ``strike`` is a fault of its server, and returns how many processes it killed."""

    url: str
    database: Database
    strike: Callable[[str, Servers], int] | None = None
    faults: tuple[str, ...] = ()


@contextmanager
def sqlite(_: argparse.Namespace, folder: Path) -> Iterator[Place]:
    """An embedded store that writes its history down."""
    file = folder / "data" / "nba.db"
    with closing(open_store(file)) as store:
        fill(store)
    watch(file)
    yield Place("sqlite:data/nba.db", SqliteDatabase(file))


@contextmanager
def postgres(given: argparse.Namespace, _: Path) -> Iterator[Place]:
    """A server that can be killed, and the faults that befall it."""
    from faults import postgres as faults
    from nba_postgres.store import open_store as open_postgres

    with faults.durable_server() as server:
        url = server.url("nba")
        with closing(open_postgres(url)) as store:
            fill(store)
        faults.watch_schema(url)
        kinds = [kind for kind, _ in zip(itertools.cycle(faults.FAULTS), range(given.faults))]
        strike = faults.PostgresFaults(server, random.Random(given.seed), given.away).strike
        yield Place(url, faults.PostgresDatabase(url), strike, tuple(kinds))


def fill(store: Store) -> None:
    """Make the customers."""
    store.update([ProfileUpdate(identity=f"crm:{number}") for number in range(CUSTOMERS)])


def run(given: argparse.Namespace, folder: Path, place: Place) -> int:
    """One run; the exit code."""
    began = time.monotonic()
    world = write_world(
        folder,
        store=place.url,
        processes=given.processes,
        reservations=given.reservations,
        customers=CUSTOMERS,
        ttl=TTL,
    )
    journal = Journal(folder / "journal")
    oracle = Oracle(place.database, world.amounts)
    chosen = random.Random(given.seed)
    target = Target(given.reservations)
    kills = done = 0
    doing = "starting"
    steps = [*place.faults, *[""] * given.kills]
    chosen.shuffle(steps)

    def state() -> State:
        return State(doing, len(journal.granted), done, count_problems(journal, oracle))

    with Progress(given.reservations, len(steps), state), Servers(world) as servers:
        clients = [
            Client(number, servers.address, CUSTOMERS, given.seed, journal, target, TTL)
            for number in range(given.clients)
        ]
        publisher = Publisher(
            servers.address, world, given.seed, journal, target, given.reservations
        )
        for thread in (*clients, publisher):
            thread.start()
        doing = "under load"
        pace = given.reservations / (len(steps) + 1)
        for step in steps:
            until = target.count + pace * chosen.uniform(0.1, 0.9)
            while target.count < until and not target.failed.is_set():
                time.sleep(0.01)
            if target.failed.is_set():
                break
            if step and place.strike is not None:
                kills += place.strike(step, servers)
            else:
                servers.kill_one(chosen)
                kills += 1
            done += 1
            oracle.check(journal)
        target.killed.set()
        for thread in (*clients, publisher):
            thread.join()
        loaded = time.monotonic() - began
        doing = "judging all of it"
        oracle.await_quiet(QUIET)
        oracle.finish(journal)
    problems = [*journal.problems, *oracle.wrong]
    if servers.exit_code:
        problems.append(f"nba serve ended with exit code {servers.exit_code}")
    report(given, journal, oracle, loaded)
    print(
        f"{publisher.published} times other amounts were published; {oracle.seconds:.0f} s were spent "
        f"on {len(steps) + 1} checks; CPU seconds: {time.process_time():.0f} clients and checks, "
        f"{servers.cpu_seconds:.0f} servers"
    )
    if place.faults:
        struck = Counter(place.faults)
        print(
            f"the database server was killed {struck['kill']} times, stopped {struck['stop']}"
            f" and frozen {struck['freeze']} times for {given.away:g} s"
        )
    double = len(oracle.double) + journal.two_answers
    wrong = sorted(oracle.lost | oracle.exceeded | oracle.double)
    for what in [*wrong[:20], *problems[:20]]:
        print(f"WRONG: {what}")
    (folder / "wrong.txt").write_text("".join(f"{what}\n" for what in [*wrong, *problems]), "utf-8")
    print(
        f"faults: lost {len(oracle.lost)}, exceeded {len(oracle.exceeded)}, double {double}, "
        f"kills {kills}, seed {given.seed}"
    )
    oracle.close()
    journal.close()
    return int(bool(oracle.lost or oracle.exceeded or double or problems))


def count_problems(journal: Journal, oracle: Oracle) -> int:
    """Everything that would make the run fail, as far as it is known."""
    found = (oracle.lost, oracle.exceeded, oracle.double, oracle.wrong, journal.problems)
    return sum(map(len, found)) + journal.two_answers


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
