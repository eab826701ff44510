"""The store in PostgreSQL: many readers, one writing connection a process, many processes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
import psycopg

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
from nba_engine.store.backup import Table
from nba_engine.store.customers import (
    check_updates,
    decode_state,
    derived_id,
    random_id,
)
from nba_engine.store.identities import check_link
from nba_engine.store.interactions import Prepared, prepare
from nba_engine.store.ledger import check_requests
from nba_engine.store.requests import check_claim
from nba_postgres import reads
from nba_postgres.address import Address, address_of
from nba_postgres.changes import Expire, GiveUp, Release, Remember, Reserve, Whole, Write
from nba_postgres.connections import Connections
from nba_postgres.copying import take_copy
from nba_postgres.faults import translated
from nba_postgres.linking import link
from nba_postgres.migrate import lock_of, open_schema
from nba_postgres.verbs import Accounts, Catalogs, Erasures, Histories, Past, held_by_postgres
from nba_postgres.writer import Writer

__all__ = ["PostgresStore", "open_store"]

_SWEEP = 1_000  # rows that `expire` ends in one commit


def open_store(url: str, *, create: bool = True, simulated: bool | None = None) -> PostgresStore:
    """Open (or create) the store at a URL; see `nba_postgres.address.address_of`.

    ``simulated`` is fixed at creation; None takes what the store says (a new one: false). Raises
    `InvalidRequest` (the URL), `NotFound`, `FailedPrecondition` (made by a newer release, another
    simulated flag), `Unavailable`.
    """
    address = address_of(url)
    opened = open_schema(address, create=create, simulated=simulated)
    return PostgresStore(address, simulated=opened.simulated)


class PostgresStore(Accounts, Catalogs, Histories, Erasures, Past):
    """`nba_engine.domain.Store` in a PostgreSQL schema; made by `open_store`.

    Writes are durable when the call returns; concurrent ones of a process share a transaction.
    Methods that write take a ``deadline`` on `time.monotonic`. While the server is away every
    call raises `Unavailable` at once; the first one after it is back finds it.
    """

    def __init__(self, address: Address, *, simulated: bool) -> None:
        self._simulated = simulated
        self._new_id = derived_id if simulated else random_id
        self._connections = Connections(address)
        self._shown, self._lock = address.show, lock_of(address.schema)
        self._writer = Writer(
            self._connections,
            self._shown,
            lock=self._lock,
            simulated=simulated,
            new_id=self._new_id,
        )

    @property
    def simulated(self) -> bool:
        """Created as simulated: requests may set the time."""
        return self._simulated

    def customer(self, identity: str) -> tuple[CustomerState, bytes] | None:
        """The customer behind an identity, and its state as stored; None: unknown."""
        state = self._read_named(identity, reads.read_state)
        return None if state is None else (decode_state(state), state)

    def update(
        self, updates: Sequence[ProfileUpdate], *, deadline: float | None = None
    ) -> Sequence[CustomerState]:
        """Create or change customers; one commit. See `nba_engine.domain.Store`."""
        check_updates(updates)
        if not updates:
            return []
        states: Sequence[CustomerState] = self._submit(Write(updates=updates), deadline)[0]
        return states

    def record(
        self,
        interactions: Sequence[Interaction],
        fold: Fold,
        *,
        now: float,
        deadline: float | None = None,
    ) -> Sequence[InteractionResult]:
        """Record interactions, fold them into aggregates, move reservations; one commit."""
        change = Write(items=_prepared(interactions), fold=fold, now=now)
        results: Sequence[InteractionResult] = self._submit(change, deadline)[1]
        return results

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

        ``deadline`` None waits as long as it takes.
        """
        check_updates(updates)
        items = _prepared(interactions)
        if items and fold is None:
            raise TypeError("interactions need a fold")
        change = Write(updates, items, fold, now, progress, follows)
        until = math.inf if deadline is None else deadline
        results: Sequence[InteractionResult] = self._submit(change, until)[1]
        return results

    def progress(self, name: str) -> str | None:
        """What `bulk` last noted under this name."""
        return self._read_named(name, reads.read_progress)

    def link(
        self, request: LinkRequest, merge: Merge, *, now: float, deadline: float | None = None
    ) -> Linked:
        """Lead identities to one customer, merging those that they lead to; one commit.

        It has the store for itself while it does; see `nba_engine.domain.Store`.
        """
        check_link(request)
        change = Whole(lambda session: link(session, request, merge, self._new_id, now))
        linked: Linked = self._submit(change, deadline)
        return linked

    def identities(self, identity: str) -> Identities | None:
        """Who the customer behind an identity is, with links and consents; None: unknown."""
        return self._read_named(identity, reads.read_identities)

    def holdings(self, identity: str, *, after: int = 0) -> Holdings | None:
        """A page of a customer's interactions, the first one with its reservations."""
        return self._read_named(identity, lambda c, name: reads.read_holdings(c, name, after))

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
        elif not requests:
            return []
        answers: Sequence[Answer] = self._submit(Reserve(requests, now, claim), deadline)
        return answers

    def release(
        self, reservations: Sequence[str], *, now: float, deadline: float | None = None
    ) -> None:
        """Free what is still reserved under these ids; other ids, and repeats, do nothing."""
        names = [name for name in reservations if held_by_postgres(name)]
        if names:
            self._submit(Release(names, now), deadline)

    def request(self, request_id: str, *, now: float) -> KnownRequest | None:
        """The attempt that holds a request id; None: nobody's, or expired by ``now``."""
        return self._read_named(request_id, lambda c, name: reads.read_request(c, name, now))

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
        self._submit(Remember(claim, answer, keep, now), deadline)

    def give_up(self, claim: Claim, *, now: float, deadline: float | None = None) -> None:
        """End an attempt without an answer: its request id is free, all it held is released."""
        self._submit(GiveUp(claim, now), deadline)

    def expire(self, *, now: float, deadline: float | None = None) -> int:
        """End every reservation that is due; returns how many. Call it every few seconds.

        Also lets fall what left its rolling window, ends attempts that died, and forgets requests:
        those of decisions that have expired, those of updates after a week.
        """
        total, ended, others = 0, 1, 0
        while ended or others:
            ended, others = self._submit(Expire(now, _SWEEP), deadline)
            total += ended
        return total

    def take_copy(self, tables: Sequence[Table], progress: Callable[[int], None]) -> None:
        """Begin as a copy of an embedded store. See `nba_engine.store.backup.copying.TakesCopies`."""
        connection = self._connections.connect()
        try:
            take_copy(connection, tables, progress, self._lock)
        except psycopg.Error as error:
            raise translated(error, self._shown) from error
        finally:
            connection.close()

    def close(self) -> None:
        """Finish what was accepted, then close all connections. Safe to call twice."""
        self._writer.close()
        self._connections.close()


def _prepared(interactions: Sequence[Interaction]) -> list[Prepared]:
    """Checked; those with a NUL in a text are marked as malformed."""
    return [
        msgspec.structs.replace(item, fault="texts must not hold NUL")
        if not item.fault
        and "\0" in f"{one.interaction_id}{one.identity}{one.type}{one.recommendation_id}"
        else item
        for item, one in zip(prepare(interactions), interactions, strict=True)
    ]
