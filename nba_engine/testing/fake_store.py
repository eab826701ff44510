"""A store in memory that keeps every promise of a store, but durability beyond its process."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from nba_engine.domain import (
    CONFIRMING,
    RELEASING,
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
from nba_engine.store.interactions import FUTURE_SECONDS, prepare
from nba_engine.store.ledger import check_requests
from nba_engine.store.requests import check_claim
from nba_engine.testing.fake_catalogs import FakeCatalogs
from nba_engine.testing.fake_identities import FakeIdentities
from nba_engine.testing.fake_ledger import FakeLedger

__all__ = ["FakeStore", "FakeStores"]


class _Data:
    """All that one store holds; immutable values in dictionaries that `copy` copies."""

    def __init__(self, *, simulated: bool) -> None:
        self.simulated = simulated
        self.identities = FakeIdentities()
        self.interactions: dict[str, Interaction] = {}
        self.progress: dict[str, str] = {}
        self.catalogs = FakeCatalogs()
        self.ledger = FakeLedger(simulated=simulated)

    def copy(self) -> _Data:
        other = _Data(simulated=self.simulated)
        other.identities = self.identities.copy()
        other.interactions = dict(self.interactions)
        other.progress = dict(self.progress)
        other.catalogs = self.catalogs.copy()
        other.ledger = self.ledger.copy()
        return other


class _Kept:
    """Data that outlives the store that was opened over it."""

    def __init__(self, *, simulated: bool) -> None:
        self.lock = threading.RLock()
        self.data = _Data(simulated=simulated)


class FakeStore:
    """`nba_engine.domain.Store` on dictionaries; commits are serial. ``down`` makes it away."""

    def __init__(self, *, simulated: bool = True, kept: _Kept | None = None) -> None:
        self._kept = kept or _Kept(simulated=simulated)
        self.down = False

    @property
    def simulated(self) -> bool:
        """Requests may set the time."""
        return self._kept.data.simulated

    @contextmanager
    def _commit(self) -> Iterator[_Data]:
        """A copy to change, which takes the place of what is there unless something raises."""
        with self._kept.lock:
            changed = self._read().copy()
            yield changed
            self._kept.data = changed

    def _read(self) -> _Data:
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
            return _update(data, updates, dict(data.identities.customers))

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
    ) -> Sequence[InteractionResult]:
        """Updates, interactions and a progress mark in one commit."""
        check_updates(updates)
        with self._commit() as data:
            before = dict(data.identities.customers)
            _update(data, updates, before)
            results = [] if fold is None else _record(data, interactions, fold, now, before)
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
                data.ledger.take(claim, [one.reservation_id for one in requests], at)
            return data.ledger.reserve([data.identities.current(one) for one in requests], at)

    def release(
        self, reservations: Sequence[str], *, now: float, deadline: float | None = None
    ) -> None:
        """Free what is still reserved under these ids."""
        with self._commit() as data:
            data.ledger.time(now)
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
        self._kept: dict[str, _Kept] = {}

    def __call__(self, url: str, *, create: bool, simulated: bool | None) -> FakeStore:
        """Open the store at ``url``. Raises `NotFound`, `FailedPrecondition`."""
        kept = self._kept.get(url)
        if kept is None:
            if not create:
                raise NotFound(f"there is no store at {url}")
            kept = self._kept[url] = _Kept(simulated=bool(simulated))
        if simulated is not None and kept.data.simulated != simulated:
            raise FailedPrecondition(f"{url} was created as another kind of store")
        return FakeStore(kept=kept)


_Customers = Mapping[str, CustomerState]  # as they were before a commit


def _update(
    data: _Data, updates: Sequence[ProfileUpdate], before: _Customers
) -> list[CustomerState]:
    states = []
    for number, update in enumerate(updates):
        state = data.identities.customer(update.identity, data.ledger)
        if _is_done(data, number, update):
            states.append(state)
            continue
        data.identities.stamp(state.customer_id, update)
        given = {name: value for name, value in update.attributes.items() if value is not None}
        attributes = {**state.attributes, **given}
        for name in update.remove:
            attributes.pop(name, None)
        consents = dict(state.consents)
        for key, consent in update.consents.items():
            known = consents.get(key)
            if consent != known:
                data.identities.note_consent(state.customer_id, key, consent, update.identity)
            # the later counts; at the same time the withdrawal does
            if known is None or (consent.time, not consent.granted) >= (
                known.time,
                not known.granted,
            ):
                consents[key] = consent
        states.append(_replace(data, before, state, attributes=attributes, consents=consents))
    return states


def _is_done(data: _Data, number: int, update: ProfileUpdate) -> bool:
    """Whether this update was made before; one that takes its id for something else is refused."""
    if not update.request_id:
        return False
    undated = {
        key: msgspec.structs.replace(update.consents[key], time=0.0)
        for key in update.undated
        if key in update.consents
    }
    consents = {**update.consents, **undated}
    asked = msgspec.structs.replace(update, consents=consents, time=0.0)
    return data.identities.seen(update.request_id, asked, f"updates[{number}].request_id")


def _record(
    data: _Data,
    interactions: Sequence[Interaction],
    fold: Fold,
    now: float,
    before: _Customers,
) -> list[InteractionResult]:
    latest = float("inf") if data.simulated else now + FUTURE_SECONDS
    at = data.ledger.time(now)
    data.ledger.expire(at)
    news: dict[str, list[Interaction]] = {}
    results = []
    for item in prepare(interactions):
        one = item.interaction
        fault = item.fault or ("time lies ahead of the store's clock" * (one.time > latest))
        moved: Any = ""
        if fault:
            status = "rejected"
        elif one.interaction_id in data.interactions:
            status = "duplicate"
        else:
            status = "recorded"
            data.interactions[one.interaction_id] = one
            customer = data.identities.customer(one.identity, data.ledger)
            news.setdefault(customer.customer_id, []).append(one)
            if one.recommendation_id and one.type in CONFIRMING:
                moved = data.ledger.confirm(one.recommendation_id, at)
            elif one.recommendation_id and one.type in RELEASING:
                moved = data.ledger.release(one.recommendation_id)
        results.append(
            InteractionResult(
                interaction_id=str(one.interaction_id),
                status=status,  # type: ignore[arg-type] # one of the three words above
                message=fault,
                reservation=moved,
            )
        )
    for name, happened in news.items():
        state = data.identities.customers[name]
        _replace(data, before, state, aggregates=fold(state.aggregates, happened))
    return results


def _replace(data: _Data, before: _Customers, state: CustomerState, **parts: Any) -> CustomerState:
    """Change a customer; the version rises once per commit, and only if something differs."""
    changed = msgspec.structs.replace(state, **parts)
    if changed != state:
        known = before.get(state.customer_id)
        version = 1 if known is None else known.version + 1
        state = msgspec.structs.replace(changed, version=version)
        data.identities.customers[state.customer_id] = state
    return state
