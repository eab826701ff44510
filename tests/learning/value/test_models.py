from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import hyp2f1

from nba_engine.domain import AggregateSpec, Interaction, ValueModel
from nba_engine.domain.algebra import fold_for
from nba_engine.domain.customer_value import expected_purchases, expected_spend, p_alive
from nba_engine.domain.purchase_days import DAY, read_days
from nba_engine.errors import InvalidRequest
from nba_engine.learning.value import (
    BetaGeometric,
    GammaGamma,
    Model,
    ModifiedBetaGeometric,
    PurchaseRate,
    Purchases,
    RecentRate,
    buyers_of,
    rate,
    spend,
)
from tests.learning.value.simulated import simulate

BG = BetaGeometric(0.243, 30.9, 0.793, 2.426)
Surface = Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]]

MODELS: list[Model] = [
    BG,
    BetaGeometric(1.4, 9.5, 0.0125, 7_000.0),
    BetaGeometric(0.05, 0.3, 3.2, 0.4),
    BetaGeometric(0.3, 12.0, 5_000.0, 3.0),
    BetaGeometric(0.7, 11.0, 1.0, 2.0),
    BetaGeometric(0.7, 11.0, 1.0007, 2.0),
    ModifiedBetaGeometric(0.525, 43.3, 0.891, 1.614),
    ModifiedBetaGeometric(2.0, 5.0, 3.0, 9.0),
    PurchaseRate(1.4, 9.5),
    RecentRate(1.2, 8.3, 91),
]


def some_purchases(seed: int = 3, customers: int = 150) -> Purchases:
    """Of all sorts of customers: one purchase today, hundreds in years, long gone."""
    chance = np.random.default_rng(seed)
    parts = []
    for customer in range(customers):
        begin, end = np.sort(chance.uniform(0, 1_000, 2))
        count = int(chance.integers(1, 12) if customer % 3 else chance.integers(1, 400))
        days = np.sort(chance.uniform(begin, end, count))
        parts.append((np.full(count, customer), days, chance.gamma(3.0, 12.0, count)))
    parts.append((np.array([customers]), np.array([999.5]), np.array([10.0])))
    who, when, paid = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Purchases(who.astype(np.intp), when, paid)


@pytest.fixture(scope="module")
def states() -> list[list[object]]:
    """What a store keeps of these customers."""
    purchases = some_purchases()
    fold = fold_for(
        {"days": AggregateSpec(name="days", kind="days", types=("purchase",), property="amount")}
    )
    found = []
    for customer in range(int(purchases.customer.max()) + 1):
        mine = purchases.customer == customer
        history = [
            Interaction(
                interaction_id=str(at),
                identity="crm:1",
                type="purchase",
                time=day * DAY,
                properties={"amount": paid},
            )
            for at, (day, paid) in enumerate(
                zip(purchases.time[mine].tolist(), purchases.amount[mine].tolist(), strict=True)
            )
        ]
        state: Any = fold({}, history)["days"]
        found.append(state)
    return found


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("days", [7.0, 91.0, 2_000.0])
def test_serving_computes_what_was_fitted_for_one_customer_at_a_time(
    model: Model, days: float, states: list[list[object]]
) -> None:
    now = 1_000 * DAY - 1.0
    buyers = buyers_of(some_purchases(), 1_000.0, 91)
    expected, alive = model.expected(buyers, days), model.alive(buyers)
    spend = GammaGamma(6.25, 3.74, 15.44)
    served = ValueModel(purchases=model.fitted(), alive=model.fitted(), spend=spend.fitted())
    for row, customer in enumerate(buyers.customer.tolist()):
        state = states[customer]
        bought = read_days(state, now)
        told = expected_purchases(served.purchases, bought, state, now, days)
        assert told == pytest.approx(expected[row], rel=1e-9)
        if not isinstance(model, PurchaseRate):
            assert p_alive(served, bought) == pytest.approx(alive[row], rel=1e-9, abs=1e-12)
        assert expected_spend(served, bought) == pytest.approx(
            spend.expected(buyers)[row], rel=1e-9
        )


@pytest.mark.parametrize("days", [30.0, 273.0])
@pytest.mark.parametrize("model", [BG, BetaGeometric(0.3, 12.0, 40.0, 3.0)], ids=str)
def test_expected_purchases_are_those_of_the_published_formula(
    model: BetaGeometric, days: float
) -> None:
    buyers = buyers_of(some_purchases(), 1_000.0)
    r, alpha, a, b = model
    x, t_x, t = buyers.repeats, buyers.recency, buyers.age
    z = days / (alpha + t + days)
    above = (a + b + x - 1) / (a - 1)
    above *= 1 - ((alpha + t) / (alpha + t + days)) ** (r + x) * hyp2f1(
        r + x, b + x, a + b + x - 1, z
    )
    with np.errstate(over="ignore"):
        gone = a / (b + np.maximum(x, 1) - 1) * ((alpha + t) / (alpha + t_x)) ** (r + x)
    published = above / (1 + (x > 0) * gone)
    np.testing.assert_allclose(model.expected(buyers, days), published, rtol=1e-9)


