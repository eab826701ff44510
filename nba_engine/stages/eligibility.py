"""Stage ``eligibility``: seasons and the three tiers of rules."""

from __future__ import annotations

from collections.abc import Sequence

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
from nba_engine.domain.bits import bitset
from nba_engine.domain.words import enumerated, spoken_value, with_changes
from nba_engine.stages.seasons import Seasons
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
    """Drops what is out of season or fails a rule: one bitset for the seasons, and one per tier."""

    def __init__(self, _settings: NoSettings, resources: Resources) -> None:
        catalog = resources.catalog
        self._seasons = Seasons(catalog)
        self._all = (1 << len(catalog.treatments)) - 1
        # *nothing* never falls out: its bits are cleared before anything else is done
        self._judged = self._all ^ bitset(catalog.is_nothing)

    def apply(self, deciding: Deciding) -> None:
        """Drop by season, then tier by tier."""
        candidates = deciding.candidates
        now = deciding.now
        if self._seasons:
            # what begins in the weeks to come can be planned for them
            closed = self._seasons.closed(now, begun=deciding.ahead) & self._judged
            candidates.keep_units(self._all ^ closed, "not_in_season")
        rules = deciding.catalog.rules
        customer, context = deciding.customer, deciding.context
        for tier in TIERS:
            failing = rules[tier].failing(customer, context, now) & self._judged
            if failing:
                candidates.keep_units(self._all ^ failing, _REASONS[tier])

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
