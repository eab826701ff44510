"""The threads that answer calls: what gRPC needs of a thread pool, and no more."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Task", "Workers"]

_log = logging.getLogger(__name__)

_Callback: TypeAlias = "Callable[[Task], object]"


class Task:
    """One call that was submitted: the part of a `concurrent.futures.Future` that gRPC uses."""

    __slots__ = ("_callbacks", "_done", "_work")

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._callbacks: list[_Callback] = []
        self._done = False

    def add_done_callback(self, callback: _Callback) -> None:
        """Call ``callback`` once the work is done; at once if it is."""
        self._callbacks.append(callback)
        if self._done:
            self._call_back()

    def run(self) -> None:
        """Do the work."""
        try:
            self._work()
        except BaseException as error:  # the thread lives on; the text may hold a caller's values
            _log.error("a call ended in %s", type(error).__name__)
        finally:
            self.finish()

    def finish(self) -> None:
        """The work is done, or will never be."""
        self._done = True
        self._call_back()

    def _call_back(self) -> None:
        # Without a lock: `pop` is atomic, so each callback is called by one thread only; and none
        # is forgotten, for one thread appends before it looks whether the work is done, the other
        # says that it is done before it looks for callbacks.
        while self._callbacks:
            try:
                callback = self._callbacks.pop()
            except IndexError:
                return
            callback(self)


class Workers:
    """A fixed number of threads.

    A `ThreadPoolExecutor` makes a future with a condition, and takes two locks, for each call;
    gRPC needs neither. The threads are daemons: a call that outlasts the server's grace does not
    keep the process alive.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}_{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, function: Callable[..., object], /, *arguments: object) -> Task:
        """Call ``function`` on one of the threads. Raises RuntimeError after `shutdown`."""
        if self._closed:
            raise RuntimeError("these workers were shut down")
        task = Task(lambda: function(*arguments))
        self._tasks.put(task)
        return task

    def shutdown(self) -> None:
        """Drop what is queued, let go what runs."""
        self._closed = True
        while True:
            try:
                task = self._tasks.get_nowait()
            except queue.Empty:
                break
            if task is not None:
                task.finish()
        for _ in self._threads:
            self._tasks.put(None)

    def _work(self) -> None:
        get = self._tasks.get
        while (task := get()) is not None:
            task.run()
            del task  # it holds the call's state, which is garbage while this thread waits
