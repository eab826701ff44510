"""Interactions: what happened, and how its recording went."""

from __future__ import annotations

from typing import Literal

import msgspec

from nba_engine.domain.values import Value

__all__ = ["CONFIRMING", "RELEASING", "Interaction", "InteractionResult"]

# The interaction types that move a reservation when they name a recommendation.
CONFIRMING = frozenset({"impression", "delivery", "click", "accept"})
RELEASING = frozenset({"reject", "failure", "bounce"})


class Interaction(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened. ``identity`` is namespaced (``crm:42``); ``time`` seconds, UTC.

    ``type``: view, add_to_cart, remove_from_cart, purchase, impression, delivery, click, accept,
    reject, failure, complaint, or any other word the catalog's aggregates count.
    """

    interaction_id: str
    identity: str
    type: str
    time: float
    properties: dict[str, Value] = {}
    recommendation_id: str = ""


class InteractionResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one interaction. ``duplicate``: this id was recorded before; no effect."""

    interaction_id: str
    status: Literal["recorded", "duplicate", "rejected"]
    message: str = ""
    # what the interaction did to its recommendation's reservation, if it had one
    reservation: Literal["", "confirmed", "released", "unchanged", "overrun", "unknown"] = ""