def test_expected_purchases_pass_smoothly_through_a_of_one() -> None:
    buyers = buyers_of(some_purchases(), 1_000.0)
    near = [BetaGeometric(0.7, 11.0, a, 2.0).expected(buyers, 91.0) for a in (0.99899, 0.99901)]
    slope = (near[1] - near[0]) / 2e-5
    across = BetaGeometric(0.7, 11.0, 1.00101, 2.0).expected(buyers, 91.0)
    np.testing.assert_allclose(near[1] + slope * 0.002, across, rtol=1e-5)


@pytest.mark.parametrize(("kind", "early"), [(BetaGeometric, False), (ModifiedBetaGeometric, True)])
def test_parameters_and_what_becomes_of_customers_are_found_again(
    kind: type[BetaGeometric], *, early: bool
) -> None:
    truth = {"r": 1.5, "alpha": 20.0, "a": 1.0, "b": 6.0}
    made = simulate(7, customers=4_000, early=early)
    cut, end = 240.0, 365.0
    buyers = buyers_of(made.purchases, cut)
    model = kind.fit(buyers)
    for key, value in truth.items():
        assert getattr(model, key) == pytest.approx(value, rel=0.25)
    alive = made.gone[buyers.customer] >= cut
    told = model.alive(buyers)
    for low, high in ((0.0, 0.1), (0.1, 0.5), (0.5, 0.9), (0.9, 1.01)):
        some = (told >= low) & (told < high)
        error = math.sqrt(0.25 / some.sum())
        assert abs(alive[some].mean() - told[some].mean()) < 4 * error
    late = made.purchases.time >= cut
    count = np.bincount(made.purchases.customer[late], minlength=4_000)[buyers.customer]
    assert model.expected(buyers, end - cut).sum() == pytest.approx(count.sum(), rel=0.06)
    assert model.silent(buyers, end - cut).mean() == pytest.approx((count == 0).mean(), abs=0.02)


def test_slopes_of_likelihoods_are_their_differences() -> None:
    buyers = buyers_of(some_purchases(customers=40), 1_000.0)
    x, t_x, t = buyers.repeats, buyers.recency, buyers.age
    paid = buyers.mean_amount > 0
    surfaces: list[tuple[Surface, list[float]]] = [
        (lambda v: BetaGeometric._likelihood(v, x, t_x, t), [0.5, 20.0, 0.7, 2.0]),
        (lambda v: ModifiedBetaGeometric._likelihood(v, x, t_x, t), [0.5, 20.0, 0.7, 2.0]),
        (lambda v: rate._likelihood(v, x, t), [0.5, 20.0]),
        (lambda v: spend._likelihood(v, x[paid], buyers.mean_amount[paid]), [6.0, 4.0, 15.0]),
    ]
    for surface, values in surfaces:
        at = np.array(values)
        _, slopes = surface(at)
        for place in range(len(at)):
            step = np.zeros(len(at))
            step[place] = 1e-5 * at[place]
            above, below = surface(at + step)[0], surface(at - step)[0]
            difference = (above - below) / (2 * step[place])
            np.testing.assert_allclose(slopes[place], difference, rtol=1e-5, atol=1e-6)


def test_gamma_gamma_finds_the_truth_and_draws_those_who_bought_little_to_the_mean() -> None:
    chance = np.random.default_rng(5)
    customers = np.repeat(np.arange(3_000), 1 + chance.poisson(4, 3_000))
    mean = (6.0 * 15.0 / chance.gamma(4.0, size=3_000))[customers]
    amounts = chance.gamma(6.0, size=len(customers)) * mean / 6.0
    times = np.arange(len(customers), dtype=np.float64)
    buyers = buyers_of(Purchases(customers, times, amounts), math.inf)
    model = GammaGamma.fit(buyers)
    truth = GammaGamma(6.0, 4.0, 15.0)
    assert 0 < model.log_likelihood(buyers) - truth.log_likelihood(buyers) < 6
    told = model.expected(buyers)
    rare = buyers.repeats == 1
    everybody = model.p * model.gamma / (model.q - 1)
    assert everybody == pytest.approx(30.0, rel=0.03)
    away = np.abs(buyers.mean_amount[rare] - everybody)
    assert (np.abs(told[rare] - everybody) < away).mean() > 0.99


def test_purchases_without_amounts_and_of_nobody_twice_are_refused() -> None:
    once = Purchases(np.arange(50), np.arange(50.0), np.full(50, np.nan))
    for kind in (BetaGeometric, ModifiedBetaGeometric, PurchaseRate, GammaGamma):
        with pytest.raises(InvalidRequest) as told:
            kind.fit(buyers_of(once, 100.0))
        words = "bought again for money" if kind is GammaGamma else "bought twice"
        assert words in told.value.violations[0].description
