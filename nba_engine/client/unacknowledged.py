"""What was given to a stream of interactions and is not acknowledged yet, in order.

The plain half of both clients' `stream_interactions`: no threads, no clock, no calls.
"""

from __future__ import annotations

from collections import deque

from nba_engine._gen.nba.v1 import interaction_pb2
from nba_engine._gen.nba.v1.interaction_service_pb2 import (
    StreamInteractionsRequest,
    StreamInteractionsResponse,
)
from nba_engine.client.errors import (
    DeadlineExceeded,
    Exhausted,
    Internal,
    NbaClientError,
    Unavailable,
)
from nba_engine.client.failures import error_of_status
from nba_engine.client.interactions import (
    Interaction,
    InteractionResult,
    fill_interaction,
    read_result,
)
from nba_engine.client.outbox import MAX_BATCH, MAX_BYTES
from nba_engine.client.retries import pause_after
from nba_engine.client.values import Violations

__all__ = ["METHOD", "Unacknowledged"]

METHOD = "StreamInteractions"


class Unacknowledged:
    """A bounded queue, the first part of which is under way on a stream.

    When a stream breaks, all of it is to be sent once more: interactions have their ids.
    """

    def __init__(self, *, ahead: int, max_batch: int, patience: float) -> None:
        if not 1 <= max_batch <= MAX_BATCH:
            raise ValueError(f"max_batch is from 1 to {MAX_BATCH}, not {max_batch}")
        if ahead < 1:
            raise ValueError("ahead is at least 1")
        self._ahead = ahead
        self._max_batch = max_batch
        self._patience = patience
        self._queue: deque[interaction_pb2.Interaction] = deque()
        self._under_way: deque[tuple[str, int]] = deque()  # messages: id, how many interactions
        self._sent = 0  # how many interactions those are
        self._messages = 0
        self._failures = 0  # in a row
        self._failing_since = 0.0

    @property
    def full(self) -> bool:
        """Whether nothing more is to be taken in."""
        return len(self._queue) >= self._ahead

    @property
    def empty(self) -> bool:
        """Whether everything is acknowledged."""
        return not self._queue

    @property
    def to_send(self) -> bool:
        """Whether something waits to be sent."""
        return len(self._queue) > self._sent

    def put(self, interaction: Interaction) -> None:
        """Take in one more. Raises `InvalidRequest` for values that no message holds."""
        message = interaction_pb2.Interaction()
        violations = Violations()
        fill_interaction(message, interaction, violations)
        violations.raise_any(METHOD)
        self._queue.append(message)

    def begin(self) -> None:
        """A new stream: nothing is under way."""
        self._under_way.clear()
        self._sent = 0

    def message(self) -> StreamInteractionsRequest:
        """The next message of what waits to be sent."""
        self._messages += 1
        message = StreamInteractionsRequest(correlation_id=str(self._messages))
        room = MAX_BYTES
        last = min(self._sent + self._max_batch, len(self._queue))
        for position in range(self._sent, last):
            interaction = self._queue[position]
            room -= interaction.ByteSize()
            if room < 0 and message.interactions:
                break
            message.interactions.append(interaction)
        self._under_way.append((message.correlation_id, len(message.interactions)))
        self._sent += len(message.interactions)
        return message

    def results(self, response: StreamInteractionsResponse) -> list[InteractionResult]:
        """What the server acknowledges; raises why it does not."""
        expected, count = self._under_way.popleft() if self._under_way else ("", 0)
        if response.HasField("status"):
            raise error_of_status(response.status, method=METHOD)
        if response.correlation_id != expected or len(response.results) != count:
            text = f"the server answered {response.correlation_id!r} instead of {expected!r}"
            raise Internal(text, method=METHOD)
        for _ in range(count):
            self._queue.popleft()
        self._sent -= count
        self._failures = 0
        return [read_result(result) for result in response.results]

    def pause(self, error: NbaClientError, now: float) -> float:
        """Seconds to wait before the next stream; raises ``error`` when there is to be none."""
        away = isinstance(error, Unavailable) or (
            isinstance(error, Exhausted) and error.retry_after is not None
        )
        idle = isinstance(error, DeadlineExceeded) and error.reason == "STREAM_IDLE"
        if idle and self.empty:
            return 0.0
        if not (away or idle):
            raise error
        if not self._failures:
            self._failing_since = now
        self._failures += 1
        delay = pause_after(self._failures, getattr(error, "retry_after", None))
        if now + delay > self._failing_since + self._patience:
            raise error
        return delay
