"""A store around another one: what a plugin inherits that changes some verbs and keeps the rest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from nba_engine.domain import (
    Answer,
    Arrivals,
    CatalogFiles,
    Claim,
    CustomerPage,
    CustomerState,
    Erased,
    Erasure,
    Fold,
    Forgotten,
    ForgottenWindows,
    History,
    Holdings,
    Identities,
    Interaction,
    InteractionResult,
    KnownRequest,
    Linked,
    LinkRequest,
    Merge,
    ProfileUpdate,
    Publication,
    Rebuilt,
    ReservationRequest,
    Store,
    Usage,
)

__all__ = ["WrappedStore"]


class WrappedStore:
    """`nba_engine.domain.Store` that hands every verb to ``inner``, which `close` closes too.

    A verb that a later version adds to the protocol is handed on as well, so that what inherits
    from here goes on working.
    """

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    @property
    def simulated(self) -> bool:
        """Created as simulated: requests may set the time."""
        return self.inner.simulated

    def customer(self, identity: str) -> tuple[CustomerState, bytes] | None:
        """The customer behind an identity and its state as stored; None: unknown."""
        return self.inner.customer(identity)

    def update(self, updates: Sequence[ProfileUpdate]) -> Sequence[CustomerState]:
        """Create or change customers; one commit."""
        return self.inner.update(updates)

    def record(
        self, interactions: Sequence[Interaction], fold: Fold, *, now: float
    ) -> Sequence[InteractionResult]:
        """Record interactions, fold them into aggregates, move reservations; one commit."""
        return self.inner.record(interactions, fold, now=now)

    def bulk(
        self,
        *,
        updates: Sequence[ProfileUpdate] = (),
        interactions: Sequence[Interaction] = (),
        fold: Fold | None = None,
        now: float,
        progress: tuple[str, str] | None = None,
        follows: str | None = None,
    ) -> Sequence[InteractionResult]:
        """Updates, interactions and a progress mark in one commit: for imports."""
        return self.inner.bulk(
            updates=updates,
            interactions=interactions,
            fold=fold,
            now=now,
            progress=progress,
            follows=follows,
        )

    def progress(self, name: str) -> str | None:
        """What `bulk` last noted under this name."""
        return self.inner.progress(name)

    def link(self, request: LinkRequest, merge: Merge, *, now: float) -> Linked:
        """Lead identities to one customer; one commit."""
        return self.inner.link(request, merge, now=now)

    def identities(self, identity: str) -> Identities | None:
        """Who the customer behind an identity is; None: unknown."""
        return self.inner.identities(identity)

    def holdings(self, identity: str, *, after: int = 0) -> Holdings | None:
        """A page of a customer's interactions, the first one with its reservations."""
        return self.inner.holdings(identity, after=after)

    def count_customers(self) -> int:
        """How many customers there are."""
        return self.inner.count_customers()

    def customer_ids(self, *, before: int = 0, most: int = 1_000) -> CustomerPage:
        """Ids of customers, the one known shortest first."""
        return self.inner.customer_ids(before=before, most=most)

    def history(self, customer_id: str, *, after: int = 0) -> History | None:
        """A customer with a page of its interactions, at one moment; None: is no more."""
        return self.inner.history(customer_id, after=after)

    def arrivals(
        self,
        types: Collection[str],
        *,
        unnamed: Collection[str] = (),
        reach: float = 0.0,
        after: int = 0,
        most: int = 1_000,
    ) -> Arrivals:
        """A page of interactions in the order of arrival, with what came before of the same."""
        return self.inner.arrivals(types, unnamed=unnamed, reach=reach, after=after, most=most)

    def rebuild(self, customers: Sequence[Rebuilt]) -> Sequence[bool]:
        """Replace the aggregates of those that nothing was added to since; one commit."""
        return self.inner.rebuild(customers)

    def kept_since(self) -> float | None:
        """Interactions that took place earlier were forgotten; None: none were."""
        return self.inner.kept_since()

    def forget_interactions(
        self, before: float, *, after: int = 0, dry_run: bool = False
    ) -> Forgotten:
        """Delete a batch of the interactions that took place before a time; one commit."""
        return self.inner.forget_interactions(before, after=after, dry_run=dry_run)

    def windows_since(self) -> float | None:
        """Accounts of calendar windows that ended earlier were forgotten; None: none ever was."""
        return self.inner.windows_since()

    def forget_windows(
        self, before: float, *, after: str = "", dry_run: bool = False
    ) -> ForgottenWindows:
        """Delete a batch of accounts whose calendar windows ended before a time; one commit."""
        return self.inner.forget_windows(before, after=after, dry_run=dry_run)

    def forget_catalogs(self, versions: Sequence[str], *, now: float) -> int:
        """Delete the files of these, but not of what is in force or to come."""
        return self.inner.forget_catalogs(versions, now=now)

    def erase(self, identity: str, *, erasure_id: str = "", now: float) -> Erasure:
        """Erase the customer behind an identity; one commit."""
        return self.inner.erase(identity, erasure_id=erasure_id, now=now)

    def note_erased(
        self,
        erasure_id: str,
        counts: Mapping[str, int],
        *,
        pending: Sequence[str],
        kept: Sequence[str] = (),
    ) -> Erasure:
        """Note what was removed elsewhere, and where something may still be."""
        return self.inner.note_erased(erasure_id, counts, pending=pending, kept=kept)

    def erasures(self, *, most: int = 100) -> Sequence[Erasure]:
        """The newest erasures, the newest first."""
        return self.inner.erasures(most=most)

    def erased_since(self, sequence: int = 0) -> Sequence[Erased]:
        """Who was erased, from behind a sequence on, in order."""
        return self.inner.erased_since(sequence)

    def erase_again(self, erased: Sequence[Erased], *, now: float) -> int:
        """Carry out erasures that this store has not seen, for it is a copy; how many."""
        return self.inner.erase_again(erased, now=now)

    def scrub(self) -> None:
        """Leave nothing of deleted rows where the store keeps them."""
        self.inner.scrub()

    def usage(self, accounts: Sequence[str], *, now: float | None = None) -> Mapping[str, int]:
        """Reserved + spent per account, in whole units."""
        return self.inner.usage(accounts, now=now)

    def reserve(
        self,
        requests: Sequence[ReservationRequest],
        *,
        now: float,
        claim: Claim | None = None,
    ) -> Sequence[Answer]:
        """Decide the requests in their order, each granted whole or refused; one commit."""
        return self.inner.reserve(requests, now=now, claim=claim)

    def release(
        self, reservations: Sequence[str], *, now: float, deadline: float | None = None
    ) -> None:
        """Free what is still reserved under these ids."""
        self.inner.release(reservations, now=now, deadline=deadline)

    def request(self, request_id: str, *, now: float) -> KnownRequest | None:
        """The attempt that holds a request id; None: nobody's."""
        return self.inner.request(request_id, now=now)

    def remember(
        self, claim: Claim, answer: bytes, *, keep: Sequence[str] = (), now: float
    ) -> None:
        """Make an attempt's answer that of its request id."""
        self.inner.remember(claim, answer, keep=keep, now=now)

    def give_up(self, claim: Claim, *, now: float, deadline: float | None = None) -> None:
        """End an attempt without an answer."""
        self.inner.give_up(claim, now=now, deadline=deadline)

    def accounts(
        self, prefix: str, *, now: float | None = None, after: str = "", most: int = 100
    ) -> Sequence[Usage]:
        """Accounts by name, a page at a time."""
        return self.inner.accounts(prefix, now=now, after=after, most=most)

    def usage_report(self, limit: str = "") -> Iterable[Usage]:
        """Every account of a limit ("" = all)."""
        return self.inner.usage_report(limit)

    def expire(self, *, now: float) -> int:
        """End every reservation that is due; returns how many."""
        return self.inner.expire(now=now)

    def keep_catalog(self, catalog: CatalogFiles) -> None:
        """Store a catalog without putting it in force."""
        self.inner.keep_catalog(catalog)

    def publish_catalog(
        self, catalog: CatalogFiles, publication: Publication, *, follows: str = ""
    ) -> tuple[Publication, bool]:
        """Store a catalog and put it in force; what came of it, and whether it is new."""
        return self.inner.publish_catalog(catalog, publication, follows=follows)

    def publications(self, *, after: int = 0) -> Sequence[Publication]:
        """What was put in force, in order."""
        return self.inner.publications(after=after)

    def catalog_files(self, version: str) -> Mapping[str, str] | None:
        """The files of a catalog by its content hash; None: not stored."""
        return self.inner.catalog_files(version)

    def close(self) -> None:
        """Close the store inside. May be called twice."""
        self.inner.close()
