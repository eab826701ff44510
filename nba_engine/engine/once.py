"""Requests with an id are decided once: repeats get the first answer. See docs/store.md."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NoReturn, TypeAlias

from nba_engine.domain import Claim, Decision, DecisionRequest, KnownRequest, Store
from nba_engine.engine.attempt import Attempt, decision_in
from nba_engine.engine.fingerprint import fingerprint_of
from nba_engine.errors import InvalidRequest, RequestTaken, Unavailable, Violation

__all__ = ["REQUEST_WINDOW", "Decide", "Once", "Open"]

REQUEST_WINDOW = 86_400.0  # seconds during which a repeat gets the first answer

PATIENCE = 10.0  # seconds that a repeat waits for the first answer, at most
# how long an attempt counts as alive, in seconds: until its deadline and a little longer. Too
# short costs the slow one its answer, too long makes repeats wait after a crash; neither can make
# two answers.
GRACE, SHORTEST, LONGEST, WITHOUT_DEADLINE = 1.0, 2.0, 60.0, 10.0
_FIRST_LOOK, _LAST_LOOK = 0.002, 0.05  # seconds between looks at another process's attempt

# (decision id, now) → the attempt; raises RequestTaken
Open: TypeAlias = Callable[[str, float], Attempt]
# decides, and seals the answer in the attempt it opened
Decide: TypeAlias = Callable[[Open], Decision]


class _Flight:
    """A decision under way in this process, and those who wait for it."""

    __slots__ = ("decision", "fingerprint", "landed")

    def __init__(self, fingerprint: bytes) -> None:
        self.fingerprint = fingerprint
        self.landed = threading.Event()
        self.decision: Decision | None = None


class Once:
    """Gives each request id one answer, over threads, processes and restarts. Thread-safe."""

    def __init__(
        self, store: Store, *, window: float = REQUEST_WINDOW, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._window = window
        self._clock = clock
        self._lock = threading.Lock()
        self._flights: dict[str, _Flight] = {}

    def decide(
        self, request: DecisionRequest, decide: Decide, *, deadline: float | None
    ) -> Decision:
        """The first answer to this request id; ``decide`` is called when there is none yet.

        Raises `InvalidRequest` (``REQUEST_ID_REUSED``), `Unavailable` when the first answer is
        not there in time, and what ``decide`` raises; then the id is free again.
        """
        fingerprint = fingerprint_of(request)
        latest = time.monotonic() + PATIENCE
        latest = latest if deadline is None else min(deadline, latest)
        while True:
            with self._lock:
                flight = self._flights.get(request.request_id)
                if flight is None:
                    own = self._flights[request.request_id] = _Flight(fingerprint)
                    break
            if flight.fingerprint != fingerprint:
                _reused()
            if not flight.landed.wait(max(0.0, latest - time.monotonic())):
                _not_in_time()
            if flight.decision is not None:
                return flight.decision
        try:
            own.decision = self._first(request, fingerprint, decide, deadline, latest)
        finally:
            with self._lock:
                del self._flights[request.request_id]
            own.landed.set()
        return own.decision

    def _first(
        self,
        request: DecisionRequest,
        fingerprint: bytes,
        decide: Decide,
        deadline: float | None,
        latest: float,
    ) -> Decision:
        """The remembered answer, or one decided now; waits while another process decides."""
        pause = _FIRST_LOOK
        while True:
            now = self._clock() if request.time is None else request.time
            known = self._store.request(request.request_id, now=now)
            if known is not None and known.fingerprint != fingerprint:
                _reused()
            if known is not None and known.answer is not None:
                return decision_in(known.answer)
            if known is not None and self._is_alive(known):
                pause = _paused(pause, latest)
                continue

            def attempt(
                decision_id: str, now: float, replaces: KnownRequest | None = known
            ) -> Attempt:
                claim = Claim(
                    request_id=request.request_id,
                    fingerprint=fingerprint,
                    decision_id=decision_id,
                    until=self._clock() + _lease(deadline),
                    expires=now + self._window,
                    identity=request.identity,
                )
                return Attempt(self._store, claim, now=now, replaces=replaces)

            try:
                return decide(attempt)
            except RequestTaken:  # another process was first, or the store's clock is ahead of ours
                pause = _paused(pause, latest)

    def _is_alive(self, known: KnownRequest) -> bool:
        """Whether the attempt may still answer; nobody can have been promised more than `LONGEST`.

        A clock that was set back must not keep an id for hours.
        """
        return 0.0 < known.until - self._clock() <= LONGEST


def _paused(pause: float, latest: float) -> float:
    """Wait before the next look; the pause after that one. Raises when there is no time left."""
    left = latest - time.monotonic()
    if left <= 0.0:
        _not_in_time()
    time.sleep(min(pause, left))
    return min(2 * pause, _LAST_LOOK)


def _lease(deadline: float | None) -> float:
    if deadline is None:
        return WITHOUT_DEADLINE
    return min(max(deadline - time.monotonic() + GRACE, SHORTEST), LONGEST)


def _reused() -> NoReturn:
    raise InvalidRequest(
        [Violation(field="request_id", description="was used before for another request")],
        reason="REQUEST_ID_REUSED",
    )


def _not_in_time() -> NoReturn:
    raise Unavailable(
        "another call with this request_id is being decided; ask again",
        reason="REQUEST_IN_PROGRESS",
    )
