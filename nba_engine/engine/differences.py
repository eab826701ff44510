"""What a comparison of two catalogs found: plain values, for tables and for JSON."""

from __future__ import annotations

import msgspec

__all__ = [
    "ActionChange",
    "CauseCount",
    "Differences",
    "DropChange",
    "Example",
    "LimitChange",
    "Money",
]


class ActionChange(msgspec.Struct, frozen=True, kw_only=True):
    """How often an action is recommended."""

    action: str
    before: int
    after: int


class LimitChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is taken from a limit: contacts, or money in the catalog's currency."""

    limit: str
    name: str
    measure: str
    before: float
    after: float


class DropChange(msgspec.Struct, frozen=True, kw_only=True):
    """How many candidates a stage drops for a reason."""

    stage: str
    reason: str
    before: int
    after: int


class CauseCount(msgspec.Struct, frozen=True, kw_only=True):
    """Recommendations and what kept them out: ``by`` names rules or limits where they did it."""

    stage: str
    reason: str
    by: str
    recommendations: int


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """Contact costs, and chance times value less cost, of everything recommended."""

    cost_before: float
    cost_after: float
    expected_before: float
    expected_after: float


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One decision with other actions: what goes, what comes instead, as "placement: treatment"."""

    decision_id: str
    customer_id: str
    time: float
    before: list[str]
    after: list[str]
    why_not_any_more: list[str]
    why_not_before: list[str]


class Differences(msgspec.Struct, frozen=True, kw_only=True):
    """All that two catalogs do differently with the same requests.

    ``as_logged``: decisions whose "before" is what was logged. ``other_actions``: decisions with
    other actions in some placement; ``other_form``: with the same actions in another order, by
    another treatment or with other content. ``lost``: why recommendations of before are none
    after; ``won``: why those of after were none before. ``not_asked``: requests left out, by
    reason. Times are seconds since the epoch.
    """

    catalog_before: str
    catalog_after: str
    decisions: int
    as_logged: int
    first: float | None
    last: float | None
    other_actions: int
    other_form: int
    customers: int
    customers_changed: int
    not_asked: dict[str, int]
    money: Money
    actions: tuple[ActionChange, ...]
    limits: tuple[LimitChange, ...]
    drops: tuple[DropChange, ...]
    lost: tuple[CauseCount, ...]
    won: tuple[CauseCount, ...]
    examples: tuple[Example, ...]
