"""What is told of a recommendation: its form, its numbers, and short reason codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import structs

from nba_engine.domain import Candidates, Deciding, Recommendation
from nba_engine.stages.slate.forms import Content, Named
from nba_engine.stages.slate.reservations import recommendation_id

__all__ = ["COLUMNS", "codes_of", "recommendation"]

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


def recommendation(
    deciding: Deciding,
    named: Named,
    treatment: int,
    slot: int,
    rank: int,
    content: Content,
    codes: tuple[str, ...],
    numbers: Sequence[float],
    expires: float | None = None,
    probability: float = 1.0,
) -> Recommendation:
    """One recommendation; ``numbers`` are those of `COLUMNS`, ``probability`` that of its draw."""
    score, propensity, value, cost, lever, weight = numbers
    # up to fifteen keywords: CPython gathers more of them in a dict first, which takes as long as the rest
    told = Recommendation(
        recommendation_id=recommendation_id(deciding, treatment, slot),
        placement=deciding.placements[slot].placement,
        position=rank,
        action=named.action,
        treatment=named.treatment,
        channel=named.channel,
        content=content,
        reason_codes=codes,
        score=score,
        propensity=propensity,
        value=value,
        cost=cost,
        lever=lever,
        weight=weight,
        selection_probability=probability,
    )
    return told if expires is None else structs.replace(told, expires=expires)
