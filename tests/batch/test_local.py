"""What is special about the built-in engine: its workers, and what becomes of them."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
import pytest

from nba_engine.batch import LocalEngine, LocalSettings, drill, process
from nba_engine.domain import Adding, Batch, BatchEngine
from nba_engine.errors import FailedPrecondition, PartitionFailed
from nba_engine.testing.batch_suite import same

pytestmark = pytest.mark.xdist_group("batch")


def threads(workers: int = 2, **settings: float) -> BatchEngine:
    return LocalEngine(LocalSettings(workers=workers, workers_are="threads", **settings))


def processes(workers: int = 1) -> BatchEngine:
    return LocalEngine(LocalSettings(workers=workers, workers_are="processes"))


def slices(folder: Path, count: int) -> list[drill.Slice]:
    return [drill.Slice(number, str(folder)) for number in range(count)]


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 45.0
    while not holds():
        assert time.monotonic() < until, "it never came to pass"
        time.sleep(0.01)


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def the_process(batch: Batch[drill.Numbers]) -> int:
    return next(iter(batch.each(drill.look, 0))).process


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_the_number_of_workers_changes_no_bit(tmp_path: Path, workers: int) -> None:
    parts = slices(tmp_path, 8)
    batch = threads(workers).open(parts, drill.build)
    assert same(batch.map_reduce(drill.total, 0.3), drill.plain_loop(parts, 0.3))
    batch.close()


def test_adding_in_another_order_would_change_bits(tmp_path: Path) -> None:
    parts = slices(tmp_path, 8)
    backwards = Adding()
    for number, one in enumerate(reversed(parts)):
        backwards.take(number, drill.total(drill.build(one), 0.3))
    assert not same(backwards.total, drill.plain_loop(parts, 0.3))


def test_threads_are_taken_where_the_work_is_outside_pythons_lock(tmp_path: Path) -> None:
    batch = LocalEngine(LocalSettings(workers=2)).open(
        slices(tmp_path, 2), drill.build, releases_gil=True
    )
    assert the_process(batch) == os.getpid()
    batch.close()


def test_there_is_a_worker_per_core_and_never_more_than_partitions(tmp_path: Path) -> None:
    assert LocalEngine().workers == len(os.sched_getaffinity(0))
    batch = threads(9).open(slices(tmp_path, 2), drill.build)
    assert len(list(batch.each(drill.look, 0))) == 2
    batch.close()


def test_a_worker_that_died_between_two_calls_is_replaced(tmp_path: Path) -> None:
    parts = slices(tmp_path, 2)
    batch = processes().open(parts, drill.build)
    killed = the_process(batch)
    os.kill(killed, signal.SIGKILL)
    assert same(batch.map_reduce(drill.total, 1.0), drill.plain_loop(parts, 1.0))
    assert the_process(batch) != killed
    batch.close()
    eventually(lambda: not alive(killed))


def test_what_cannot_travel_is_told_and_the_batch_stays_open(tmp_path: Path) -> None:
    batch = processes().open(slices(tmp_path, 2), drill.build)
    with pytest.raises(TypeError, match="use functions of a module"):
        batch.map_reduce(lambda _numbers, _state: (np.zeros(1),), None)
    with pytest.raises(PartitionFailed, match=r"partition 1 of 2 .*pickle"):
        list(batch.each(unsendable, None))
    process = the_process(batch)
    assert process != os.getpid()
    batch.close()
    eventually(lambda: not alive(process))


def unsendable(_numbers: drill.Numbers, _state: object) -> object:
    return lambda: None


def test_a_batch_does_one_call_at_a_time(tmp_path: Path) -> None:
    batch = threads().open(slices(tmp_path, 3), drill.build)
    answers = batch.each(drill.look, 0)
    next(answers)
    with pytest.raises(FailedPrecondition, match="one at a time"):
        batch.map_reduce(drill.total, 1.0)
    assert len(list(answers)) == 2
    batch.close()


def test_each_holds_back_no_more_than_workers_and_a_few(tmp_path: Path) -> None:
    batch = threads().open(slices(tmp_path, 40), drill.build)
    answers = batch.each(note, str(tmp_path))
    next(answers)
    assert len(list(tmp_path.glob("noted-*"))) <= 2 + 4
    assert len(list(answers)) == 39
    batch.close()


def note(numbers: drill.Numbers, folder: str) -> int:
    Path(folder, f"noted-{numbers.slice.number}").touch()
    return numbers.slice.number


def test_patience_is_a_setting(tmp_path: Path) -> None:
    batch = threads(partition_seconds=4.0).open(slices(tmp_path, 2), drill.build)
    with pytest.raises(PartitionFailed, match=r"not computed within 4 seconds"):
        batch.map_reduce(drill.hang, 0)
    batch.close()


DRIVER = """
import sys
from nba_engine.batch import LocalEngine, LocalSettings, drill
engine = LocalEngine(LocalSettings(workers=1, workers_are="processes"))
batch = engine.open([drill.Slice(0, sys.argv[1])], drill.build)
print(next(iter(batch.each(drill.look, 0))).process, flush=True)
batch.map_reduce(drill.hang, 0)
"""


def test_a_worker_ends_when_its_driver_does_right_after_a_task_was_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The task came, and nobody has begun with it when the other end is closed."""

    class Exited(BaseException):
        pass

    def exited(code: int) -> None:
        raise Exited(code)

    monkeypatch.setattr("nba_engine.batch.process.os._exit", exited)
    ours, theirs = Pipe()
    ours.send_bytes(b"a task")
    ours.close()
    tasks: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    work = process._Work()
    with pytest.raises(Exited):
        process._read(theirs, tasks, work)
    assert tasks.get() == b"a task"
    work.done += 1
    process._read(theirs, tasks, work)  # all is done: it ends by itself
    assert tasks.get() is None


def test_workers_end_with_whoever_drives_them_even_in_the_middle(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as driver:
        assert driver.stdout is not None
        worker = int(driver.stdout.readline())
        assert alive(worker)
        driver.kill()
    eventually(lambda: not alive(worker))
