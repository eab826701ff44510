"""Stage ``contact_plan``: follows the contact plan of the customer, if there is one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nba_engine.domain import Change, Deciding, Drop, NoSettings, Resources, StageFactory
from nba_engine.domain.bits import is_among
from nba_engine.domain.words import enumerated, with_changes
from nba_engine.stages.contact_plan.wording import planned_for, turn_of
from nba_engine.stages.supposing import impossible
from nba_engine.stages.wording import subject

__all__ = ["CONTACT_PLAN", "ContactPlan"]

_PLANNED = "planned"  # the column of the reason code


class ContactPlan:
    """Marks what is due, and puts the plan's prices in the place of those of the moment.

    Only in placements that are planned, whatever else is asked for with them, and as long as a plan is
    in force. A contact that is due has been given its room by the plan: the stage ``arbitration`` does
    not charge it the prices of limits again, and the stage ``slate`` tries it first. With
    ``only_planned`` everything else falls out of planned placements.
    """

    def __init__(self, _settings: NoSettings, resources: Resources) -> None:
        catalog = resources.catalog
        spec = catalog.contact_plan
        self._spec = spec
        self._placements = frozenset(spec.terms.placements if spec is not None else ())

    def apply(self, deciding: Deciding) -> None:
        """Read what is planned for the customer; see the class."""
        spec, state = self._spec, deciding.state
        if spec is None or state is None or not state.known:
            return
        slots = [
            slot
            for slot, wanted in enumerate(deciding.placements)
            if wanted.placement in self._placements
        ]
        if not slots:
            return
        plan = deciding.plan_of(state)
        if plan is None:
            return
        candidates, index = deciding.candidates, deciding.catalog.treatment_index
        planned = is_among(candidates.slot, slots, len(deciding.placements))
        due = frozenset(
            index[one.treatment] for one in plan.due(deciding.now) if one.treatment in index
        )
        wanted = is_among(candidates.index, due, len(deciding.catalog.treatments)) & planned
        deciding.plan = plan
        deciding.planned = frozenset(slots)
        deciding.due = frozenset(candidates.index[wanted].tolist())
        if deciding.due:
            candidates.words[_PLANNED] = ("planned",)
            candidates[_PLANNED] = np.where(wanted, 0.0, -1.0)
        if spec.only_planned:
            candidates.drop(planned & ~wanted, "not_planned")

    def explain(
        self, deciding: Deciding, drop: Drop, position: int
    ) -> tuple[str, Sequence[Change]]:
        """What is planned instead, or when it is this one's turn."""
        assert self._spec is not None
        assert deciding.plan is not None
        catalog, terms = deciding.catalog, self._spec.terms
        unit = int(drop.index[position])
        name = catalog.treatments[unit].id
        changes: list[Change] = []
        later = [
            one
            for one in deciding.plan.contacts
            if one.treatment == name and one.starts > deciding.now
        ]
        now = [planned_for(catalog, terms, one) for one in deciding.plan.due(deciding.now)]
        told = f"the plan has {enumerated(now)}" if now else "nothing is planned for now"
        if later:
            told = f"it is planned for later ({planned_for(catalog, terms, later[0])}), and {told}"
            text = f"it is decided then, {planned_for(catalog, terms, later[0])}"
            at = turn_of(catalog, later[0], deciding.now)
            changes.append(Change(kind="time", value=at, text=text))
        else:
            changes += impossible("it would have to be planned (nba plan)")
        sentence = f"{subject(deciding, unit)} is not planned for now: {told}."
        return with_changes(sentence, changes), tuple(changes)


CONTACT_PLAN = StageFactory[NoSettings](build=ContactPlan, on_error="ignore")
