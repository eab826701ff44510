"""What templates see of an action and its treatment."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from nba_engine.domain import CatalogView, Treatment

__all__ = ["static_names"]


def static_names(catalog: CatalogView, action: int, treatment: Treatment) -> dict[str, Any]:
    """``action`` and ``treatment`` as templates see them: one mapping for all decisions, so nobody changes it."""
    of = catalog.actions[action]
    return {
        "action": MappingProxyType(
            {
                **of.attributes,
                "id": of.id,
                "name": of.name,
                "kind": of.kind,
                "group": of.group,
                "campaign": of.campaign,
                "tags": list(of.tags),
            }
        ),
        "treatment": MappingProxyType(
            {
                **treatment.attributes,
                "id": treatment.id,
                "channel": treatment.channel,
                "cost": treatment.cost,
                "tags": list(treatment.tags),
            }
        ),
    }
