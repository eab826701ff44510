"""A customer's interactions as they are stored, and aggregates computed from them once more."""

from __future__ import annotations

from typing import Any

import msgspec

from nba_engine.domain.interaction import Interaction
from nba_engine.domain.profile import CustomerState

__all__ = ["CustomerPage", "History", "Rebuilt"]


class CustomerPage(msgspec.Struct, frozen=True):
    """A page of customer ids. ``more`` leads to the next page; 0: there is none.

    ``identities``: one of each of these customers, the first in the order of code points.
    """

    customer_ids: tuple[str, ...]
    more: int = 0
    identities: tuple[str, ...] = ()


class History(msgspec.Struct, frozen=True, kw_only=True):
    """A customer at one moment, with a page of its interactions in the order of their arrival.

    Interactions are numbered as they arrive. ``last``: the number of the page's last one (without
    any, what it was asked to begin after); ``newest``: that of the customer's newest one, 0 without
    any; with ``last < newest`` there are further pages. ``merges``: how many customers were merged
    into this one: only a merge brings it interactions with numbers that were passed already.
    ``recorded``: when each of them arrived, None where that was not noted.
    """

    state: CustomerState
    interactions: tuple[Interaction, ...]
    last: int
    newest: int
    merges: int
    recorded: tuple[float | None, ...] = ()


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """All aggregates of a customer, computed from the interactions up to ``newest``.

    ``newest`` and ``merges`` as in the `History` they were computed from.
    """

    customer_id: str
    aggregates: dict[str, Any]
    newest: int
    merges: int
