"""Names of recommendations, which are the names of their reservations."""

from __future__ import annotations

from nba_engine.domain import Deciding

__all__ = ["recommendation_id", "treatment_of"]


def recommendation_id(deciding: Deciding, treatment: int, slot: int) -> str:
    """Unique within the decision, the same in a replay: one per placement and treatment."""
    return f"{deciding.decision_id}.{slot}.{treatment}"


def treatment_of(reservation_id: str) -> int:
    """The treatment index in a recommendation's id."""
    return int(reservation_id.rsplit(".", 1)[1])
