"""Durable reservations per second, and their latency, against raw SQLite in the same run.

    python benchmarks/reservations.py [--folder FOLDER] [--rounds 9] [--seconds 0.5]

1, 16 and 64 callers reserve one contact of their customer (100,000 customers) and a part of one
campaign's budget, again and again, each as soon as the last one is durable. Ids and account names
are made as the engine makes them.

*Raw SQLite* is the least that keeps the same promise with the same batching: callers hand over to
one writing thread; it takes all that wait (at most 256) into one transaction with
``synchronous=FULL``, and for each reads both accounts, compares with the ceilings, adds to both,
and inserts the reservation; after the commit it wakes the callers. Same tables, indices and
settings, same statements for everybody, and nothing else: no repeats, deadlines, expiry, rolling
windows, merged or erased customers, other processes, or errors. The store does all of that. Rounds
take turns, each with new files. Gate: the median of the rounds' ratios is at least 0.5 for each
number of callers.

*Bare loop*, to compare with what SQLite alone can do: the same rows in commits of as many as there
are callers, by one thread that asks nobody, checks nothing and wakes nobody. No program with
callers in other threads comes near it when there are many; it is told, and not judged.
"""

from __future__ import annotations

import argparse
import queue
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import apsw
from rich.console import Console
from rich.table import Table

from nba_engine.domain import Hold, ReservationRequest, Store
from nba_engine.store import open_store
from nba_engine.store.files import connect

LEAST = 0.5
CALLERS = (1, 16, 64)
CUSTOMERS = 100_000
LARGEST_GROUP = 256
CEILING = 1_000_000
BUDGET, BUDGET_CEILING = "budget|campaign=autumn|", 10**12
TTL = 86_400.0

_READ = "SELECT reserved, spent FROM accounts WHERE account = ?"
_ADD = (
    "INSERT INTO accounts(account, limit_id, ceiling, reserved, spent, overrun, rolls)"
    " VALUES (?, ?, ?, ?, 0, 0, 0)"
    " ON CONFLICT(account) DO UPDATE SET reserved = reserved + excluded.reserved"
)
_INSERT = (
    "INSERT INTO reservations(reservation_id, decision_id, customer_id, status, expires, holds)"
    " VALUES (?, ?, ?, 0, ?, ?)"
)


Accounts = tuple[tuple[str, str, int, int], ...]  # account, limit, amount, ceiling


class Wanted(NamedTuple):
    """One reservation: a contact of a customer, and 7 of the budget."""

    decision: str
    customer: str
    time: float

    def accounts(self) -> Accounts:
        """What it draws on."""
        return (
            (f"contacts|customer={self.customer}|2017-11-06", "contacts", 1, CEILING),
            (BUDGET, "budget", 7, BUDGET_CEILING),
        )


Reserve = Callable[[Wanted], bool]  # returns when it is durable; whether it was granted


class Figures(NamedTuple):
    """What some callers got done."""

    per_second: float
    cpu_micros: float  # of all threads of this process, for each
    latencies: list[float]  # seconds, sorted

    def percentile(self, share: float) -> float:
        """In milliseconds."""
        return self.latencies[int(share * (len(self.latencies) - 1))] * 1e3


def wanted(seed: int) -> Iterator[Wanted]:
    """Reservations as decisions come: ids by time, customers at random."""
    draw = random.Random(seed)
    while True:
        now = time.time()
        decision = f"{int(now * 1000):012x}{draw.getrandbits(80):020x}"
        yield Wanted(decision, f"{draw.randrange(CUSTOMERS) * 7_919:032x}", now)


