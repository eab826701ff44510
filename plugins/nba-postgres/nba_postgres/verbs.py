"""What the verbs of the store stand on, and those that are about one thing each."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from nba_engine.domain import (
    Arrivals,
    CatalogFiles,
    CustomerPage,
    Erased,
    Erasure,
    Forgotten,
    ForgottenWindows,
    History,
    Publication,
    Rebuilt,
    Usage,
)
from nba_engine.store.customers import check_before, stored_text
from nba_engine.store.erasing import check_erasure
from nba_postgres import arrivals, catalogs, erasing, forgetting, histories, past, usage
from nba_postgres.changes import Change, Whole
from nba_postgres.connections import Connection, Connections
from nba_postgres.session import Session
from nba_postgres.writer import Writer

__all__ = ["Accounts", "Catalogs", "Erasures", "Histories", "Past", "Verbs", "held_by_postgres"]

_T = TypeVar("_T")


class Verbs:
    """A writer and the connections to read by."""

    _simulated: bool
    _connections: Connections
    _writer: Writer

    def _submit(self, change: Change, deadline: float | None) -> Any:
        return self._writer.submit(change, deadline=deadline)

    def _read_named(self, name: str, read: Callable[[Connection, str], _T | None]) -> _T | None:
        """What is kept under a name; None also when no such name can have been stored."""
        if not held_by_postgres(name):
            return None
        return self._connections.read(lambda connection: read(connection, name))


def held_by_postgres(text: str) -> bool:
    """Whether PostgreSQL can hold a text: it knows no NUL."""
    return stored_text(text) and "\0" not in text


class Accounts(Verbs):
    """The verbs that read accounts."""

    def usage(self, accounts: Sequence[str], *, now: float | None = None) -> Mapping[str, int]:
        """Reserved + spent per account, in whole units; accounts never used are absent.

        Reservations that expired count until they are ended, by the next `reserve`, `record` or
        `expire`; what fell out of a rolling window by ``now`` does not.
        """
        names = [name for name in accounts if held_by_postgres(name)]
        if not names:
            return {}
        return self._connections.read(lambda c: usage.read_usage(c, names, now))

    def accounts(
        self, prefix: str, *, now: float | None = None, after: str = "", most: int = 100
    ) -> Sequence[Usage]:
        """Accounts by name, a page at a time. See `nba_engine.domain.Store`."""
        if not all(held_by_postgres(text) for text in (prefix, after) if text):
            return []
        return self._connections.read(
            lambda c: usage.read_accounts(c, prefix, now=now, after=after, most=most)
        )

    def usage_report(self, limit: str = "") -> Sequence[Usage]:
        """Every account of a limit ("" = all), sorted by name."""
        return self._connections.read(lambda c: usage.read_report(c, limit))

    def recount(self) -> Sequence[Usage]:
        """`usage_report` counted from the reservations: equal to it unless something is broken."""
        return self._connections.read(usage.recounted)


class Catalogs(Verbs):
    """The verbs about catalogs."""

    def keep_catalog(self, catalog: CatalogFiles, *, deadline: float | None = None) -> None:
        """Store a catalog without putting it in force."""
        change = Whole(lambda session: catalogs.keep_catalog(session, catalog))
        self._submit(change, deadline)

    def publish_catalog(
        self,
        catalog: CatalogFiles,
        publication: Publication,
        *,
        follows: str = "",
        deadline: float | None = None,
    ) -> tuple[Publication, bool]:
        """Store a catalog and put it in force. See `nba_engine.domain.Store`."""
        change = Whole(lambda s: catalogs.publish_catalog(s, catalog, publication, follows))
        published: tuple[Publication, bool] = self._submit(change, deadline)
        return published

    def publications(self, *, after: int = 0) -> Sequence[Publication]:
        """What was put in force, in order, from behind this sequence on."""
        return self._connections.read(lambda c: catalogs.read_publications(c, after))

    def catalog_files(self, version: str) -> Mapping[str, str] | None:
        """The files of a catalog by its content hash; None: not stored."""
        return self._read_named(version, catalogs.read_catalog)


class Histories(Verbs):
    """The verbs that walk through customers, and those that forget interactions."""

    def count_customers(self) -> int:
        """How many customers there are."""
        return self._connections.read(histories.count_customers)

    def customer_ids(self, *, before: int = 0, most: int = 1_000) -> CustomerPage:
        """Ids of customers, the one known shortest first. See `nba_engine.domain.Store`."""
        return self._connections.read(lambda c: histories.read_customer_ids(c, before, most))

    def history(self, customer_id: str, *, after: int = 0) -> History | None:
        """A customer with a page of its interactions, at one moment; None: is no more."""
        return self._read_named(customer_id, lambda c, name: histories.read_history(c, name, after))

    def rebuild(
        self, customers: Sequence[Rebuilt], *, deadline: float | None = None
    ) -> Sequence[bool]:
        """Replace the aggregates of those that nothing was added to since; one commit.

        It has the store for itself while it does.
        """
        change = Whole(lambda session: histories.rebuild(session, customers))
        replaced: Sequence[bool] = self._submit(change, deadline)
        return replaced

    def arrivals(
        self,
        types: Collection[str],
        *,
        unnamed: Collection[str] = (),
        reach: float = 0.0,
        after: int = 0,
        most: int = 1_000,
    ) -> Arrivals:
        """A page of interactions in order of arrival. See `nba_engine.domain.Store`."""
        if self._connections.read(arrivals.read_newest) <= after:
            return Arrivals((), after, more=False)
        end: int = self._submit(Whole(arrivals.settled), None)
        return self._connections.read(
            lambda c: arrivals.read_arrivals(
                c, types, unnamed=unnamed, reach=reach, after=after, end=end, most=most
            )
        )

    def kept_since(self) -> float | None:
        """Interactions that took place earlier were forgotten; None: none ever was."""
        return self._connections.read(forgetting.read_kept_since)

    def forget_interactions(
        self, before: float, *, after: int = 0, dry_run: bool = False
    ) -> Forgotten:
        """Delete a batch of interactions that took place before. See `nba_engine.domain.Store`."""
        check_before(before)
        if not dry_run and not after:
            self._submit(Whole(lambda session: forgetting.keep_since(session, before)), None)
        found, rows = self._connections.read(
            lambda c: forgetting.find_old(c, before, after, dry_run=dry_run)
        )
        if rows:
            self._submit(Whole(lambda session: forgetting.delete(session, rows)), None)
        return found


class Past(Verbs):
    """The verbs that forget windows and catalogs."""

    def windows_since(self) -> float | None:
        """Accounts of calendar windows that ended earlier were forgotten; None: none ever was."""
        return self._connections.read(past.read_windows_since)

    def forget_windows(
        self, before: float, *, after: str = "", dry_run: bool = False
    ) -> ForgottenWindows:
        """Delete a batch of accounts whose windows ended before. See `nba_engine.domain.Store`."""
        check_before(before)
        if not dry_run and not after:
            self._submit(Whole(lambda session: past.keep_windows(session, before)), None)
        found, names = self._connections.read(
            lambda c: past.find_over(c, before, after, dry_run=dry_run)
        )
        if names and not dry_run:
            self._submit(Whole(lambda session: past.delete_accounts(session, names)), None)
        return found

    def forget_catalogs(self, versions: Sequence[str], *, now: float) -> int:
        """Delete stored catalogs, but those in force or to come; how many were there."""
        change = Whole(lambda session: past.delete_catalogs(session, versions, now))
        gone: int = self._submit(change, None)
        return gone


class Erasures(Verbs):
    """The verbs that erase customers."""

    def erase(
        self, identity: str, *, erasure_id: str = "", now: float, deadline: float | None = None
    ) -> Erasure:
        """Erase the customer behind an identity; one commit, which has the store for itself."""
        check_erasure(identity, erasure_id)
        work = partial(erasing.erase, simulated=self._simulated)
        change = Whole(lambda session: work(session, identity, erasure_id, now))
        erased: Erasure = self._submit(change, deadline)
        if erased.pending:
            self._submit(self._close(erased.erasure_id), deadline)
        return erased

    def _close(self, erasure_id: str) -> Whole:
        work = partial(erasing.close_erasure, simulated=self._simulated)
        return Whole(lambda session: work(session, erasure_id))

    def erase_again(self, erased: Sequence[Erased], *, now: float) -> int:
        """Carry out erasures that this store has not seen, for it is a copy; how many."""
        work = partial(erasing.erase_again, simulated=self._simulated)
        count: int = self._submit(Whole(lambda session: work(session, erased, now)), math.inf)
        return count

    def note_erased(
        self,
        erasure_id: str,
        counts: Mapping[str, int],
        *,
        pending: Sequence[str],
        kept: Sequence[str] = (),
    ) -> Erasure:
        """Note what was removed elsewhere, and where something may still be."""

        def work(session: Session) -> Erasure:
            erasing.close_erasure(session, erasure_id, simulated=self._simulated)
            return erasing.note_erased(session, erasure_id, counts, pending, kept)

        noted: Erasure = self._submit(Whole(work), None)
        return noted

    def erasures(self, *, most: int = 100) -> Sequence[Erasure]:
        """The newest erasures, the newest first."""
        return self._connections.read(lambda c: erasing.read_erasures(Session(c), most))

    def erased_since(self, sequence: int = 0) -> Sequence[Erased]:
        """Who was erased, by digests: from behind a sequence on, in order."""
        return self._connections.read(lambda c: erasing.read_erased(Session(c), sequence))

    def scrub(self) -> None:
        """Do nothing: files and logs are the server's, which cleans them by its own rules."""
