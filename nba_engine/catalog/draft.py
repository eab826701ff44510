"""A catalog in the making: what checks and compilation of rules, limits and levers work on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from nba_engine.catalog.expressions import Expressions
from nba_engine.catalog.findings import Findings
from nba_engine.catalog.read import Tables
from nba_engine.catalog.selectors import Matcher
from nba_engine.domain import Action, Treatment

__all__ = ["Draft"]


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """Files, tables as written, actions and treatments as made of them, and how to match and parse."""

    files: Mapping[str, str]
    tables: Tables
    actions: Mapping[str, Action]
    treatments: Sequence[Treatment]
    matcher: Matcher
    expressions: Expressions
    findings: Findings
