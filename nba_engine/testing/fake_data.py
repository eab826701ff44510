"""What a `FakeStore` holds, and what updates and interactions do to it."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from nba_engine.domain import (
    CONFIRMING,
    RELEASING,
    CustomerState,
    Fold,
    Interaction,
    InteractionResult,
    ProfileUpdate,
)
from nba_engine.store.customers import NOBODY
from nba_engine.store.interactions import (
    FUTURE_SECONDS,
    Prepared,
    prepare,
    without_erased,
    without_forgotten,
)
from nba_engine.testing.fake_catalogs import FakeCatalogs
from nba_engine.testing.fake_erased import FakeErased
from nba_engine.testing.fake_identities import FakeIdentities
from nba_engine.testing.fake_ledger import FakeLedger

__all__ = ["FakeData", "Kept", "record", "update"]

_Customers = Mapping[str, CustomerState]  # as they were before a commit


class FakeData:
    """All that one store holds; immutable values in dictionaries that `copy` copies."""

    def __init__(self, *, simulated: bool) -> None:
        self.simulated = simulated
        self.identities = FakeIdentities()
        self.interactions: dict[str, Interaction] = {}
        self.numbers: dict[str, int] = {}  # of all that ever came, in that order; none comes again
        self.recorded: dict[str, float] = {}  # when each of them came
        self.progress: dict[str, str] = {}
        self.catalogs = FakeCatalogs()
        self.ledger = FakeLedger(simulated=simulated)
        self.erased = FakeErased()
        self.kept_since: float | None = None

    def copy(self) -> FakeData:
        """The same state, to be changed."""
        other = FakeData(simulated=self.simulated)
        other.identities = self.identities.copy()
        other.interactions = dict(self.interactions)
        other.numbers = dict(self.numbers)
        other.recorded = dict(self.recorded)
        other.progress = dict(self.progress)
        other.catalogs = self.catalogs.copy()
        other.ledger = self.ledger.copy()
        other.erased = self.erased.copy()
        other.kept_since = self.kept_since
        return other

    def names(self) -> Iterable[str]:
        """Every identity and customer id that is known."""
        return {*self.identities.names(), *self.ledger.names()}

    def forget_interactions(self, names: Collection[str]) -> int:
        """Remove what was recorded under these identities; how many."""
        before = len(self.interactions)
        self.interactions = {
            key: one for key, one in self.interactions.items() if one.identity not in names
        }
        return before - len(self.interactions)


class Kept:
    """Data that outlives the store that was opened over it."""

    def __init__(self, *, simulated: bool) -> None:
        self.lock = threading.RLock()
        self.data = FakeData(simulated=simulated)


def update(
    data: FakeData, updates: Sequence[ProfileUpdate], before: _Customers
) -> list[CustomerState]:
    """Apply updates to data that is being committed; the states after them."""
    states = []
    for number, update in enumerate(updates):
        if _is_done(data, number, update):
            known_as = data.identities.of.get(update.identity, "")
            states.append(data.identities.customers.get(known_as, NOBODY))
            continue
        meant = data.identities.of.get(update.identity, "")
        if update.customer_id and meant != update.customer_id:
            states.append(data.identities.customers.get(meant, NOBODY))
            continue
        state = data.identities.customer(update.identity, data.ledger)
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


def _is_done(data: FakeData, number: int, update: ProfileUpdate) -> bool:
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


def record(
    data: FakeData,
    interactions: Sequence[Interaction],
    fold: Fold,
    now: float,
    before: _Customers,
) -> list[InteractionResult]:
    """Record interactions into data that is being committed; a result for each."""
    latest = float("inf") if data.simulated else now + FUTURE_SECONDS
    at = data.ledger.time(now)
    data.ledger.expire(at)
    news: dict[str, list[Interaction]] = {}
    results = []
    items: Sequence[Prepared] = prepare(interactions)
    if not data.simulated:
        last = max((one.time for one in data.erased), default=float("-inf"))
        items = without_erased(items, last, data.erased.at)
    items = without_forgotten(items, data.kept_since)
    for item in items:
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
            data.numbers[one.interaction_id] = len(data.numbers) + 1
            data.recorded[one.interaction_id] = now
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


def _replace(
    data: FakeData, before: _Customers, state: CustomerState, **parts: Any
) -> CustomerState:
    """Change a customer; the version rises once per commit, and only if something differs."""
    changed = msgspec.structs.replace(state, **parts)
    if changed != state:
        known = before.get(state.customer_id)
        version = 1 if known is None else known.version + 1
        state = msgspec.structs.replace(changed, version=version)
        data.identities.customers[state.customer_id] = state
    return state
