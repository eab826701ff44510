"""What decisions ask of the live store."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import NoReturn

from nba_engine.domain import (
    NO_EVIDENCE,
    Answer,
    CustomerState,
    Evidence,
    ReservationRequest,
    Store,
)
from nba_engine.errors import Exhausted, Unavailable

__all__ = ["TIDYING_SECONDS", "LiveReads", "raise_marked"]

_log = logging.getLogger("nba_engine.engine")

# how long a decision that failed waits for the disk: what it cannot give back expires by itself
TIDYING_SECONDS = 1.0


class LiveReads:
    """The store, seen from stages.

    Its errors are marked as the store's, so that the pipeline tells them from a stage's own:
    a store that cannot be read makes the call UNAVAILABLE, whatever the stage's policy. ``now`` is
    the decision's time; None reads accounts as they stand. ``known``: how actions did so far.
    """

    __slots__ = ("_at", "_store", "known")

    def __init__(self, store: Store, now: float | None = None) -> None:
        self._store = store
        self._at = now
        self.known = NO_EVIDENCE

    def customer(self, identity: str) -> tuple[CustomerState, bytes] | None:
        try:
            return self._store.customer(identity)
        except (Unavailable, Exhausted) as error:
            raise_marked(error)

    def usage(self, accounts: tuple[str, ...]) -> Mapping[str, int]:
        """Like the store's, with 0 for accounts never used: the log tells read from unread."""
        try:
            used = self._store.usage(accounts, now=self._at)
        except (Unavailable, Exhausted) as error:
            raise_marked(error)
        return {account: used.get(account, 0) for account in accounts}

    def evidence(self) -> Evidence:
        """What was known when the decision began."""
        return self.known

    def reserve(
        self, requests: tuple[ReservationRequest, ...], *, now: float
    ) -> tuple[Answer, ...]:
        try:
            return tuple(self._store.reserve(requests, now=now))
        except (Unavailable, Exhausted) as error:
            raise_marked(error)

    def release(self, reservations: tuple[str, ...], *, now: float) -> None:
        deadline = time.monotonic() + TIDYING_SECONDS
        try:
            self._store.release(reservations, now=now, deadline=deadline)
        except (Unavailable, Exhausted) as error:
            _log.warning("reservations stay until they expire: %s", error.reason)


def raise_marked(error: Unavailable | Exhausted) -> NoReturn:
    """Raise the same error, marked as the store's."""
    raise type(error)(
        error.message,
        reason=error.reason,
        metadata={**error.metadata, "dependency": "store"},
    ) from error
