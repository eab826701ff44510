"""Identities of one customer: what links them, and what a link comes to.

How the customers behind them become one is in `nba_engine.domain.merging`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from nba_engine.domain.interaction import Interaction
from nba_engine.domain.ledger import Reservation
from nba_engine.domain.profile import CustomerState

__all__ = [
    "ConsentChange",
    "Held",
    "Holdings",
    "Identities",
    "Link",
    "LinkRequest",
    "Linked",
    "Merge",
    "MergeRule",
    "Stamps",
    "of_customer",
]

MergeRule = Literal["latest", "first", "max", "min", "sum", "union"]

# attribute → when it was set (0.0: not known), or [when, cells]: the exact sums behind a value
# that was rounded
Stamps = Mapping[str, Any]


class LinkRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Identities that belong to one customer. ``source``: who says so (``login``, ``crm``).

    ``most``: how many identities one customer may have. ``request_id`` makes a repeat harmless even
    where the identities meant something else meanwhile; "" does not.
    """

    identities: tuple[str, ...]
    source: str = ""
    request_id: str = ""
    most: int = 50


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A link as it was made: which identities, and which customers it merged into another."""

    time: float
    source: str
    identities: tuple[str, ...]
    merged: tuple[str, ...] = ()  # ids of customers that are no more


class Linked(msgspec.Struct, frozen=True, kw_only=True):
    """The customer after a link; ``merged``: the ids of customers that this call merged into it."""

    state: CustomerState
    identities: tuple[str, ...]
    merged: tuple[str, ...] = ()


class ConsentChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer once said of a consent (``purpose:channel``), and by which identity."""

    consent: str
    granted: bool
    time: float
    source: str
    identity: str


class Identities(msgspec.Struct, frozen=True, kw_only=True):
    """Who a customer is: all identities by name, links and consents in the order of their times.

    ``stamps``: when its attributes were set.
    """

    customer_id: str
    identities: tuple[str, ...]
    links: tuple[Link, ...] = ()
    consents: tuple[ConsentChange, ...] = ()
    stamps: Stamps = {}


class Holdings(msgspec.Struct, frozen=True, kw_only=True):
    """A page of what is kept of a customer beside its state, in the order of its arrival.

    The first page has the reservations. ``more`` leads to the next page; 0: there is none.
    """

    interactions: tuple[Interaction, ...]
    reservations: tuple[Reservation, ...] = ()
    more: int = 0


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What a merge works on: a customer's state, and when its attributes were set."""

    state: CustomerState
    stamps: Stamps = {}


# (the customer that stays, the one that goes) → the customer of both; pure
Merge = Callable[[Held, Held], Held]


def of_customer(account: str, before: str, after: str) -> str:
    """The account of another customer for the same limit, scope and window.

    An account that is not one of customer ``before`` is the same for everybody.
    """
    return account.replace(f"|customer={_escaped(before)}|", f"|customer={_escaped(after)}|")


def _escaped(value: str) -> str:
    return value.replace("%", "%25").replace("|", "%7C")
