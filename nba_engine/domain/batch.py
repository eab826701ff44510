"""Batch engines: one computation over millions of customers that stay where they are.

Customers are cut into partitions. Each is built once in a worker and stays there; small states go
out (prices), small sums come back (objective, usage). What travels does not depend on the number
of customers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain.stage import NoSettings
from nba_engine.errors import PartitionFailed

__all__ = ["Adding", "Batch", "BatchEngine", "BatchEngineFactory", "Progress", "Sums"]

Sums: TypeAlias = tuple[NDArray[Any], ...]
"""What one partition adds: arrays of fixed shapes, int64 or float64, the same for every partition."""

Progress: TypeAlias = Callable[[int, int], object]
"""Called with how many partitions are done, and of how many, on the thread of the caller."""

P = TypeVar("P")
R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")
S_co = TypeVar("S_co", covariant=True)


class Batch(Protocol[S_co]):
    """Partitions that were built and now wait in workers.

    For every method: ``fn(resident, state)`` runs once for each partition, several partitions at a
    time, each partition by one worker at a time. ``fn`` is a function of a module (it may be sent
    to another process by its name), ``state`` is small, is not changed, and may be pickled. ``fn``
    is a pure function of what `build` made and of ``state``: it may keep in ``resident`` only what
    it could compute again (a memo), so that a partition that was rebuilt in another worker gives
    the same answer; and it may run twice. ``seconds`` is how long it may take for one partition;
    None: as long as the engine's settings say.

    What goes wrong with a partition reaches the caller after all workers are at rest, and the batch
    stays open: an `NbaError` that ``fn`` raised as itself, everything else (also a worker that dies
    over one partition again and again, and one that does not come back in time) as
    `PartitionFailed`, which names the partition and the cause.
    """

    def map_reduce(
        self,
        fn: Callable[[S_co, T], Sums],
        state: T,
        *,
        seconds: float | None = None,
        progress: Progress | None = None,
    ) -> Sums:
        """The sums of all partitions, added in the order of the partitions, float64 in float64.

        The order is that of `BatchEngine.open`, whatever was done first: the same partitions give
        the same bits with one worker and with many, and after a worker was lost.
        """

    def each(
        self, fn: Callable[[S_co, T], R], state: T, *, seconds: float | None = None
    ) -> Iterator[R]:
        """The answers of the partitions, in their order, one after the other.

        For what cannot be added: the customers to change, the rows of a partition. An engine holds
        back no more answers than it has workers and a few.
        """

    def close(self) -> None:
        """Let go of workers and of what they hold; again does nothing."""


class BatchEngine(Protocol):
    """Builds partitions in workers (hook `nba_batch_engines`; `local` is built in)."""

    @property
    def workers(self) -> int:
        """How many partitions are computed at a time, for the choice of their number."""

    def open(
        self,
        partitions: Sequence[P],
        build: Callable[[P], S],
        *,
        releases_gil: bool = False,
        progress: Progress | None = None,
    ) -> Batch[S]:
        """Build every partition in a worker and keep it there.

        ``partitions`` are small descriptions (a file and rows, a seed), not the customers; ``build``
        is a function of a module and depends on nothing but its partition, since a worker that was
        lost has its partitions built again elsewhere. ``releases_gil`` is a hint: what is computed
        spends its time outside Python's lock, so that threads do as well as processes. Raises what
        goes wrong as `Batch` does, having closed what was open.
        """


class BatchEngineFactory(msgspec.Struct, frozen=True, kw_only=True):
    """How to make a batch engine. ``settings`` validates the table ``[batch] settings``.

    ``build(settings)`` makes it, once per batch run; workers start when a batch is opened.
    """

    build: Callable[[Any], BatchEngine]
    settings: type[msgspec.Struct] = NoSettings


class Adding:
    """Adds the sums of partitions in their order, in whatever order they come."""

    def __init__(self) -> None:
        self._next = 0
        self._waiting: dict[int, Sums] = {}
        self._total: Sums | None = None

    @property
    def total(self) -> Sums:
        """What has been added so far; no arrays when there was no partition."""
        return self._total or ()

    def take(self, number: int, sums: Sums) -> None:
        """The sums of one partition.

        Raises `PartitionFailed` for the first, in their order, that are no sums or of other shapes.
        """
        self._waiting[number] = sums
        while self._next in self._waiting:
            self._add(self._waiting.pop(self._next))
            self._next += 1

    def _add(self, given: Sums) -> None:
        try:
            sums = tuple(_array(one) for one in given)
        except (TypeError, ValueError) as error:
            raise PartitionFailed(f"it gave no sums: {error}", partition=self._next) from error
        if self._total is None:
            self._total = tuple(one.copy() for one in sums)
            return
        before = [(one.shape, one.dtype) for one in self._total]
        here = [(one.shape, one.dtype) for one in sums]
        if before != here:
            raise PartitionFailed(
                f"it adds {_told(here)}, those before it {_told(before)}", partition=self._next
            )
        for total, one in zip(self._total, sums, strict=True):
            np.add(total, one, out=total)


def _array(value: Any) -> NDArray[Any]:
    array = np.asarray(value)
    if array.dtype.kind in "iub":
        return array.astype(np.int64, copy=False)
    if array.dtype.kind == "f":
        return array.astype(np.float64, copy=False)
    raise ValueError(f"sums are arrays of whole numbers or floats, not of {array.dtype}")


def _told(arrays: Sequence[tuple[tuple[int, ...], np.dtype[Any]]]) -> str:
    return ", ".join(f"{dtype}{list(shape)}" for shape, dtype in arrays) or "nothing"
