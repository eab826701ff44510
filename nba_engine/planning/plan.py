"""A plan for all customers: prices, room made, room used, and how far it can be from the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import MICROS, Batch
from nba_engine.errors import FailedPrecondition
from nba_engine.planning.cuts import Search, gap_of
from nba_engine.planning.draft import Draft
from nba_engine.planning.few import FEW
from nba_engine.planning.prices import prices_of, prices_tried, search_prices
from nba_engine.planning.problem import Problem
from nba_engine.planning.resident import At, Resident
from nba_engine.planning.room import Aim
from nba_engine.planning.steps import PlanOptions, Step, Tell

__all__ = ["LimitsNotKept", "Plan", "exceeds", "make_plan"]

_ROUNDING = 1e-9


class LimitsNotKept(FailedPrecondition):
    """Limits that cannot all be kept. ``found``: by position, what was found of each that is not."""

    def __init__(self, message: str, found: Mapping[int, int]) -> None:
        super().__init__(message)
        self.found = dict(found)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. ``counts`` (contacts, periods); ``used`` (k,) is within the limits' amounts.

    ``at`` holds the prices of the limits per unit (k,) and the changes; with it a worker knows the
    chain of each of its customers. ``bound``: no plan can be worth more.
    """

    at: At
    value: float
    bound: float
    counts: NDArray[np.int64]
    used: NDArray[np.int64]
    passes: int

    @property
    def gap(self) -> float:
        """How far the value is from the bound, as a share of the larger of the two."""
        return gap_of(self.bound, self.value)


def make_plan(
    batch: Batch[Resident],
    problem: Problem,
    customers: int,
    options: PlanOptions | None = None,
    *,
    partitions: int,
    begun: Search | None = None,
    keep: Callable[[Search], object] = lambda _: None,
    tell: Tell = lambda _: None,
) -> Plan:
    """Plan all customers of a batch; see `search_prices` for ``begun`` and ``keep``.

    Raises `LimitsNotKept` for limits that cannot all be kept, with how far they can be.
    """
    options = options or PlanOptions()
    search = search_prices(batch, problem, customers, options, begun=begun, keep=keep, tell=tell)
    bound = search.bound
    draft = Draft(batch, problem, prices_of(problem, search), partitions)

    def told(phase: Aim) -> None:
        # as long as a limit is exceeded it is no plan, and what the passes promise stays the value
        value = draft.value if (draft.room >= 0).all() else search.mixture
        tell(Step(phase=phase, number=draft.rounds, value=value, bound=bound))

    draft.make_room(told)
    enough = bound - options.gap * abs(bound)
    draft.use_room(told, enough)
    if customers <= FEW and (draft.value < enough or (draft.room < 0).any()):
        draft.put_together(prices_tried(problem, search), told, bound)
    if (draft.room >= 0).all():
        draft.move_earlier(told)
    draft.sum()
    _check_limits(problem, draft, proved=bound < problem.least(customers))
    if exceeds(draft.value, bound):
        raise RuntimeError(f"a plan worth {draft.value!r} exceeds its bound {bound!r}")
    return Plan(
        at=draft.at(),
        value=draft.value,
        bound=bound,
        counts=draft.counts,
        used=problem.used(draft.counts),
        passes=len(search.cuts),
    )


def exceeds(value: float, bound: float) -> bool:
    """Whether a value is above its bound by more than sums can be off."""
    return value > bound + _ROUNDING * max(abs(value), abs(bound))


def _check_limits(problem: Problem, draft: Draft, *, proved: bool) -> None:
    """Raise `LimitsNotKept` for limits that are not kept, with how far they can be."""
    told, reached = [], {}
    for k, (limit, room) in enumerate(zip(problem.limits, draft.room.tolist(), strict=True)):
        if room < 0:
            unit = MICROS if limit.measure == "money" else 1
            reached[k] = limit.amount - limit.sign * room
            asked, found = limit.amount / unit, reached[k] / unit
            told.append(
                f"{limit.name!r} asks for at least {asked:,g}, and {found:,g} is the most"
                if limit.floor
                else f"{limit.name!r} allows at most {asked:,g}, and {found:,g} is the least"
            )
    if told:
        how = "there can be no such plan" if proved else "no such plan was found"
        raise LimitsNotKept(
            f"not every limit can be kept ({how}): {'; '.join(told)} that the other limits and the "
            "customers' candidates leave room for: ask for no more than that, or give others more",
            reached,
        )
