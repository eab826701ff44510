"""Search the prices of all limits: first on a sample of customers, then on all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import MICROS, Batch
from nba_engine.planning.cuts import Cut, Search, begin, next_prices, with_cut
from nba_engine.planning.problem import Problem
from nba_engine.planning.resident import At, Resident, usage
from nba_engine.planning.steps import PlanOptions, Step, Tell

__all__ = ["prices_of", "prices_tried", "search_prices"]

_SURE = 1e-12  # of the bound: far more than sums in float64 can be off by
_SHARE_AFTER_SAMPLE = 0.04


def search_prices(
    batch: Batch[Resident],
    problem: Problem,
    customers: int,
    options: PlanOptions,
    *,
    begun: Search | None = None,
    keep: Callable[[Search], object] = lambda _: None,
    tell: Tell = lambda _: None,
) -> Search:
    """Search until the planes leave no more than ``options.gap``, or passes are used up.

    ``begun``: a search over all customers to go on with; ``keep`` is handed it after every pass.
    """

    def told(phase: Literal["sample", "prices"]) -> Callable[[Search], None]:
        def one(search: Search) -> None:
            if phase == "prices":
                keep(search)
            number = len(search.cuts)
            tell(Step(phase=phase, number=number, value=search.mixture, bound=search.bound))

        return one

    passes = _Passes(batch, problem, customers)
    search = begun
    if search is None:
        start = np.zeros(len(passes.priced))
        share = 1.0
        stride = customers // max(options.sample, 1)
        if stride > 1 and len(start):
            sampled = begin(passes.cut(start, stride), passes.most, share=share, least=passes.least)
            sampled = passes.run(
                sampled, options.sample_passes, options.gap, told("sample"), stride
            )
            start = np.array(sampled.cuts[sampled.best].prices)
            share = _SHARE_AFTER_SAMPLE
        search = begin(passes.cut(start), passes.most, share=share, least=passes.least)
        told("prices")(search)
    return passes.run(search, options.passes, options.gap, told("prices"))


def prices_of(problem: Problem, search: Search) -> NDArray[np.float64]:
    """The best prices found, per unit of each limit (k,); 0 where there is nothing to be had."""
    return _per_unit(problem, np.array(search.cuts[search.best].prices))


def prices_tried(problem: Problem, search: Search) -> NDArray[np.float64]:
    """The prices of all passes, per unit of each limit (p, k)."""
    return np.array([_per_unit(problem, np.array(cut.prices)) for cut in search.cuts])


class _Passes:
    """Passes over all customers, or over every so-manieth."""

    def __init__(self, batch: Batch[Resident], problem: Problem, customers: int) -> None:
        self._batch = batch
        self._problem = problem
        self._customers = customers
        self.priced = _priced(problem)
        self.most: list[float] = np.sign(problem.amounts[self.priced]).astype(float).tolist()
        self.least = _losses(problem)[self.priced].tolist()

    def run(
        self,
        search: Search,
        passes: int,
        gap: float,
        after: Callable[[Search], None],
        stride: int = 1,
    ) -> Search:
        while len(self.priced) and len(search.cuts) < passes and search.gap > gap:
            if search.bound < self._problem.least(self._customers):
                break  # no plan keeps every limit
            prices = next_prices(search)
            if prices.tolist() == search.cuts[search.best].prices:  # nowhere to go in float64
                break
            search = with_cut(search, self.cut(prices, stride))
            after(search)
        return search

    def cut(self, prices: NDArray[np.float64], stride: int = 1) -> Cut:
        """What one pass gives."""
        problem, priced = self._problem, self.priced
        at = At(prices=_per_unit(problem, prices), stride=stride)
        sums, seen, counts = self._batch.map_reduce(usage, at)
        times = self._customers / int(seen[0])  # one of the sample stands for so many
        used = problem.used(counts)[priced] / np.abs(problem.amounts[priced]) * times
        worth, priced_amounts = float(sums[0]) * times, prices * np.array(self.most)
        bound = worth + float(priced_amounts.sum()) + _SURE * (worth + float(prices.sum()))
        return Cut(
            prices=prices.tolist(),
            value=float(sums[1]) * times,
            used=used.tolist(),
            bound=bound,
        )


def _losses(problem: Problem) -> NDArray[np.float64]:
    """How far prices have to reach at least (k,): of a floor, what its contacts cost, in part.

    What is pushed at a loss may be all there is; then no bound tells how large prices are.
    """
    found = np.zeros(len(problem.limits))
    for k, limit in enumerate(problem.limits):
        counted = limit.use.any(axis=1)
        if limit.floor and problem.after_costs and counted.any():
            found[k] = 0.1 * limit.amount * problem.contacts.cost[counted].mean() / MICROS
    return found


def _priced(problem: Problem) -> NDArray[np.intp]:
    """The limits that have a price; of one without amount nothing can be had at any."""
    return np.flatnonzero(problem.amounts)


def _per_unit(problem: Problem, prices: NDArray[np.float64]) -> NDArray[np.float64]:
    per_unit = np.zeros(len(problem.limits))
    priced = _priced(problem)
    per_unit[priced] = prices / np.abs(problem.amounts[priced])
    return per_unit
