"""Examples from what customers did by themselves, at moments of the past.

At each moment stands every customer active then, with every action: did the thing happen within the
action's window? Inputs are aggregates of what had happened before, by the same algebra and the
same assembly as in serving. What cannot be known as of then is refused.
"""

from __future__ import annotations

import bisect
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nba_engine.domain import (
    CatalogView,
    ComplementTable,
    CustomerState,
    CustomerView,
    Feature,
    FloatArray,
    IntArray,
    Interaction,
    Store,
)
from nba_engine.domain.algebra import fold_for
from nba_engine.domain.cells import words_of
from nba_engine.errors import FailedPrecondition
from nba_engine.learning.interactions import Progress, customers_of, history_of
from nba_engine.learning.training.examples import Examples
from nba_engine.learning.training.logged import (
    chosen_features,
    refuse_unknowable,
    with_categories_of_actions,
)
from nba_engine.models.assembly import Assembly

__all__ = ["examples_of_history"]

_ACTIVE = 91 * 86_400.0  # a customer who did nothing for so long is no example
_MOST = 6_000_000  # examples; beyond, customers are drawn
_LOOKED_AT = 300  # customers whose histories tell the extent of all
_DEFINED = ("action.id", "action.name", "action.kind", "action.group", "action.campaign")


class _Asked(NamedTuple):
    """The actions asked about, with what shows that they were taken."""

    actions: tuple[str, ...]
    treatments: IntArray  # one per action, for the inputs
    windows: FloatArray
    # property → word → (code of the action, interaction types)
    words: Mapping[str, Mapping[str, Sequence[tuple[int, frozenset[str]]]]]


