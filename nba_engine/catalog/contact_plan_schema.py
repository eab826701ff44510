"""The table of ``catalog/*.toml`` that says how contacts are planned ahead. docs/catalog.md is its reference."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from nba_engine.catalog.schema import Duration, Number, Words
from nba_engine.settings import REQUIRED

__all__ = ["ContactPlanEntry"]


class ContactPlanEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[contact_plan]``."""

    period: Annotated[Duration, REQUIRED] = 0.0
    """length of a period: `"7d"`. A customer gets at most one planned contact in each"""
    periods: Annotated[int, Meta(ge=1, le=127), REQUIRED] = 1
    """how many periods are planned ahead"""
    most_contacts: Annotated[int, Meta(ge=1)] = 3
    """contacts per customer over the plan"""
    spacing: Annotated[int, Meta(ge=1)] = 1
    """periods from one contact to the next: 2 leaves one out"""
    diminishing: Annotated[float, Meta(gt=0, le=1)] = 1.0
    """the second contact earns so much of its value, the third that squared, …"""
    placements: Annotated[Words, Meta(min_length=1)] | None = None
    """the placements that are planned; of outbound channels"""
    budget: Number | None = None
    """money that may be spent on a customer over the plan. An expression sees `customer` only: `"customer.ad_budget"`
    """
    only_planned: bool = False
    """planned placements show what is planned for now, and nothing else"""
