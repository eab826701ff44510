"""Customer value: what predictions cost, how win-back compares with a fixed pause, groceries.

Predictions for 1,000,000 customers (those of CDNOW, repeated) against one call of SciPy's 2F1 with
the parameters of the published formula over as many. For the win-back figures customers are
simulated, so the truth is known; groceries are the year of nba-demo.
"""

from __future__ import annotations

import datetime as dt
import statistics
import sys
import time
import timeit
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import hyp2f1

from nba_demo.data import load_year
from nba_engine.domain import AggregateSpec, Interaction
from nba_engine.domain.algebra import fold_for
from nba_engine.domain.customer_value import expected_purchases
from nba_engine.domain.purchase_days import DAY, read_days
from nba_engine.learning.value import BetaGeometric, Buyers, Purchases, buyers_of, choose
from tests.learning.value.simulated import simulate

CUSTOMERS = 1_000_000
ROUNDS = 7
GATE = 3.0
CUT = 273.0
SEEDS = 20


def main() -> int:
    """Print the figures; 1 when the gate is not kept."""
    kept = _predictions()
    _one_customer()
    _win_back()
    _groceries()
    return 0 if kept else 1


def _predictions() -> bool:
    buyers = buyers_of(_cdnow(), CUT)
    model = BetaGeometric.fit(buyers)
    times = -(-CUSTOMERS // len(buyers.customer))
    rows = np.tile(np.arange(len(buyers.customer)), times)[:CUSTOMERS]
    many = Buyers(
        customer=rows,
        repeats=buyers.repeats[rows],
        recency=buyers.recency[rows],
        age=buyers.age[rows],
        mean_amount=buyers.mean_amount[rows],
        recent=buyers.recent[rows],
        window=buyers.window,
    )
    x, z = many.repeats, CUT / (model.alpha + many.age + CUT)

    def plain() -> NDArray[np.float64]:
        published: NDArray[np.float64] = hyp2f1(
            model.r + x, model.b + x, model.a + model.b + x - 1.0, z
        )
        return published

    ratios, ours, theirs = [], [], []
    for _ in range(ROUNDS):
        ours.append(_seconds(lambda: model.expected(many, CUT)))
        theirs.append(_seconds(plain))
        ratios.append(ours[-1] / theirs[-1])
    ratio = statistics.median(ratios)
    print(f"{CUSTOMERS:,} predictions (BG/NBD): {statistics.median(ours):.2f} s of CPU")
    print(f"one hyp2f1 over as many: {statistics.median(theirs):.2f} s")
    span = f"rounds: {min(ratios):.2f} to {max(ratios):.2f}"
    print(f"ratio {ratio:.2f} ({span}); wanted: at most {GATE:g}")
    return ratio <= GATE


def _one_customer() -> None:
    spec = AggregateSpec(name="days", kind="days", types=("purchase",), property="amount")
    history = [
        Interaction(
            interaction_id=str(n),
            identity="crm:1",
            type="purchase",
            time=(20_000 + 9 * n) * DAY,
            properties={"amount": 30.0},
        )
        for n in range(40)
    ]
    fold = fold_for({"days": spec})
    state: list[object] = fold({}, history)["days"]  # type: ignore[assignment]
    now = 20_400 * DAY
    model = BetaGeometric(0.243, 30.9, 0.793, 2.426).fitted()

    def one() -> None:
        expected_purchases(model, read_days(state, now), state, now, 91.0)

    def recorded() -> None:
        fold({"days": state}, history[-1:])

    for name, call in (("predicting", one), ("recording", recorded)):
        each = min(timeit.repeat(call, number=1_000, repeat=5, timer=time.process_time))
        print(f"{name} one customer: {each * 1_000:.0f} µs of CPU")


def _win_back() -> None:
    found, paused, said, noise = [], [], 0, 0
    for seed in range(SEEDS):
        made = simulate(seed, customers=1_000, r=0.6, alpha=10.0)
        choice = choose(made.purchases, 250.0, 365.0)
        said += bool(choice.slipping.model)
        if choice.slipping.model:
            active = choice.buyers.repeats >= 1
            gone = made.gone[choice.buyers.customer][active] < 250.0
            alive = choice.models[choice.slipping.model].alive(choice.buyers)[active]
            pause = (choice.buyers.age - choice.buyers.recency)[active]
            flagged = alive < 0.3
            longest = np.argsort(-pause, kind="stable")[: int(flagged.sum())]
            found.append(float(gone[flagged].mean()))
            paused.append(float(gone[longest].mean()))
        still = choose(simulate(seed, customers=1_000, dropout=None).purchases, 250.0, 365.0)
        noise += bool(still.slipping.model)
    print(f"win-back, {SEEDS} simulations of 1,000 customers: told to slip away in {said}")
    print(f"  of those with P(alive) below .3 {np.mean(found):.1%} are gone;")
    print(f"  of as many with the longest pause {np.mean(paused):.1%}")
    print(f"  the same customers without any dropout: told to slip away in {noise} of {SEEDS}")


def _groceries() -> None:
    year = load_year()
    purchases = Purchases(year.basket_household, year.basket_time / DAY, year.basket_amount)
    end = float(np.floor(purchases.time.max())) + 1.0
    choice = choose(purchases, end - 91.0, end)
    print(f"a year of groceries, the last 91 days held out: {choice.best} is chosen")
    for name, told in choice.held_out.items():
        more, low, high = told.behind
        print(
            f"  {name:14} deviance {told.deviance:.3f} (+{more:.3f}, {low:+.3f} to {high:+.3f}), "
            f"correlation {told.correlation:.3f}, purchases {told.expected:,.0f} "
            f"of {choice.actual.sum():,.0f}"
        )
    slips = choice.slipping.model or "nobody slips away"
    gain, low, high = choice.slipping.gain
    print(f"  {slips}: log-loss of silence less by {gain:.4f} ({low:+.4f} to {high:+.4f})")


def _cdnow() -> Purchases:
    file = distribution("lifetimes").locate_file("lifetimes/datasets/CDNOW_sample.txt")
    rows = [line.split() for line in Path(str(file)).read_text().splitlines() if line.strip()]
    first = dt.date(1997, 1, 1)
    days = [
        (dt.datetime.strptime(row[2] + "+0000", "%Y%m%d%z").date() - first).days for row in rows
    ]
    return Purchases(
        np.array([int(row[1]) - 1 for row in rows]),
        np.array(days, dtype=np.float64),
        np.array([float(row[4]) for row in rows]),
    )


def _seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


if __name__ == "__main__":
    sys.exit(main())
