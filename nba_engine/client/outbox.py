"""What waits to be recorded, in order: taken by batches, given up only with a word.

The plain half of both batchers: no threads, no clock, no calls.
"""

from __future__ import annotations

import logging
import random
import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import msgspec

from nba_engine._gen.nba.v1 import interaction_pb2
from nba_engine._gen.nba.v1.interaction_service_pb2 import RecordInteractionsRequest
from nba_engine.client.errors import (
    DeadlineExceeded,
    Exhausted,
    Internal,
    InvalidRequest,
    NbaClientError,
    NotDelivered,
    Unavailable,
    Undelivered,
    Violation,
)
from nba_engine.client.interactions import Interaction, InteractionResult, fill_interaction
from nba_engine.client.values import Violations

__all__ = [
    "Entry",
    "Outbox",
    "Ticket",
    "Undeliverable",
    "entry_of",
    "note_loss",
    "request_of",
    "time_for",
]

Undeliverable: TypeAlias = Callable[[Undelivered], None]

MAX_BATCH = 1000  # what RecordInteractions takes
MAX_BYTES = 1 << 20  # of one message; servers take 4 MiB by default
MAX_ATTEMPT = 10.0  # seconds of one call
_FIRST, _LONGEST = 0.1, 2.0  # seconds between calls that failed
_WHICH = re.compile(r"interactions\[(\d+)\]\.?(.*)", re.DOTALL)
_LOG = logging.getLogger("nba_engine.client")


class Ticket(Protocol):
    """A future, of threads or of an event loop."""

    def done(self) -> bool: ...
    def set_result(self, result: InteractionResult, /) -> None: ...
    def set_exception(self, exception: NbaClientError, /) -> None: ...


class Entry(msgspec.Struct, eq=False):
    """One interaction on its way: its number, until when it is tried, who is told."""

    number: int
    interaction: Interaction
    message: interaction_pb2.Interaction
    size: int
    added: float
    deadline: float
    ticket: Ticket


def entry_of(
    number: int, interaction: Interaction, now: float, timeout: float, ticket: Ticket
) -> Entry:
    """An entry. Raises `InvalidRequest` for values that no message holds: nothing was accepted."""
    message = interaction_pb2.Interaction()
    violations = Violations()
    fill_interaction(message, interaction, violations)
    violations.raise_any("RecordInteractions")
    size = message.ByteSize()
    return Entry(number, interaction, message, size, now, now + timeout, ticket)


def request_of(batch: Sequence[Entry]) -> RecordInteractionsRequest:
    """The message of a batch."""
    return RecordInteractionsRequest(interactions=[entry.message for entry in batch])


def time_for(batch: Sequence[Entry], now: float) -> float:
    """How many seconds one call of a batch may take."""
    return min(max(entry.deadline for entry in batch) - now, MAX_ATTEMPT)


