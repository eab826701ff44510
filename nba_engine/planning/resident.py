"""A partition of customers as it waits in a worker, and what is asked of it.

The functions here are what a batch engine runs: pure in the partition and in a small state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.chains import Chains, best_chains, patterns_of
from nba_engine.domain import MICROS, Sums
from nba_engine.planning.problem import Problem

__all__ = [
    "At",
    "Edits",
    "Partition",
    "Resident",
    "Rows",
    "build_resident",
    "counts_of",
    "numbered",
    "planned_usage",
    "usage",
]


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """The customers of a partition: values (n, contacts, periods or 1) float32, budget (n,) micros."""

    values: NDArray[np.float32]
    budget: NDArray[np.int64]


def numbered(_source: object, first: int, last: int) -> list[str]:
    """Names of customers who have none but their numbers."""
    return [str(number) for number in range(first, last)]


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """Which customers, and how to get them: ``load(source, first, last)``, a function of a module.

    ``named(source, first, last)`` is asked for their names when the plan is written, and not kept.
    """

    number: int
    problem: Problem
    load: Callable[[Any, int, int], Rows]
    source: Any
    first: int
    last: int
    named: Callable[[Any, int, int], Sequence[str]] = numbered


class Edits(msgspec.Struct, frozen=True, kw_only=True):
    """Chains of some customers of a partition that replace those at the prices.

    ``row`` (e,) ascending; ``contact``, ``period`` (e, longest); ``why`` (e,): 1 to make room in a
    limit, 2 because there was room.
    """

    row: NDArray[np.int64]
    contact: NDArray[np.int16]
    period: NDArray[np.int8]
    why: NDArray[np.int8]


class At(msgspec.Struct, frozen=True, kw_only=True):
    """Prices (k,), and the edits of each partition to the chains that are best at them."""

    prices: NDArray[np.float64]
    edits: tuple[Edits | None, ...] = ()
    stride: int = 1  # only every so-manieth customer


class Resident:
    """A built partition. What it remembers it could compute again."""

    def __init__(self, partition: Partition) -> None:
        rows = partition.load(partition.source, partition.first, partition.last)
        self.partition = partition
        self.number = partition.number
        self.first = partition.first
        self.problem = partition.problem
        self.patterns = patterns_of(self.problem.contacts, self.problem.rules)
        self.values = rows.values
        self.budget = rows.budget
        self._at: bytes = b""
        self._chains: Chains | None = None

    def best(self, price: NDArray[np.float64], stride: int = 1) -> Chains:
        """The best chains at prices of contacts, of every customer or of a sample."""
        return self.best_of(np.arange(-self.first % stride, len(self.budget), stride), price)

    def best_of(self, rows: NDArray[np.intp], price: NDArray[np.float64]) -> Chains:
        """The best chains of some customers at prices of contacts."""
        if len(rows) == len(self.budget):
            return best_chains(self.patterns, self.values, self.budget, price)
        return best_chains(self.patterns, self.values[rows], self.budget[rows], price)

    def at(self, prices: NDArray[np.float64]) -> Chains:
        """The best chains at prices of limits; those of the latest prices are remembered."""
        key = prices.tobytes()
        if self._chains is None or key != self._at:
            self._chains = self.best(self.problem.prices_of_contacts(prices))
            self._at = key
        return self._chains

    def names(self) -> Sequence[str]:
        """What the customers are called, in their order."""
        partition = self.partition
        return partition.named(partition.source, partition.first, partition.last)

    def planned(self, at: At) -> tuple[NDArray[np.int16], NDArray[np.int8], NDArray[np.int8]]:
        """Contacts and periods (n, longest) with the edits, and why (n,); 0: best at the prices."""
        chains = self.at(at.prices)
        edits = at.edits[self.number] if at.edits else None
        why = np.zeros(len(self.budget), dtype=np.int8)
        if edits is None or not len(edits.row):
            return chains.contact, chains.period, why
        contact, period = chains.contact.copy(), chains.period.copy()
        contact[edits.row], period[edits.row] = edits.contact, edits.period
        why[edits.row] = edits.why
        return contact, period, why

    def values_of(
        self, rows: NDArray[np.intp], contact: NDArray[np.int16], period: NDArray[np.int8]
    ) -> NDArray[np.float64]:
        """What each contact of these customers' chains earns (rows, longest); 0 behind the last."""
        c, t = contact.astype(np.intp), period.astype(np.intp)
        there = c >= 0
        when = t if self.values.shape[2] > 1 else np.zeros_like(t)
        value = self.values[rows[:, None], c, when].astype(np.float64)
        value = value * self.problem.contacts.factor[c, t]
        return np.where(there, self.problem.rules.weights[None] * value, 0.0)

    def worth_of(
        self, rows: NDArray[np.intp], contact: NDArray[np.int16], period: NDArray[np.int8]
    ) -> NDArray[np.float64]:
        """What these customers' chains are worth (rows,): what they earn, less costs if these count."""
        worth: NDArray[np.float64] = self.values_of(rows, contact, period).sum(axis=1)
        if self.problem.after_costs:
            cost = np.where(contact >= 0, self.problem.contacts.cost[contact], 0).sum(axis=1)
            worth = worth - cost / MICROS
        return worth


def build_resident(partition: Partition) -> Resident:
    """Load the customers of a partition."""
    return Resident(partition)


def counts_of(
    problem: Problem, contact: NDArray[np.int16], period: NDArray[np.int8]
) -> NDArray[np.int64]:
    """How many contacts (contacts, periods) chains have."""
    periods = problem.rules.periods
    there = contact >= 0
    cell = contact[there].astype(np.intp) * periods + period[there]
    counts = np.bincount(cell, minlength=len(problem.names) * periods)
    return counts.astype(np.int64).reshape(-1, periods)


def usage(resident: Resident, at: At) -> Sums:
    """Worth, value and number of customers, and contacts (contacts, periods), at the prices."""
    if at.stride == 1:
        chains = resident.at(at.prices)
    else:
        price = resident.problem.prices_of_contacts(at.prices)
        chains = resident.best(price, at.stride)
    counts = counts_of(resident.problem, chains.contact, chains.period)
    value = chains.value.sum()
    if resident.problem.after_costs:
        value -= (counts.sum(axis=1) * resident.problem.contacts.cost).sum() / MICROS
    sums = np.array([chains.worth.sum(), value])
    return sums, np.array([len(chains.worth)]), counts


def planned_usage(resident: Resident, at: At) -> Sums:
    """Value of the plan with its edits, and its contacts (contacts, periods)."""
    contact, period, _ = resident.planned(at)
    rows = np.arange(len(contact))
    value = resident.worth_of(rows, contact, period).sum()
    return np.array([value]), counts_of(resident.problem, contact, period)
