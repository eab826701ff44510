"""Sinks: where copies of decisions and interactions go, behind the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from nba_engine.domain.erasure import Erased
from nba_engine.domain.stage import NoSettings
from nba_engine.domain.values import Value

__all__ = ["ErasingSink", "Sink", "SinkFactory", "SinkRecord", "Topic"]

Topic = Literal["decisions", "interactions"]


class SinkRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A copy of one decision or one recorded interaction; ``data`` holds plain JSON-like values.

    ``key`` is the decision_id or interaction_id. The fields of ``data`` are in docs/plugins.md;
    neither the customer's profile nor rendered content is among them.
    """

    topic: Topic
    key: str
    time: float
    data: dict[str, Value]


class Sink(Protocol):
    """Takes records. All calls come from one thread of the sink's own, never from a request.

    So a sink may block, and what it raises costs no decision: the records of that call are
    counted as lost. It never gets them again.
    """

    def write(self, records: Sequence[SinkRecord]) -> None:
        """Take over some records, in their order. Raising: these records are lost."""

    def flush(self) -> None:
        """Return when everything written so far is where it belongs, durably."""

    def close(self) -> None:
        """Flush, and release everything. May be called twice."""


class ErasingSink(Sink, Protocol):
    """A sink that can remove what it has written. Offering `erase` is all it takes."""

    def erase(self, erased: Erased) -> int:
        """Remove every record of a customer, for good; how many they were.

        Decisions have its ``customer_id``, interactions its ``identity``: ``erased.names`` has them
        all, and ``erased.covers(name)`` tells of each. A decision with an id of ``erased.before`` or
        later is a new customer's. Called between two `flush`, possibly again for the same erasure,
        by one of the processes that share a sink. Nothing of the customer is written afterwards.
        Raising: it is tried again later.
        """


class SinkFactory(msgspec.Struct, frozen=True, kw_only=True):
    """How to make a sink. ``settings`` validates its table ``[sinks.<id>] settings``.

    ``build(settings, folder)``: relative paths in the settings are relative to ``folder``, which
    is the folder of nba.toml.
    """

    build: Callable[[Any, Path], Sink]
    settings: type[msgspec.Struct] = NoSettings
