"""Batch engines: one computation over millions of customers that stay where they are.

Customers are cut into partitions. Each is built once in a worker and stays there; small states go
out (prices), small sums come back (objective, usage). What travels does not depend on the number
of customers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

from numpy.typing import NDArray

__all__ = ["Batch", "BatchEngine", "Sums"]

Sums: TypeAlias = tuple[NDArray[Any], ...]
"""What one partition adds: arrays of fixed shapes, int64 or float64, the same for every partition."""

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
    the same answer. An exception of ``fn`` is raised to the caller after all workers are at rest;
    the batch stays open.
    """

    def map_reduce(self, fn: Callable[[S_co, T], Sums], state: T) -> Sums:
        """The sums of all partitions, added in the order of the partitions, float64 in float64.

        The order is that of `BatchEngine.open`, whatever was done first: the same partitions give
        the same bits with one worker and with many, and after a worker was lost.
        """

    def each(self, fn: Callable[[S_co, T], R], state: T) -> Iterator[R]:
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

    def open(self, partitions: Sequence[P], build: Callable[[P], S]) -> Batch[S]:
        """Build every partition in a worker and keep it there.

        ``partitions`` are small descriptions (a file and rows, a seed), not the customers; ``build``
        is a function of a module and depends on nothing but its partition, since a worker that was
        lost has its partitions built again elsewhere. Raises what ``build`` raised, having closed
        what was open.
        """
