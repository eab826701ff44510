"""Exact sums: a float, or floats of falling size where one cannot hold it. No order changes a bit."""

from __future__ import annotations

import math
from typing import TypeAlias

__all__ = ["ExactSum", "exact_sum", "rounded"]

ExactSum: TypeAlias = float | list[float]


def exact_sum(one: ExactSum, other: ExactSum) -> ExactSum:
    """The sum of two sums (Shewchuk 1997)."""
    if isinstance(one, list) or isinstance(other, list):
        parts = [
            *(one if isinstance(one, list) else (one,)),
            *(other if isinstance(other, list) else (other,)),
        ]
    else:
        total: float = one + other
        shadow = total - one
        if (one - (total - shadow)) + (other - shadow) == 0.0:  # Knuth's two-sum: nothing was lost
            return total
        parts = [one, other]
    summed: list[float] = []
    while (head := math.fsum(parts)) != 0.0:
        summed.append(head)
        parts.append(-head)
    if len(summed) > 1:
        return summed
    return summed[0] if summed else 0.0


def rounded(total: ExactSum) -> float:
    """An exact sum as one float."""
    return total[0] if isinstance(total, list) else total
