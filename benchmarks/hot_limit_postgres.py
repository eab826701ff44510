"""What it costs in PostgreSQL that all processes draw on one limit.

    python benchmarks/hot_limit_postgres.py [--url postgresql://…] [--rounds 5] [--seconds 2]

1, 2 and 4 processes with a store each and 16 callers each, as `nba serve` has on one machine or
several. A caller reserves a contact of one of 1,000 customers and a part of a campaign's budget, and
confirms six of ten; then the next. *Hot*: there is one campaign, whose account is the same row for
all. *Cold*: there are 1,000. Both take turns in each round, on new schemas. ``--round-trip 1`` lets
every answer of the database come so many milliseconds later, as over a network. ``--reserve-only``
confirms nothing. No gate: docs/reliability.md tells what follows from it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import statistics
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from multiprocessing.connection import Connection
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.reservations_postgres import urls
from nba_engine.domain import Hold, Interaction, ProfileUpdate, ReservationRequest
from nba_engine.domain.algebra import fold_for
from nba_postgres.session import Rows, Session, Statement
from nba_postgres.store import PostgresStore, open_store

PROCESSES = (1, 2, 4)
CALLERS = 16
CUSTOMERS = CAMPAIGNS = 1_000
CONFIRMED = 0.6
CEILING = 10**12
FOLD = fold_for({})


class Task(NamedTuple):
    """What a process is to do."""

    url: str
    customers: list[str]
    seed: int
    begins: float  # time.time(): all processes at once
    seconds: float
    hot: bool
    confirmed: float


class Figures(NamedTuple):
    """Reservations, and how long each took in milliseconds."""

    per_second: float
    p50: float
    p99: float


def work(pipe: Connection, round_trip: float) -> None:
    """A process: does one task after the other."""
    if round_trip:
        _be_far_away(round_trip)
    while (task := pipe.recv()) is not None:
        with closing(open_store(task.url)) as store:
            store.customer("crm:0")
            latencies: list[float] = []
            threads = [
                threading.Thread(target=_call, args=(store, task, number, latencies))
                for number in range(CALLERS)
            ]
            time.sleep(max(0.0, task.begins - time.time()))
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        pipe.send(latencies)


def _be_far_away(seconds: float) -> None:
    run, rows = Session.run, Session.rows

    def far_run(self: Session, *statements: Statement | None) -> list[Rows]:
        time.sleep(seconds)
        return run(self, *statements)

    def far_rows(self: Session, sql: str, **values: object) -> Rows:
        time.sleep(seconds)
        return rows(self, sql, **values)

    Session.run, Session.rows = far_run, far_rows  # type: ignore[method-assign]


def _call(store: PostgresStore, task: Task, number: int, latencies: list[float]) -> None:
    draw = random.Random(f"{task.seed}/{number}")
    until = time.perf_counter() + task.seconds
    began = time.perf_counter()
    while began < until:
        campaign = 0 if task.hot else draw.randrange(CAMPAIGNS)
        name = f"{draw.getrandbits(120):030x}"
        customer = draw.randrange(CUSTOMERS)
        now = time.time()
        request = ReservationRequest(
            reservation_id=name,
            decision_id=name,
            customer_id=task.customers[customer],
            holds=(
                Hold(account=f"contacts|{customer}", limit="contacts", amount=1, ceiling=CEILING),
                Hold(account=f"budget|{campaign}", limit="budget", amount=7, ceiling=CEILING),
            ),
            expires=now + 86_400.0,
        )
        (answer,) = store.reserve([request], now=now)
        assert answer.granted
        ended = time.perf_counter()
        latencies.append(ended - began)
        if draw.random() < task.confirmed:
            shown = Interaction(
                interaction_id=name,
                identity=f"crm:{customer}",
                type="impression",
                time=now,
                recommendation_id=name,
            )
            store.record([shown], FOLD, now=time.time())
        began = time.perf_counter()


class Processes:
    """Processes that wait for tasks."""

    def __init__(self, count: int, round_trip: float) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._all = []
        for _ in range(count):
            here, there = spawn.Pipe()
            self._pipes.append(here)
            self._all.append(spawn.Process(target=work, args=(there, round_trip)))
        for process in self._all:
            process.start()

    def measure(self, count: int, url: str, given: argparse.Namespace, *, hot: bool) -> Figures:
        """Let some of them work on a new store."""
        with closing(open_store(url)) as store:
            updates = [ProfileUpdate(identity=f"crm:{one}") for one in range(CUSTOMERS)]
            customers = [state.customer_id for state in store.update(updates)]
            confirmed = 0.0 if given.reserve_only else CONFIRMED
            begins = time.time() + 0.5
            for number, pipe in enumerate(self._pipes[:count]):
                pipe.send(Task(url, customers, number, begins, given.seconds, hot, confirmed))
            found = sorted(one for pipe in self._pipes[:count] for one in pipe.recv())
            if store.recount() != store.usage_report():
                raise RuntimeError("the accounts do not equal their recount")
        last = len(found) - 1
        return Figures(
            len(found) / given.seconds, found[last // 2] * 1e3, found[int(0.99 * last)] * 1e3
        )

    def close(self) -> None:
        """End them."""
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._all:
            process.join()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", help="of a server whose schemas benchmark_… may be made")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each of the two, a round")
    parser.add_argument("--round-trip", type=float, default=0.0, help="milliseconds added to each")
    parser.add_argument("--reserve-only", action="store_true")
    given = parser.parse_args()
    rounds: dict[int, list[tuple[Figures, Figures]]] = {count: [] for count in PROCESSES}
    with (
        urls(given.url) as url,
        closing(Processes(max(PROCESSES), given.round_trip / 1e3)) as processes,
    ):
        for _ in range(given.rounds):
            for count, done in rounds.items():
                hot = processes.measure(count, url(), given, hot=True)
                done.append((hot, processes.measure(count, url(), given, hot=False)))
    report(rounds)
    return 0


def report(rounds: Mapping[int, Sequence[tuple[Figures, Figures]]]) -> None:
    """Print the table."""
    table = Table(title="One hot limit in PostgreSQL", title_justify="left", box=None)
    for heading in ("processes", "", "reservations/s", "p50 ms", "p99 ms", "hot / cold", "spread"):
        table.add_column(heading, justify="left" if not heading else "right")
    for count, done in rounds.items():
        ratios = [hot.per_second / cold.per_second for hot, cold in done]
        spread = f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f} … {max(ratios):.2f}"
        for column, name in enumerate(("1 hot", f"{CAMPAIGNS:,} cold")):
            figures = [both[column] for both in done]
            medians = [statistics.median(values) for values in zip(*figures, strict=True)]
            table.add_row(
                str(count),
                name,
                f"{medians[0]:,.0f}",
                f"{medians[1]:.1f}",
                f"{medians[2]:.1f}",
                *(("", "") if column else spread),
            )
    Console(width=100).print(table)


if __name__ == "__main__":
    sys.exit(main())
