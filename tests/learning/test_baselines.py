from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from nba_engine.learning import fit_gamma_poisson, popularity


def test_popularity_is_each_actions_share_pulled_to_the_overall_share() -> None:
    label = np.array([1, 1, 0, 0])
    action = np.array([0, 0, 1, 1])
    np.testing.assert_allclose(popularity(label, action, 3), [2.5 / 3, 0.5 / 3, 0.5])
    np.testing.assert_allclose(popularity(label, action, 2, smoothing=1e-12), [1, 0], atol=1e-9)


@pytest.mark.parametrize("method", ["moments", "likelihood"])
def test_the_prior_of_known_rates_is_found_again(
    method: Literal["moments", "likelihood"],
) -> None:
    random = np.random.default_rng(1)
    exposure = random.uniform(20, 80, 20_000)
    count = random.poisson(random.gamma(2.0, 1 / 40.0, 20_000) * exposure)
    prior = fit_gamma_poisson(count, exposure, method=method)
    assert prior.shape == pytest.approx(2.0, rel=0.1)
    assert prior.rate == pytest.approx(40.0, rel=0.1)


def test_the_probability_is_the_mean_over_the_posterior() -> None:
    prior = fit_gamma_poisson(np.array([0, 1, 5, 2]), 10.0)
    rates = np.random.default_rng(0).gamma(prior.shape + 3, 1 / (prior.rate + 10), 400_000)
    assert prior.probability(np.array([3]), 10.0, 2.0)[0] == pytest.approx(
        np.mean(1 - np.exp(-rates * 2.0)), abs=0.002
    )
    assert prior.expected_rate(np.array([3]), 10.0)[0] == pytest.approx(rates.mean(), rel=0.01)


def test_more_purchases_mean_a_higher_probability() -> None:
    prior = fit_gamma_poisson(np.array([0, 1, 5, 2, 0, 0]), 10.0)
    p = prior.probability(np.arange(5), 10.0, 2.0)
    assert np.all(np.diff(p) > 0)
    assert np.all((p > 0) & (p < 1))


def test_rates_that_vary_no_more_than_chance_give_a_narrow_prior() -> None:
    prior = fit_gamma_poisson(np.full(50, 3), 10.0)
    assert prior.expected_rate(np.array([0]), 10.0)[0] == pytest.approx(0.3, rel=0.01)


def test_a_thing_that_nobody_bought_keeps_a_small_chance() -> None:
    p = fit_gamma_poisson(np.zeros(100), 10.0).probability(np.array([0]), 10.0, 1.0)[0]
    assert 0 < p < 0.01


def test_exposure_must_be_above_zero() -> None:
    with pytest.raises(ValueError, match="exposures above 0"):
        fit_gamma_poisson(np.array([1]), 0.0)
