"""Reordering on simulated purchases whose truth is known: `python -m benchmarks.reorder`.

Customers use things up at paces of their own, or buy at random. Shown: how many offers are in time
with one window for all, the category's median gap and the customers' own windows; and that chance
is told from a cycle. `python -m benchmarks.reorder groceries` shows it on the demo's year of real
purchases (a few minutes).
"""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np

from nba_engine.domain import AggregateSpec
from nba_engine.learning.affinity import Events
from nba_engine.learning.reorder import ReorderFinding, fit_reorder, gaps_of

__all__ = ["SPEC", "fitted", "purchases"]

DAY = 86_400.0
CATEGORIES = ("coffee", "milk", "soap")
USUAL = np.array([21.0, 7.0, 45.0])  # days
SPEC = AggregateSpec(name="reorder", kind="reorder", types=("purchase",), by="category")


def purchases(
    random: np.random.Generator,
    customers: int,
    *,
    shape: float,
    spread: float = 0.5,
    days: float = 540.0,
) -> Events:
    """Gamma gaps of a shape (1: at random); the customers' paces differ by ``spread`` (log scale)."""
    rows: list[tuple[int, int, float]] = []
    for customer in range(customers):
        for category, usual in enumerate(USUAL.tolist()):
            own = usual * float(np.exp(spread * random.standard_normal()))
            time = own * random.random()
            while time < days:
                rows.append((customer, category, time * DAY))
                time += own / shape * random.gamma(shape)
    return Events(
        customers,
        CATEGORIES,
        np.array([row[0] for row in rows], dtype=np.intp),
        np.array([row[1] for row in rows], dtype=np.intp),
        np.array([row[2] for row in rows]),
        np.zeros(len(rows), dtype=np.bool_),
    )


def fitted(seed: int, *, shape: float, spread: float, customers: int = 400) -> ReorderFinding:
    """What the fit says of one simulated world."""
    random = np.random.default_rng(seed)
    events = purchases(random, customers, shape=shape, spread=spread)
    return fit_reorder(events, SPEC, random=random)


def groceries(widest: int = 150) -> tuple[Events, dict[str, float]]:
    """The demo's purchases in the categories with the widest reach, and a third of their usual gap."""
    from nba_demo.data import load_year

    year = load_year()
    household, time = year.basket_household[year.line_basket], year.basket_time[year.line_basket]
    bought = np.unique(np.stack([year.line_category, household]), axis=1)[0]
    top = np.sort(np.argsort(-np.bincount(bought, minlength=len(year.categories)))[:widest])
    code = np.full(len(year.categories), -1)
    code[top] = np.arange(len(top))
    kept = code[year.line_category] >= 0
    events = Events(
        len(year.households),
        tuple(year.categories[at] for at in top.tolist()),
        household[kept],
        code[year.line_category[kept]],
        time[kept],
        np.zeros(int(kept.sum()), dtype=np.bool_),
    )
    gaps = gaps_of(events, float(time.max()))
    middle = [float(np.median(gaps.days[(gaps.word == at) & ~gaps.open])) for at in range(len(top))]
    windows = {
        word: float(np.clip(round(gap / 3), 2, 14))
        for word, gap in zip(events.words, middle, strict=True)
    }
    return events, windows


def main() -> None:
    """Print what is found of goods that are used up, and of purchases at random."""
    if sys.argv[1:] == ["groceries"]:
        events, windows = groceries()
        found = fit_reorder(events, SPEC, windows=windows, random=np.random.default_rng(2017))
        why = Counter(one.refusal or "a cycle" for one in found.categories)
        print(f"{len(events.time):,} purchases in {len(events.words)} categories: {dict(why)}")
        _print(found, f"{found.offers:,} offers: ")
        return
    for name, shape, spread in (
        ("used up, paces of their own", 4.0, 0.5),
        ("bought at random, paces of their own", 1.0, 0.5),
        ("bought at random, one pace", 1.0, 0.0),
    ):
        print(name)
        for seed in range(10):
            _print(fitted(seed, shape=shape, spread=spread), f"  seed {seed}: ")


def _print(found: ReorderFinding, before: str) -> None:
    cycles = [one.category for one in found.categories if not one.refusal]
    hits = "  ".join(f"{key}: {value:.1%}" for key, value in found.hits.items())
    gain = "" if found.gain is None else f"  gain {found.gain.low:.1%} to {found.gain.high:.1%}"
    print(f"{before}{len(cycles)} cycles  {hits}{gain}  {found.refusal}")


if __name__ == "__main__":
    main()
