"""What decisions ask of the store, with what profile sources say laid beside the customer."""

from __future__ import annotations

from collections.abc import Mapping

from nba_engine.domain import (
    Answer,
    CatalogView,
    CustomerState,
    Evidence,
    Reads,
    ReservationRequest,
)
from nba_engine.engine.profile_sources.sources import ProfileSources

__all__ = ["SourcedReads"]


class SourcedReads:
    """The reads of one decision that may take until ``deadline`` (`time.monotonic`)."""

    __slots__ = ("_catalog", "_deadline", "_reads", "_sources")

    def __init__(
        self, reads: Reads, sources: ProfileSources, catalog: CatalogView, deadline: float | None
    ) -> None:
        self._reads = reads
        self._sources = sources
        self._catalog = catalog
        self._deadline = deadline

    def customer(self, identity: str) -> tuple[CustomerState, bytes] | None:
        """The customer with what the sources say; the bytes, for the log, hold that, too."""
        found = self._reads.customer(identity)
        return self._sources.complete(identity, found, self._catalog, deadline=self._deadline)

    def usage(self, accounts: tuple[str, ...]) -> Mapping[str, int]:
        return self._reads.usage(accounts)

    def evidence(self) -> Evidence:
        return self._reads.evidence()

    def reserve(
        self, requests: tuple[ReservationRequest, ...], *, now: float
    ) -> tuple[Answer, ...]:
        return self._reads.reserve(requests, now=now)

    def release(self, reservations: tuple[str, ...], *, now: float) -> None:
        self._reads.release(reservations, now=now)
