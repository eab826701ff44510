"""The tables of ``catalog/*.toml`` that say what customers are worth. docs/value.md explains them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from nba_engine.catalog.schema import Duration, NotNegative, Word, Words
from nba_engine.domain import PurchaseModelKind
from nba_engine.settings import REQUIRED

__all__ = ["ValueEntry", "ValueModelEntry"]

Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0)]


class ValueEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[value]``."""

    types: Annotated[Words, Meta(min_length=1)] = ("purchase",)
    """the interaction types that are purchases; those of one day (UTC) count as one"""
    amount: Word = "amount"
    """the property that holds the money paid"""
    horizon: Duration = 91 * 86_400.0
    """the time to come that purchases are expected in, and that the budget is for"""
    cost_of_goods: Annotated[Share, REQUIRED] = 0.0
    """part of the revenue that the goods cost"""
    margin: Annotated[Share, REQUIRED] = 0.0
    """part of the revenue that must be left over"""
    floor: NotNegative = 0.0
    """the least that the budget of a customer who bought comes to"""
    cap: NotNegative | None = None
    """the most that it comes to"""
    new_customer: NotNegative = 0.0
    """the budget of whoever never bought, and of everybody until a model was fitted"""
    win_back_below: Share = 0.3
    """a customer whose `p_alive` is below this, and who was active, is to be won back"""
    win_back_purchases: Annotated[int, Meta(ge=1)] = 2
    """on how many days somebody must have bought to have been active"""
    sensitive: bool = False
    """the values are never in logs, explanations and error texts"""


class PurchaseEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[value_model.purchases]`` and ``[value_model.alive]``."""

    kind: PurchaseModelKind
    """the model"""
    r: Positive
    """shape of the customers' rates"""
    alpha: Positive
    """their scale, in days"""
    a: NotNegative = 0.0
    """of the customers' chances to drop out"""
    b: NotNegative = 0.0
    """of the customers' chances to drop out"""
    window: Annotated[int, Meta(ge=0)] = 0
    """`recent_rate`: how many of the last days count"""


class SpendEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[value_model.spend]``."""

    p: Positive
    """shape of the amounts of one customer"""
    q: Positive
    """shape of what customers differ in"""
    gamma: Positive
    """its scale, in money"""


class ValueModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[value_model]``."""

    types: Words = ()
    """the interaction types it was fitted to"""
    amount: str = ""
    """the property it was fitted to"""
    purchases: Annotated[PurchaseEntry | None, REQUIRED] = None
    """model of the purchases to come: `kind`, `r`, `alpha` in days, `a`, `b`, `window`"""
    alive: PurchaseEntry | None = None
    """model of who slipped away; nobody does without it"""
    spend: SpendEntry | None = None
    """model of the money per purchase: `p`, `q`, `gamma`; unknown without it"""
