"""What decisions ask of the live store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from nba_engine.domain import Answer, CustomerState, ReservationRequest, Store
from nba_engine.errors import Exhausted, Unavailable

__all__ = ["LiveReads"]


class LiveReads:
    """The store, seen from stages.

    Its errors are marked as the store's, so that the pipeline tells them from a stage's own:
    a store that cannot be read makes the call UNAVAILABLE, whatever the stage's policy.
    """

    __slots__ = ("_store",)

    def __init__(self, store: Store) -> None:
        self._store = store

    def customer(self, identity: str) -> tuple[CustomerState, bytes] | None:
        try:
            return self._store.customer(identity)
        except (Unavailable, Exhausted) as error:
            _raise_marked(error)

    def usage(self, accounts: tuple[str, ...]) -> Mapping[str, int]:
        """Like the store's, with 0 for accounts never used: the log tells read from unread."""
        try:
            used = self._store.usage(accounts)
        except (Unavailable, Exhausted) as error:
            _raise_marked(error)
        return {account: used.get(account, 0) for account in accounts}

    def reserve(
        self, requests: tuple[ReservationRequest, ...], *, now: float
    ) -> tuple[Answer, ...]:
        try:
            return tuple(self._store.reserve(requests, now=now))
        except (Unavailable, Exhausted) as error:
            _raise_marked(error)


def _raise_marked(error: Unavailable | Exhausted) -> NoReturn:
    raise type(error)(
        error.message,
        reason=error.reason,
        metadata={**error.metadata, "dependency": "store"},
    ) from error
