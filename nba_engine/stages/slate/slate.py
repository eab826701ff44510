"""Stage ``slate``: render, reserve, recommend; the next best where either fails."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nba_engine.domain import Change, Deciding, Drop, NoSettings, Resources, StageFactory
from nba_engine.stages.limits import Accounts, QuietClock
from nba_engine.stages.slate.explained import explain_slate
from nba_engine.stages.slate.filling import Filling
from nba_engine.stages.slate.forms import Forms
from nba_engine.stages.slate.plain import PlainSlate
from nba_engine.stages.slate.together import Together
from nba_engine.stages.slate.work import Work

__all__ = ["SLATE", "Slate"]

_REASONS = ("outranked", "same_action", "limit_refused", "render_failed")
_SAME_ACTION, _REFUSED, _FAILED = 2, 3, 4


class Slate:
    """Turns ranked candidates into recommendations.

    Content is rendered before anything is reserved; what a round chose is reserved in one call,
    each with all its holds or none. A treatment without limits costs no write. When the ledger
    cannot be reached, treatments with limits are refused and the others go on.
    """

    def __init__(self, _settings: NoSettings, resources: Resources) -> None:
        catalog = resources.catalog
        self._accounts = Accounts(catalog)
        self._together = Together(catalog)
        self._reasons = (*_REASONS, *(f"slate_rule:{rule.id}" for rule in self._together.rules))
        self._clock = QuietClock(catalog)
        self._forms = Forms(resources)
        self._plain = None if self._together else PlainSlate(catalog, self._forms, self._accounts)
        self._outranked = np.ones(len(catalog.actions), dtype=np.int8)  # the code of most actions

    def apply(self, deciding: Deciding) -> None:
        """Fill the slots, add the recommendations, drop everything else with its reason."""
        if self._plain is not None and self._plain.fill(deciding):
            return
        candidates = deciding.candidates
        work = Work(self._forms, self._accounts, deciding)
        filled = Filling(
            work.ranking,
            score=work.score,
            index=candidates.index,
            actions=work.actions,
            slot=candidates.slot,
            slots=[placement.slots for placement in deciding.placements],
            together=self._together,
            drawing=work.drawing,
        ).fill(work.render, work.reserve, work.blocked)
        kept = work.recommend(filled)
        of_action = self._outranked.copy()
        for action in filled.used:
            of_action[action] = _SAME_ACTION
        code = of_action[work.actions]
        if filled.standing is not None:
            against = filled.standing.kept_out(candidates.index, candidates.slot)
            against[code == _SAME_ACTION] = -1
            against[~work.might_stand(kept)] = -1
            found = against >= 0
            code[found] = (len(_REASONS) + 1 + against[found]).astype(np.int8)
        for position in filled.refused:
            code[position] = _REFUSED
        for position in filled.failed:
            code[position] = _FAILED
        for position in kept:
            code[position] = 0
        candidates.drop_each(code, self._reasons)

    def explain(
        self, deciding: Deciding, drop: Drop, position: int
    ) -> tuple[str, Sequence[Change]]:
        """Say what took its place, and what would bring it into the slate."""
        return explain_slate(
            deciding,
            drop,
            position,
            accounts=self._accounts,
            together=self._together,
            render=self._forms.render,
            clock=self._clock,
        )


SLATE = StageFactory[NoSettings](build=Slate, on_error="fail")