class Outbox:
    """A bounded queue whose entries end as recorded, duplicate, or undelivered and told of."""

    def __init__(self, *, max_batch: int, max_queue: int, told: Undeliverable | None) -> None:
        if not 1 <= max_batch <= MAX_BATCH:
            raise ValueError(f"max_batch is from 1 to {MAX_BATCH}, not {max_batch}")
        if max_queue < max_batch:
            raise ValueError("max_queue is at least max_batch")
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._told = told
        self._queue: deque[Entry] = deque()
        self._again: deque[list[Entry]] = deque()  # batches to send before the queue
        self._open: dict[int, Entry] = {}  # all that is neither recorded nor given up, in order
        self._lost: list[Undelivered] = []
        self._failures = 0  # calls in a row
        self._last: NbaClientError | None = None
        self.numbers = 0

    @property
    def full(self) -> bool:
        """Whether there is no room. What was given up takes room until somebody was told."""
        return len(self._open) + len(self._lost) >= self._max_queue

    @property
    def crowded(self) -> bool:
        """Whether it is full, and waiting may make room: nothing given up is to be reported."""
        return self.full and not self._lost

    @property
    def empty(self) -> bool:
        """Whether all is recorded, or given up and reported."""
        return not self._open and not self._lost

    @property
    def ready(self) -> bool:
        """Whether a whole batch waits, or one that failed."""
        return bool(self._again) or len(self._queue) >= self._max_batch

    @property
    def oldest(self) -> Entry | None:
        """The entry that waits longest; None when nothing waits."""
        if self._again:
            return self._again[0][0]
        return self._queue[0] if self._queue else None

    def settled(self, through: int) -> bool:
        """Whether all entries up to this number are recorded or given up."""
        return next(iter(self._open), through + 1) > through

    def put(self, entry: Entry) -> None:
        """Accept an entry."""
        self.numbers = entry.number
        self._open[entry.number] = entry
        self._queue.append(entry)

    def take(self, now: float) -> list[Entry]:
        """The next batch; gives up what is too late. Empty when nothing waits."""
        batch = self._again.popleft() if self._again else self._from_queue()
        late = [entry for entry in batch if entry.deadline <= now]
        for entry in late:
            self._give_up(entry, self._last or DeadlineExceeded("there was no time to send it"))
        return [entry for entry in batch if entry.deadline > now]

    def _from_queue(self) -> list[Entry]:
        batch: list[Entry] = []
        room = MAX_BYTES
        while self._queue and len(batch) < self._max_batch:
            if batch and self._queue[0].size > room:
                break
            entry = self._queue.popleft()
            batch.append(entry)
            room -= entry.size
        return batch

    def delivered(self, batch: Sequence[Entry], results: Sequence[InteractionResult]) -> None:
        """The server has answered for each."""
        self._failures, self._last = 0, None
        for entry, result in zip(batch, results, strict=True):
            if result.status in ("recorded", "duplicate"):
                del self._open[entry.number]
                if not entry.ticket.done():
                    entry.ticket.set_result(result)
            elif result.status == "rejected":
                wrong = Violation(field="interaction", description=result.message)
                self._give_up(entry, InvalidRequest.of([wrong], method="RecordInteractions"))
            else:
                self._give_up(entry, Internal(f"the server answered {result.status!r}"))

    def failed(self, batch: list[Entry], error: NbaClientError, now: float) -> float:
        """The call failed: what can be tried again is. Seconds to wait before the next call."""
        if isinstance(error, InvalidRequest):
            self._without_wrong_ones(batch, error)
            return 0.0
        if isinstance(error, Exhausted) and error.retry_after is None:  # too large for a message
            self._halve(batch, error)
            return 0.0
        if not isinstance(error, Unavailable | Exhausted | DeadlineExceeded):
            for entry in batch:
                self._give_up(entry, error)
            return 0.0
        self._failures += 1
        self._last = error
        longest = min(_FIRST * 2 ** min(self._failures, 10), _LONGEST)
        asked = getattr(error, "retry_after", None) or 0.0
        delay: float = asked + longest * random.uniform(0.5, 1.0)
        for entry in batch:
            if entry.deadline <= now + delay:
                self._give_up(entry, error)
        left = [entry for entry in batch if entry.deadline > now + delay]
        if left:
            self._again.appendleft(left)
        return delay

    def report(self) -> None:
        """Raise `NotDelivered` with all that was given up since the last report."""
        if self._lost:
            lost, self._lost = self._lost, []
            raise NotDelivered(lost)

    def abandon(self, error: NbaClientError) -> int:
        """Give up all that is left; how many they were."""
        left = list(self._open.values())
        for entry in left:
            self._give_up(entry, error)
        self._queue.clear()
        self._again.clear()
        return len(left)

    def _without_wrong_ones(self, batch: list[Entry], error: InvalidRequest) -> None:
        """The server names the wrong items by position; without names, halves tell."""
        wrong: dict[int, list[Violation]] = {}
        for violation in error.violations:
            found = _WHICH.match(violation.field)
            if found and int(found[1]) < len(batch):
                one = Violation(field=found[2], description=violation.description)
                wrong.setdefault(int(found[1]), []).append(one)
        if not wrong:
            self._halve(batch, error)
            return
        for position, violations in wrong.items():
            own = InvalidRequest.of(violations, method="RecordInteractions")
            own.code, own.reason, own.metadata = error.code, error.reason, error.metadata
            self._give_up(batch[position], own)
        left = [entry for position, entry in enumerate(batch) if position not in wrong]
        if left:
            self._again.appendleft(left)

    def _halve(self, batch: list[Entry], error: NbaClientError) -> None:
        if len(batch) == 1:
            self._give_up(batch[0], error)
            return
        middle = len(batch) // 2
        self._again.appendleft(batch[middle:])
        self._again.appendleft(batch[:middle])

    def _give_up(self, entry: Entry, error: NbaClientError) -> None:
        del self._open[entry.number]
        lost = Undelivered(interaction=entry.interaction, error=error)
        if not entry.ticket.done():
            entry.ticket.set_exception(error)
        if self._told is not None:
            try:
                self._told(lost)
                return
            except Exception:  # it stays to be reported
                _LOG.exception("on_undelivered raised")
        self._lost.append(lost)


def note_loss(lost: NotDelivered, error: BaseException) -> None:
    """Tell of a loss beside an error that goes first."""
    _LOG.error("%s", lost)
    error.add_note(f"and on leaving: {lost}")
