"""The tables of ``catalog/*.toml`` that say what is learned: outcomes and features."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from nba_engine.catalog.schema import Duration, Selector, Word, Words
from nba_engine.domain import Transform
from nba_engine.settings import REQUIRED

__all__ = ["FeatureEntry", "OutcomeEntry"]


class OutcomeEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[outcomes.<id>]``."""

    positive: Annotated[Words, Meta(min_length=1)] = ("accept",)
    """interaction types that are a positive outcome"""
    negative: Words = ("reject",)
    """interaction types that are a negative one; a positive one within the time wins"""
    within: Annotated[Duration, REQUIRED] = 0.0
    """how long after the decision an interaction counts; later there is no outcome"""
    by: str = ""
    """a property of the interaction that must hold the action's `key`, a list for example: the
    customer's purchase in the category counts. Without it the interaction must name the
    recommendation
    """
    key: Word = "category"
    """with `by`: the attribute of the action that is looked for"""
    shown_by: Words = ()
    """only recommendations that an interaction of these types names were seen at all
    (`["impression"]`); without it all were
    """
    applies_to: Selector = Selector()
    """which treatments it is about; of two that match, the one that says so, not that of all"""


class FeatureEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[features.<name>]``."""

    source: Annotated[Word, REQUIRED] = ""
    """`customer.<name>`, `context.<name>`, `action.<name>`, `treatment.<name>`, `now`, `now.hour` or
    `now.weekday`
    """
    key: str = ""
    """`source` is a map of the customer, looked up by this value of the action: `action.category`"""
    transform: Transform = "none"
    """`none`, `log1p`, `days_since` (of a time), `equals` (1 or 0, against `value`), `element` (of a
    map: its number under the word `value`), `category` (the position among `categories`) or `table`
    """
    value: str | float | bool | None = None
    """for `equals` and `element`"""
    categories: Words = ()
    """for `category`; without them training takes those that it finds"""
    table: str = ""
    """for `table`: the complement table"""
    default: float = 0.0
    """replaces a missing value, after the transform"""
    minimum: float | None = None
    """clips"""
    maximum: float | None = None
    """clips"""
