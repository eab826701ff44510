"""What a request id costs: decisions with and without one, repeats, one caller and many.

    python benchmarks/request_ids.py [--folder FOLDER] [--seconds 2]

The synthetic world of `benchmarks/decide.py` (1,000 treatments, three recommendations), in process.
``--folder`` chooses the disk; the default is the system's folder for temporary files. An id costs
one durable commit (two with limits, where one is there anyway), so the bare commit of this disk is
printed too.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import apsw
import msgspec

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import decide, world
from nba_engine.app import open_app
from nba_engine.domain import Claim, DecisionRequest
from nba_engine.engine import Engine
from nba_engine.store import open_store

Row = tuple[str, int, float, float]  # what, how many, wall seconds, CPU seconds of this process


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", default=None)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        rows += commits(Path(folder))
        rows += answers(Path(folder), options.seconds)
        for capped in (False, True):
            rows += decisions(Path(folder), options.seconds, capped=capped)
    width = max(len(name) for name, *_ in rows)
    print(f"{'':<{width}}  {'per second':>12} {'µs each':>10} {'CPU µs each':>12}")
    for name, count, wall, cpu in rows:
        print(
            f"{name:<{width}}  {count / wall:>12,.0f} {wall / count * 1e6:>10,.0f}"
            f" {cpu / count * 1e6:>12,.0f}"
        )


def commits(folder: Path) -> Iterator[Row]:
    """The bare commit of one row on this disk."""
    connection = apsw.Connection(str(folder / "commits.db"))
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "FULL")
    connection.execute("CREATE TABLE t(x INTEGER PRIMARY KEY)")
    for _ in range(2_000):  # the WAL has its size by then
        connection.execute("INSERT INTO t VALUES (NULL)")
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(1_000):
        connection.execute("INSERT INTO t VALUES (NULL)")
    yield (
        "bare SQLite: commit of one row",
        1_000,
        time.perf_counter() - wall,
        time.process_time() - cpu,
    )
    connection.close()


def answers(folder: Path, seconds: float) -> Iterator[Row]:
    """Remembering an answer of 1,500 bytes, without a decision."""
    store = open_store(folder / "answers.db")

    def remember() -> None:
        name = str(uuid.uuid4())
        now = time.time()
        claim = Claim(
            request_id=name,
            fingerprint=bytes(16),
            decision_id=name,
            until=now + 2.0,
            expires=now + 86_400.0,
        )
        store.remember(claim, bytes(1_500), now=now)

    for threads in (1, 16, 64):
        callers = "1 caller" if threads == 1 else f"{threads} callers"
        yield run(f"an answer remembered, {callers}", threads, seconds, remember)
    store.close()


def decisions(folder: Path, seconds: float, *, capped: bool) -> Iterator[Row]:
    """Without an id, with one, and repeated; by one caller and by sixteen."""
    kind = "with a limit" if capped else "no limit"
    world.write_model(folder / "model")
    settings = world.write_world(folder, capped=capped)
    with open_app(settings) as app:
        engine = app.engine
        decide.load_customers(engine)
        requests = itertools.cycle(decide.requests())

        def plain() -> DecisionRequest:
            return next(requests)

        def named() -> DecisionRequest:
            return msgspec.structs.replace(next(requests), request_id=str(uuid.uuid4()))

        known = [named() for _ in range(1_000)]
        for one in known:
            engine.decide(one)
        repeats = itertools.cycle(known)
        for threads in (1, 16):
            callers = "1 caller" if threads == 1 else f"{threads} callers"
            for what, make in (
                ("without an id", plain),
                ("with an id", named),
                ("repeat", lambda: next(repeats)),
            ):
                act = partial(_decide_next, engine, threading.Lock(), make)
                yield run(f"{kind}, {what}, {callers}", threads, seconds, act)


def _decide_next(engine: Engine, lock: threading.Lock, make: Callable[[], DecisionRequest]) -> None:
    with lock:
        request = make()
    engine.decide(request)


def run(name: str, threads: int, seconds: float, act: Callable[[], None]) -> Row:
    """Act from several threads for some seconds."""
    counts = [0] * threads
    until = time.perf_counter() + seconds

    def work(thread: int) -> None:
        while time.perf_counter() < until:
            act()
            counts[thread] += 1

    wall, cpu = time.perf_counter(), time.process_time()
    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return name, sum(counts), time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    main()
