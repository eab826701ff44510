"""Stage ``eligibility``: seasons and the three tiers of rules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nba_engine.domain import (
    TIERS,
    CatalogView,
    Change,
    Deciding,
    Drop,
    FailedConjunct,
    NoSettings,
    Resources,
    StageFactory,
    Tier,
    Value,
)
from nba_engine.domain.values import FloatArray
from nba_engine.domain.words import enumerated, spoken_value, with_changes
from nba_engine.stages.bits import unpacked
from nba_engine.stages.supposing import Supposed, impossible
from nba_engine.stages.wording import moment, parts, subject, type_of

__all__ = ["ELIGIBILITY", "Eligibility"]

_REASONS: dict[Tier, str] = {
    "eligibility": "not_eligible",
    "applicability": "not_applicable",
    "suitability": "not_suitable",
}
_HIDDEN = "(sensitive)"  # as rules show what is sensitive
_TIER_OF = {reason: tier for tier, reason in _REASONS.items()}


class Eligibility:
    """Drops what is out of season or fails a rule: one bitset per tier, one mask per bitset."""

    def __init__(self, _settings: NoSettings, resources: Resources) -> None:
        catalog = resources.catalog
        actions = [catalog.actions[int(a)] for a in catalog.action_of]
        self._starts: FloatArray = np.array(
            [-np.inf if a.starts is None else a.starts for a in actions], dtype=np.float64
        )
        self._ends: FloatArray = np.array(
            [np.inf if a.ends is None else a.ends for a in actions], dtype=np.float64
        )
        self._seasonal = bool(np.isfinite(self._starts).any() or np.isfinite(self._ends).any())
        self._size = len(actions)
        self._all = (1 << self._size) - 1
        # *nothing* never falls out: its bits are cleared before anything else is done
        self._judged = sum(1 << i for i, nothing in enumerate(catalog.is_nothing) if not nothing)

    def apply(self, deciding: Deciding) -> None:
        """Drop by season, then tier by tier."""
        candidates = deciding.candidates
        now = deciding.now
        if self._seasonal:
            index = candidates.index
            closed = now >= self._ends[index]
            if not deciding.ahead:  # what begins in the weeks to come can be planned for them
                closed |= now < self._starts[index]
            candidates.drop(closed, "not_in_season")
        rules = deciding.catalog.rules
        customer, context = deciding.customer, deciding.context
        for tier in TIERS:
            failing = rules[tier].failing(customer, context, now) & self._judged
            if failing:
                passing = unpacked(self._all ^ failing, self._size)
                mask = candidates.of_each(passing).view(np.bool_)
                candidates.keep(mask, _REASONS[tier], spare_nothing=False)

    def explain(
        self, deciding: Deciding, drop: Drop, position: int
    ) -> tuple[str, Sequence[Change]]:
        """Name the rule, the conjunct and what it saw, and all that would have to change."""
        unit = int(drop.index[position])
        why = self._why(deciding, drop.reason, unit)
        supposed = Supposed(deciding)
        action = parts(deciding, unit)[0]
        if action.ends is not None and deciding.now >= action.ends:
            changes: Sequence[Change] = impossible("the catalog would have to end it later")
        else:
            if action.starts is not None:
                supposed.wait(action.starts, "decide")
            if supposed.settle_rules(unit) and _before(supposed.now, action.ends):
                changes = supposed.changes
            else:
                changes = impossible("no single change is known that would make its rules hold")
        sentence = f"{subject(deciding, unit)} was left out because {why}."
        return with_changes(sentence, changes), changes

    def _why(self, deciding: Deciding, reason: str, unit: int) -> str:
        catalog, now = deciding.catalog, deciding.now
        action = parts(deciding, unit)[0]
        if reason == "not_in_season":
            if action.starts is not None and now < action.starts:
                return f"its season only starts at {moment(catalog, action.starts, now)}"
            return f"its season ended at {moment(catalog, action.ends or 0.0, now)}"
        failed = catalog.rules[_TIER_OF[reason]].explain(
            unit, deciding.customer, deciding.context, now
        )
        return enumerated([_conjunct(catalog, each) for each in failed]) or "its rules do not hold"


def _before(now: float, ends: float | None) -> bool:
    return ends is None or now < ends


def _conjunct(catalog: CatalogView, failed: FailedConjunct) -> str:
    saw = enumerated([f"{path} is {_value(catalog, path, v)}" for path, v in failed.saw.items()])
    rule = f"rule “{failed.rule}” asks for `{failed.text}`"
    if failed.status == "missing":
        return f"{rule}, about which nothing is known"
    if failed.status == "error":
        return f"{rule}, which cannot be computed" + (f" ({saw})" if saw else "")
    return f"{rule}, and {saw}" if saw else rule


def _value(catalog: CatalogView, path: str, value: Value) -> str:
    """What a rule saw at ``customer.age`` or, in a map, at ``customer.spend.milk``."""
    if value == _HIDDEN:
        return _HIDDEN
    root, _, rest = path.partition(".")
    name, _, key = rest.partition(".")
    kind = "timestamp" if path == "now" else type_of(catalog, root, name)
    if key and kind.startswith("map<"):
        kind = kind.removesuffix(">").rpartition(",")[2].strip()
    text = spoken_value(value, kind, catalog.time_zone)
    return text if len(text) <= 80 else f"{text[:77]}…"


ELIGIBILITY = StageFactory[NoSettings](build=Eligibility, on_error="drop")
