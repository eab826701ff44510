"""Decisions in the making, and what stages stand on: reads, resources, scores, tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import (
    NO_EVIDENCE,
    Answer,
    Candidates,
    CatalogView,
    Channel,
    ComplementTable,
    CustomerState,
    CustomerView,
    Deciding,
    DecisionRequest,
    Evidence,
    FloatArray,
    Hold,
    IntArray,
    PlacementRequest,
    Recommendation,
    Renderer,
    ReservationRequest,
    Scorer,
    Treatment,
    Value,
    Values,
)
from nba_engine.domain.bits import bitset
from nba_engine.testing.world import NOW

__all__ = [
    "FakeReads",
    "FakeResources",
    "FixedScorer",
    "FixedTable",
    "Outcome",
    "PlainChannel",
    "dropped",
    "make_deciding",
    "outcome",
    "surviving",
]


class FakeReads:
    """The `nba_engine.domain.Reads` of one decision, from memory: one customer, some usage."""

    def __init__(self, state: CustomerState | None = None, used: Mapping[str, int] = {}) -> None:
        self.state = state
        self.used = dict(used)
        self.known = NO_EVIDENCE
        self._granted: dict[str, tuple[Hold, ...]] = {}

    def customer(self, identity: str) -> tuple[CustomerState, bytes] | None:
        """The one customer, whatever the identity; None without one."""
        return None if self.state is None else (self.state, msgspec.msgpack.encode(self.state))

    def usage(self, accounts: tuple[str, ...]) -> Mapping[str, int]:
        """What was given, and what was reserved since."""
        return {account: self.used.get(account, 0) for account in accounts}

    def evidence(self) -> Evidence:
        """What was given."""
        return self.known

    def reserve(
        self, requests: tuple[ReservationRequest, ...], *, now: float
    ) -> tuple[Answer, ...]:
        """Grant each request whole or not at all."""
        return tuple(self._answer(request) for request in requests)

    def release(self, reservations: tuple[str, ...], *, now: float) -> None:
        """Give back what was granted under these ids."""
        for name in reservations:
            for hold in self._granted.pop(name, ()):
                self.used[hold.account] -= hold.amount

    def _answer(self, request: ReservationRequest) -> Answer:
        name = request.reservation_id
        for hold in request.holds:
            room = hold.ceiling - self.used.get(hold.account, 0)
            if hold.amount > room:
                return Answer(
                    reservation_id=name, granted=False, refused_by=hold.limit, room=max(0, room)
                )
        for hold in request.holds:
            self.used[hold.account] = self.used.get(hold.account, 0) + hold.amount
        self._granted[name] = request.holds
        return Answer(reservation_id=name, granted=True)


class FixedScorer:
    """A `nba_engine.domain.Scorer` with a score per action id, ``otherwise`` for the others."""

    version = "fixed"
    feature_names: Sequence[str] = ("prior",)

    def __init__(
        self, catalog: CatalogView, scores: Mapping[str, float] = {}, *, otherwise: float = 0.1
    ) -> None:
        self._prior = catalog.prior
        actions = [catalog.actions[at].id for at in catalog.action_of]
        self._scores = np.array([scores.get(action, otherwise) for action in actions])

    def propensities(
        self, index: IntArray, customer: Values, context: Values, now: float
    ) -> FloatArray:
        """The fixed scores of these treatments, (n,)."""
        return self._scores.take(index)

    def features(
        self, index: IntArray, customer: Values, context: Values, now: float
    ) -> NDArray[np.float32]:
        """The action's prior, (n, 1)."""
        return self._prior.take(index).astype(np.float32)[:, np.newaxis]


class FixedTable:
    """A `nba_engine.domain.ComplementTable` from ``{item: {complement: strength}}``."""

    def __init__(self, strengths: Mapping[str, Mapping[str, float]] = {}) -> None:
        self._strengths = strengths
        self.items: Sequence[str] = sorted(
            {*strengths, *(c for s in strengths.values() for c in s)}
        )

    def complements(self, item: str) -> Mapping[str, float]:
        """Complement → strength of one item."""
        return self._strengths.get(item, {})

    def strengths(self, items: Iterable[str]) -> Mapping[str, float]:
        """Complement → summed strength over several items."""
        total: dict[str, float] = {}
        for item in items:
            for name, strength in self.complements(item).items():
                total[name] = total.get(name, 0.0) + strength
        return total


class PlainChannel:
    """A channel that renders a treatment's content as it is written."""

    def prepare(self, treatment: Treatment) -> Renderer:
        """The content, unchanged."""
        return lambda _seen: dict(treatment.content)