class RawSqlite:
    """The least that keeps the promise; see above."""

    def __init__(self, path: Path) -> None:
        open_store(path).close()  # the same tables and indices
        self._path = path
        self._queue: queue.SimpleQueue[tuple[Wanted, list[bool], threading.Lock] | None]
        self._queue = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def reserve(self, one: Wanted) -> bool:
        """Hand over, and wait."""
        done, granted = threading.Lock(), list[bool]()
        done.acquire()
        self._queue.put((one, granted, done))
        done.acquire()
        return granted[0]

    def close(self) -> None:
        """When nobody waits any more."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        connection = connect(self._path, reading=False)
        while (first := self._queue.get()) is not None:
            group = [first]
            while len(group) < LARGEST_GROUP:
                try:
                    group.append(self._queue.get_nowait())  # type: ignore[arg-type] # no None yet
                except queue.Empty:
                    break
            connection.execute("BEGIN IMMEDIATE")
            for one, granted, _ in group:
                granted.append(_reserve(connection, one))
            connection.execute("COMMIT")
            for _, _, done in group:
                done.release()
        connection.close()


def _reserve(connection: apsw.Connection, one: Wanted) -> bool:
    accounts = one.accounts()
    for account, _, amount, ceiling in accounts:
        reserved, spent = connection.execute(_READ, (account,)).get or (0, 0)
        if reserved + spent + amount > ceiling:
            return False
    _write(connection, one, accounts)
    return True


def _write(connection: apsw.Connection, one: Wanted, accounts: Accounts) -> None:
    for account, limit, amount, ceiling in accounts:
        connection.execute(_ADD, (account, limit, ceiling, amount))
    holds = ",".join([f'"{account}":{amount}' for account, _, amount, _ in accounts])
    row = (f"{one.decision}.0.17", one.decision, one.customer, one.time + TTL, f"{{{holds}}}")
    connection.execute(_INSERT, row)


def through(store: Store) -> Reserve:
    """Reserving in a store."""

    def reserve(one: Wanted) -> bool:
        request = ReservationRequest(
            reservation_id=f"{one.decision}.0.17",
            decision_id=one.decision,
            customer_id=one.customer,
            holds=tuple(
                [
                    Hold(account=account, limit=limit, amount=amount, ceiling=ceiling)
                    for account, limit, amount, ceiling in one.accounts()
                ]
            ),
            expires=one.time + TTL,
        )
        (answer,) = store.reserve([request], now=one.time)
        return answer.granted

    return reserve


def measured(reserve: Reserve, callers: int, seconds: float) -> Figures:
    """Let some callers reserve for so long."""
    latencies: list[list[float]] = [[] for _ in range(callers)]
    until = time.perf_counter() + seconds

    def work(caller: int) -> None:
        asked = wanted(caller)
        began = time.perf_counter()
        while began < until:
            assert reserve(next(asked))
            ended = time.perf_counter()
            latencies[caller].append(ended - began)
            began = ended

    threads = [threading.Thread(target=work, args=(number,)) for number in range(callers)]
    wall, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    every = sorted(one for each in latencies for one in each)
    return Figures(len(every) / wall, cpu / len(every) * 1e6, every)


def bare_loop(path: Path, size: int, seconds: float) -> float:
    """Rows per second in commits of this size."""
    open_store(path).close()
    with closing(connect(path, reading=False)) as connection:
        asked, count, began = wanted(0), 0, time.perf_counter()
        while time.perf_counter() < began + seconds:
            connection.execute("BEGIN IMMEDIATE")
            for _ in range(size):
                one = next(asked)
                _write(connection, one, one.accounts())
            connection.execute("COMMIT")
            count += size
        return count / (time.perf_counter() - began)


class Round(NamedTuple):
    """The three, one after the other."""

    raw: Figures
    store: Figures
    bare: float


def one_round(folder: Path, callers: int, seconds: float) -> Round:
    """With new files each."""
    with closing(RawSqlite(folder / "raw.db")) as raw:
        from_raw = measured(raw.reserve, callers, seconds)
    with closing(open_store(folder / "store.db")) as store:
        from_store = measured(through(store), callers, seconds)
        if store.recount() != store.usage_report():
            raise RuntimeError("the accounts do not equal their recount")
    return Round(from_raw, from_store, bare_loop(folder / "bare.db", callers, seconds))


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", help="on the disk to be measured; default: the system's")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each of the three, a round")
    given = parser.parse_args()
    rounds: dict[int, list[Round]] = {callers: [] for callers in CALLERS}
    for _ in range(given.rounds):
        for callers, done in rounds.items():
            with tempfile.TemporaryDirectory(dir=given.folder) as folder:
                done.append(one_round(Path(folder), callers, given.seconds))
    return report(rounds)


def report(rounds: dict[int, list[Round]]) -> int:
    """Print the table; the exit code."""
    table = Table(title="Durable reservations", title_justify="left", box=None)
    for heading in ("callers", "", "per s", "CPU us", "p50 ms", "p99 ms", "store / it", "spread"):
        table.add_column(heading, justify="left" if not heading else "right")
    kept = True
    for callers, done in rounds.items():
        ratios = [one.store.per_second / one.raw.per_second for one in done]
        bare = [one.store.per_second / one.bare for one in done]
        kept = kept and statistics.median(ratios) >= LEAST
        lines = {"raw SQLite": [one.raw for one in done], "store": [one.store for one in done]}
        for name, figures in lines.items():
            table.add_row(
                str(callers),
                name,
                f"{statistics.median(one.per_second for one in figures):,.0f}",
                f"{statistics.median(one.cpu_micros for one in figures):.0f}",
                f"{statistics.median(one.percentile(0.5) for one in figures):.2f}",
                f"{statistics.median(one.percentile(0.99) for one in figures):.2f}",
                *_spread(ratios if name == "raw SQLite" else []),
            )
        loop = f"{statistics.median(one.bare for one in done):,.0f}"
        table.add_row(str(callers), "bare loop", loop, "", "", "", *_spread(bare))
    console = Console(width=100)
    console.print(table)
    console.print(
        f"Medians of {len(done)} rounds. Gate: at least {LEAST} of raw SQLite with each number of "
        f"callers: {'kept' if kept else 'NOT kept'}"
    )
    return 0 if kept else 1


def _spread(ratios: list[float]) -> tuple[str, str]:
    if not ratios:
        return "", ""
    return f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f} … {max(ratios):.2f}"


if __name__ == "__main__":
    sys.exit(main())
