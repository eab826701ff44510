"""Confirm, release and expire raced for the same reservations, each by a writer of its own.

    python -m tests.store.racing 100000 [SEED]     the long form, in a temporary folder

What is acknowledged is journaled outside the store, and held against what the file says.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from nba_engine.domain import Hold, ReservationRequest, Store
from nba_engine.store import open_store
from nba_engine.testing.customers_suite import FOLD, NOW, happened

__all__ = ["Outcome", "Place", "in_file", "race"]

_BATCH = 25
_ACCOUNTS = 10
_SHARES = {"delivery": 0.6, "reject": 0.6, "impression": 0.2}  # of the reservations
_STATUS = {0: "reserved", 1: "confirmed", 2: "released", 3: "expired", 4: "confirmed"}


class Place(NamedTuple):
    """Where the race is: how a writer opens the store, and how its tables are read."""

    open: Callable[[], Store]
    rows: Callable[[str], Sequence[Any]]


def in_file(path: Path) -> Place:
    """A race on the embedded store."""

    def rows(sql: str) -> Sequence[Any]:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return list(connection.execute(sql))
        finally:
            connection.close()

    return Place(lambda: open_store(path), rows)


class Outcome(NamedTuple):
    """How each reservation ended by the file, and everything that contradicts the journal."""

    ended: Counter[str]
    wrong: list[str]


def race(place: Place, reservations: int, seed: int) -> Outcome:
    """Four writers on one store end the same reservations, each in an order of its own."""
    draw = random.Random(seed)
    names = [f"r{number}" for number in range(reservations)]
    with_store(place, lambda store: reserve(store, names, draw))
    journal: dict[str, list[str]] = {name: [] for name in names}
    progress = [0]  # reservations that somebody tried to end; moves the expirer's clock

    def end(kind: str, order: Sequence[str]) -> None:
        def work(store: Store) -> None:
            for start in range(0, len(order), _BATCH):
                batch = order[start : start + _BATCH]
                items = [happened(f"{kind}-{name}", kind, recommendation=name) for name in batch]
                results = store.record(items, FOLD, now=clock())
                for name, result in zip(batch, results, strict=True):
                    journal[name].append(result.reservation)
                progress[0] += len(batch)

        with_store(place, work)

    def clock() -> float:
        return NOW + progress[0] / 2

    def expire() -> None:
        def work(store: Store) -> None:
            while any(thread.is_alive() for thread in enders):
                store.expire(now=clock())

        with_store(place, work)

    enders = [
        threading.Thread(target=end, args=(kind, draw.sample(names, round(share * len(names)))))
        for kind, share in _SHARES.items()
    ]
    reaper = threading.Thread(target=expire)
    for thread in (*enders, reaper):
        thread.start()
    for thread in (*enders, reaper):
        thread.join()
    with_store(place, lambda store: store.expire(now=NOW + 10 * reservations))
    return check(place, journal)


def with_store(place: Place, work: Callable[[Store], object]) -> None:
    """Run ``work`` with a store, and so with a writer, of its own."""
    store = place.open()
    try:
        work(store)
    finally:
        store.close()


def reserve(store: Store, names: Sequence[str], draw: random.Random) -> None:
    """Reserve one unit on one of ten accounts each, to expire somewhere during the race."""
    for start in range(0, len(names), 500):
        answers = store.reserve(
            [
                ReservationRequest(
                    reservation_id=name,
                    decision_id="d",
                    customer_id="c",
                    holds=(
                        Hold(
                            account=f"a/{draw.randrange(_ACCOUNTS)}",
                            limit="a",
                            amount=1,
                            ceiling=len(names),
                            rolls=1e9 if draw.random() < 0.5 else 0.0,
                        ),
                    ),
                    expires=NOW + draw.uniform(1, 0.7 * len(names)),
                )
                for name in names[start : start + 500]
            ],
            now=NOW,
        )
        assert all(answer.granted for answer in answers)


def check(place: Place, journal: dict[str, list[str]]) -> Outcome:
    """Hold the tables against the journal; the ledger is not asked."""
    wrong: list[str] = []
    ended: Counter[str] = Counter()
    spent: Counter[str] = Counter()
    rows = place.rows("SELECT reservation_id, status, holds FROM reservations")
    for name, status, holds in rows:
        word = _STATUS[status]
        ended[word] += 1
        told = Counter(journal[name])
        confirmed, released = told["confirmed"] + told["overrun"], told["released"]
        if (confirmed, released) != (int(word == "confirmed"), int(word == "released")):
            wrong.append(f"{name} is {word}, but was acknowledged as {dict(told)}")
        if word == "confirmed":
            spent.update(json.loads(holds))
    if len(rows) != len(journal):
        wrong.append(f"{len(journal)} were granted, {len(rows)} are there")
    accounts = place.rows("SELECT account, reserved, spent, overrun FROM accounts")
    for account, reserved, counted, overrun in accounts:
        if (reserved, counted, overrun) != (0, spent[account], 0):
            wrong.append(f"{account} says {reserved}, {counted}, {overrun}, not {spent[account]}")
    return Outcome(ended, wrong)


def main(arguments: Sequence[str]) -> int:
    reservations = int(arguments[0]) if arguments else 100_000
    seed = int(arguments[1]) if len(arguments) > 1 else random.randrange(1 << 32)
    with tempfile.TemporaryDirectory() as folder:
        outcome = race(in_file(Path(folder) / "nba.db"), reservations, seed)
    for line in outcome.wrong[:20]:
        print(line)
    counts = ", ".join(f"{word} {count}" for word, count in sorted(outcome.ended.items()))
    print(f"races: {reservations}, {counts}, wrong {len(outcome.wrong)}, seed {seed}")
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
