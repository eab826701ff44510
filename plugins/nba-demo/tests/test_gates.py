"""Gates and their intervals: figures equal those of the learning package, draws are of households."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from nba_demo.baselines import Session
from nba_demo.campaigns import TESTED, features_of, measure_response
from nba_demo.gates import check_gates
from nba_demo.intervals import Resampling, interval, losses
from nba_demo.measures import BINS
from nba_engine.domain import FloatArray
from nba_engine.learning import auc, ece, log_loss

from .small import Small

ROWS, OFFERS = 300, 8


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(5)


def test_the_figures_are_those_of_the_learning_package(random: np.random.Generator) -> None:
    p = random.beta(1, 4, size=(ROWS, OFFERS)).round(2)
    seen = random.random(p.shape) < p
    among = random.random(p.shape) < 0.7
    resampling = Resampling(np.arange(ROWS) // 3, seed=1)
    assert resampling.ece(seen, p, among, BINS).value == pytest.approx(
        ece(seen[among], p[among], bins=BINS)
    )
    entries = np.ones(ROWS) * among.sum(1)
    loss = resampling.ratio(losses(seen, p, among), entries)
    assert loss.value == pytest.approx(log_loss(seen[among], p[among]))
    by_row = resampling.auc(seen[:, 0], p[:, 0])
    assert by_row[0] == pytest.approx(auc(seen[:, 0], p[:, 0]))


def test_an_interval_covers_what_other_households_would_have_shown() -> None:
    """Of 200 samples whose households differ, about 95 in 100 intervals cover the truth."""
    covered = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        taste = random.normal(size=60)  # five rows of a household are alike
        who = np.repeat(np.arange(60), 5)
        values = taste[who] + 0.1 * random.normal(size=300)
        found = Resampling(who, seed=seed, draws=200).ratio(values, np.ones(300))
        covered += found.low <= 0.0 <= found.high
    assert 180 <= covered <= 198


def test_rows_of_a_household_are_drawn_together() -> None:
    values = np.repeat(np.random.default_rng(2).normal(size=40), 25)
    ones = np.ones(1000)
    together = Resampling(np.repeat(np.arange(40), 25), seed=3).ratio(values, ones)
    apart = Resampling(np.arange(1000), seed=3).ratio(values, ones)
    assert together.high - together.low > 3.0 * (apart.high - apart.low)


def test_a_draw_without_positives_is_left_out() -> None:
    label = np.array([True, False, False])
    found = Resampling(np.arange(3), seed=4).auc(label, np.array([0.9, 0.5, 0.1]))
    assert np.isnan(found[1:]).any()
    assert interval(found).value == interval(found).low == 1.0


def test_gates_name_what_is_missed(random: np.random.Generator) -> None:
    own = random.choice([0.01, 0.9], size=(ROWS, 1))
    truth = np.clip(own * random.uniform(0.5, 1.1, size=(ROWS, OFFERS)), 0.0, 1.0)
    bought = random.random(truth.shape) < truth
    good = {"model": truth, "popularity": np.full_like(truth, bought.mean())}
    good |= {"own frequency": good["popularity"], "new-buyer popularity": good["popularity"]}
    swapped = {**good, "model": good["popularity"]}

    def missed(scores: dict[str, FloatArray], ease: float) -> set[str]:
        session = Session(household=np.arange(5), ease=np.full(5, ease), popularity=np.zeros(5))
        gates = check_gates(
            scores,
            bought,
            np.ones_like(bought),
            Resampling(np.arange(ROWS), seed=1),
            session,
            None,
            seed=1,
        )
        assert all(one.low <= one.high for one in gates)
        return {one.name for one in gates if not one.passed}

    assert "all: log-loss below popularity's" not in missed(good, 0.4)
    assert "all: log-loss below popularity's" in missed(swapped, 0.4)
    assert "in session: R@10 of the complement table" in missed(good, 0.2)


def test_the_response_to_campaigns_is_predicted_from_what_was_known_before_them(
    small: Small,
) -> None:
    response = measure_response(small.year, seed=1)
    assert response is not None
    assert response.contacts == np.isin(small.year.campaigns.contact_campaign, TESTED).sum()
    assert response.auc.low < response.auc.value < response.auc.high
    assert response.above_own.value == pytest.approx(response.auc.value - response.own_auc.value)


def test_nothing_after_the_first_day_of_a_campaign_counts(small: Small) -> None:
    now = small.year.campaigns.start_of[16]
    contacts = small.year.campaigns
    early = contacts.redemption_time < now
    coupons, baskets = small.year.coupon_time < now, small.year.basket_time < now
    cut = msgspec.structs.replace(
        small.year,
        coupon_household=small.year.coupon_household[coupons],
        coupon_time=small.year.coupon_time[coupons],
        basket_household=small.year.basket_household[baskets],
        basket_time=small.year.basket_time[baskets],
        basket_amount=small.year.basket_amount[baskets],
        campaigns=msgspec.structs.replace(
            contacts,
            redemption_household=contacts.redemption_household[early],
            redemption_campaign=contacts.redemption_campaign[early],
            redemption_time=contacts.redemption_time[early],
        ),
    )
    known = contacts.contact_time <= now
    for whole, part in zip(features_of(small.year), features_of(cut), strict=True):
        assert np.array_equal(whole[known], part[known])
    assert not np.array_equal(features_of(small.year)[0], features_of(cut)[0])


def test_without_enough_households_no_response_is_measured(small: Small) -> None:
    from nba_demo.data import load_year

    assert measure_response(load_year(households=3), seed=1) is None
