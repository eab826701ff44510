"""What prices earn: shares of the best that was possible on a day of traffic, seeded.

With the same hard caps: P·C·V·L (lever * propensity * value, as is usual), net value (minus cost), the
prices of the day before, and prices that are updated as `PriceBook` does it: from the prices and the
hourly profile of the day before, from the profile alone, paced evenly, and from nothing at all; and on
the day after such a one, when servers have seen its traffic and nobody ran a refresh.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array, vstack

from benchmarks.prices_world import (
    CAMPAIGNS,
    DAY,
    LIMITS,
    Traffic,
    World,
    make_traffic,
    make_world,
    uses,
    worths,
)
from nba_engine.domain import FloatArray
from nba_engine.engine.prices import SpendingPlan, next_price
from nba_engine.learning.prices import Requests, solve

GATES = {0.0: 0.97, 0.3: 0.92}
EVERY = 30.0  # seconds between two updates of prices


class Played(NamedTuple):
    """What a policy earned, and what it used of each limit, (k,)."""

    value: float
    used: FloatArray


def sample_of(world: World, traffic: Traffic) -> Requests:
    """The traffic as the refresh takes it."""
    worth = worths(world, traffic)
    # NaN > 0 is false
    row, action = np.nonzero(worth > 0.0)
    first = np.flatnonzero(np.diff(row, prepend=-1))
    use = np.stack([world.cost[action], np.ones(len(action))], axis=1)
    limit = np.stack([world.campaign[action], CAMPAIGNS + world.channel[action]], axis=1)
    return Requests(first, worth[row, action], use, limit)


def optimum(world: World, traffic: Traffic) -> float:
    """The linear program's optimum by HiGHS, with the hindsight of the whole day.

    Columns are generated: those near the dual's prices first, then all that would enter at the
    program's own prices, until there are none. So it is the optimum over all columns.
    """
    requests = sample_of(world, traffic)
    prices = solve(requests, world.amount).prices
    row = np.repeat(
        np.arange(len(requests.first)), np.diff(requests.first, append=len(requests.worth))
    )

    def reduced(prices: FloatArray) -> FloatArray:
        spent: FloatArray = (requests.use * prices[requests.limit]).sum(axis=1)
        return requests.worth - spent

    priced = reduced(prices)
    best = np.maximum(np.maximum.reduceat(priced, requests.first), 0.0)
    among = priced > best[row] - 0.3 * np.median(requests.worth)
    while True:
        columns = np.flatnonzero(among)
        count = len(columns)
        one = coo_array((np.ones(count), (row[columns], np.arange(count))), (len(best), count))
        limits = coo_array(
            (
                requests.use[columns].ravel(),
                (requests.limit[columns].ravel(), np.repeat(np.arange(count), 2)),
            ),
            (LIMITS, count),
        )
        found = linprog(
            -requests.worth[columns],
            A_ub=vstack([one, limits]).tocsr(),
            b_ub=np.concatenate([np.ones(len(best)), world.amount]),
            method="highs",
        )
        assert found.success, found.message
        duals = -found.ineqlin.marginals
        entering = (reduced(duals[len(best) :]) > duals[row] + 1e-7) & ~among
        if not entering.any():
            return float(-found.fun)
        among |= entering


def play(
    world: World,
    traffic: Traffic,
    rank: Callable[[int], FloatArray],
    after: Callable[[int, FloatArray], None] = lambda _at, _used: None,
) -> Played:
    """One request after the other: the best that is worth something and fits its limits."""
    worth, use = worths(world, traffic), uses(world)
    used = np.zeros(LIMITS)
    value = 0.0
    for at in range(len(traffic.time)):
        score = rank(at)
        for action in np.argsort(-score).tolist():
            if not score[action] > 0.0:
                break
            after_it = used + use[action]
            if (after_it <= world.amount + 1e-9).all():  # the ledger
                used = after_it
                value += worth[at, action]
                break
        after(at, used)
    return Played(value, used)


class Steering:
    """Prices while a day goes by: a plan per limit, a step every so often, as the engine does it."""

    def __init__(
        self, world: World, hours: Sequence[float], prices: FloatArray | None = None
    ) -> None:
        """``hours`` () is even spending; without ``prices`` they begin at 0."""
        self.prices = np.zeros(LIMITS) if prices is None else prices.copy()
        self._world = world
        self._plan = SpendingPlan(0.0, DAY, profile=tuple(hours) * 7)
        use = uses(world)
        self._per_contact = use.sum(axis=0) / (use > 0.0).sum(axis=0)
        expected = np.maximum(world.lever * world.rate * world.value - world.cost, 0.0)
        self._scale = (use > 0.0).T @ expected / use.sum(axis=0)  # what a catalog tells
        # where prices begin at 0 their first steps are larger
        self._since = np.zeros(LIMITS) if prices is None else np.full(LIMITS, np.inf)
        self._time = 0.0
        self._used = np.zeros(LIMITS)

    def step(self, now: float, used: FloatArray) -> None:
        """What `PriceBook` does with the accounts of the ledger."""
        if now - self._time < EVERY:
            return
        for k in range(LIMITS):
            amount, price = float(self._world.amount[k]), float(self.prices[k])
            planned = self._plan.ahead(amount - float(self._used[k]), self._time, now)
            self._since[k] += planned / self._per_contact[k]
            self.prices[k] = next_price(
                price,
                used=float(used[k] - self._used[k]),
                planned=planned,
                scale=max(float(self._scale[k]), price),
                per_contact=float(self._per_contact[k]),
                contacts=amount / float(self._per_contact[k]),
                since=float(self._since[k]),
            )
        self._time, self._used = now, used.copy()


class Day(NamedTuple):
    """What each policy earned on one day, as a share of the optimum; the most that was overspent."""

    shares: dict[str, float]
    overspend: float


def play_day(*, seed: int, requests: int, drift: float) -> Day:
    """Every policy on the same day; history is the day before, which knew no drift."""
    world = make_world(seed, requests)
    today = make_traffic(world, seed, requests, day=1, drift=drift)
    before = make_traffic(world, seed, requests, day=0)
    use = uses(world)
    worth = np.where(np.isnan(today.propensity), -np.inf, worths(world, today))
    gain = np.where(
        np.isnan(today.propensity), -np.inf, today.propensity * world.lever * world.value
    )
    learned = solve(sample_of(world, before), world.amount).prices
    fixed = worth - use @ learned
    hours = np.bincount((before.time // 3600.0).astype(np.intp), minlength=24).tolist()
    best = optimum(world, today)
    yesterday = Steering(world, ())
    steered(world, before, yesterday)
    played = {
        "P·C·V·L + caps": play(world, today, lambda at: gain[at]),
        "net value + caps": play(world, today, lambda at: worth[at]),
        "static prices": play(world, today, lambda at: fixed[at]),
        "ours": steered(world, today, Steering(world, hours, learned)),
        "ours, first day": steered(world, today, Steering(world, hours)),
        "ours, even pace": steered(world, today, Steering(world, (), learned)),
        "ours, cold start": steered(world, today, Steering(world, ())),
        "ours, the day after it": steered(world, today, Steering(world, hours, yesterday.prices)),
    }
    over = max(float((one.used - world.amount).max()) for one in played.values())
    shares = {name: one.value / best for name, one in played.items()}
    return Day(shares, max(0.0, over))


def steered(world: World, traffic: Traffic, steering: Steering) -> Played:
    """A day at prices that move."""
    worth = np.where(np.isnan(traffic.propensity), -np.inf, worths(world, traffic))
    use = uses(world)
    return play(
        world,
        traffic,
        lambda at: worth[at] - use @ steering.prices,
        lambda at, used: steering.step(float(traffic.time[at]), used),
    )


def main() -> int:
    """Print the shares, seed by seed; 1 when a gate is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--requests", type=int, default=30_000)
    options = parser.parse_args()
    good = True
    for drift, gate in GATES.items():
        days = []
        for seed in range(options.seeds):
            days.append(play_day(seed=seed, requests=options.requests, drift=drift))
            print(f"seed {seed}, drift {drift:.0%}: ours {days[-1].shares['ours']:.4f}", flush=True)
        print(f"\nShare of the optimum under drift of {drift:.0%}, {options.requests:,} requests:")
        for name in days[0].shares:
            shares = [day.shares[name] for day in days]
            print(f"  {name:22} median {statistics.median(shares):.4f}  lowest {min(shares):.4f}")
        overspent = max(day.overspend for day in days)
        median = statistics.median(day.shares["ours"] for day in days)
        kept = median >= gate and overspent == 0.0
        good = good and kept
        print(f"  overspent: {overspent:g}; gate {gate}: {'kept' if kept else 'NOT KEPT'}\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
