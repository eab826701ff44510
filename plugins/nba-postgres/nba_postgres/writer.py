"""Group commit: one thread writes; what arrives while it commits shares the next transaction."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg

from nba_engine.errors import RequestTaken, Unavailable
from nba_engine.store.customers import NewId
from nba_postgres.applying import apply
from nba_postgres.beginning import HeldByOthersError, begin
from nba_postgres.book import NotAllReadError
from nba_postgres.changes import Change, Reserve, Whole
from nba_postgres.connections import Connection, Connections
from nba_postgres.faults import is_race, translated
from nba_postgres.finding import NeedsWholeStoreError, find_customers
from nba_postgres.flush import writing
from nba_postgres.granting import granted, granting
from nba_postgres.session import Session, Statement
from nba_postgres.statements import LOCK_ALL
from nba_postgres.unit import IN_PASSING, OvertakenError, Unit

__all__ = ["Writer"]

LARGEST_GROUP = 256
LONGEST_WAIT = 10.0  # seconds a caller waits when it names no deadline
_MOST_RACES = 5  # times that a group is tried again because of what others did meanwhile


class _Ticket:
    """A change on its way; whoever takes it decides whether it is done or given up."""

    __slots__ = ("_done", "_taken", "change", "error", "result")

    def __init__(self, change: Change) -> None:
        self.change = change
        self._taken = threading.Lock()
        self._done = threading.Lock()  # held until it is; cheaper than an Event
        self._done.acquire()
        self.error: BaseException | None = None
        self.result: Any = None

    def take(self) -> bool:
        return self._taken.acquire(blocking=False)

    def wait(self, seconds: float) -> bool:
        return self._done.acquire(timeout=min(seconds, threading.TIMEOUT_MAX))

    def tell(self) -> None:
        self._done.release()

    def fail(self, error: BaseException) -> None:
        self.error = error
        self.tell()


class _How(NamedTuple):
    """How a transaction is made: what the attempts before have shown to be needed."""

    exclusive: bool = False
    careful: bool = False
    most: int = IN_PASSING


class _LostError(Exception):
    """The connection broke; ``unknown``: while the transaction was being committed.

    ``again``: to ask again is right all the same, for what was done is not done twice.
    """

    def __init__(self, *, unknown: bool, again: bool) -> None:
        super().__init__()
        self.unknown = unknown
        self.again = again


class Writer:
    """The one connection of this process that changes a store.

    A change that fails leaves no trace and does not disturb the others of its group. `submit`
    returns when the change is durable. The processes of a store write at the same time; what two
    of them want to change, the database gives to one after the other.
    """

    def __init__(
        self, connections: Connections, shown: str, *, lock: int, simulated: bool, new_id: NewId
    ) -> None:
        self._connections = connections
        self._shown = shown
        self._lock = lock
        self._simulated = simulated
        self._new_id = new_id
        self._connection: Connection | None = None
        self._queue: queue.SimpleQueue[_Ticket | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="writer postgresql", daemon=True)
        self._thread.start()

    def submit(self, change: Change, *, deadline: float | None = None) -> Any:
        """Make the change and commit; its result, or its error.

        ``deadline`` on `time.monotonic`. Raises `Unavailable` when it passes: either the change
        was not begun and never will be, or it is being committed and its outcome is unknown.
        """
        ticket = _Ticket(change)
        with self._closing:
            if self._closed:
                raise Unavailable(f"{self._shown} is closed")
            self._queue.put(ticket)
        left = LONGEST_WAIT if deadline is None else max(0.0, deadline - time.monotonic())
        if not ticket.wait(left):
            if ticket.take():
                raise Unavailable(f"{self._shown}: no time left to write; nothing was written")
            raise Unavailable(f"{self._shown}: no time left to write; the outcome is unknown")
        if ticket.error is not None:
            raise ticket.error
        return ticket.result

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
            group: list[_Ticket] = []
            last = self._gather(group)
            taken = [ticket for ticket in group if ticket.take()]
            for ticket in taken:
                if isinstance(ticket.change, Whole):
                    self._commit([ticket])
            self._commit([one for one in taken if not isinstance(one.change, Whole)])
        if self._connection is not None:
            self._connection.close()

    def _gather(self, group: list[_Ticket]) -> bool:
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

    def _commit(self, tickets: Sequence[_Ticket]) -> None:
        """Make these changes in one transaction, without those that fail; answer all of them."""
        pending = list(tickets)
        how, races, fresh, unknown = _How(), 0, self._connection is None, False
        at_once = self._at_once(pending)
        while pending:
            try:
                failed = self._attempt(pending, how, at_once)
            except NotAllReadError:
                how = how._replace(most=16 * how.most)
            except NeedsWholeStoreError:
                how = how._replace(exclusive=True)
            except HeldByOthersError:
                how = how._replace(careful=True)
            except OvertakenError:
                continue
            except _LostError as lost:
                unknown = unknown or lost.unknown
                if fresh or not lost.again:
                    words = "the outcome is unknown" if unknown else "nothing was written"
                    return _fail(pending, Unavailable(f"{self._shown} went away; {words}"))
                fresh = True  # the server may have been restarted while nobody wrote
            except BaseException as error:  # this thread must live: callers wait for it
                if is_race(error) and races < _MOST_RACES:
                    races += 1
                elif len(pending) > 1:
                    for ticket in pending:
                        self._commit([ticket])
                    return None
                else:
                    return _fail(pending, translated(error, self._shown))
            else:
                if failed is None:
                    break
                pending.remove(failed)
                failed.tell()
        for ticket in pending:
            ticket.tell()
        return None

    def _at_once(self, pending: Sequence[_Ticket]) -> list[Statement]:
        """The statement that grants all of these, if that is what they ask for."""
        changes = [one.change for one in pending]
        found = granting(changes, store=self._lock, simulated=self._simulated)
        return [] if found is None else [found]

    def _grant(self, pending: Sequence[_Ticket], statement: Statement) -> bool:
        """Grant all of them in one statement; false: it is not as simple, nothing was changed."""
        connection = self._connected()
        try:
            done = Session(connection).one(statement.sql, **statement.values)
        except BaseException as error:
            # a reservation that was granted is granted when it is asked for again, and not anew
            self._recover(connection, error, unknown=True, again=True)
            raise
        if done:
            for ticket in pending:
                if isinstance(ticket.change, Reserve):
                    ticket.result = granted(ticket.change)
        return bool(done)

    def _attempt(
        self, pending: Sequence[_Ticket], how: _How, at_once: list[Statement]
    ) -> _Ticket | None:
        """One transaction; the change for which it was rolled back, None: it was committed.

        What can be done ``at_once`` is tried once: what comes after it sees what it did.
        """
        if at_once and self._grant(pending, at_once.pop()):
            return None
        connection, committing, failed = self._connected(), False, None
        session = Session(connection)
        try:
            if isinstance(pending[0].change, Whole):
                session.run(Statement("BEGIN"), Statement(LOCK_ALL, {"lock": self._lock}))
                pending[0].result = pending[0].change.work(session)
                statements = [Statement("COMMIT")]
            else:
                unit = Unit(
                    session,
                    [one.change for one in pending if not isinstance(one.change, Whole)],
                    simulated=self._simulated,
                    new_id=self._new_id,
                    careful=how.careful,
                )
                begin(unit, self._lock, exclusive=how.exclusive, most=how.most)
                find_customers(unit, exclusive=how.exclusive)
                unit.lock_customers()
                unit.insert_interactions()
                unit.lock_accounts()
                failed = _applied(unit, pending, self._shown)
                statements = writing(unit)
            if failed is None:
                committing = True
                session.run(*statements)
            else:
                session.roll_back()
        except BaseException as error:
            self._recover(connection, error, unknown=committing, again=not committing)
            raise
        return failed

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._connections.connect()
        return self._connection

    def _recover(
        self, connection: Connection, error: BaseException, *, unknown: bool, again: bool
    ) -> None:
        """Undo what was begun; without a connection that still works, raise `_LostError`."""
        if connection.closed or not self._undone(connection):
            connection.close()
            self._connection = None
            if isinstance(error, psycopg.Error):
                raise _LostError(unknown=unknown, again=again) from error

    def _undone(self, connection: Connection) -> bool:
        try:
            Session(connection).roll_back()
        except psycopg.Error:
            return False
        return True


def _applied(unit: Unit, pending: Sequence[_Ticket], shown: str) -> _Ticket | None:
    """Make the changes; the one that failed in the middle, if any."""
    for ticket in pending:
        assert not isinstance(ticket.change, Whole)
        ticket.error = ticket.result = None
        try:
            ticket.result = apply(unit, ticket.change)
        except RequestTaken as error:
            ticket.error = error
        except (NotAllReadError, NeedsWholeStoreError):
            raise
        except psycopg.Error:
            raise
        except BaseException as error:
            ticket.error = translated(error, shown)
            return ticket
    return None


def _fail(tickets: Sequence[_Ticket], error: BaseException) -> None:
    for ticket in tickets:
        ticket.fail(error)
