"""Workers as whoever drives them sees them: one task at a time, answers on a shared queue."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeAlias

from nba_engine.batch.failures import failure_of
from nba_engine.batch.resident import Answer, Build, Residents, Task

__all__ = ["Event", "Events", "ProcessWorker", "ThreadWorker", "Worker", "sendable"]

Event: TypeAlias = tuple["Worker", int, Answer | None]
"""The worker, which start of it, and its answer; None: it has died."""

Events: TypeAlias = queue.SimpleQueue[Event]

# a worker computes on one core: libraries that would start threads for all of them do not
_ENDING = 5.0  # seconds that a process may take to end by itself
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Worker(Protocol):
    """A place where partitions are built and stay. Each `start` begins with none."""

    starts: int

    def start(self) -> None:
        """Start, or start anew: what was there before is gone."""

    def give(self, task: Task) -> None:
        """Hand over a task; there is none under way. Raises `OSError` when it has died."""

    def stop(self, *, at_once: bool) -> None:
        """Have it end. ``at_once``: what it is doing is abandoned, and its answer never comes."""

    def join(self) -> None:
        """Return when it has ended, or seems not to want to."""

    def ending(self) -> str:
        """How it ended, in words, after it has died."""


class ThreadWorker:
    """A thread of this process; for what spends its time outside Python's lock."""

    def __init__(self, build: Callable[[Any], Any], events: Events) -> None:
        self.starts = 0
        self._build = build
        self._events = events
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()

    def start(self) -> None:
        self.stop(at_once=True)
        self.starts += 1
        self._tasks = queue.SimpleQueue()
        arguments = (self._tasks, self.starts)
        threading.Thread(target=self._run, args=arguments, name="nba-batch", daemon=True).start()

    def give(self, task: Task) -> None:
        self._tasks.put(task)

    def stop(self, *, at_once: bool) -> None:  # noqa: ARG002 - it ends behind its task either way
        self._tasks.put(None)

    def join(self) -> None:
        pass  # what hangs in it hangs on; it keeps nobody from ending

    def ending(self) -> str:
        return "its thread ended"

    def _run(self, tasks: queue.SimpleQueue[Task | None], start: int) -> None:
        residents = Residents(self._build)
        while (task := tasks.get()) is not None:
            self._events.put((self, start, residents.do(task)))


class ProcessWorker:
    """A process of its own, with a Python of its own."""

    def __init__(self, build: Callable[[Any], Any], events: Events) -> None:
        self.starts = 0
        self._build = pickle.dumps(build)
        self._events = events
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    @property
    def pid(self) -> int:
        """The process, while it runs."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> None:
        self.stop(at_once=True)
        self.join()
        self.starts += 1
        ours, theirs = Pipe()
        with theirs:
            descriptor = theirs.fileno()
            self._process = subprocess.Popen(  # noqa: S603 - this Python, this package's module
                [sys.executable, "-m", "nba_engine.batch.process", str(descriptor)],
                pass_fds=[descriptor],
                stdin=subprocess.DEVNULL,
                env={**dict.fromkeys(_ONE_THREAD, "1"), **os.environ, "PYTHONPATH": _path()},
                process_group=0,  # Ctrl-C is for whoever drives it
            )
        self._connection = ours
        arguments = (ours, self.starts)
        threading.Thread(
            target=self._listen, args=arguments, name="nba-batch-listen", daemon=True
        ).start()
        ours.send_bytes(self._build)

    def give(self, task: Task) -> None:
        assert self._connection is not None
        self._connection.send_bytes(sendable(task))

    def stop(self, *, at_once: bool) -> None:
        if self._process is None or self._connection is None:
            return
        if at_once:
            self._process.kill()
        # shut, not closed: another thread reads from it, and closes it when nothing more can come
        with contextlib.suppress(OSError), _socket(self._connection) as ours:
            ours.shutdown(socket.SHUT_WR)

    def join(self) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def ending(self) -> str:
        code = None if self._process is None else self._process.wait()
        if code is None or code >= 0:
            return f"its process ended with code {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = str(-code)
        hint = ": out of memory?" if -code == signal.SIGKILL else ""
        return f"its process was ended by {name}{hint}"

    def _listen(self, connection: Connection, start: int) -> None:
        first = True
        while True:
            try:
                answer: Answer | None = pickle.loads(connection.recv_bytes())  # noqa: S301
            except (EOFError, OSError):
                answer = None
            except Exception as error:  # its class cannot be made here
                answer = (False, failure_of(error))
            # that it knows the function that builds is told only when it does not
            if not first or answer is None or not answer[0]:
                self._events.put((self, start, answer))
            if answer is None:
                connection.close()
                return
            first = False


def _socket(connection: Connection) -> socket.socket:
    return socket.socket(fileno=os.dup(connection.fileno()))


def sendable(task: Task) -> bytes:
    """The task in bytes. Raises `TypeError` with a sentence that says what cannot travel."""
    try:
        return pickle.dumps(task, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        what = "the partition" if isinstance(task, Build) else "fn or its state"
        raise TypeError(
            f"{what} cannot be sent to another process: {error} "
            "(use functions of a module, and plain values)"
        ) from error


def _path() -> str:
    return os.pathsep.join(os.path.abspath(path) for path in sys.path)  # noqa: PTH100 - "" is here
