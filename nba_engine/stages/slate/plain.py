"""The plain slate: one placement, and nothing in the way of the best few.

Most answers are like that. What `Filling` and `Work` do for the others (draws, rules about what stands
together, reservations, several placements) costs twice the time even where there is nothing to do.
"""

from __future__ import annotations

import numpy as np

from nba_engine.domain import BoolArray, CatalogView, Deciding
from nba_engine.stages.arbitration import few_best
from nba_engine.stages.limits import Accounts
from nba_engine.stages.slate.forms import Content, Forms, flaw_of
from nba_engine.stages.slate.telling import COLUMNS, codes_of, recommendation

__all__ = ["PlainSlate"]


class PlainSlate:
    """Fills a slate if it is a plain one; leaves it alone, whole, if it is not."""

    def __init__(self, catalog: CatalogView, forms: Forms, accounts: Accounts) -> None:
        self._forms = forms
        # by placement: the treatments that draw on no limit, and are the only one of their action
        self._plain: dict[str, BoolArray] = {}
        drawing = np.array([bool(draws) for draws in accounts.draws], dtype=np.bool_)
        for name, placement in catalog.placements.items():
            if placement.exploration is None:
                fitting = catalog.fitting(name)
                of = catalog.action_of[fitting]
                plain = self._plain[name] = np.zeros(len(drawing), dtype=np.bool_)
                plain[fitting] = (np.bincount(of)[of] == 1) & ~drawing[fitting]

    def fill(self, deciding: Deciding) -> bool:
        """Recommend the best few, drop the others; false, and nothing is done, if that is not all.

        It is not: with several placements, one that explores or is planned, few candidates, equal
        scores, treatments that draw on limits or have siblings, a template or channel that fails.
        """
        if len(deciding.placements) != 1 or deciding.due:
            return False
        (wanted,) = deciding.placements
        plain = self._plain.get(wanted.placement)
        candidates = deciding.candidates
        if plain is None or "score" not in candidates:
            return False
        score = candidates["score"]
        best = few_best(score, wanted.slots)
        if not best:
            return False
        while not score.item(best[-1]) > 0.0:
            best.pop()
            if not best:
                return False
        units = list(map(candidates.index.item, best))
        if not all(map(plain.item, units)):
            return False
        contents = self._contents(deciding, units)
        if contents is None:
            return False
        told = zip(units, contents, best, candidates.rows(best, COLUMNS), strict=True)
        recommended = deciding.recommendations
        for rank, (at, content, position, numbers) in enumerate(told):
            of = self._forms.named[at]
            codes = codes_of(of, candidates, position, best=rank == 0)
            recommended.append(recommendation(deciding, of, at, 0, rank, content, codes, numbers))
        candidates.keep_only(best, "outranked")
        return True

    def _contents(self, deciding: Deciding, units: list[int]) -> list[Content] | None:
        """What each says; None when one of them is not as plain as that."""
        seen = {"customer": deciding.customer, "context": deciding.context, "now": deciding.now}
        content_of = self._forms.content
        contents: list[Content] = []
        for at in units:
            try:
                content = content_of(at, seen)
            # a channel is a plugin: it may raise anything. Whoever fills the slate then asks it again, and
            # tells what was wrong
            except (Exception, SystemExit):
                return None
            if flaw_of(content):
                return None
            contents.append(content)
        return contents
