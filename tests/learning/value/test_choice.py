from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nba_engine.errors import InvalidRequest
from nba_engine.learning.value import Purchases, buyers_of, choose, fit_value
from tests.learning.value.simulated import Simulated, simulate

CUT, END = 250.0, 365.0
DROPOUT = ("bg_nbd", "mbg_nbd")


def best_share(score: NDArray[np.float64], true: NDArray[np.bool_]) -> float:
    """The largest share that is told rightly by any threshold on a score."""
    order = np.argsort(score, kind="stable")
    gone = true[order]
    right = (
        np.concatenate([[0], np.cumsum(gone)]) + np.concatenate([[0], np.cumsum(~gone[::-1])])[::-1]
    )
    return float(right.max() / len(true))


def told_and_true(
    made: Simulated,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    choice = choose(made.purchases, CUT, END)
    assert choice.slipping.model in DROPOUT
    active = choice.buyers.repeats >= 1
    gone = made.gone[choice.buyers.customer][active] < CUT
    alive = choice.models[choice.slipping.model].alive(choice.buyers)[active]
    pause = (choice.buyers.age - choice.buyers.recency)[active]
    return alive, pause, gone


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_who_slipped_away_is_told_better_than_by_any_fixed_pause(seed: int) -> None:
    made = simulate(seed, customers=1_000, r=0.6, alpha=10.0)
    alive, pause, gone = told_and_true(made)
    by_threshold = float(((alive < 0.5) == gone).mean())
    by_pause = best_share(-pause, gone)  # the best pause there is, known afterwards
    assert by_threshold > by_pause + 0.01
    flagged = alive < 0.3
    longest = np.argsort(-pause, kind="stable")[: int(flagged.sum())]
    assert gone[flagged].mean() > gone[longest].mean() + 0.02


@pytest.mark.parametrize("seed", range(4))
def test_where_nobody_drops_out_nobody_slips_away(seed: int) -> None:
    made = simulate(seed, customers=600, dropout=None)
    fit = fit_value(made.purchases, until=CUT)
    assert fit.choice.best not in DROPOUT
    assert (fit.choice.slipping.model, fit.alive) == ("", None)
    assert (fit.p_alive() == 1.0).all()


def test_customers_who_drop_out_are_told_by_a_model_that_knows_it() -> None:
    choice = choose(simulate(4, customers=1_000, early=True).purchases, CUT, END)
    assert choice.best in DROPOUT
    assert choice.held_out["gamma_poisson"].behind[1] > 0
    assert choice.held_out[choice.best].expected == pytest.approx(choice.actual.sum(), rel=0.1)


def test_rates_that_drift_are_told_by_the_last_days() -> None:
    chance = np.random.default_rng(8)
    who: list[int] = []
    when: list[float] = []
    for customer in range(500):
        rate = chance.gamma(2.0, 0.1)
        for month in range(12):
            rate *= np.exp(chance.normal(0.0, 0.5) - 0.125)
            days = 30.0 * month + chance.uniform(0.0, 30.0, chance.poisson(rate * 30.0))
            when += days.tolist()
            who += [customer] * len(days)
    choice = choose(Purchases(np.array(who), np.array(when), np.full(len(who), 9.0)), 300.0, 360.0)
    assert choice.best == "recent_rate"
    assert choice.held_out["bg_nbd"].behind[1] > 0


def test_what_is_chosen_is_fitted_again_to_everything() -> None:
    made = simulate(5, customers=800)
    fit = fit_value(made.purchases, horizon=91.0)
    assert (fit.cut, fit.end) == (274.0, 365.0)
    assert fit.purchases.name == fit.choice.best
    assert fit.purchases != fit.choice.models[fit.choice.best]
    assert fit.purchases.log_likelihood(fit.buyers) > fit.choice.models[
        fit.choice.best
    ].log_likelihood(fit.buyers)
    assert len(fit.buyers.customer) == 800
    held = fit.spend_held_out
    assert held is not None
    assert held.gamma_gamma < min(held.own_mean, held.everybody)


def test_the_same_purchases_in_another_order_give_the_same_numbers() -> None:
    made = simulate(6, customers=300).purchases
    order = np.random.default_rng(1).permutation(len(made.time))
    shuffled = Purchases(*(column[order] for column in made))  # type: ignore[arg-type]
    one, other = fit_value(made), fit_value(shuffled)
    assert one.purchases.fitted() == other.purchases.fitted()
    np.testing.assert_allclose(one.spend, other.spend, rtol=1e-6)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("times", "until", "words"),
    [
        ([0.0, 3.0, 5.0], None, "two weeks"),
        ([0.0, 3.0, 100.0], 200.0, "both sides"),
        ([0.0, 3.0, 100.0], -5.0, "both sides"),
        ([0.0, 20.0, 60.0], 10.0, "bought twice"),
    ],
)
def test_too_little_to_tell_is_refused(times: list[float], until: float, words: str) -> None:
    purchases = Purchases(np.array([0, 1, 0]), np.array(times), np.ones(3))
    with pytest.raises(InvalidRequest) as told:
        fit_value(purchases, until=until)
    assert words in told.value.violations[0].description


def test_days_held_out_are_counted_for_those_who_were_there_before() -> None:
    purchases = Purchases(
        np.array([0, 0, 0, 0, 1, 2]), np.array([1.0, 9.0, 20.1, 20.9, 5.0, 25.0]), np.ones(6)
    )
    buyers = buyers_of(purchases, 20.0, window=12)
    assert buyers.customer.tolist() == [0, 1]
    assert buyers.recent.tolist() == [1.0, 0.0]
    assert buyers.age.tolist() == [18.0, 14.0]
