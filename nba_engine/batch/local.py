"""The batch engine `local`: partitions in processes or threads of this machine. The reference.

Partition number n lives in worker n modulo the number of workers. A worker has one task at a time,
so it is always known which partition a worker died over, and since when it has been at it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from nba_engine.batch.driver import Driven
from nba_engine.batch.workers import Events, ProcessWorker, ThreadWorker, Worker
from nba_engine.domain import Progress

__all__ = ["LocalEngine", "LocalSettings"]

P = TypeVar("P")
S = TypeVar("S")


class LocalSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[batch] settings`` for the engine `local`."""

    workers: Annotated[int, Meta(ge=0, le=256)] = 0
    """how many; 0: one per core that this process may use"""
    workers_are: Literal["auto", "processes", "threads"] = "auto"
    """`auto`: threads where what is computed runs outside Python's lock, else processes"""
    partition_seconds: Annotated[float, Meta(gt=0)] = 900.0
    """how long it may take to build a partition, or to compute on one"""


class LocalEngine:
    """Workers of this machine, started anew for each batch."""

    def __init__(self, settings: LocalSettings | None = None) -> None:
        self._settings = settings or LocalSettings()

    @property
    def workers(self) -> int:
        """How many workers a batch with enough partitions has."""
        return self._settings.workers or len(os.sched_getaffinity(0))

    def open(
        self,
        partitions: Sequence[P],
        build: Callable[[P], S],
        *,
        releases_gil: bool = False,
        progress: Progress | None = None,
    ) -> Driven[S]:
        """Start workers and build; see `BatchEngine`."""
        events = Events()
        kind = self._settings.workers_are
        threads = kind == "threads" or (kind == "auto" and releases_gil)
        make = ThreadWorker if threads else ProcessWorker
        count = min(self.workers, len(partitions))
        workers: list[Worker] = [make(build, events) for _ in range(count)]
        batch: Driven[S] = Driven(
            workers, events, partitions, patience=self._settings.partition_seconds
        )
        try:
            batch.build(progress)
        except BaseException:
            batch.close()
            raise
        return batch
