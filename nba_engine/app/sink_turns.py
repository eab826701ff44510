"""Sinks and erasures take turns, over all processes of a machine.

A sink has its turn from the first record that it takes until it has flushed; at its beginning it
learns who was erased, and leaves them out. Whoever erases waits until every turn that had begun has
ended. After that no sink writes anything of the customer, wherever it waited until then.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import TypeAlias

from nba_engine.domain import OPEN, Decision, DecisionRequest, Erased, Interaction, Store
from nba_engine.errors import Unavailable

__all__ = ["SinkTurn", "SinkTurns"]

KEPT = 86_400.0  # seconds after an erasure in which something may still wait for a sink
PATIENCE = 5.0  # seconds that whoever erases waits for the turns of others, which wait for it
_PAUSE = 0.02

_Item: TypeAlias = tuple[DecisionRequest, Decision] | Interaction


class SinkTurns:
    """Gives out turns. ``path`` is of two lock files beside the decision log."""

    def __init__(self, store: Store, path: Path) -> None:
        self._store = store
        # nobody who comes later gets in before whoever waits at the door
        self._door = path.with_name(f"{path.name}.sinks-door")
        self._room = path.with_name(f"{path.name}.sinks")

    def open(self) -> SinkTurn:
        """The turns of one sink."""
        return SinkTurn(self._store, self._door, self._room)

    def wait(self, stop: Callable[[], bool]) -> None:
        """Until all turns that had begun have ended. Raises `Unavailable` if one takes too long."""
        door, room = _opened(self._door), _opened(self._room)
        try:
            until = time.monotonic() + PATIENCE
            fcntl.flock(door, fcntl.LOCK_EX)
            while not _locked(room):
                if stop() or time.monotonic() > until:
                    raise Unavailable("a sink is still writing what it took before")
                time.sleep(_PAUSE)
        finally:
            os.close(room)
            os.close(door)


class SinkTurn:
    """The turns of one sink, on one thread."""

    def __init__(self, store: Store, door: Path, room: Path) -> None:
        self._store = store
        self._door = _opened(door)
        self._room = _opened(room)
        self._mine = False
        self._seen = 0  # erasures
        self._erased: list[Erased] = []
        self._open: Sequence[Erased] = ()

    def begin(self) -> None:
        """It is this sink's turn; nothing happens if it is already. Raises `Unavailable`."""
        if self._mine:
            return
        fcntl.flock(self._door, fcntl.LOCK_SH)
        try:
            fcntl.flock(self._room, fcntl.LOCK_SH)
        finally:
            fcntl.flock(self._door, fcntl.LOCK_UN)
        self._mine = True
        news = self._store.erased_since(self._seen)
        closed = list(takewhile(lambda one: one.before != OPEN, news))
        self._open = news[len(closed) :]  # looked at again the next time
        if closed:
            self._seen = closed[-1].sequence
            oldest = closed[-1].time - KEPT
            self._erased = [one for one in (*self._erased, *closed) if one.time >= oldest]

    def without_erased(self, items: Sequence[_Item]) -> Sequence[_Item]:
        """The items without those of customers that were erased since."""
        if not self._erased and not self._open:
            return items
        return [item for item in items if not self._is_gone(item)]

    def _is_gone(self, item: _Item) -> bool:
        erased = (*self._erased, *self._open)
        if isinstance(item, Interaction):
            if not any(one.covers(item.identity) for one in erased):
                return False
            return not self._is_held(item)
        request, decision = item
        names = (decision.customer_id, request.identity)
        return any(one.covers_decision(decision.decision_id, *names) for one in erased)

    def _is_held(self, interaction: Interaction) -> bool:
        """Whether the store has it: then it is of a new customer with the same identity."""
        after = 0
        while page := self._store.holdings(interaction.identity, after=after):
            if any(one.interaction_id == interaction.interaction_id for one in page.interactions):
                return True
            after = page.more
            if not after:
                break
        return False

    def end(self) -> None:
        """Others may have their turn."""
        if self._mine:
            self._mine = False
            fcntl.flock(self._room, fcntl.LOCK_UN)

    def close(self) -> None:
        """End, and release files."""
        self.end()
        os.close(self._room)
        os.close(self._door)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _opened(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
