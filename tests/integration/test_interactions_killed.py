"""A stream of interactions and a file that grows, while server processes are killed (``kill -9``)."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from faults.servers import Servers
from faults.world import write_world
from nba_engine.client import Client, Interaction
from nba_engine.domain import AggregateSpec
from nba_engine.engine import Rebuilding
from nba_engine.store import open_store

STREAMED, IN_FILES, KILLS, CUSTOMERS = 3_000, 3_000, 2, 20

pytestmark = pytest.mark.timeout(120)

SOURCE = """
[sources.inbox]
kind = "jsonl"
batch = 50
poll_seconds = 0.02
settings = { path = "inbox" }
"""


def streamed(killed: threading.Event) -> Iterator[Interaction]:
    """Not faster than the killer: the last ones come when all kills are done."""
    for number in range(STREAMED):
        if number > STREAMED - 100:
            killed.wait(60)
        yield Interaction(
            identity=f"crm:{number % CUSTOMERS}", type="impression", interaction_id=f"s{number}"
        )


def write_files(inbox: Path, killed: threading.Event) -> None:
    """Lines in small pieces, torn anywhere, over three files; one of them is renamed."""
    for part in range(3):
        file = inbox / f"{part}.jsonl"
        for start in range(0, IN_FILES // 3, 100):
            numbers = range(part * IN_FILES // 3 + start, part * IN_FILES // 3 + start + 100)
            text = "".join(_line(number) for number in numbers)
            with file.open("a") as appended:
                appended.write(text[: start + 7])
                appended.flush()
                appended.write(text[start + 7 :])
            if part == 2:
                killed.wait(60)
            time.sleep(0.02)
        if part == 1:
            file.rename(inbox / "1-done.jsonl")


def _line(number: int) -> str:
    values = {"interaction_id": f"f{number}", "identity": f"crm:{number % CUSTOMERS}"}
    return json.dumps(values | {"type": "impression", "time": 1_700_000_000 + number}) + "\n"


def test_nothing_is_lost_and_nothing_counts_twice(tmp_path: Path) -> None:
    world = write_world(tmp_path, processes=2, reservations=100, customers=CUSTOMERS, ttl=3600)
    with world.settings.open("a") as settings:
        settings.write(SOURCE)
    (tmp_path / "inbox").mkdir()
    chosen = random.Random(7)
    killed = threading.Event()
    writer = threading.Thread(target=write_files, args=(tmp_path / "inbox", killed))
    with Servers(world) as servers, Client(servers.address) as client:
        writer.start()

        def kill() -> None:
            try:
                for _ in range(KILLS):
                    servers.kill_one(chosen)
            finally:
                killed.set()

        killer = threading.Thread(target=kill)
        killer.start()
        results = list(client.stream_interactions(streamed(killed), ahead=300, max_batch=20))
        killer.join()
        writer.join()
        _until_recorded(tmp_path, STREAMED + IN_FILES)
    assert [one.interaction_id for one in results] == [f"s{n}" for n in range(STREAMED)]
    assert {one.status for one in results} <= {"recorded", "duplicate"}
    with closing(open_store(tmp_path / "data" / "nba.db", create=False)) as store:
        rebuilding = Rebuilding(
            store, {"shown": AggregateSpec(name="shown", kind="count", types=("impression",))}
        )
        assert [one for one in rebuilding.check(rebuilding.customers()) if one is not None] == []
        assert _shown(tmp_path) == STREAMED + IN_FILES
    rejects = tmp_path / "data" / "rejects.jsonl"
    assert not rejects.exists(), rejects.read_text()


def _shown(folder: Path) -> int:
    """How many impressions count, of all customers."""
    with closing(open_store(folder / "data" / "nba.db", create=False)) as store:
        found = [store.customer(f"crm:{number}") for number in range(CUSTOMERS)]
    return sum(one[0].aggregates.get("shown", 0) for one in found if one is not None)


def _until_recorded(folder: Path, count: int) -> None:
    until = time.monotonic() + 60
    while _shown(folder) < count:
        assert time.monotonic() < until, f"{_shown(folder)} of {count}"
        time.sleep(0.05)
