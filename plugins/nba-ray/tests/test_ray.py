"""The contract of all batch engines on Ray: one machine, and a cluster of two nodes."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import ray

from nba_engine.batch import LocalEngine, LocalSettings, drill
from nba_engine.domain import Batch, BatchEngine, BatchEngineFactory
from nba_engine.errors import Unavailable
from nba_engine.planning import (
    Plan,
    PlanOptions,
    Shape,
    Step,
    build_resident,
    drawn_partitions,
    drawn_problem,
    make_plan,
)
from nba_engine.planning.drawn import noted_rows
from nba_engine.testing import BatchEngineSuite
from nba_engine.testing.batch_suite import same
from nba_ray import RAY
from nba_ray.engine import RayEngine, RaySettings

pytestmark = [pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore::FutureWarning:ray")]

HERE = "127.0.0.1"
PARTITIONS = 6
PORTS = (
    "dashboard-agent-grpc-port",
    "dashboard-agent-listen-port",
    "metrics-export-port",
    "runtime-env-agent-port",
)


@pytest.fixture(scope="module", autouse=True)
def _disconnected() -> Iterator[None]:
    yield
    ray.shutdown()


class TestOneMachine(BatchEngineSuite):
    @pytest.fixture
    def factory(self) -> BatchEngineFactory:
        return RAY

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"workers": 2}

    def test_nothing_of_it_can_be_reached_from_elsewhere(self, batch: Batch[drill.Numbers]) -> None:
        assert len(list(batch.each(drill.look, None))) == 7
        assert listening(ray_processes()) == {HERE}


def ray_processes() -> set[int]:
    """Everything that Ray has started for this process."""
    found = {os.getpid()}
    while True:
        more = {
            int(path.parent.name)
            for path in Path("/proc").glob("[0-9]*/stat")
            if parent(path) in found
        }
        if more <= found:
            return found - {os.getpid()}
        found |= more


def parent(stat: Path) -> int:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return -1  # it has ended


def listening(processes: set[int]) -> set[str]:
    """The addresses on which these processes listen."""
    sockets = set()
    for process in processes:
        for link in Path(f"/proc/{process}/fd").glob("*"):
            try:
                sockets.add(str(link.readlink()))
            except OSError:
                continue  # it was closed
    found = set()
    for table, size in (("tcp", 4), ("tcp6", 16)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.add(spoken(fields[1].partition(":")[0], size))
    return found


def spoken(digits: str, size: int) -> str:
    words = [bytes.fromhex(digits[at : at + 8])[::-1] for at in range(0, 2 * size, 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


class Cluster:
    """Ray nodes on this machine, each of one CPU, with a token of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self.port = free_port()

    @property
    def address(self) -> str:
        return f"{HERE}:{self.port}"

    def start(self, *arguments: str) -> None:
        command = [sys.executable, str(Path(__file__).with_name("node.py")), "start", "--block"]
        common = ["--num-cpus=1", "--disable-usage-stats", "--object-store-memory=80000000"]
        # fixed: for ports of their own choice Ray waits 15 seconds, and a busy machine needs more
        ports = [f"--{name}={free_port()}" for name in PORTS]
        with (self._folder / f"node{len(self._processes)}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(
                    [*command, *common, *ports, *arguments],
                    env={**os.environ, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1"},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )

    def head(self) -> None:
        temporary = f"--temp-dir={self._folder}"
        self.start("--head", f"--port={self.port}", "--include-dashboard=false", temporary)

    def worker(self) -> None:
        self.start(f"--address={self.address}")

    def begin(self, start: Callable[[], None], holds: Callable[[], bool]) -> None:
        """Start a node until it stays: a node ends when its agents take more than 15 seconds."""
        until = time.monotonic() + 400.0
        start()
        while not holds():
            assert time.monotonic() < until, self.told()
            if self._processes[-1].poll() is not None:
                start()
            time.sleep(0.2)

    def stop_all(self) -> None:
        """End all nodes, the head last."""
        for process in reversed(self._processes):
            end(process)

    def stop_newest(self) -> None:
        """End a node with all its processes, as when its machine goes."""
        end(self._processes[-1])

    def told(self) -> str:
        """What the nodes said."""
        return "\n".join(path.read_text() for path in sorted(self._folder.glob("node*.log")))


def end(process: subprocess.Popen[bytes]) -> None:
    """End it with everything in its session, at once."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[3]) == process.pid:
                os.kill(int(stat.parent.name), signal.SIGKILL)
    process.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind((HERE, 0))
        return int(one.getsockname()[1])


def eventually(holds: Any, cluster: Cluster, seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, cluster.told()
        time.sleep(0.2)


@pytest.fixture(scope="module")
def cluster(_disconnected: None) -> Iterator[Cluster]:
    """Two nodes on this machine."""
    ray.shutdown()
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # short: sockets lie below it
    made = Cluster(folder)
    try:
        made.begin(made.head, lambda: connects(made))
        made.begin(made.worker, lambda: len(nodes()) == 2)
        yield made
    finally:
        ray.shutdown()
        made.stop_all()
        shutil.rmtree(folder, ignore_errors=True)


def connects(cluster: Cluster) -> bool:
    try:
        RayEngine(RaySettings(address=cluster.address)).workers  # noqa: B018
    except Unavailable:
        return False
    return True


def nodes() -> list[str]:
    return [node["NodeID"] for node in ray.nodes() if node["Alive"]]


def where(_numbers: drill.Numbers, _state: None) -> str:
    return str(ray.get_runtime_context().get_node_id())


def plain(folder: Path) -> tuple[list[drill.Slice], BatchEngine]:
    slices = [drill.Slice(number, str(folder)) for number in range(PARTITIONS)]
    return slices, LocalEngine(LocalSettings(workers=2, workers_are="threads"))


def planned(engine: BatchEngine, folder: Path, *, killing: bool) -> tuple[Plan, list[int], int]:
    """A plan, which partitions were built twice, and in how many processes.

    ``killing``: the process with the first partition is ended after the second iteration.
    """
    folder.mkdir()
    shape = Shape(customers=3_000, actions=6, most_contacts=2)
    source = (shape, str(folder))
    partitions = [
        msgspec.structs.replace(one, load=noted_rows, source=source)
        for one in drawn_partitions(shape, rows=500)
    ]

    def built(first: int) -> list[int]:
        return [int(path.name.split("-")[1]) for path in folder.glob(f"{first}-*")]

    def tell(step: Step) -> None:
        if killing and (step.phase, step.number) == ("prices", 2):
            os.kill(built(0)[0], signal.SIGKILL)

    batch = engine.open(partitions, build_resident, releases_gil=True)
    try:
        problem, options = drawn_problem(shape), PlanOptions(passes=20)
        plan = make_plan(
            batch, problem, shape.customers, options, partitions=len(partitions), tell=tell
        )
    finally:
        batch.close()
    builds = [built(one.first) for one in partitions]
    twice = [number for number, processes in enumerate(builds) if len(processes) > 1]
    return plan, twice, len({process for processes in builds for process in processes})


def same_plan(one: Plan, other: Plan) -> bool:
    return (one.value, one.bound, one.counts.tolist()) == (
        other.value,
        other.bound,
        other.counts.tolist(),
    )


def test_plans_are_the_same_as_on_one_machine_also_when_a_worker_is_killed(tmp_path: Path) -> None:
    local = LocalEngine(LocalSettings(workers=2, workers_are="threads"))
    expected, _, _ = planned(local, tmp_path / "local", killing=False)
    engine = RayEngine(RaySettings(workers=2))
    plan, twice, processes = planned(engine, tmp_path / "ray", killing=False)
    assert same_plan(plan, expected)
    assert (twice, processes) == ([], 2)
    plan, twice, processes = planned(engine, tmp_path / "killed", killing=True)
    assert same_plan(plan, expected)
    assert (twice, processes) == ([0, 2, 4], 3)


def test_plans_are_the_same_on_two_nodes(cluster: Cluster, tmp_path: Path) -> None:
    local = LocalEngine(LocalSettings(workers=2, workers_are="threads"))
    expected, _, _ = planned(local, tmp_path / "local", killing=False)
    engine = RayEngine(RaySettings(address=cluster.address))
    assert engine.workers == len(nodes()) == 2
    plan, twice, processes = planned(engine, tmp_path / "ray", killing=True)
    assert same_plan(plan, expected)
    assert (twice, processes) == ([0, 2, 4], 3)


def test_two_nodes_share_the_partitions_and_losing_one_changes_nothing(
    cluster: Cluster, tmp_path: Path
) -> None:
    slices, local = plain(tmp_path)
    with_threads = local.open(slices, drill.build)
    expected = with_threads.map_reduce(drill.total, 0.7)
    with_threads.close()
    engine = RayEngine(RaySettings(address=cluster.address))
    assert engine.workers == 2
    batch = engine.open(slices, drill.build)
    for _ in range(2):
        assert same(batch.map_reduce(drill.total, 0.7), expected)
    before = list(batch.each(drill.look, None))
    assert len({one.process for one in before}) == 2
    assert len(set(batch.each(where, None))) == 2
    # a worker is killed after the second iteration: its partitions are built again
    assert same(batch.map_reduce(drill.die_once, 3), drill.plain_loop(slices, 1.0))
    after = list(batch.each(drill.look, None))
    rebuilt = [a.number for a, b in zip(after, before, strict=True) if a.token != b.token]
    assert rebuilt == [one.number for one in before if one.process == before[3].process]
    assert same(batch.map_reduce(drill.total, 0.7), expected)
    cluster.stop_newest()
    assert same(batch.map_reduce(drill.total, 0.7), expected)
    eventually(lambda: len(nodes()) == 1, cluster)
    batch.close()


def test_a_cluster_that_is_not_there_is_told() -> None:
    ray.shutdown()
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 could not be reached"):
        RayEngine(RaySettings(address=f"{HERE}:1")).open([drill.Slice(0, "")], drill.build)
