"""Interactions recorded over gRPC: one per call, by batches, and over a stream; sources beside them.

    python benchmarks/interactions.py [--folder FOLDER] [--number 20000]

Two server processes, one client, every interaction durable before it is acknowledged. ``--folder``
chooses the disk; the default is the system's folder for temporary files.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # faults is a package there, a file here

from faults.servers import Servers
from faults.world import write_world
from nba_engine.client import Client, Interaction
from nba_engine.store import open_store

CUSTOMERS, BATCH = 500, 200
SOURCE = """
[sources.inbox]
kind = "jsonl"
poll_seconds = 0.05
settings = { path = "inbox" }
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", default=None)
    parser.add_argument("--number", type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        settings = write_world(folder, processes=2, reservations=10, customers=CUSTOMERS, ttl=3600)
        with settings.settings.open("a") as file:
            file.write(SOURCE)
        (folder / "inbox").mkdir()
        with Servers(settings) as servers, Client(servers.address, timeout=30.0) as client:
            for what, rate in measured(client, folder, options.number):
                print(f"{what:<28} {rate:>10,.0f} per second")


def measured(client: Client, folder: Path, number: int) -> Iterator[tuple[str, float]]:
    """What was done, and how many interactions per second."""
    few = number // 20

    def one_per_call() -> None:
        for happened in interactions(few):
            client.record_interactions([happened])

    def by_batches() -> None:
        for start in range(0, number, BATCH):
            client.record_interactions(list(interactions(min(BATCH, number - start))))

    def streamed() -> None:
        count = sum(1 for _ in client.stream_interactions(interactions(number)))
        assert count == number

    yield "one per call", few / seconds(one_per_call)
    yield f"{BATCH} per call", number / seconds(by_batches)
    yield "over a stream", number / seconds(streamed)
    yield "out of a file, by a source", number / seconds(lambda: from_file(folder, number))


def interactions(count: int) -> Iterator[Interaction]:
    """Impressions of some hundred customers."""
    for number in range(count):
        yield Interaction(identity=f"crm:{number % CUSTOMERS}", type="impression")


def from_file(folder: Path, number: int) -> None:
    """Write a file into the source's folder, and wait until all of it counts."""
    before = counted(folder)
    lines = (
        json.dumps(
            {
                "interaction_id": f"file-{at}",
                "identity": f"crm:{at % CUSTOMERS}",
                "type": "impression",
                "time": 1_700_000_000 + at,
            }
        )
        for at in range(number)
    )
    partial = folder / "inbox" / ".partial"
    partial.write_text("\n".join(lines) + "\n")
    partial.replace(folder / "inbox" / "all.jsonl")
    while counted(folder) < before + number:
        time.sleep(0.02)


def counted(folder: Path) -> int:
    """The impressions of all customers."""
    with closing(open_store(folder / "data" / "nba.db", create=False)) as store:
        found = [store.customer(f"crm:{number}") for number in range(CUSTOMERS)]
    return sum(one[0].aggregates.get("shown", 0) for one in found if one is not None)


def seconds(act: Callable[[], None]) -> float:
    """Wall time."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
