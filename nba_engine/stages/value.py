"""Stage ``value``: lever * weight * propensity (or uplift) * value - cost, in money."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from nba_engine.domain import (
    ByTreatment,
    Change,
    Deciding,
    Drop,
    Expression,
    NoSettings,
    Resources,
    StageFactory,
)
from nba_engine.domain.values import LARGEST_AMOUNT, FloatArray
from nba_engine.domain.words import with_changes
from nba_engine.stages.limits import QuietClock
from nba_engine.stages.supplying import supply
from nba_engine.stages.supposing import Supposed, impossible
from nba_engine.stages.wording import parts, subject

__all__ = ["VALUE", "Valuation"]

_OWN = re.compile(r"\b(action|treatment)\b")


class Valuation:
    """Fills ``lever``, ``weight``, ``value``, ``cost`` and ``score``; drops what has no value.

    Expressions that cannot differ between actions are evaluated once for all of them.
    """

    def __init__(self, _settings: NoSettings, resources: Resources) -> None:
        catalog = resources.catalog
        constants = np.full(len(catalog.actions), np.nan)
        group = np.zeros(len(catalog.actions), dtype=np.intp)
        numbers: dict[object, int] = {}
        expressions: list[Expression] = []
        for at, action in enumerate(catalog.actions):
            value = action.value
            if isinstance(value, int | float):
                constants[at] = value
                continue
            key: object = id(value) if _OWN.search(value.text) else value.text
            if key not in numbers:
                numbers[key] = len(numbers) + 1
                expressions.append(value)
            group[at] = numbers[key]
        self._clock = QuietClock(catalog)
        self._constant: FloatArray = constants[catalog.action_of]
        self._fixed = not expressions and bool(np.isfinite(self._constant).all())
        self._lever = catalog.lever
        self._gain: FloatArray = catalog.lever * self._constant  # what a success is worth, (T,)
        ones = np.ones(len(catalog.treatments))
        shared = {"lever": catalog.lever, "cost": catalog.cost, "weight": ones}
        if self._fixed:
            shared["value"] = self._constant
        self._shared = {name: ByTreatment(each, listed=True) for name, each in shared.items()}
        self._group = group[catalog.action_of]  # (T,) 0: constant; otherwise 1 + expression
        self._expressions = tuple(expressions)

    def apply(self, deciding: Deciding) -> None:
        """Values first (a candidate without one falls out), then the score in money."""
        candidates, catalog = deciding.candidates, deciding.catalog
        shared = self._shared
        gain = self._gain
        if catalog.lever is not self._lever:  # a what-if question changed levers
            shared = {**shared, "lever": ByTreatment(catalog.lever)}
            gain = catalog.lever * self._constant
        if self._fixed:
            score = gain[candidates.index]
        else:
            value = self._values(deciding)
            usable = np.abs(value) <= LARGEST_AMOUNT  # false for NaN
            if not usable.all():
                candidates.drop(~usable, "no_value", spare_nothing=False)
                value = value[usable]
            candidates["value"] = value
            score = catalog.lever[candidates.index]
            score *= value
        if "propensity" not in candidates:  # a pipeline without a model decides on priors
            candidates["propensity"] = catalog.prior[candidates.index]
        score *= candidates["effect" if "effect" in candidates else "propensity"]
        if "weight" in candidates:
            score *= candidates["weight"]
            shared = {name: column for name, column in shared.items() if name != "weight"}
        score -= catalog.cost[candidates.index]
        candidates.share_all(shared)
        candidates["score"] = score

    def _values(self, deciding: Deciding) -> FloatArray:
        index = deciding.candidates.index
        value = self._constant[index]
        groups = self._group[index]
        computed = np.full(len(self._expressions) + 1, np.nan)
        for group in np.flatnonzero(np.bincount(groups)).tolist():
            if group:
                number = self._expressions[group - 1].evaluate(
                    deciding.customer, deciding.context, deciding.now
                )
                if number is not None:
                    computed[group] = number
        return np.where(groups > 0, computed[groups], value)

    def explain(
        self, deciding: Deciding, drop: Drop, position: int
    ) -> tuple[str, Sequence[Change]]:
        """Name the expression, and what it misses."""
        unit = int(drop.index[position])
        value = parts(deciding, unit)[0].value
        if isinstance(value, int | float):
            return f"{subject(deciding, unit)} has no finite value in the catalog.", ()
        supposed = Supposed(deciding)
        sentence = (
            f"{subject(deciding, unit)} was left out because its value `{value.text}` "
            "cannot be computed for this customer."
        )
        if supply(deciding, value, supposed, unit, self._clock):
            return with_changes(sentence, supposed.changes), supposed.changes
        none = impossible("the expression of its value has no answer here")
        return with_changes(sentence, none), none


VALUE = StageFactory[NoSettings](build=Valuation, on_error="drop")
