"""The tables of ``catalog/*.toml`` that say what may stand together. docs/catalog.md is their reference."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from nba_engine.catalog.schema import Duration, Selector, Word
from nba_engine.domain import Per
from nba_engine.settings import REQUIRED

__all__ = ["SlateRuleEntry"]


class SlateRuleEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[slate_rules.<id>]``."""

    name: str = ""
    """for people"""
    applies_to: Annotated[Selector, REQUIRED] = Selector()
    """which treatments it is about"""
    at_most: Annotated[int, Meta(ge=1, le=1000)] | None = None
    """so many of them stand in one answer and no more"""
    per: Per = "answer"
    """with `at_most`: in one `answer`, over all placements that were asked for, or in one `placement`"""
    never_beside: Selector | None = None
    """none of them stands in one answer with any of these"""
    not_after: Selector | None = None
    """none of them is shown when the customer was contacted with the action of any of these, `within`"""
    within: Duration = 0.0
    """with `not_after`: for so long after that contact"""
    contacted: Word = "contacted_at"
    """with `not_after`: the aggregate (`last`, `by = "action"`) that tells when an action was shown"""
