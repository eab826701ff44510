"""What the server needs of the engine: `nba_engine.engine.Engine` has this shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from nba_engine.domain import (
    CatalogView,
    CustomerState,
    Decision,
    DecisionRequest,
    Explanation,
    Interaction,
    InteractionResult,
    Linked,
    LinkRequest,
    ProfileUpdate,
    Store,
)
from nba_engine.errors import Mistake

__all__ = ["Decides"]


class Decides(Protocol):
    """An engine as the servicers see it. Thread-safe; raises `NbaError` on purpose only."""

    @property
    def catalog(self) -> CatalogView: ...
    @property
    def model_versions(self) -> Mapping[str, str]: ...
    @property
    def store(self) -> Store: ...
    def decide(self, request: DecisionRequest, *, deadline: float | None = None) -> Decision:
        """Decide before ``deadline`` (on `time.monotonic`). Raises `DeadlineExceeded`."""

    def explain(self, decision_id: str) -> Explanation:
        """Why a decision came out as it did. Raises `NotFound`."""

    def record(self, interactions: Sequence[Interaction]) -> Sequence[InteractionResult]:
        """Record interactions durably; a result per interaction, in order."""

    def profile(self, identity: str) -> CustomerState:
        """The customer behind an identity. Raises `NotFound`."""

    def update_profile(self, update: ProfileUpdate) -> CustomerState:
        """Create or change a customer; the state afterwards."""

    def link_identities(self, request: LinkRequest) -> Linked:
        """Lead identities to one customer; durable when this returns."""

    def validate_catalog(self, files: Mapping[str, str]) -> Sequence[Mistake]:
        """Every mistake in a catalog that is not in force."""
