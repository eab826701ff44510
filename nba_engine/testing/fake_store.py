"""A store in memory that keeps every promise of a store, but durability beyond its process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec

from nba_engine.domain import (
    Answer,
    CatalogFiles,
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
    Publication,
    ReservationRequest,
    Usage,
)
from nba_engine.errors import FailedPrecondition, NotFound, Unavailable
from nba_engine.store.customers import check_updates
from nba_engine.store.identities import check_link
from nba_engine.store.ledger import check_requests
from nba_engine.store.requests import check_claim
from nba_engine.testing.fake_data import FakeData, Kept, record, update
from nba_engine.testing.fake_erasures import FakeErasures
from nba_engine.testing.fake_forgetting import FakeForgetting
from nba_engine.testing.fake_histories import FakeHistories
from nba_engine.testing.fake_past import FakePast

__all__ = ["FakeStore", "FakeStores"]


class FakeStore(FakeHistories, FakeErasures, FakeForgetting, FakePast):
    """`nba_engine.domain.Store` on dictionaries; commits are serial. ``down`` makes it away."""

    def __init__(self, *, simulated: bool = True, kept: Kept | None = None) -> None:
        self._kept = kept or Kept(simulated=simulated)
        self.down = False

    @property
    def simulated(self) -> bool:
        """Requests may set the time."""
        return self._kept.data.simulated

    @contextmanager
    def _commit(self) -> Iterator[FakeData]:
        """A copy to change, which takes the place of what is there unless something raises."""
        with self._kept.lock:
            changed = self._read().copy()
            yield changed
            self._kept.data = changed

    def _read(self) -> FakeData:
        if self.down:
            raise Unavailable("the store is away", metadata={"dependency": "store"})
        return self._kept.data

    def customer(self, identity: str) -> tuple[CustomerState, bytes] | None:
        """The customer behind an identity and its state in msgpack; None: unknown."""
        data = self._read()
        found = data.identities.of.get(identity)
        if found is None:
            return None
        stored = msgspec.msgpack.encode(data.identities.customers[found])
        return msgspec.msgpack.decode(stored, type=CustomerState), stored

    def update(
        self, updates: Sequence[ProfileUpdate], *, deadline: float | None = None
    ) -> Sequence[CustomerState]:
        """Create or change customers; one commit."""
        check_updates(updates)
        with self._commit() as data:
            return update(data, updates, dict(data.identities.customers))

    def record(
        self,
        interactions: Sequence[Interaction],
        fold: Fold,
        *,
        now: float,
        deadline: float | None = None,
    ) -> Sequence[InteractionResult]:
        """Record interactions, fold them, move reservations; one commit."""
        return self.bulk(interactions=interactions, fold=fold, now=now)

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
        """Updates, interactions and a progress mark in one commit."""
        check_updates(updates)
        with self._commit() as data:
            if progress is not None and follows not in (None, data.progress.get(progress[0], "")):
                raise FailedPrecondition(f"{progress[0]} has moved on")
            before = dict(data.identities.customers)
            update(data, updates, before)
            results = [] if fold is None else record(data, interactions, fold, now, before)
            if progress is not None:
                data.progress[progress[0]] = progress[1]
            return results

    def progress(self, name: str) -> str | None:
        """What `bulk` last noted under this name."""
        return self._read().progress.get(name)

    def link(
        self, request: LinkRequest, merge: Merge, *, now: float, deadline: float | None = None
    ) -> Linked:
        """Lead identities to one customer; one commit."""
        check_link(request)
        with self._commit() as data:
            return data.identities.link(request, merge, now, data.ledger)

    def identities(self, identity: str) -> Identities | None:
        """Who the customer behind an identity is; None: unknown."""
        return self._read().identities.read(identity)

    def holdings(self, identity: str, *, after: int = 0) -> Holdings | None:
        """What is kept of a customer, on one page."""
        data = self._read()
        customer = data.identities.of.get(identity)
        if customer is None:
            return None
        whose = data.identities.of
        happened = [one for one in data.interactions.values() if whose[one.identity] == customer]
        return Holdings(interactions=tuple(happened), reservations=tuple(data.ledger.of(customer)))

    def usage(self, accounts: Sequence[str], *, now: float | None = None) -> Mapping[str, int]:
        """Reserved + spent per account that was ever used."""
        wanted = set(accounts)
        report = self._read().ledger.usage(now)
        return {one.account: one.reserved + one.spent for one in report if one.account in wanted}

    def reserve(
        self,
        requests: Sequence[ReservationRequest],
        *,
        now: float,
        claim: Claim | None = None,
        deadline: float | None = None,
    ) -> Sequence[Answer]:
        """Each request granted whole or refused; one commit, which takes the claim's id, too."""
        check_requests(requests)
        if claim is not None:
            check_claim(claim)
        with self._commit() as data:
            at = data.ledger.time(now)
            if claim is not None:
                data.erased.check(claim)
                data.ledger.take(claim, [one.reservation_id for one in requests], at)
            current = [data.identities.current(data.erased.current(one)) for one in requests]
            return data.ledger.reserve(current, at)

    def release(
        self, reservations: Sequence[str], *, now: float, deadline: float | None = None
    ) -> None:
        """Free what is still reserved under these ids."""
        with self._commit() as data:
            data.ledger.expire(data.ledger.time(now))
            for name in reservations:
                data.ledger.release(name)

    def request(self, request_id: str, *, now: float) -> KnownRequest | None:
        """The attempt that holds a request id at ``now``."""
        found = self._read().ledger.attempts.get(request_id)
        if found is None or found.claim.expires <= now:
            return None
        claim = found.claim
        return KnownRequest(
            fingerprint=claim.fingerprint,
            decision_id=claim.decision_id,
            until=claim.until,
            answer=found.answer,
        )

    def remember(
        self,
        claim: Claim,
        answer: bytes,
        *,
        keep: Sequence[str] = (),
        now: float,
        deadline: float | None = None,
    ) -> None:
        """Make an attempt's answer that of its request id; one commit."""
        check_claim(claim)
        with self._commit() as data:
            data.erased.check(claim)
            data.ledger.remember(claim, answer, keep, data.ledger.time(now))

    def give_up(self, claim: Claim, *, now: float, deadline: float | None = None) -> None:
        """End an attempt without an answer."""
        with self._commit() as data:
            data.ledger.time(now)
            data.ledger.give_up(claim)

    def accounts(
        self, prefix: str, *, now: float | None = None, after: str = "", most: int = 100
    ) -> Sequence[Usage]:
        """Accounts by name, a page at a time."""
        report = self._read().ledger.usage(now)
        names = [one for one in report if one.account.startswith(prefix) and one.account > after]
        return names[:most]

    def usage_report(self, limit: str = "") -> Iterable[Usage]:
        """Every account of a limit ("" = all), by name."""
        return [one for one in self._read().ledger.usage() if limit in ("", one.limit)]

    def expire(self, *, now: float, deadline: float | None = None) -> int:
        """End what is due, forget what expired; how many reservations ended."""
        with self._commit() as data:
            at = data.ledger.time(now)
            ended = data.ledger.expire(at)
            data.ledger.reap(at)
            return ended

    def keep_catalog(self, catalog: CatalogFiles) -> None:
        """Store a catalog without putting it in force."""
        with self._commit() as data:
            data.catalogs.keep(catalog)

    def publish_catalog(
        self, catalog: CatalogFiles, publication: Publication, *, follows: str = ""
    ) -> tuple[Publication, bool]:
        """Store a catalog and put it in force; what came of it, and whether it is new."""
        with self._commit() as data:
            return data.catalogs.publish(catalog, publication, follows)

    def publications(self, *, after: int = 0) -> Sequence[Publication]:
        """What was put in force, in order."""
        return [one for one in self._read().catalogs.publications if one.sequence > after]

    def catalog_files(self, version: str) -> Mapping[str, str] | None:
        """The files of a catalog by its content hash; None: not stored."""
        return self._read().catalogs.files.get(version)

    def close(self) -> None:
        """Nothing to release: whoever opens it again finds the same data."""


class FakeStores:
    """A `StoreFactory` over memory: each URL is a store of its own, as long as this object lives."""

    def __init__(self) -> None:
        self._kept: dict[str, Kept] = {}

    def __call__(self, url: str, *, create: bool, simulated: bool | None) -> FakeStore:
        """Open the store at ``url``. Raises `NotFound`, `FailedPrecondition`."""
        kept = self._kept.get(url)
        if kept is None:
            if not create:
                raise NotFound(f"there is no store at {url}")
            kept = self._kept[url] = Kept(simulated=bool(simulated))
        if simulated is not None and kept.data.simulated != simulated:
            raise FailedPrecondition(f"{url} was created as another kind of store")
        return FakeStore(kept=kept)
