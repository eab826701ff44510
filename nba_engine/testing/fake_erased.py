"""Who was erased from a `FakeStore`, and what is refused for it."""

from __future__ import annotations

import os
from collections.abc import Iterator

from nba_engine.domain import Claim, Erased, Erasure, ReservationRequest
from nba_engine.errors import RequestTaken
from nba_engine.store.identities import refused_request

__all__ = ["FakeErased"]


class FakeErased:
    """Who was erased; `copy` it to try something."""

    def __init__(self) -> None:
        self.salt = os.urandom(16)
        self.all: dict[str, tuple[Erased, Erasure, bytes]] = {}

    def copy(self) -> FakeErased:
        """The same, to be changed."""
        other = FakeErased()
        other.salt, other.all = self.salt, dict(self.all)
        return other

    def __iter__(self) -> Iterator[Erased]:
        return iter([erased for erased, _, _ in self.all.values()])

    def at(self, identity: str) -> float:
        """When whoever had this identity was erased last."""
        return max((one.time for one in self if one.covers(identity)), default=float("-inf"))

    def check(self, claim: Claim) -> None:
        """Raise `RequestTaken` for an attempt that was begun before its customer was erased."""
        if self._late(claim.decision_id, claim.identity):
            raise RequestTaken("the customer was erased meanwhile")

    def current(self, request: ReservationRequest) -> ReservationRequest:
        """The request; without room, when its customer was erased since."""
        late = self._late(request.decision_id, request.customer_id)
        return refused_request(request) if late else request

    def _late(self, decision_id: str, name: str) -> bool:
        return any(one.covers_decision(decision_id, name) for one in self)
