"""How a placement explores: the table as it is written, its check, and the domain's word for it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from nba_engine.catalog.findings import Findings
from nba_engine.domain import Exploration, ExplorationMethod
from nba_engine.settings import REQUIRED

__all__ = ["ExplorationEntry", "make_exploration"]


class ExplorationEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[placements.<id>.exploration]``."""

    method: Annotated[ExplorationMethod | None, REQUIRED] = None
    """`plackett_luce` (what is worth more is picked more often) or `epsilon` (the best, and now and
    then any)
    """
    temperature: Annotated[float, Meta(ge=0)] = 0.0
    """`plackett_luce`: money. What is worth that much less than the best is picked e times (2.7 times)
    less often
    """
    share: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """`epsilon`: the part of the picks that any candidate gets, each alike"""


def make_exploration(
    table: ExplorationEntry | None, file: str, place: str, findings: Findings
) -> Exploration | None:
    """What a placement says of exploring; its mistakes are noted."""
    if table is None or table.method is None:
        return None
    place = f"{place}.exploration"
    needed, other = {
        "plackett_luce": ("temperature", "share"),
        "epsilon": ("share", "temperature"),
    }[table.method]
    if getattr(table, needed) <= 0.0:
        remedy = {
            "temperature": "write an amount of money: temperature = 0.05",
            "share": "write a part of the picks: share = 0.05; to explore nothing, leave it all out",
        }[needed]
        findings.mistake(file, f"{place}.{needed}", f"{table.method} needs it above 0", remedy)
        return None
    if getattr(table, other) > 0.0:
        message = f"means nothing to {table.method}"
        findings.mistake(file, f"{place}.{other}", message, "leave it out")
    return Exploration(method=table.method, temperature=table.temperature, share=table.share)
