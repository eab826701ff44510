"""How often intervals of `nba evaluate` cover the truth when few customers have many decisions each.

    python -m benchmarks.off_policy_customers [--runs 300] [--customers 20,50,100,150,400]

Customers are of four kinds, which buy more or less often and like other actions; each has a taste of its
own (a gamma factor on all rates) and a number of decisions that is skewed. Three worlds: usual ones,
rare outcomes, and *skewed*, where a few customers have most of the decisions. What a policy is worth per
decision follows from the rates. Every log goes through `nba_engine.learning.evaluation.evaluate`; a log
that it refuses is counted apart. Beside its intervals: percentiles of the same bootstrap of customers,
which is what they were before.
"""

from __future__ import annotations

import argparse
import sys
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from nba_engine.domain.values import FloatArray
from nba_engine.learning.evaluation import Options, Picks, evaluate

KINDS, ACTIONS = 4, 5
_DRAWN = np.random.default_rng(11)
RATE = _DRAWN.uniform(0.05, 0.4, (KINDS, ACTIONS))
LOGGED = _DRAWN.dirichlet(np.full(ACTIONS, 8.0), KINDS)
TESTED = np.exp(5.0 * RATE) / np.exp(5.0 * RATE).sum(axis=1, keepdims=True)
PREDICTED = 0.7 * RATE + 0.05  # a model that is wrong
NAMES = ("ips", "snips", "dr")


class World(NamedTuple):
    """How customers differ: ``taste`` is the shape of their factor, ``skew`` the sd of log decisions."""

    decisions: float = 6.0
    skew: float = 0.8
    taste: float = 4.0
    rare: float = 1.0  # factor on all rates


WORLDS = {
    "usual": World(),
    "rare outcomes": World(taste=2.0, rare=0.2),
    "skewed": World(skew=1.3, taste=1.0, rare=0.5),
}
_OFTEN = np.array([0.5, 1.0, 1.5, 1.0])  # decisions of a kind, in parts of the mean


def truth(world: World, policy: FloatArray) -> float:
    """What a policy is worth per decision."""
    decisions = 1.0 + world.decisions * _OFTEN
    factor = np.random.default_rng(0).gamma(world.taste, 1.0 / world.taste, 100_000)
    rate = np.minimum(world.rare * RATE[..., None] * factor, 1.0).mean(axis=-1)
    return float(decisions @ (policy * rate).sum(axis=1) / decisions.sum())


def logged(world: World, customers: int, seed: int) -> Picks:
    """A seeded log of so many customers."""
    random = np.random.default_rng(seed)
    kind = random.integers(0, KINDS, customers)
    factor = random.gamma(world.taste, 1.0 / world.taste, customers)
    spread = np.exp(world.skew * random.normal(size=customers) - world.skew**2 / 2.0)
    count = 1 + random.poisson(world.decisions * _OFTEN[kind] * spread)
    who = np.repeat(np.arange(customers), count)
    own = kind[who]
    action = (random.random(len(who))[:, None] > LOGGED[own].cumsum(axis=1)).sum(axis=1)
    rate = np.minimum(world.rare * RATE[own, action] * factor[who], 1.0)
    predicted = world.rare * PREDICTED
    return Picks(
        decision=np.arange(len(who)),
        placement=np.full(len(who), "", dtype=object),
        position=np.zeros(len(who), dtype=np.intp),
        reward=(random.random(len(who)) < rate).astype(np.float64),
        propensity=LOGGED[own, action],
        target=TESTED[own, action],
        action=np.array([f"action {one}" for one in range(ACTIONS)], dtype=object)[action],
        customer=who,
        expected=predicted[own, action],
        expected_target=(TESTED * predicted).sum(axis=1)[own],
    )


def percentiles(picks: Picks, resamples: int, seed: int) -> tuple[float, float]:
    """The plain bootstrap of customers, for SNIPS."""
    assert picks.customer is not None
    random = np.random.default_rng(seed)
    weight = picks.target / picks.propensity
    sums = np.stack(
        [np.bincount(picks.customer, column) for column in (weight, weight * picks.reward)], axis=1
    )
    drawn = random.integers(0, len(sums), (resamples, len(sums)))
    again = sums[drawn].sum(axis=1)
    low, high = np.quantile(again[:, 1] / again[:, 0], (0.025, 0.975)).tolist()
    return low, high


class Covered(NamedTuple):
    """Parts of the judged logs whose intervals cover the truth."""

    judged: int
    values: dict[str, float]
    differences: dict[str, float]
    percentiles: float
    wider: float  # mean width of SNIPS's interval, in parts of that of percentiles


def covered(world: World, customers: int, runs: int, resamples: int = 400) -> Covered:
    """Evaluate seeded logs of one world."""
    tested, as_logged = truth(world, TESTED), truth(world, LOGGED)
    gain = tested - as_logged
    values, differences = dict.fromkeys(NAMES, 0), dict.fromkeys(NAMES, 0)
    plain = judged = 0
    widths = np.zeros(2)
    with threadpool_limits(1):
        for seed in range(runs):
            picks = logged(world, customers, seed)
            found = evaluate(picks, options=Options(resamples=resamples, seed=seed))
            if not found.supported:
                continue
            judged += 1
            for name in NAMES:
                value, difference = found.estimates[name], found.differences[name]
                values[name] += value.low <= tested <= value.high
                differences[name] += difference.low <= gain <= difference.high
            low, high = percentiles(picks, resamples, seed)
            plain += low <= tested <= high
            widths += (found.estimates["snips"].high - found.estimates["snips"].low, high - low)
    of = max(judged, 1)
    return Covered(
        judged,
        {name: count / of for name, count in values.items()},
        {name: count / of for name, count in differences.items()},
        plain / of,
        float(widths[0] / widths[1]) if judged else float("nan"),
    )


def main(runs: int, counts: list[int]) -> bool:
    """Print a table; whether coverage is 93 to 97 % (but for chance) from 100 customers on."""
    good = True
    chance = 2.0 * (0.95 * 0.05 / runs) ** 0.5
    print("| customers | world | judged | values | differences | percentiles | width |")
    print("|---|---|---|---|---|---|---|")
    for name, world in WORLDS.items():
        for customers in counts:
            found = covered(world, customers, runs)
            if not found.judged:
                print(f"| {customers:,} | {name} | 0 of {runs:,} | | | | |", flush=True)
                continue
            both = [*found.values.values(), *found.differences.values()]
            if customers >= 100:
                good &= min(both) >= 0.93 - chance and max(both) <= 0.97 + chance
            print(
                f"| {customers:,} | {name} | {found.judged:,} of {runs:,} "
                f"| {_range(found.values)} | {_range(found.differences)} "
                f"| {found.percentiles:.1%} | {found.wider:.2f} |",
                flush=True,
            )
    return good


def _range(parts: dict[str, float]) -> str:
    return f"{min(parts.values()):.1%} to {max(parts.values()):.1%}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--customers", default="20,50,100,150,400")
    options = parser.parse_args()
    sizes = [int(count) for count in options.customers.split(",")]
    sys.exit(0 if main(options.runs, sizes) else 1)
