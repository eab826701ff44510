"""Who else hears of decisions and interactions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from nba_engine.domain import Decision, DecisionRequest, Interaction, InteractionResult

__all__ = ["Tap"]


class Tap(Protocol):
    """Told right before the caller gets its answer: it must neither wait nor raise."""

    def decided(self, request: DecisionRequest, decision: Decision) -> None:
        """A decision was made; a repeated request id makes none."""

    def recorded(
        self, interactions: Sequence[Interaction], results: Sequence[InteractionResult]
    ) -> None:
        """Interactions were recorded, or not: a result for each."""