def examples_of_history(
    store: Store,
    catalog: CatalogView,
    *,
    tables: Mapping[str, ComplementTable],
    names: Sequence[str] = (),
    assumed: Collection[str] = (),
    every: float | None = None,
    most_moments: int = 18,
    until: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Examples:
    """Customers × actions at moments ``every`` seconds (the longest window), the latest last.

    Actions whose outcome is told by a property (``by``) are asked about. ``assumed`` names
    features that were known although nothing on record says so. ``until``: up to when what
    happened is known; None is now or, in a simulated store, the last thing that happened. With too
    many rows, customers are drawn by ``seed``. Raises `FailedPrecondition`.
    """
    features = chosen_features(catalog, names)
    refuse_unknowable(_unknowable(features, catalog), assumed)
    features = with_categories_of_actions(features, catalog)
    _refuse_open(features)
    asked = _asked(catalog)
    customers = list(customers_of(store))
    longest = float(asked.windows.max())
    step = every or longest
    first, last = _extent(store, customers)
    end = until if until is not None else (last if store.simulated else time.time())
    moments = _moments(first, end - longest, step, most_moments)
    most = max(1, _MOST // (len(moments) * len(asked.actions)))
    if len(customers) > most:
        random = np.random.default_rng(seed)
        drawn = np.sort(random.choice(len(customers), most, replace=False))
        customers = [customers[at] for at in drawn.tolist()]
    rows = _Rows(features, catalog, tables, asked, moments, customers)
    for code, customer_id in enumerate(customers):
        rows.add(code, customer_id, history_of(store, customer_id) or [])
        if progress is not None:
            progress(code + 1, len(customers))
    warnings = [f"assumed to have been known at the time: {name}" for name in assumed]
    kept = store.kept_since()
    if kept is not None and kept > first:
        warnings.append("interactions were forgotten: aggregates count less than in serving")
    return rows.examples(features, tuple(warnings))


class _Rows:
    """Fills the columns, customer by customer."""

    def __init__(
        self,
        features: Sequence[Feature],
        catalog: CatalogView,
        tables: Mapping[str, ComplementTable],
        asked: _Asked,
        moments: Sequence[float],
        customers: Sequence[str],
    ) -> None:
        self._asked = asked
        self._customers = tuple(customers)
        self._moments = moments
        used = {feature.source.partition(".")[2] for feature in features}
        self._specs = {n: spec for n, spec in catalog.aggregates.items() if n in used}
        self._fold = fold_for(self._specs)
        self._assembly = Assembly(features, catalog, tables)
        width = len(asked.actions)
        most = len(customers) * len(moments)
        self._rows = np.empty((most * width, len(features)), dtype=np.float32)
        self._label = np.zeros((most, width), dtype=np.float64)
        self._moment = np.empty(most, dtype=np.float64)
        self._customer = np.empty(most, dtype=np.int32)
        self._count = 0

    def add(self, code: int, customer_id: str, history: list[Interaction]) -> None:
        """One customer at every moment at which it was active."""
        history.sort(key=lambda one: one.time)
        times = [one.time for one in history]
        taken = _taken(history, self._asked)
        taken_at = [moment for moment, _ in taken]
        states: dict[str, Any] = {}
        done = 0
        width = len(self._asked.actions)
        longest = float(self._asked.windows.max())
        for moment in self._moments:
            # what happens at the very moment is not known yet
            before = bisect.bisect_left(times, moment)
            states = self._fold(states, history[done:before])
            done = before
            if not before or times[before - 1] < moment - _ACTIVE:
                continue
            at = self._count
            self._count += 1
            self._moment[at], self._customer[at] = moment, code
            state = CustomerState(customer_id=customer_id, aggregates=states)
            view = CustomerView(state, self._specs, moment)
            out = self._rows[at * width : (at + 1) * width]
            self._assembly.rows(self._asked.treatments, view, {}, moment, out)
            since = bisect.bisect_left(taken_at, moment)
            for time_, action in taken[since : bisect.bisect_right(taken_at, moment + longest)]:
                if moment < time_ <= moment + self._asked.windows[action]:
                    self._label[at, action] = 1.0

    def examples(self, features: tuple[Feature, ...], warnings: tuple[str, ...]) -> Examples:
        """What was filled, a row per customer, moment and action."""
        count, width = self._count, len(self._asked.actions)
        if not count:
            raise FailedPrecondition(
                "no customer was active at any moment that could be asked about"
            )
        rows = self._rows[: count * width].reshape(count, width, -1)
        moment = np.repeat(self._moment[:count], width)
        return Examples(
            source="history",
            features=features,
            rows=rows.reshape(count * width, -1),
            label=self._label[:count].reshape(-1),
            time=moment,
            known=moment + np.tile(self._asked.windows, count),
            action=np.tile(np.arange(width, dtype=np.int32), count),
            actions=self._asked.actions,
            customer=np.repeat(self._customer[:count], width),
            customer_ids=self._customers,
            warnings=warnings,
        )


def _unknowable(features: Sequence[Feature], catalog: CatalogView) -> dict[str, str]:
    """Why features may see the future, or cannot be had of the past, by name."""
    reasons = {}
    for feature in features:
        of, _, name = feature.source.partition(".")
        if feature.transform == "table":
            reasons[feature.name] = (
                f"the table {feature.table!r} may have been learned from what came later"
            )
        elif of == "context":
            reasons[feature.name] = "nobody asked at these moments, there is no context"
        elif of == "now":
            reasons[feature.name] = "the moments are chosen here, not by customers"
        elif of == "treatment" or feature.key.startswith("treatment."):
            reasons[feature.name] = "no treatment was shown at these moments"
        elif of == "action" and feature.source not in _DEFINED:
            reasons[feature.name] = "the catalog says what it is today, not what it was"
        elif of == "customer" and name not in catalog.aggregates:
            reasons[feature.name] = "the profile says what it is today, not since when"
        elif of == "customer" and catalog.aggregates[name].prior is not None:
            reasons[feature.name] = "what is usual was learned from what came later"
    return reasons


def _refuse_open(features: Sequence[Feature]) -> None:
    without = [
        feature.name
        for feature in features
        if feature.transform == "category" and not feature.categories
    ]
    if without:
        raise FailedPrecondition(f"{', '.join(without)}: list the categories in the catalog")


def _asked(catalog: CatalogView) -> _Asked:
    actions: list[str] = []
    treatments: list[int] = []
    windows: list[float] = []
    words: dict[str, dict[str, list[tuple[int, frozenset[str]]]]] = {}
    for at, spec in enumerate(catalog.outcomes):
        action = catalog.actions[int(catalog.action_of[at])]
        word = action.attributes.get(spec.key)
        if action.id in actions or not spec.by or not isinstance(word, str):
            continue
        told = words.setdefault(spec.by, {}).setdefault(word, [])
        told.append((len(actions), frozenset(spec.positive)))
        actions.append(action.id)
        treatments.append(at)
        windows.append(spec.within)
    if not actions:
        raise FailedPrecondition(
            "no action's outcome is told by what customers do: declare [outcomes.<id>] with `by`, "
            "or train from decisions"
        )
    return _Asked(
        actions=tuple(actions),
        treatments=np.array(treatments, dtype=np.intp),
        windows=np.array(windows, dtype=np.float64),
        words=words,
    )


def _taken(history: Sequence[Interaction], asked: _Asked) -> list[tuple[float, int]]:
    """When each action asked about was taken, by time."""
    found = []
    for one in history:
        for by, known in asked.words.items():
            for word in words_of(one.properties.get(by)):
                for code, types in known.get(word or "", ()):
                    if one.type in types:
                        found.append((one.time, code))
    return found


def _extent(store: Store, customers: Sequence[str]) -> tuple[float, float]:
    """When the first and the last thing happened, to customers here and there: safely inside."""
    first, last = np.inf, -np.inf
    for customer_id in customers[:: max(1, len(customers) // _LOOKED_AT)]:
        for one in history_of(store, customer_id) or ():
            first, last = min(first, one.time), max(last, one.time)
    if not np.isfinite(last):
        raise FailedPrecondition("the store holds no interactions to learn from")
    return float(first), float(last)


def _moments(first: float, latest: float, step: float, most: int) -> list[float]:
    moments: list[float] = []
    moment = latest
    while moment >= first + step and len(moments) < most:
        moments.append(moment)
        moment -= step
    if len(moments) < 3:
        raise FailedPrecondition(
            "there is too little history: three moments are needed, with the outcome's window "
            "after each; choose a shorter --every"
        )
    return moments[::-1]
