"""Control groups: stable shares of customers who get nothing, or never some actions, to measure."""

from __future__ import annotations

from nba_engine.domain import CatalogView, ControlGroup
from nba_engine.stages.shares import point

__all__ = ["EVERYTHING", "groups_of", "in_control_group"]

EVERYTHING = "*"  # the control group of everything, where groups are named


def in_control_group(group: ControlGroup, customer_id: str) -> bool:
    """Whether a customer is kept out: blake2b of salt and id, as a fraction, below the share."""
    return group.share > 0.0 and point(group.salt, customer_id) < group.share * 2.0**64


def groups_of(catalog: CatalogView, customer_id: str) -> tuple[str, ...]:
    """The control groups that a customer is in, by their ids; that of everything is `EVERYTHING`."""
    groups = [EVERYTHING] if in_control_group(catalog.control_group, customer_id) else []
    groups += [one.id for one in catalog.control_groups if in_control_group(one, customer_id)]
    return tuple(groups)
