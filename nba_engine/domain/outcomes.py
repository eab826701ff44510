"""What counts as the outcome of an action that was recommended, and for how long."""

from __future__ import annotations

import msgspec

__all__ = ["OutcomeSpec"]


class OutcomeSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Which interactions decide how a recommendation ended.

    An interaction of a ``positive`` type within ``within`` seconds of the decision is a positive
    outcome, one of a ``negative`` type a negative one; a positive one wins. Without ``by`` it
    must name the recommendation. With ``by`` it is enough that the same customer's interaction
    holds the action's attribute ``key`` in that property (a purchase in the action's category).
    ``shown_by``: only recommendations that an interaction of these types names were seen at all;
    () takes every recommendation for seen.
    """

    id: str = ""
    positive: tuple[str, ...] = ("accept",)
    negative: tuple[str, ...] = ("reject",)
    within: float = 14 * 86_400.0
    by: str = ""
    key: str = "category"
    shown_by: tuple[str, ...] = ()
