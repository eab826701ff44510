"""The embedded store: reads, recording, the decision log.

    python benchmarks/store.py [--folder FOLDER]

``--folder`` chooses the disk; the default is the system's folder for temporary files. The cost
of one commit to this disk is printed too, because every other number hangs on it.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import apsw
import msgspec

from nba_engine.domain import (
    AggregateSpec,
    DecisionRecord,
    DecisionRequest,
    Hold,
    Interaction,
    PlacementRequest,
    ProfileUpdate,
    ReservationRequest,
)
from nba_engine.domain.algebra import fold_for
from nba_engine.store import SqliteStore, open_log, open_store

DAY = 86_400.0
START = 1.5e9
CUSTOMERS = 20_000

SPECS = (
    AggregateSpec(name="purchases", kind="count", types=("purchase",)),
    AggregateSpec(name="spend", kind="sum", types=("purchase",), property="total"),
    AggregateSpec(name="last", kind="last", types=("purchase",)),
    AggregateSpec(name="by_category", kind="count", types=("purchase",), by="category"),
    AggregateSpec(name="last_by", kind="last", types=("purchase",), by="category"),
    AggregateSpec(
        name="recent", kind="decayed", types=("purchase",), by="category", half_life=60 * DAY
    ),
    AggregateSpec(name="owned", kind="set", types=("purchase",), by="category", within=91 * DAY),
)
FOLD = fold_for({spec.name: spec for spec in SPECS})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        rows = [
            *commits(Path(folder)),
            *reads(Path(folder)),
            *recording(Path(folder)),
            *logging(Path(folder)),
        ]
    width = max(len(name) for name, *_ in rows)
    print(f"{'':<{width}}  {'per second':>12} {'µs each':>10} {'CPU µs each':>12}")
    for name, count, wall, cpu in rows:
        print(
            f"{name:<{width}}  {count / wall:>12,.0f} {wall / count * 1e6:>10,.1f}"
            f" {cpu / count * 1e6:>12,.1f}"
        )


Row = tuple[str, int, float, float]  # what, how many, wall seconds, CPU seconds of this process


def measured(name: str, count: int, work: Callable[[int], object], *, each: int = 1) -> Row:
    """Call ``work`` with 0 … count-1; each call does ``each`` things."""
    wall, cpu = time.perf_counter(), time.process_time()
    for number in range(count):
        work(number)
    return name, count * each, time.perf_counter() - wall, time.process_time() - cpu


def commits(folder: Path) -> Iterator[Row]:
    connection = apsw.Connection(str(folder / "commits.db"))
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "FULL")
    connection.execute("CREATE TABLE t(x INTEGER PRIMARY KEY)")
    insert = "INSERT INTO t VALUES (NULL)"
    measured("", 2_000, lambda _: connection.execute(insert))  # the WAL has its size by then
    yield measured("bare SQLite: commit of one row", 1_000, lambda _: connection.execute(insert))
    connection.close()


def reads(folder: Path) -> Iterator[Row]:
    store = open_store(folder / "reads.db", simulated=True)
    store.update(
        [
            ProfileUpdate(
                identity=f"crm:{number}",
                attributes={f"a{n}": n * 1.5 if n % 3 else f"value {n}" for n in range(20)},
            )
            for number in range(CUSTOMERS)
        ]
    )
    chosen = random.Random(1)
    identities = [f"crm:{chosen.randrange(CUSTOMERS)}" for _ in range(20_000)]
    yield measured(
        "customer(), 20 attributes, decoded", 20_000, lambda n: store.customer(identities[n])
    )
    for count in (3, 30):
        accounts = [f"cap/{n}" for n in range(count)]
        store.reserve([reservation(f"u{name}", name) for name in accounts], now=START)
        yield measured(f"usage() of {count} accounts", 5_000, partial(_usage, store, accounts))
    store.close()


def _usage(store: SqliteStore, accounts: Sequence[str], _number: int) -> None:
    assert len(store.usage(accounts)) == len(accounts)


def reservation(number: object, account: str) -> ReservationRequest:
    return ReservationRequest(
        reservation_id=f"reservation-{number}",
        decision_id=f"decision-{number}",
        customer_id="c" * 32,
        holds=(
            Hold(account=account, limit="cap", amount=1, ceiling=1_000_000),
            Hold(account="campaign/2017-11", limit="campaign", amount=7, ceiling=10**12),
        ),
        expires=START + DAY,
    )


def recording(folder: Path) -> Iterator[Row]:
    for lines in (1, 10):
        store = open_store(folder / f"record{lines}.db", simulated=True)
        noun = "1 category" if lines == 1 else f"{lines} categories"
        batches = [list(baskets(5_000, lines, batch)) for batch in range(8)]
        for batch in batches[:4]:
            store.record(batch, FOLD, now=START)
        yield measured(
            f"record(), batches of 5,000, {noun} each",
            4,
            partial(_record, store, batches[4:]),
            each=5_000,
        )
        single = [[basket] for basket in baskets(1_000, lines, 9)]
        yield measured(f"record() of one, {noun}", len(single), partial(_record, store, single))
        store.close()


def _record(store: SqliteStore, batches: Sequence[Sequence[Interaction]], number: int) -> None:
    store.record(batches[number], FOLD, now=START)


def baskets(count: int, lines: int, batch: int) -> Iterator[Interaction]:
    chosen = random.Random(batch)
    for number in range(count):
        categories = [f"CATEGORY {int(chosen.expovariate(1 / 40)) % 150}" for _ in range(lines)]
        yield Interaction(
            interaction_id=f"basket:{batch}:{number}",
            identity=f"crm:{chosen.randrange(2_500)}",
            type="purchase",
            time=START + batch * DAY + number,
            properties={"category": categories, "total": round(chosen.random() * 90, 2)},
        )


def logging(folder: Path) -> Iterator[Row]:
    records = [logged(number) for number in range(5_000)]
    log = open_log(folder / "log.db")
    yield measured("log.append()", len(records), lambda n: log.append(records[n]))
    log.flush()
    again = renamed(records)

    def append(_: int) -> None:
        for record in again:
            log.append(record)
        log.flush()

    yield measured("log, append until durable, both threads", 1, append, each=len(again))
    yield measured("log.read()", 2_000, lambda n: log.read(f"d{n}"))
    log.close()


def renamed(records: Sequence[DecisionRecord]) -> list[DecisionRecord]:
    return [msgspec.structs.replace(one, decision_id=f"again {one.decision_id}") for one in records]


def logged(number: int) -> DecisionRecord:
    return DecisionRecord(
        decision_id=f"d{number}",
        request=DecisionRequest(
            identity=f"crm:{number}", placements=(PlacementRequest("banner", 3),)
        ),
        customer_id="c" * 32,
        known=True,
        profile=b"x" * 2_000,
        time=START,
        seed=number,
        catalog_version="a" * 16,
        model_versions={"propensity": "1"},
        treatments=1_000,
        candidates=b"i" * 2 * 300,
        scored=b"i" * 4 * 300,
        propensities=b"f" * 4 * 300,
        total=1_000,
        dropped={"eligibility/not_eligible": 700},
        usage={"cap/1": 1},
        answers=(),
        recommendations=(),
    )


if __name__ == "__main__":
    main()
