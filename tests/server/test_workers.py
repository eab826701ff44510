"""The threads that answer calls."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from nba_engine.server.workers import Task, Workers


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers(2, "test")
    yield workers
    workers.shutdown()


def test_work_is_done_on_another_thread_and_reported(workers: Workers) -> None:
    done = threading.Event()
    seen: list[tuple[int, int]] = []

    def work(one: int, two: int) -> None:
        assert threading.current_thread() is not threading.main_thread()
        seen.append((one, two))

    workers.submit(work, 1, 2).add_done_callback(lambda _task: done.set())
    assert done.wait(5)
    assert seen == [(1, 2)]


def test_a_callback_of_what_is_done_is_called_at_once(workers: Workers) -> None:
    done = threading.Event()
    task = workers.submit(int)
    task.add_done_callback(lambda _task: done.set())
    assert done.wait(5)
    called: list[Task] = []
    task.add_done_callback(called.append)
    assert called == [task]


def test_every_callback_is_called_once_however_threads_race() -> None:
    workers = Workers(4, "test")
    called: list[Task] = []
    all_done = threading.Semaphore(0)

    def note(task: Task) -> None:
        called.append(task)
        all_done.release()

    tasks = [workers.submit(int) for _ in range(2_000)]
    for task in tasks:
        task.add_done_callback(note)
    for _ in tasks:
        assert all_done.acquire(timeout=5)
    workers.shutdown()
    assert len(called) == len(set(map(id, called))) == 2_000


def test_a_thread_survives_whatever_its_work_raises(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise SystemExit("a secret")

    done = threading.Semaphore(0)
    for _ in range(4):
        workers.submit(fail).add_done_callback(lambda _task: done.release())
    workers.submit(int).add_done_callback(lambda _task: done.release())
    for _ in range(5):
        assert done.acquire(timeout=5)
    assert "a call ended in SystemExit" in caplog.text
    assert "a secret" not in caplog.text


def test_shutting_down_drops_what_is_queued_and_refuses_more() -> None:
    workers = Workers(1, "test")
    running, release, dropped = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        running.set()
        release.wait(5)

    workers.submit(work)
    assert running.wait(5)
    ran: list[int] = []
    workers.submit(ran.append, 1).add_done_callback(lambda _task: dropped.set())
    workers.shutdown()
    assert dropped.is_set()
    release.set()
    assert ran == []
    with pytest.raises(RuntimeError, match="shut down"):
        workers.submit(int)


def test_as_many_calls_run_at_once_as_there_are_threads(workers: Workers) -> None:
    together = threading.Barrier(3)
    for _ in range(2):
        workers.submit(together.wait, 5)
    together.wait(5)
