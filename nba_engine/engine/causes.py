"""What kept particular candidates out of a decision: stage, reason, and the rule or limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from nba_engine.domain import Deciding, Drop, Explains, Stage, Tier
from nba_engine.engine.snapshot import Snapshot
from nba_engine.pipeline import AfterStage, log_failure

__all__ = ["Cause", "Place", "causes_of"]

_TIERS: Mapping[str, Tier] = {
    "not_eligible": "eligibility",
    "not_applicable": "applicability",
    "not_suitable": "suitability",
}
_LIMIT = {"limit_exhausted", "limit_refused"}


class Place(NamedTuple):
    """A treatment in a placement."""

    placement: str
    treatment: str


class Cause(NamedTuple):
    """Why a treatment was not recommended; ``by`` names the rules or the limits, if any did it."""

    stage: str
    reason: str
    by: str = ""

    @property
    def words(self) -> str:
        """One piece of text."""
        return f"{self.stage}/{self.reason}" + (f" ({self.by})" if self.by else "")


def causes_of(
    snapshot: Snapshot, places: Sequence[Place], decide: Callable[[AfterStage], Deciding]
) -> dict[Place, Cause]:
    """``decide`` runs the decision; what is neither dropped by a stage nor kept is left over."""
    watch = _Watch(snapshot, places)
    if any(cause is None for cause in watch.found.values()):
        decide(watch)
    left = Cause("pipeline", "outranked")
    return {place: cause or left for place, cause in watch.found.items()}


class _Watch:
    """Asks about a few candidates only, right after the stage that dropped them."""

    def __init__(self, snapshot: Snapshot, places: Sequence[Place]) -> None:
        self._snapshot = snapshot
        catalog = snapshot.catalog
        self.found: dict[Place, Cause | None] = {}
        self._units: dict[Place, int] = {}
        for place in places:
            unit = catalog.treatment_index.get(place.treatment)
            if unit is None:
                self.found[place] = Cause("catalog", "not_there")
            elif unit not in catalog.fitting(place.placement):
                self.found[place] = Cause("catalog", "not_for_this_placement")
            else:
                self.found[place] = None
                self._units[place] = unit

    def __call__(self, name: str, stage: Stage, deciding: Deciding, before: int) -> None:  # noqa: ARG002
        slots = {wanted.placement: slot for slot, wanted in enumerate(deciding.placements)}
        for drop in deciding.candidates.drops[before:]:
            for place, unit in self._units.items():
                if self.found[place] is not None:
                    continue
                at = ((drop.index == unit) & (drop.slot == slots[place.placement])).nonzero()[0]
                if len(at):
                    by = self._by(stage, deciding, drop, int(at[0]))
                    self.found[place] = Cause(drop.stage, drop.reason, by)

    def _by(self, stage: Stage, deciding: Deciding, drop: Drop, position: int) -> str:
        tier = _TIERS.get(drop.reason)
        if tier is not None and drop.stage == "eligibility":
            failed = self._snapshot.catalog.rules[tier].explain(
                int(drop.index[position]), deciding.customer, deciding.context, deciding.now
            )
            return ", ".join(dict.fromkeys(each.rule for each in failed))
        if drop.reason in _LIMIT and isinstance(stage, Explains):
            try:
                _, changes = stage.explain(deciding, drop, position)
                limits = [change.target for change in changes if change.kind == "limit"]
            # a plugin's code: it costs the name, not the comparison
            except (Exception, SystemExit) as error:
                log_failure(f"explaining {drop.reason} by stage {drop.stage}", error)
                return ""
            return ", ".join(dict.fromkeys(limits))
        return ""
