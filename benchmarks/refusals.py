"""How often cross-sell tables, segments and uplift say yes: to noise, and to what is there.

    python -m benchmarks.refusals [--runs 40]

Each run is a new seeded world: without any structure in one half, with a known one in the other. Prints
the share of runs that said yes, and what a yes beat. tests/learning has a few such runs each.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import numpy as np
from sklearn.metrics import adjusted_rand_score

from nba_engine.learning.cross_sell import baskets_of, fit_cross_sell
from nba_engine.learning.segments import Source, behavior_of, fit_segments
from nba_engine.learning.uplift import Trial, fit_uplift

ITEMS, CUSTOMERS, ROWS = 48, 1_000, 4_000


def cross_sell(seed: int, there: bool) -> tuple[bool, float]:  # noqa: FBT001
    """Baskets of 2 to 6 things for one of eight purposes, or by chance; the gain in recall@10."""
    random = np.random.default_rng(seed)
    popular = np.arange(1, ITEMS + 1) ** -0.8
    basket, item = [], []
    for number in range(3_000):
        weight = popular.copy()
        if there and random.random() < 0.7:
            weight[np.arange(ITEMS) % 8 == random.integers(8)] *= 20
        drawn = np.argsort(-(random.random(ITEMS) ** (1.0 / weight)))[: random.integers(2, 7)]
        basket += [number] * len(drawn)
        item += drawn.tolist()
    fit = fit_cross_sell(baskets_of(np.array(basket), np.array(item)), seed=seed)
    return fit.table is not None, fit.winner.gain.value


def segments(seed: int, there: bool) -> tuple[bool, float]:  # noqa: FBT001
    """Four personas in six behaviors, or skewed, correlated or uniform noise; Rand index of truth."""
    random = np.random.default_rng(seed)
    truth = random.integers(4, size=CUSTOMERS)
    if there:
        rows = 2.0 * random.normal(size=(4, 6))[truth] + random.normal(size=(CUSTOMERS, 6))
    else:
        noises: list[Callable[[], np.ndarray]] = [
            lambda: random.exponential(size=(CUSTOMERS, 6)) * (random.random((CUSTOMERS, 6)) < 0.6),
            lambda: random.multivariate_normal(np.zeros(6), 0.7 + 0.3 * np.eye(6), size=CUSTOMERS),
            lambda: random.random((CUSTOMERS, 6)),
        ]
        rows = noises[seed % 3]()
    sources = [
        Source(name=f"b{at}", source=f"customer.b{at}", values=column)
        for at, column in enumerate(rows.T)
    ]
    fit = fit_segments(behavior_of([str(n) for n in range(CUSTOMERS)], sources), seed=seed)
    return bool(fit.segments), float(adjusted_rand_score(truth, fit.label))


def uplift(seed: int, there: bool) -> tuple[bool, float]:  # noqa: FBT001
    """An effect by what says nothing of the response, or none; the gain over propensity's Qini."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(ROWS, 6)).astype(np.float32)
    anyhow = 1.0 / (1.0 + np.exp(1.5 - rows[:, 0] - 0.5 * rows[:, 1]))
    treated = random.random(ROWS) < 0.5
    chance = anyhow + treated * (0.12 * rows[:, 2] if there else 0.0)
    trial = Trial(
        rows=rows,
        treated=treated,
        outcome=(random.random(ROWS) < np.clip(chance, 0.0, 1.0)).astype(np.float64),
        propensity=np.full(ROWS, 0.5),
        unit=np.arange(ROWS),
    )
    fit = fit_uplift(trial, seed=seed)
    return fit.effect is not None, fit.gain.value


def main(runs: int) -> bool:
    """Print a line per method; whether noise was refused and structure found as it should be."""
    good = True
    for method, what in (
        (cross_sell, "mean gain in recall@10 over popularity"),
        (segments, "mean Rand index with the truth"),
        (uplift, "mean gain in Qini over propensity"),
    ):
        noise = [method(seed, False)[0] for seed in range(runs)]
        found = [method(1_000 + seed, True) for seed in range(runs)]
        wrong, right = float(np.mean(noise)), float(np.mean([yes for yes, _ in found]))
        mean = float(np.mean([figure for _, figure in found]))
        good &= wrong <= 0.1 and right >= 0.8
        print(
            f"{method.__name__}: yes to noise {wrong:.1%}, yes to what is there {right:.1%}, "
            f"{what} {mean:.3f} ({runs} runs each)",
            flush=True,
        )
    return good


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=40)
    sys.exit(0 if main(parser.parse_args().runs) else 1)
