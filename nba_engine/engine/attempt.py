"""One attempt to decide a request that has an id: its reads, its reservations, its answer."""

from __future__ import annotations

import logging
import time
from typing import NoReturn

import msgspec

from nba_engine.domain import Answer, Claim, Decision, KnownRequest, ReservationRequest, Store
from nba_engine.engine.reads import TIDYING_SECONDS, LiveReads, raise_marked
from nba_engine.errors import Exhausted, RequestTaken, Unavailable

__all__ = ["Attempt", "decision_in"]

_log = logging.getLogger("nba_engine.engine")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Decision).decode


def decision_in(answer: bytes) -> Decision:
    """The decision that `Attempt.seal` remembered."""
    return _decode(answer)


class Attempt(LiveReads):
    """The store, seen from the stages of one decision; it takes the request id when it reserves.

    A decision that reserves nothing writes nothing before its answer is sealed.
    """

    __slots__ = ("_claim", "_now", "_tried", "taken")

    def __init__(
        self, store: Store, claim: Claim, *, now: float, replaces: KnownRequest | None = None
    ) -> None:
        """Raises `RequestTaken` when the attempt to replace is not the latest any more."""
        super().__init__(store, now)
        self._claim = claim
        self._now = now
        self._tried = False  # whether the store may show this attempt
        self.taken = False  # whether another one has the request id
        if replaces is not None:  # before anything is read: what the dead one held is in the way
            self._claim = msgspec.structs.replace(claim, follows=replaces.decision_id)
            try:
                self._reserve((), now)
            except (Unavailable, Exhausted):  # it may have been committed all the same
                self.give_up()
                raise

    def reserve(
        self, requests: tuple[ReservationRequest, ...], *, now: float
    ) -> tuple[Answer, ...]:
        if self.taken:
            self._lost()
        return self._reserve(requests, now)

    def seal(self, decision: Decision) -> None:
        """Remember the answer; give back what it does not recommend. Raises `RequestTaken`."""
        if self.taken:
            self._lost()
        keep = [one.recommendation_id for one in decision.recommendations]
        self._tried = True
        self._store.remember(self._claim, _encode(decision), keep=keep, now=self._now)

    def give_up(self) -> None:
        """Free the request id, and all that was reserved, unless the answer is sealed."""
        if not self._tried:
            return
        deadline = time.monotonic() + TIDYING_SECONDS
        try:
            self._store.give_up(self._claim, now=self._now, deadline=deadline)
        except (Unavailable, Exhausted) as error:
            _log.warning("a request id stays taken for a while: %s", error.reason)

    def _reserve(self, requests: tuple[ReservationRequest, ...], now: float) -> tuple[Answer, ...]:
        self._tried = True
        try:
            answers = self._store.reserve(requests, now=now, claim=self._claim)
        except RequestTaken:
            self.taken = True
            self._lost()
        except (Unavailable, Exhausted) as error:
            raise_marked(error)
        if self._claim.follows != self._claim.decision_id:
            self._claim = msgspec.structs.replace(self._claim, follows=self._claim.decision_id)
        return tuple(answers)

    def _lost(self) -> NoReturn:
        # marked as the store's, so that no failure policy of a stage swallows it
        raise RequestTaken("another attempt holds the request id", metadata={"dependency": "store"})
