"""What a refresh learns: traffic by the hour, profiles, budgets for a sample."""

from __future__ import annotations

import numpy as np
import pytest

from nba_engine.engine.prices import HOURS, Traffic, paced_cells
from nba_engine.learning.prices import Requests, Sample, learn_prices
from tests.stages.making import catalog

MONDAY = 1_509_944_400.0  # 6 November 2017, midnight in New York
HOUR = 3600.0
ZONE = "America/New_York"
SHOP = catalog(
    """
[actions.a]
value = 10.0
treatments.app = { channel = "app" }
[limits.letters]
measure = "contacts"
amount = 400
window = "week"
pace = "profile"
"""
)


def busy_at(hours: dict[int, int], days: int = 1) -> Traffic:
    traffic = Traffic()
    for day in range(days):
        for hour, count in hours.items():
            for _ in range(count):
                traffic.add(MONDAY + (24 * day + hour) * HOUR + 60.0)
    return traffic


def test_an_hour_never_seen_is_as_busy_as_on_other_days() -> None:
    traffic = busy_at({8: 4, 12: 40, 20: 10}, days=2)
    rates = traffic.rates(ZONE)
    assert rates[[12, 24 + 12, 48 + 12, 6 * 24 + 12]].tolist() == [40.0] * 4
    assert rates[9] == rates[48 + 9] == 0.0  # seen, and nobody came
    assert traffic.total == 108


def test_expected_requests_add_up_over_hours_that_are_cut() -> None:
    traffic = busy_at({hour: 10 if hour < 12 else 30 for hour in range(24)}, days=7)
    assert traffic.expected(MONDAY, MONDAY + 24 * HOUR, ZONE) == pytest.approx(480.0)
    half = traffic.expected(MONDAY + 11.5 * HOUR, MONDAY + 12.5 * HOUR, ZONE)
    assert half == pytest.approx(20.0)
    assert traffic.expected(MONDAY, MONDAY, ZONE) == 0.0


def requests_worth(worth: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Requests:
    count = len(worth)
    return Requests(
        np.arange(count), worth, np.ones((count, 1)), np.zeros((count, 1), dtype=np.intp)
    )


def test_the_price_is_what_the_last_one_that_fits_is_worth() -> None:
    traffic = busy_at(dict.fromkeys(range(24), 10), days=7)  # 1,680 a week; 400 letters
    random = np.random.default_rng(0)
    sample = Sample(
        requests_worth(random.uniform(0.0, 1.0, 800)),
        MONDAY + random.uniform(0.0, 168.0, 800) * HOUR,
        800,
    )
    learned = learn_prices(sample, traffic, paced_cells(SHOP), {}, now=MONDAY, start={})
    assert learned.prices["letters"] == pytest.approx(1.0 - 400 / 1680, abs=0.03)
    assert learned.spending["letters"] == pytest.approx(1.0, abs=0.08)
    assert learned.bound < learned.free
    # what is used up already raises it, and near the end of the week the next one counts
    late = learn_prices(
        sample, traffic, paced_cells(SHOP), {"letters": 300}, now=MONDAY + 84 * HOUR, start={}
    )
    assert late.prices["letters"] == pytest.approx(1.0 - 100 / 840, abs=0.03)
    over = learn_prices(
        sample, traffic, paced_cells(SHOP), {"letters": 400}, now=MONDAY + 160 * HOUR, start={}
    )
    assert over.prices["letters"] == pytest.approx(learned.prices["letters"], abs=0.01)


def test_a_profile_is_where_the_worthwhile_requests_are_not_where_most_are() -> None:
    traffic = busy_at(dict.fromkeys(range(24), 10), days=7)
    random = np.random.default_rng(1)
    time = MONDAY + random.uniform(0.0, 168.0, 4000) * HOUR
    evening = (time - MONDAY) % (24 * HOUR) >= 18 * HOUR
    worth = random.uniform(0.0, 1.0, 4000) + evening
    sample = Sample(requests_worth(worth), time, 4000)
    learned = learn_prices(sample, traffic, paced_cells(SHOP), {}, now=MONDAY, start={})
    profile = np.array(learned.history.profiles["letters"]).reshape(7, 24)
    assert profile[:, 18:].mean() > 2.0 * profile[:, :18].mean()
    assert profile.size == HOURS


def test_without_requests_nothing_is_learned_but_what_is_known_stays() -> None:
    traffic = busy_at(dict.fromkeys(range(24), 1))
    none = Sample(requests_worth(np.zeros(0)), np.zeros(0), 0)
    learned = learn_prices(none, traffic, paced_cells(SHOP), {}, now=MONDAY, start={"letters": 2.0})
    assert learned.prices == {"letters": 2.0}
    assert learned.history.profiles == {}
