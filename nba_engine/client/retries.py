"""When a call of Decide is repeated: gRPC's service config knows methods, not requests."""

from __future__ import annotations

import random

from nba_engine.client.errors import Exhausted, NbaClientError, Unavailable

__all__ = ["MAX_ATTEMPTS", "delay_before", "pause_after"]

MAX_ATTEMPTS = 4
_FIRST = 0.05  # seconds
_LONGEST = 2.0


def delay_before(attempt: int, error: NbaClientError, remaining: float) -> float | None:
    """Seconds to wait before ``attempt`` (the second is 2); None: it is not to be repeated.

    At least as long as the server asked for, with a random share on top, so that those who failed
    together do not come back together. Nothing is repeated that its deadline leaves no time for.
    """
    if attempt > MAX_ATTEMPTS or not isinstance(error, Unavailable | Exhausted):
        return None
    if isinstance(error, Exhausted) and error.retry_after is None:
        return None
    delay = pause_after(attempt - 1, error.retry_after)
    return delay if delay < remaining else None


def pause_after(failures: int, asked: float | None) -> float:
    """Seconds to wait after so many failures in a row; ``asked`` is what the server asked for."""
    longest: float = min(_FIRST * 2 ** min(failures, 10), _LONGEST)
    return (asked or 0.0) + longest * random.uniform(0.5, 1.0)
