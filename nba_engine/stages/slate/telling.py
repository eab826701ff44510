"""What is told of a recommendation beside its form: its numbers, and short reason codes."""

from __future__ import annotations

from collections.abc import Mapping

from nba_engine.domain import Candidates
from nba_engine.stages.slate.forms import Named

__all__ = ["COLUMNS", "codes_of"]

# the columns whose numbers are told, and what is told where no stage made them
COLUMNS: Mapping[str, float] = {
    "score": 0.0,
    "propensity": 0.0,
    "value": 0.0,
    "cost": 0.0,
    "lever": 1.0,
    "weight": 1.0,
}
_EXPLORED = ("explored",)


def codes_of(
    named: Named, candidates: Candidates, position: int, *, best: bool, explored: bool = False
) -> tuple[str, ...]:
    """The reason codes of one candidate that is recommended; ``best``: the first in its placement."""
    codes: tuple[str, ...] = _EXPLORED if explored else ()
    if named.nothing:
        return codes
    codes += named.best if best and not explored else named.other
    if candidates.words or candidates.reason_codes:
        codes += candidates.reasons(position)
    if "prior_used" in candidates and candidates.number("prior_used", position):
        codes += ("prior_used",)
    return codes
