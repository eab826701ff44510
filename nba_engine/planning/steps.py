"""What a planning run tells while it runs, and how it may be set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from nba_engine.planning.cuts import gap_of

__all__ = ["PlanOptions", "Step", "Tell"]


class PlanOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How far to go. ``gap``: stop when the planes leave no more than this share of the bound."""

    gap: float = 5e-5
    passes: int = 60
    sample: int = 20_000  # customers that the first prices come from
    sample_passes: int = 100


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One pass over the customers: the best value and bound so far, and the gap between them.

    ``value``: None as long as nothing keeps every limit.
    """

    phase: Literal["sample", "prices", "make_room", "use_room"]
    number: int
    value: float | None
    bound: float

    @property
    def gap(self) -> float:
        """How far the value is below the bound, as a share of the larger of the two."""
        return 1.0 if self.value is None else gap_of(self.bound, self.value)


Tell: TypeAlias = Callable[[Step], object]
