"""`nba store backup` beside two server processes under load, and what a restore of it holds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import grpc
import pytest

from faults.servers import Servers
from faults.world import World, write_world
from nba_engine._gen.nba.v1.decision_service_pb2 import DecideRequest, PlacementRequest
from nba_engine._gen.nba.v1.decision_service_pb2_grpc import DecisionServiceStub
from nba_engine.cli.main import run
from nba_engine.store import open_log_reader, open_store

CLIENTS = 8

pytestmark = pytest.mark.timeout(120)


class Nba:
    """`nba store …` in this process, which is not one of the servers'."""

    def __init__(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        self._world = world
        self._capsys = capsys

    def __call__(self, *arguments: object) -> tuple[int, str]:
        """Exit code, and what it printed."""
        self._capsys.readouterr()
        code = run(["store", *map(str, arguments), "-s", str(self._world.settings)])
        out, err = self._capsys.readouterr()
        return code, out + err


class Load:
    """Clients that ask for decisions, one after the other, and note what was acknowledged."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._done = threading.Event()
        self._changed = threading.Condition()
        self.acknowledged: list[str] = []  # recommendations

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(CLIENTS)
        self._calls = [self._pool.submit(self._run, number) for number in range(CLIENTS)]
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for call in self._calls:
            call.result()
        self._pool.shutdown()

    def wait_for(self, more: int) -> list[str]:
        """What is acknowledged once there are so many more."""
        with self._changed:
            wanted = len(self.acknowledged) + more
            assert self._changed.wait_for(lambda: len(self.acknowledged) >= wanted, 60)
            return list(self.acknowledged)

    def _run(self, number: int) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(self._address, options) as channel:
            stub = DecisionServiceStub(channel)
            for turn in range(10_000):
                if self._done.is_set():
                    return
                request = DecideRequest(
                    identity=f"crm:{number}-{turn % 100}",
                    placements=[PlacementRequest(placement="banner")],
                )
                decision = stub.Decide(request, timeout=30.0).decision
                with self._changed:
                    self.acknowledged += [one.recommendation_id for one in decision.recommendations]
                    self._changed.notify_all()


def reserved(folder: Path) -> set[str]:
    """The reservations of the store."""
    store = open_store(folder / "data" / "nba.db", create=False)
    try:
        assert store.recount() == store.usage_report()
        connection = store._readers.connection()
        return {name for (name,) in connection.execute("SELECT reservation_id FROM reservations")}
    finally:
        store.close()


def logged(folder: Path) -> Iterator[str]:
    reader = open_log_reader(folder / "data" / "decisions.db")
    try:
        for record in reader.records():
            yield from (one.recommendation_id for one in record.recommendations)
    finally:
        reader.close()


def test_what_was_acknowledged_before_a_backup_under_load_is_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = write_world(tmp_path, processes=2, reservations=50_000, customers=800, ttl=3600)
    out = tmp_path / "backup"
    nba = Nba(world, capsys)
    with Servers(world) as servers:
        with Load(servers.address) as load:
            before = load.wait_for(60)
            code, text = nba("backup", "--out", out)
            after = load.wait_for(60)
        assert (code, "MB, as of" in text) == (0, True)
        code, text = nba("restore", out)
        assert (code, "open in another process: stop the server" in text) == (1, True)
        code, text = nba("check")  # beside the server
        assert (code, "sound" in text) == (0, True)
    assert servers.exit_code == 0
    assert nba("restore", out)[0] == 0
    assert set(load.acknowledged) <= reserved(tmp_path)  # what was granted since counts
    assert nba("restore", out, "--limits-of-backup")[0] == 0
    assert nba("check")[0] == 0
    held = reserved(tmp_path)
    assert set(before) <= held <= set(load.acknowledged)
    assert held < set(after)  # it is of a moment, not of the end
    assert held <= set(logged(tmp_path))
