"""Group commit: one thread writes; what arrives while it commits shares the next transaction."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import apsw

from nba_engine.errors import Unavailable
from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.files import connect, lock_path
from nba_engine.store.lock import FileLock

__all__ = ["Batch", "Change", "Writer"]

_T = TypeVar("_T")
_I = TypeVar("_I")

# Runs inside a transaction on the writer's connection. It may be run again after a rollback.
Change = Callable[[apsw.Connection], _T]
# Makes one change of each item, in their order, with the same results as one after the other.
Batch = Callable[[apsw.Connection, Sequence[_I]], Sequence[_T]]

LARGEST_GROUP = 256
LONGEST_WAIT = 10.0  # seconds a caller waits when it names no deadline


class _Ticket(Generic[_I, _T]):
    """A change on its way; whoever takes `claim` decides whether it is done or given up."""

    __slots__ = ("batch", "claim", "done", "error", "item", "result")

    def __init__(self, batch: Batch[_I, _T], item: _I) -> None:
        self.batch = batch
        self.item = item
        self.claim = threading.Lock()
        self.done = threading.Lock()
        self.done.acquire()
        self.error: BaseException | None = None
        self.result: _T | None = None

    def take(self) -> bool:
        return self.claim.acquire(blocking=False)


class _RolledBackError(Exception):
    """SQLite gave up the whole transaction (disk full, I/O error), not one statement."""


class Writer:
    """The only connection of this process that writes a database file.

    Changes that arrive while it commits share the next transaction. One that fails leaves no
    trace and does not disturb the others of its group. `submit` returns when the change is
    durable. Processes queue at a file lock.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: queue.SimpleQueue[_Ticket[Any, Any] | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._connection = connect(path, reading=False)
        self._lock = FileLock(lock_path(path))
        self._thread = threading.Thread(target=self._run, name=f"writer {path.name}", daemon=True)
        self._thread.start()

    def submit(self, change: Change[_T], *, deadline: float | None = None) -> _T:
        """Run ``change`` and commit; its result, or its error.

        ``deadline`` on `time.monotonic`. Raises `Unavailable` when it passes: either the change
        was not begun and never will be, or it is being committed and its outcome is unknown.
        """
        return self.submit_to(_one_by_one, change, deadline=deadline)

    def submit_to(self, batch: Batch[_I, _T], item: _I, *, deadline: float | None = None) -> _T:
        """Like `submit`, for a change that is made together with those that share its batch."""
        ticket = _Ticket(batch, item)
        with self._closing:
            if self._closed:
                raise Unavailable(f"{self._path} is closed")
            self._queue.put(ticket)
        left = LONGEST_WAIT if deadline is None else max(0.0, deadline - time.monotonic())
        left = min(left, threading.TIMEOUT_MAX)
        if not ticket.done.acquire(timeout=left):
            if ticket.take():
                raise Unavailable(f"{self._path}: no time left to write; nothing was written")
            raise Unavailable(f"{self._path}: no time left to write; the outcome is unknown")
        if ticket.error is not None:
            raise ticket.error
        return cast("_T", ticket.result)

    def waiting(self) -> int:
        """How many changes wait for the next group."""
        return self._queue.qsize()

    def close(self) -> None:
        """Finish what was submitted, then close the connection. Safe to call twice."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        last = False
        while not last:
            group: list[_Ticket[Any, Any]] = []
            last = self._gather(group)
            if group:
                self._commit(group)
        self._connection.close()
        self._lock.close()

    def _gather(self, group: list[_Ticket[Any, Any]]) -> bool:
        """Wait for a change, and take everything that waits, up to a group; true at the end."""
        ticket = self._queue.get()
        while ticket is not None:
            group.append(ticket)
            if len(group) == LARGEST_GROUP:
                return False
            try:
                ticket = self._queue.get_nowait()
            except queue.Empty:
                return False
        return True

    def _commit(self, group: Sequence[_Ticket[Any, Any]]) -> None:
        """One transaction for the group; if that fails as a whole, one for each change."""
        connection = self._connection
        taken: list[_Ticket[Any, Any]] = []
        try:
            with self._lock:
                connection.execute("BEGIN IMMEDIATE")
                taken = [ticket for ticket in group if ticket.take()]
                self._apply(taken)
                connection.execute("COMMIT")
        except BaseException as error:  # this thread must live: callers wait for it
            self._undo()
            if len(taken) > 1:
                for ticket in taken:
                    ticket.claim.release()
                    self._commit([ticket])
                return
            cause = error.__cause__ if isinstance(error, _RolledBackError) else error
            for ticket in taken or [one for one in group if one.take()]:
                ticket.error = ticket.error or translated(cause or error, self._path)
        for ticket in taken or group:
            ticket.done.release()

    def _apply(self, taken: Sequence[_Ticket[Any, Any]]) -> None:
        """Make all changes. Without savepoints first: one costs more than most changes do."""
        batches: dict[Batch[Any, Any], list[_Ticket[Any, Any]]] = {}
        for ticket in taken:
            batches.setdefault(ticket.batch, []).append(ticket)
        connection = self._connection
        try:
            for batch, tickets in batches.items():
                results = batch(connection, [ticket.item for ticket in tickets])
                for ticket, result in zip(tickets, results, strict=True):
                    ticket.error, ticket.result = None, result
        except BaseException as error:
            if len(taken) == 1:
                raise
            if not connection.in_transaction:
                raise _RolledBackError from error
            connection.execute("ROLLBACK")
            connection.execute("BEGIN IMMEDIATE")
            for ticket in taken:
                self._apply_alone(ticket)

    def _apply_alone(self, ticket: _Ticket[Any, Any]) -> None:
        connection = self._connection
        ticket.error = ticket.result = None
        connection.execute("SAVEPOINT change")
        try:
            (ticket.result,) = ticket.batch(connection, [ticket.item])
        except BaseException as error:
            if not connection.in_transaction:
                raise _RolledBackError from error
            connection.execute("ROLLBACK TO change")
            ticket.error = translated(error, self._path)
        connection.execute("RELEASE change")

    def _undo(self) -> None:
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except DRIVER_ERRORS:  # SQLite rolled back by itself
                return


def _one_by_one(connection: apsw.Connection, changes: Sequence[Change[_T]]) -> list[_T]:
    return [change(connection) for change in changes]
