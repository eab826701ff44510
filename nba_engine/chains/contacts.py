"""What chains are made of: contacts, and the rules that a chain has to keep."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["ChainLimit", "ChainRules", "Contacts"]


class ChainRules(msgspec.Struct, frozen=True, kw_only=True):
    """At most ``most_contacts`` contacts in ``periods``, ``spacing`` periods from one to the next.

    No action comes twice, and the j-th contact in the order of time earns ``diminishing**(j-1)`` of
    its value. Raises `ValueError` for rules that nothing could keep.
    """

    periods: int
    most_contacts: int
    spacing: int = 1
    diminishing: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.periods <= 127:
            raise ValueError("periods must be from 1 to 127")
        if self.most_contacts < 1:
            raise ValueError("most_contacts must be at least 1")
        if self.spacing < 1:
            raise ValueError("spacing must be at least 1: one contact per period")
        if not 0.0 < self.diminishing <= 1.0:
            raise ValueError("diminishing must be above 0, and at most 1")

    @property
    def longest(self) -> int:
        """The most contacts a chain can have: what is allowed and has room in the periods."""
        return min(self.most_contacts, 1 + (self.periods - 1) // self.spacing)

    @property
    def weights(self) -> NDArray[np.float64]:
        """What the first, second … contact earns of its value (longest,)."""
        return np.array([self.diminishing**j for j in range(self.longest)])


class ChainLimit(msgspec.Struct, frozen=True, kw_only=True):
    """At most ``most`` contacts of some kinds in the periods from ``first`` to ``last`` of any chain.

    ``counted`` (c,) bool: which contacts.
    """

    counted: NDArray[np.bool_]
    first: int
    last: int
    most: int


class Contacts(msgspec.Struct, frozen=True, kw_only=True):
    """The c contacts that there are: one for each action, treatment and cost.

    ``action`` (c,) int32: the action of each; ``cost`` (c,) int64, micros; ``factor`` (c, periods)
    float64: what a contact earns of its value in a period. ``limits``: what every chain has to keep.
    """

    action: NDArray[np.int32]
    cost: NDArray[np.int64]
    factor: NDArray[np.float64]
    limits: tuple[ChainLimit, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.action) == len(self.cost) == len(self.factor) > 0:
            raise ValueError("action, cost and factor need one row per contact, and at least one")
        if len(self.action) > np.iinfo(np.int16).max:
            raise ValueError(f"more than {np.iinfo(np.int16).max:,} contacts")
        if bool(np.any(self.cost < 0)) or bool(np.any(~(self.factor >= 0.0))):
            raise ValueError("costs and factors must not be negative")
        if any(one.counted.shape != self.action.shape for one in self.limits):
            raise ValueError("limits need to know of every contact whether it is counted")
