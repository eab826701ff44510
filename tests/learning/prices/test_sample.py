"""Logged decisions as a sample for prices: what a minimum may lift is in it."""

from __future__ import annotations

import numpy as np
import pytest

from nba_engine.domain import DecisionRequest, PlacementRequest
from nba_engine.engine.prices import Traffic
from nba_engine.learning.prices import SampleBuilder, learn_prices
from nba_engine.settings import StageSettings
from nba_engine.testing import FakeStore, make_engine
from tests.engine.contact_plans.world import (
    CATALOG as PLANNED,
)
from tests.engine.contact_plans.world import (
    DAY,
    IDENTITY,
    START,
    add_customer,
    make_plan,
    make_shop,
)

MONDAY = 1_509_926_400.0  # 6 November 2017, 00:00 UTC
REQUESTS = 60
NEWS = 0.8
CATALOG = """
[context.gain]
type = "double"
[channels.email]
[placements.mail]
channel = "email"
[actions.nothing]
kind = "nothing"
[actions.news]
prior = 0.4
value = 2.0
treatments.email = { channel = "email" }
[actions.survey]
prior = 0.1
value = "context.gain"
treatments.email = { channel = "email", cost = 0.3 }
[limits.surveys]
measure = "contacts"
at_least = 2000
window = "week"
applies_to = { actions = ["survey"] }
"""
FLOOR = "surveys|at_least"


def test_a_refresh_finds_the_bonus_at_which_a_minimum_is_just_reached() -> None:
    engine = make_engine(
        {"catalog.toml": CATALOG},
        pipeline=(
            "profile",
            "eligibility",
            "contact_policy",
            StageSettings(stage="propensity", settings={"model": ""}),
            "value",
            "arbitration",
            "slate",
        ),
        store=FakeStore(),
    )
    gains = np.random.default_rng(5).uniform(0.0, 6.0, REQUESTS)
    cells = engine.prices.cells(engine.catalog)
    builder = SampleBuilder(engine.catalogs.snapshot, cells, {FLOOR: 5.0})
    traffic = Traffic()
    for number, gain in enumerate(gains.tolist()):
        request = DecisionRequest(
            identity=f"crm:{number}",
            placements=(PlacementRequest("mail"),),
            context={"gain": gain},
            time=MONDAY + number,
            seed=number,
        )
        decision = engine.decide(request)
        assert decision.recommendations[0].action == "news"
        record = engine.log.read(decision.decision_id)
        assert record is not None
        builder.add(record)
        traffic.add(record.time)
    sample = builder.sample()

    survey = 0.1 * gains - 0.3
    lifted = sample.requests.use[:, 0] < 0.0
    assert sorted(sample.requests.worth[lifted]) == pytest.approx(sorted(survey))
    assert sample.requests.worth[~lifted] == pytest.approx(np.full(REQUESTS, NEWS))

    learned = learn_prices(sample, traffic, cells, {}, now=MONDAY, start={}, bonuses={FLOOR: 5.0})
    # 60 of the week's 168 * 60 requests are here, and so 2000 / 168 of its surveys
    best = np.sort(NEWS - survey)
    assert best[10] - 0.02 < learned.prices[FLOOR] < best[12] + 0.02
    assert learned.spending[FLOOR] == pytest.approx(1.0, abs=0.1)
    assert learned.history.scales[FLOOR] == pytest.approx(float((NEWS - survey).mean()))
    few = learn_prices(sample, traffic, cells, {}, now=MONDAY, start={}, bonuses={FLOOR: 0.6})
    assert few.prices[FLOOR] == pytest.approx(0.6)
    assert few.spending[FLOOR] < 1.0


@pytest.mark.parametrize("only_planned", ["", "only_planned = true\n"])
def test_decisions_that_followed_a_contact_plan_count_as_without_it(only_planned: str) -> None:
    paced = PLANNED.replace(
        'amount = 2\nwindow = "week"', 'amount = 2\nwindow = "week"\npace = "even"'
    )
    shop = make_shop(paced + only_planned)
    anna = add_customer(shop, IDENTITY)
    request = DecisionRequest(
        identity=IDENTITY, placements=(PlacementRequest("letter"),), time=START + DAY / 2, seed=1
    )

    def worths() -> list[float]:
        record = shop.log.read(shop.decide(request).decision_id)
        assert record is not None
        builder = SampleBuilder(shop.catalogs.snapshot, shop.prices.cells(shop.catalog), {})
        builder.add(record)
        return sorted(builder.sample().requests.worth.tolist())

    before = worths()
    make_plan(shop, ("bread.letter", 0), customer=anna, prices={"letters": (9.0, 9.0, 9.0, 9.0)})
    assert worths() == before == pytest.approx([1.3, 2.3, 3.3])
