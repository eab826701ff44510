"""Contacts after which others have to wait: ``not_after`` in ``[slate_rules]``."""

from __future__ import annotations

import math

from nba_engine.domain import Deciding, SlateRule

__all__ = ["ends_after", "last_before"]


def last_before(rule: SlateRule, deciding: Deciding) -> tuple[str, float]:
    """The action that the rule waits for the latest contact of, and that contact's time; "": none."""
    times = deciding.customer.get(rule.contacted) or {}
    latest = max(((times[a], a) for a in times if a in rule.after), default=(-math.inf, ""))
    return latest[1], latest[0]


def ends_after(rule: SlateRule, deciding: Deciding) -> float:
    """Until when the rule keeps its treatments away from the customer; -inf: it does not."""
    return last_before(rule, deciding)[1] + rule.within
