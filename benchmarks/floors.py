"""What a minimum costs: letters that earn less than the rest, of which some must go out all the same.

Requests of two weeks, seeded. A week's minimum of letters is kept by the bonus as `PriceBook` moves it,
through a store and its accounts. The best that was possible under the same minimum is a linear program
with a lower bound, solved by HiGHS with the hindsight of the whole week; its multiplier is what the
bonus ought to be. In the first week the bonus begins at 0, in the second where the first one ended.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array, vstack

from nba_engine.catalog import Vocabulary, load
from nba_engine.domain import CatalogView, FloatArray, Hold, ReservationRequest
from nba_engine.engine.prices import EVERY, PriceBook
from nba_engine.stages.limits import Accounts, Prices
from nba_engine.testing import FakeStore

MONDAY = 1_509_926_400.0  # 6 November 2017, 00:00 UTC
WEEK = 7 * 86_400.0
LETTER = 2
MAY = 0.6  # of the requests may have a letter
GATES = {"first week": 0.97, "second week": 0.99}  # of the optimum; the minimum is reached in both

CATALOG = """
[channels.letter]
[channels.app]
[placements.home]
channel = "app"
[placements.post]
channel = "letter"
[actions.nothing]
kind = "nothing"
[actions.coupon]
prior = 0.5
value = 4.0
treatments.app = { channel = "app" }
[actions.news]
prior = 0.5
value = 2.8
treatments.app = { channel = "app" }
[actions.magazine]
prior = 0.5
value = 2.0
treatments.letter = { channel = "letter", cost = 0.4 }
[limits.letters]
name = "Letters"
measure = "contacts"
at_least = LEAST
window = "week"
applies_to = { channels = ["letter"] }
"""


class Week(NamedTuple):
    """``time`` (n,) of requests; what each action would earn, (n, 3), -inf where it does not fit."""

    time: FloatArray
    worth: FloatArray


def make_week(seed: int, requests: int, start: float) -> Week:
    """Coupon, news and letter: the letter earns less than both on average."""
    random = np.random.default_rng(seed)
    worth = random.gamma(2.0, [1.0, 0.7, 0.5], (requests, 3))
    worth[:, LETTER] -= 0.4
    worth[random.random(requests) > MAY, LETTER] = -np.inf
    return Week(start + np.sort(random.uniform(0.0, WEEK, requests)), worth)


class Best(NamedTuple):
    """What is possible: money, and what one letter fewer would earn more."""

    value: float
    bonus: float


def optimum(week: Week, least: float) -> Best:
    """The linear program with a lower bound, by HiGHS."""
    row, action = np.nonzero(np.isfinite(week.worth))
    count = len(row)
    one = coo_array((np.ones(count), (row, np.arange(count))), (len(week.time), count))
    letters = coo_array((action == LETTER).astype(np.float64)[None, :])
    found = linprog(
        -week.worth[row, action],
        A_ub=vstack([one, -letters]).tocsr(),
        b_ub=np.concatenate([np.ones(len(week.time)), [-least]]),
        method="highs",
    )
    assert found.success, found.message
    return Best(float(-found.fun), float(-found.ineqlin.marginals[-1]))


class Played(NamedTuple):
    """What a week earned, its letters, and the bonus in the end."""

    value: float
    letters: int
    bonus: float


class Shop:
    """A catalog with a minimum of letters, a store, and the prices of one process."""

    def __init__(self, least: int) -> None:
        self.catalog: CatalogView = load(
            {"catalog.toml": CATALOG.replace("LEAST", str(least))},
            Vocabulary(functions={}, channel_kinds=frozenset({"template"})),
        )
        self.store = FakeStore()
        self.book = PriceBook(self.store)
        self._prices = Prices(self.catalog, Accounts(self.catalog))
        names = ["coupon.app", "news.app", "magazine.letter"]
        self._at = [self.catalog.treatment_index[name] for name in names]
        (self._cell,) = self.book.cells(self.catalog)

    def play(self, week: Week, every: float = EVERY) -> Played:
        """One request after the other, by what is worth most at the prices of the moment."""
        stepped, value, letters = -np.inf, 0.0, 0
        for at, now in enumerate(week.time.tolist()):
            if now - stepped >= every:
                self.book.step(self.catalog, now)
                stepped = now
            prices = self.book.at(now)
            score = week.worth[at] - self._prices.of_treatments(prices)[self._at]
            best = int(score.argmax())
            if score[best] <= 0.0:
                continue
            value += float(week.worth[at, best])
            if best == LETTER:
                letters += 1
                hold = Hold(
                    account=self._cell.account(now), limit="letters", amount=1, ceiling=10**12
                )
                request = ReservationRequest(
                    reservation_id=f"r{now}",
                    decision_id="d",
                    customer_id="c",
                    holds=(hold,),
                    expires=now + 2 * WEEK,
                )
                assert self.store.reserve([request], now=now)[0].granted
        self.book.step(self.catalog, float(week.time[-1]) + EVERY)
        return Played(value, letters, self.book.mark.cells[self._cell.name].price)


def play_weeks(seed: int, requests: int, least: int) -> list[tuple[Played, Best]]:
    """Two weeks under one minimum, with what would have been best in each."""
    shop = Shop(least)
    weeks = [make_week(seed * 2 + at, requests, MONDAY + at * WEEK) for at in range(2)]
    return [(shop.play(week), optimum(week, least)) for week in weeks]


def main() -> int:
    """Print what the bonus makes of minimums; 1 when a gate is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=4_000)
    options = parser.parse_args()
    good = True
    for share in (0.05, 0.2, 0.4):
        least = int(options.requests * share)
        days = [play_weeks(seed, options.requests, least) for seed in range(options.seeds)]
        for week, name in enumerate(("first week", "second week")):
            values = [d[week][0].value / d[week][1].value for d in days]
            reached = [d[week][0].letters / least for d in days]
            bonus = [d[week][0].bonus for d in days]
            right = [d[week][1].bonus for d in days]
            print(
                f"at least {least:,} letters, {name}: value {statistics.median(values):.4f} of the "
                f"optimum (lowest {min(values):.4f}), {statistics.median(reached):.4f} of the minimum "
                f"(lowest {min(reached):.4f}), bonus {statistics.median(bonus):.3f}, "
                f"the program's {statistics.median(right):.3f}"
            )
            good = good and statistics.median(values) >= GATES[name] and min(reached) >= 1.0
    print(f"gates {GATES}: {'kept' if good else 'NOT KEPT'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
