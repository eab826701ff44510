"""What the server needs of the engine: `nba_engine.engine.Engine` has this shape."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

from nba_engine.domain import (
    CatalogView,
    CustomerState,
    Decision,
    DecisionRequest,
    Erasure,
    Explanation,
    Interaction,
    InteractionResult,
    Linked,
    LinkRequest,
    ProfileUpdate,
    Publication,
    Store,
)
from nba_engine.engine import CatalogWatcher, CurrentPlan, Exported, Published, Status
from nba_engine.engine.prices import PriceBook
from nba_engine.errors import Mistake

__all__ = ["Decides", "Follows", "Publishes", "Reads"]


class Publishes(Protocol):
    """The catalog in force: `nba_engine.engine.Catalogs` has this shape."""

    @property
    def why(self) -> str:
        """Why it is the one in force since the start, in words."""

    def publish(
        self,
        files: Mapping[str, str],
        *,
        follows: str = "",
        author: str = "",
        comment: str = "",
        deadline: float | None = None,
    ) -> Published:
        """Put these files in force. Raises `MistakesFound`, `FailedPrecondition`."""

    def publish_folder(
        self,
        *,
        follows: str = "",
        author: str = "",
        comment: str = "",
        deadline: float | None = None,
    ) -> Published:
        """The same with what lies in the catalog folder."""

    def rollback(
        self,
        version: str = "",
        *,
        follows: str = "",
        author: str = "",
        comment: str = "",
        deadline: float | None = None,
    ) -> Published:
        """Publish a stored version again; "": the one before. Raises `NotFound`, too."""

    def history(self) -> Sequence[tuple[Publication, Status]]:
        """Every publication, the latest first."""

    def watch(self, watcher: CatalogWatcher) -> None:
        """Tell ``watcher`` of every switch, and when this process cannot follow."""


class Reads(Protocol):
    """Sources of interactions: `nba_engine.app.Intakes` has this shape."""

    def start(self) -> None:
        """Begin to read."""

    def watch(self, watcher: Callable[[str, bool], None]) -> None:
        """Tell ``watcher`` of each source whether it is healthy: now, and when that changes."""


class Follows(Protocol):
    """Promoted models: `nba_engine.app.promotions.Promotions` has this shape."""

    def watch(self, watcher: Callable[[str, bool], None]) -> None:
        """Tell ``watcher`` of each model whether its last promotion was taken, not refused."""


class Decides(Protocol):
    """An engine as the servicers see it. Thread-safe; raises `NbaError` on purpose only."""

    @property
    def catalog(self) -> CatalogView: ...
    @property
    def model_versions(self) -> Mapping[str, str]: ...
    @property
    def catalogs(self) -> Publishes: ...
    @property
    def store(self) -> Store: ...
    @property
    def prices(self) -> PriceBook: ...
    def decide(self, request: DecisionRequest, *, deadline: float | None = None) -> Decision:
        """Decide before ``deadline`` (on `time.monotonic`). Raises `DeadlineExceeded`."""

    def withdraw(self, decision: Decision) -> None:
        """Give back what a decision reserved whose answer nobody gets."""

    def explain(
        self, decision_id: str, *, treatments: Collection[str] | None = None
    ) -> Explanation:
        """Why a decision came out as it did, told of all treatments or of these. Raises `NotFound`."""

    def contact_plan(self, identity: str, *, time: float | None = None) -> CurrentPlan:
        """What is planned for a customer. Raises `NotFound`, `FailedPrecondition`."""

    def record(self, interactions: Sequence[Interaction]) -> Sequence[InteractionResult]:
        """Record interactions durably; a result per interaction, in order."""

    def profile(self, identity: str) -> CustomerState:
        """The customer behind an identity. Raises `NotFound`."""

    def seen(self, identity: str) -> CustomerState | None:
        """All that a decision may have seen of a customer; asks nobody, None: nothing."""

    def update_profile(self, update: ProfileUpdate) -> CustomerState:
        """Create or change a customer; the state afterwards."""

    def export(self, identity: str) -> Iterable[Exported]:
        """Everything that is held about a customer, an entry at a time. Raises `NotFound`."""

    def link_identities(self, request: LinkRequest) -> Linked:
        """Lead identities to one customer; durable when this returns."""

    def erase_profile(self, identity: str, *, request_id: str = "") -> Erasure:
        """Erase the customer behind an identity; gone from the store when this returns."""

    def validate_catalog(self, files: Mapping[str, str]) -> Sequence[Mistake]:
        """Every mistake in a catalog that is not in force."""
