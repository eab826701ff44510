"""The embedded store: one SQLite file, many readers, one writing thread."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import apsw

from nba_engine.domain import (
    Answer,
    Claim,
    CustomerState,
    Fold,
    Holdings,
    Identities,
    Interaction,
    InteractionResult,
    KnownRequest,
    Linked,
    LinkRequest,
    Merge,
    ProfileUpdate,
    ReservationRequest,
)
from nba_engine.errors import FailedPrecondition
from nba_engine.store.catalogs import StoredCatalogs
from nba_engine.store.customers import (
    StoredArrivals,
    StoredForgetting,
    StoredHistories,
    WorkingSet,
    check_updates,
    decode_state,
    derived_id,
    random_id,
    read_holdings,
    read_identities,
    read_state,
    update_customers,
)
from nba_engine.store.erasing import StoredErasures
from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.files import Readers, open_file, path_of
from nba_engine.store.identities import check_link, link
from nba_engine.store.interactions import (
    FUTURE_SECONDS,
    Prepared,
    prepare,
    record_interactions,
)
from nba_engine.store.ledger import Ledger, StoredAccounts, StoredPast, check_requests
from nba_engine.store.progress import check_progress
from nba_engine.store.requests import (
    check_claim,
    forget_updates,
    give_up,
    read_request,
    reap,
    remember,
    seen_update,
)
from nba_engine.store.reserving import Asked, reserve_all
from nba_engine.store.schema import STORE
from nba_engine.store.writer import Writer

__all__ = ["SqliteStore", "open_store"]

_T = TypeVar("_T")

_SWEEP = 1_000  # rows that `expire` ends in one commit


def open_store(
    path_or_url: str | Path, *, create: bool = True, simulated: bool | None = None
) -> SqliteStore:
    """Open (or create) the store in a file, given as path or ``sqlite:`` URL.

    ``simulated`` is fixed at creation; None takes what the file says (a new one: false).
    Raises `NotFound`, `FailedPrecondition` (another kind of file, version, or simulated flag),
    `Unavailable`, `Exhausted`.
    """
    path = path_of(path_or_url)

    def prepare_new(connection: apsw.Connection) -> None:
        connection.execute("INSERT INTO meta VALUES ('simulated', ?)", (int(bool(simulated)),))
        connection.execute("INSERT INTO meta VALUES ('store_id', ?)", (uuid4().hex,))
        connection.execute("INSERT INTO meta VALUES ('salt', randomblob(16))")

    open_file(path, STORE, create=create, prepare=prepare_new)
    store = SqliteStore(path)
    if simulated is not None and store.simulated != simulated:
        store.close()
        has, wants = ("simulated", "real") if store.simulated else ("real", "simulated")
        raise FailedPrecondition(f"{path} was created as a {has} store, not as a {wants} one")
    return store


class SqliteStore(
    StoredCatalogs,
    StoredAccounts,
    StoredHistories,
    StoredArrivals,
    StoredErasures,
    StoredForgetting,
    StoredPast,
):
    """`nba_engine.domain.Store` in a SQLite file in WAL mode; made by `open_store`.

    Reads use one connection per thread and never wait for the writer. Writes are durable
    (``synchronous=FULL``) when the call returns; concurrent ones share a transaction. Methods
    that write take a ``deadline`` on `time.monotonic`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._readers = Readers(path)
        try:
            self._simulated = bool(
                self._readers.connection()
                .execute("SELECT value FROM meta WHERE key = 'simulated'")
                .get
            )
            self._ledger = Ledger(simulated=self._simulated)
            self._reserve_all = partial(reserve_all, self._ledger)
            self._new_id = derived_id if self._simulated else random_id
            self._writer = Writer(path)
        except DRIVER_ERRORS as error:
            self._readers.close()
            raise translated(error, path) from error

    @property
    def simulated(self) -> bool:
        """Created as simulated: requests may set the time."""
        return self._simulated

    def customer(self, identity: str) -> tuple[CustomerState, bytes] | None:
        """The customer behind an identity, and its state as stored; None: unknown."""
        try:
            state = read_state(self._readers.cursor(), identity)
        except UnicodeEncodeError:
            return None  # no such identity can have been stored
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error
        return None if state is None else (decode_state(state), state)

    def update(
        self, updates: Sequence[ProfileUpdate], *, deadline: float | None = None
    ) -> Sequence[CustomerState]:
        """Create or change customers; one commit. See `nba_engine.domain.Store`.

        Attributes that are None are ignored; of two consents for one purpose the later counts,
        at the same time the withdrawal. Raises `InvalidRequest` for values that cannot be
        stored, and when a ``request_id`` comes back with another body.
        """
        check_updates(updates)

        def change(connection: apsw.Connection) -> list[CustomerState]:
            customers = WorkingSet(connection, self._new_id)
            states = self._update(connection, customers, updates)
            customers.write()
            return states

        return self._writer.submit(change, deadline=deadline)

    def record(
        self,
        interactions: Sequence[Interaction],
        fold: Fold,
        *,
        now: float,
        deadline: float | None = None,
    ) -> Sequence[InteractionResult]:
        """Record interactions, fold them into aggregates, move reservations; one commit.

        A malformed item is ``rejected`` by itself, with a message.
        """
        items = prepare(interactions)

        def change(connection: apsw.Connection) -> list[InteractionResult]:
            customers = WorkingSet(connection, self._new_id)
            results = self._record(connection, customers, items, fold, now)
            customers.write()
            return results

        return self._writer.submit(change, deadline=deadline)

    def bulk(
        self,
        *,
        updates: Sequence[ProfileUpdate] = (),
        interactions: Sequence[Interaction] = (),
        fold: Fold | None = None,
        now: float,
        progress: tuple[str, str] | None = None,
        follows: str | None = None,
        deadline: float | None = None,
    ) -> Sequence[InteractionResult]:
        """Updates, interactions and a progress mark in one commit: for imports.

        ``progress`` (name, value) is what `progress` answers from then on, so that an import
        that was interrupted goes on behind the last commit. ``deadline`` None waits as long as
        it takes. Customers are written once, however many of the rows are theirs. For ``follows``
        see `nba_engine.domain.Store`.
        """
        check_updates(updates)
        items = prepare(interactions)
        if items and fold is None:
            raise TypeError("interactions need a fold")

        def change(connection: apsw.Connection) -> list[InteractionResult]:
            if progress is not None and follows is not None:
                check_progress(connection, progress[0], follows)
            customers = WorkingSet(connection, self._new_id)
            self._update(connection, customers, updates)
            results = []
            if fold is not None:
                results = self._record(connection, customers, items, fold, now)
            customers.write()
            if progress is not None:
                connection.execute("INSERT OR REPLACE INTO progress VALUES (?, ?)", progress)
            return results

        return self._writer.submit(change, deadline=math.inf if deadline is None else deadline)

    def progress(self, name: str) -> str | None:
        """What `bulk` or `put_progress` last noted under this name."""
        try:
            noted: str | None = (
                self._readers.connection()
                .execute("SELECT value FROM progress WHERE name = ?", (name,))
                .get
            )
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error
        return noted

    def put_progress(self, name: str, value: str | None) -> None:
        """Note a progress mark; None removes it."""

        def change(connection: apsw.Connection) -> None:
            if value is None:
                connection.execute("DELETE FROM progress WHERE name = ?", (name,))
            else:
                connection.execute("INSERT OR REPLACE INTO progress VALUES (?, ?)", (name, value))

        self._writer.submit(change)

    def link(
        self, request: LinkRequest, merge: Merge, *, now: float, deadline: float | None = None
    ) -> Linked:
        """Lead identities to one customer, merging those that they lead to; one commit.

        See `nba_engine.domain.Store`.
        """
        check_link(request)
        return self._writer.submit(
            lambda connection: link(connection, request, merge, self._new_id, now),
            deadline=deadline,
        )

    def identities(self, identity: str) -> Identities | None:
        """Who the customer behind an identity is, with links and consents; None: unknown."""
        return self._reading(lambda connection: read_identities(connection, identity))

    def holdings(self, identity: str, *, after: int = 0) -> Holdings | None:
        """A page of a customer's interactions, the first one with its reservations."""
        return self._reading(lambda connection: read_holdings(connection, identity, after))

    def reserve(
        self,
        requests: Sequence[ReservationRequest],
        *,
        now: float,
        claim: Claim | None = None,
        deadline: float | None = None,
    ) -> Sequence[Answer]:
        """Decide the requests in their order, each granted whole or refused; one commit.

        The repeat of a ``reservation_id`` gets the first answer and reserves nothing. For
        ``claim`` see `nba_engine.domain.Store`.
        """
        check_requests(requests)
        if claim is not None:
            check_claim(claim)

        asked = Asked(requests, now, claim)
        return self._writer.submit_to(self._reserve_all, asked, deadline=deadline)

    def release(
        self, reservations: Sequence[str], *, now: float, deadline: float | None = None
    ) -> None:
        """Free what is still reserved under these ids; other ids, and repeats, do nothing."""

        def change(connection: apsw.Connection) -> None:
            at = self._ledger.time(connection, now)
            self._ledger.make_room(connection, at)
            for reservation in reservations:
                self._ledger.release(connection, reservation, at)

        self._writer.submit(change, deadline=deadline)

    def request(self, request_id: str, *, now: float) -> KnownRequest | None:
        """The attempt that holds a request id; None: nobody's, or expired by ``now``."""
        try:
            return read_request(self._readers.connection(), request_id, now)
        except UnicodeEncodeError:
            return None  # no such id can have been stored
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error

    def remember(
        self,
        claim: Claim,
        answer: bytes,
        *,
        keep: Sequence[str] = (),
        now: float,
        deadline: float | None = None,
    ) -> None:
        """Make an attempt's answer that of its request id. See `nba_engine.domain.Store`."""
        check_claim(claim)
        self._writer.submit(
            lambda connection: remember(connection, self._ledger, claim, answer, keep, now),
            deadline=deadline,
        )

    def give_up(self, claim: Claim, *, now: float, deadline: float | None = None) -> None:
        """End an attempt without an answer: its request id is free, all it held is released."""
        self._writer.submit(
            lambda connection: give_up(connection, self._ledger, claim, now), deadline=deadline
        )

    def _reading(self, read: Callable[[apsw.Connection], _T]) -> _T:
        try:
            return read(self._readers.connection())
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error

    def expire(self, *, now: float, deadline: float | None = None) -> int:
        """End every reservation that is due; returns how many. Call it every few seconds.

        Also lets fall what left its rolling window, ends attempts that died, and forgets requests:
        those of decisions that have expired, those of updates after a week.
        """

        def change(connection: apsw.Connection) -> tuple[int, int]:
            at = self._ledger.time(connection, now)
            forget_updates(connection)
            ended = self._ledger.sweep(connection, at, most=_SWEEP)
            fallen = self._ledger.let_fall(connection, at, most=_SWEEP)
            return ended, fallen + reap(connection, self._ledger, at, most=_SWEEP)

        total, ended, others = 0, 1, 0
        while ended or others:
            ended, others = self._writer.submit(change, deadline=deadline)
            total += ended
        return total

    def close(self) -> None:
        """Finish what was accepted, then release files. Safe to call twice."""
        self._writer.close()
        self._readers.close()

    def _record(
        self,
        connection: apsw.Connection,
        customers: WorkingSet,
        items: Sequence[Prepared],
        fold: Fold,
        now: float,
    ) -> list[InteractionResult]:
        at = self._ledger.time(connection, now)
        self._ledger.make_room(connection, at)
        latest = math.inf if self._simulated else at + FUTURE_SECONDS
        return record_interactions(
            connection, customers, self._ledger, items, fold, now=at, latest=latest
        )

    def _update(
        self,
        connection: apsw.Connection,
        customers: WorkingSet,
        updates: Sequence[ProfileUpdate],
    ) -> list[CustomerState]:
        done = [seen_update(connection, *numbered) for numbered in enumerate(updates)]
        return update_customers(customers, updates, done)