class FakeResources:
    """`nba_engine.domain.Resources` over a catalog.

    Models and tables that are not given by name are made: fixed scores, a table in which each
    category goes with the next one.
    """

    def __init__(
        self,
        catalog: CatalogView,
        *,
        models: Mapping[str, Scorer] = {},
        tables: Mapping[str, ComplementTable] = {},
        channels: Mapping[str, Channel] = {},
    ) -> None:
        self.catalog = catalog
        plain: Mapping[str, Channel] = dict.fromkeys(catalog.channels, PlainChannel())
        self.channels: Mapping[str, Channel] = {**plain, **channels}
        self._models = models
        self._tables = tables

    def scorer(self, model: str) -> Scorer:
        """The named model."""
        return self._models[model] if model in self._models else FixedScorer(self.catalog)

    def complements(self, table: str) -> ComplementTable:
        """The named table."""
        if table in self._tables:
            return self._tables[table]
        names = {action.attributes.get("category") for action in self.catalog.actions}
        words = sorted(word for word in names if isinstance(word, str))
        return FixedTable({a: {b: 1.0} for a, b in pairwise(words)})


def make_deciding(
    catalog: CatalogView,
    *placements: str | PlacementRequest,
    state: CustomerState | None = None,
    context: Mapping[str, Value] | None = None,
    columns: Mapping[str, float | Callable[[Treatment], float]] = {},
    reads: FakeReads | None = None,
    now: float = NOW,
    seed: int = 1,
) -> Deciding:
    """A decision as the profile stage leaves it: every treatment that fits is a candidate.

    Without ``placements`` it is for all of the catalog; without ``state`` the customer is unknown.
    ``columns`` holds what stages before would have computed: a number, or a function of the
    treatment.
    """
    wanted = tuple(
        PlacementRequest(each, catalog.placements[each].slots) if isinstance(each, str) else each
        for each in placements or tuple(catalog.placements)
    )
    fitting = [catalog.fitting(each.placement) for each in wanted]
    slots = [np.full(len(each), slot, dtype=np.intp) for slot, each in enumerate(fitting)]
    everything = np.arange(len(catalog.treatments))
    identity = state.customer_id if state else "web:unknown"
    known = state is not None
    state = state or CustomerState(customer_id=identity)
    made = Deciding(
        decision_id=f"d{seed}",
        request=DecisionRequest(identity=identity, placements=wanted, context=dict(context or {})),
        placements=wanted,
        candidates=Candidates(
            np.concatenate(fitting),
            np.concatenate(slots),
            catalog.is_nothing,
            one_place=len(wanted) == 1,
            units=bitset(np.isin(everything, fitting[0])) if len(wanted) == 1 else None,
        ),
        catalog=catalog,
        reads=reads or FakeReads(state if known else None),
        now=now,
        seed=seed,
    )
    made.candidates.stage = "this_stage"
    made.state, made.known, made.customer_id = state, known, state.customer_id
    made.profile_bytes = msgspec.msgpack.encode(state) if known else b""
    made.customer = CustomerView(state, catalog.aggregates, now, known=known)
    for name, number in columns.items():
        treatments = [catalog.treatments[at] for at in made.candidates.index]
        numbers = [number(each) if callable(number) else number for each in treatments]
        made.candidates[name] = np.array(numbers, dtype=np.float64)
    return made


def surviving(deciding: Deciding) -> list[str]:
    """The ids of the treatments that are left."""
    return [deciding.catalog.treatments[at].id for at in deciding.candidates.index]


def dropped(deciding: Deciding) -> dict[str, str]:
    """Treatment id → the reason it was dropped for."""
    treatments = deciding.catalog.treatments
    drops = deciding.candidates.drops
    return {treatments[at].id: drop.reason for drop in drops for at in drop.index}


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """All that a decision says so far, as plain values that can be compared."""

    candidates: list[tuple[int, int]]  # (treatment index, slot)
    columns: dict[str, list[float | None]]  # None: not a number
    drops: list[tuple[str, str, list[int], list[int]]]  # stage, reason, index, slot
    reason_codes: dict[int, tuple[str, ...]]
    recommendations: list[Recommendation]
    prices: dict[str, float]
    degraded: list[str]
    customer: dict[str, Any]


def outcome(deciding: Deciding) -> Outcome:
    """What a decision says so far."""
    candidates = deciding.candidates
    return Outcome(
        candidates=list(zip(candidates.index.tolist(), candidates.slot.tolist(), strict=False)),
        columns={name: _plain(column) for name, column in sorted(candidates.columns.items())},
        drops=[
            (drop.stage, drop.reason, drop.index.tolist(), drop.slot.tolist())
            for drop in candidates.drops
        ],
        reason_codes=dict(sorted(candidates.reason_codes.items())),
        recommendations=list(deciding.recommendations),
        prices=dict(deciding.prices),
        degraded=list(deciding.degraded),
        customer={"customer_id": deciding.customer_id, "known": deciding.known},
    )


def _plain(column: FloatArray) -> list[float | None]:
    return [None if number != number else number for number in column.tolist()]  # noqa: PLR0124
