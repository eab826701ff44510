"""How actions of which little is known learn: the table as it is written, and the domain's word."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from nba_engine.catalog.findings import Entry
from nba_engine.domain import EvidenceSpec

__all__ = ["EvidenceEntry", "make_evidence"]


class EvidenceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[evidence]``."""

    start: Annotated[float, Meta(gt=0)] = 50.0
    """contacts after which an action's own outcomes count as much as those of its group"""
    group: Annotated[float, Meta(gt=0)] = 100.0
    """contacts after which the outcomes of a group count as much as the `prior` stated for its actions
    """
    trained: Annotated[int, Meta(ge=1)] = 500
    """a model is believed about an action as it is when it was trained on so many outcomes of it"""


def make_evidence(entry: Entry[EvidenceEntry]) -> EvidenceSpec | None:
    """What the catalog says of it; None: nothing, and nothing is learned without training."""
    if not entry.file:
        return None
    table = entry.table
    return EvidenceSpec(start=table.start, group=table.group, trained=table.trained)
