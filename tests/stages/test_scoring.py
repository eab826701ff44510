"""Propensity, value and arbitration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nba_engine.domain import Deciding, FloatArray, IntArray, NoSettings, Values
from nba_engine.errors import StageFailed
from nba_engine.stages.arbitration.arbitration import Arbitration, factor_above
from nba_engine.stages.profile import Profile
from nba_engine.stages.propensity import Propensity, PropensitySettings
from nba_engine.stages.value import Valuation
from tests.stages.making import (
    Ledger,
    Materials,
    catalog,
    column,
    customer,
    deciding,
    dropped,
    run,
    sentence,
    surviving,
)

ACTIONS = """
[actions.a]
prior = 0.3
lever = 2.0
value = 5.0
treatments.app = { channel = "app", cost = 0.5 }
[actions.b]
prior = 0.2
value = "customer.age * 0.5"
treatments.app = { channel = "app" }
[actions.c]
prior = 0.1
value = "customer.age * 0.5"
treatments.app = { channel = "app" }
[actions.d]
prior = 0.1
value = "customer.age + action.bonus"
attributes = { bonus = 3.0 }
treatments.app = { channel = "app" }
"""
ACTIONS = ACTIONS.replace('"customer.age', '"double(customer.age)')


class Model:
    """A scorer that gives what it is told, by treatment."""

    version = "1"
    feature_names = ()

    def __init__(self, scores: FloatArray) -> None:
        self._scores = scores

    def propensities(
        self, index: IntArray, customer: Values, context: Values, now: float
    ) -> FloatArray:
        return self._scores[index] if len(self._scores) else self._scores

    def features(
        self, index: IntArray, customer: Values, context: Values, now: float
    ) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        raise NotImplementedError


def scored_by(made: Deciding, *scores: float) -> Propensity:
    scorer = Model(np.array(scores))
    return Propensity(PropensitySettings(), Materials(made.catalog, scorer=scorer))


def made_of(*consents: str, **attributes: Any) -> Deciding:
    return deciding(catalog(ACTIONS), state=customer(*consents, **attributes))


def test_propensities_come_from_the_model() -> None:
    made = made_of()
    run(scored_by(made, 0.5, 0.4, 0.0, 1.0, 0.0, 0.0), made)
    assert column(made, "propensity") == {
        "a.app": 0.5,
        "b.app": 0.4,
        "c.app": 0.0,
        "d.app": 1.0,
        "nothing.app": 0.0,
    }
    assert "prior_used" not in made.candidates


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -0.01, 1.01])
def test_what_is_no_probability_is_replaced_by_the_prior_and_marked(wrong: float) -> None:
    made = made_of()
    run(scored_by(made, wrong, 0.4, 0.5, 0.5, 0.0, 0.0), made)
    assert column(made, "propensity")["a.app"] == 0.3
    assert column(made, "propensity")["b.app"] == 0.4
    assert column(made, "prior_used")["a.app"] == 1.0
    assert column(made, "prior_used")["b.app"] == 0.0


def test_a_model_that_gives_another_number_of_scores_has_failed() -> None:
    made = made_of()
    with pytest.raises(StageFailed, match=r"\(0,\) scores for 5"):
        run(scored_by(made), made)


def test_the_fallback_is_the_prior_of_every_action() -> None:
    made = made_of()
    scored_by(made).fallback(made)
    assert column(made, "propensity")["b.app"] == 0.2
    assert set(column(made, "prior_used").values()) == {1.0}


def test_the_score_is_lever_weight_propensity_value_less_cost() -> None:
    made = made_of(age=8)
    scored_by(made).fallback(made)
    made.candidates["weight"] = np.full(5, 1.5)
    run(Valuation(NoSettings(), Materials(made.catalog)), made)
    assert column(made, "score") == pytest.approx(
        {
            "a.app": 2.0 * 1.5 * 0.3 * 5.0 - 0.5,
            "b.app": 1.5 * 0.2 * 4.0,
            "c.app": 1.5 * 0.1 * 4.0,
            "d.app": 1.5 * 0.1 * 11.0,
            "nothing.app": 0.0,
        }
    )


def test_without_a_weight_the_weight_is_one() -> None:
    made = made_of(age=8)
    scored_by(made).fallback(made)
    run(Valuation(NoSettings(), Materials(made.catalog)), made)
    assert set(column(made, "weight").values()) == {1.0}


def test_what_has_no_value_falls_out_and_the_missing_attribute_is_named() -> None:
    made = made_of()
    scored_by(made).fallback(made)
    stage = Valuation(NoSettings(), Materials(made.catalog))
    run(stage, made)
    assert surviving(made) == ["a.app", "nothing.app"]
    assert set(dropped(made).values()) == {"no_value"}
    text, (change,) = sentence(stage, made, "b.app")
    assert "`double(customer.age) * 0.5` cannot be computed" in text
    assert (change.kind, change.target) == ("attribute", "age")


def test_only_what_is_worth_more_than_nothing_goes_on() -> None:
    made = made_of(age=8)
    made.candidates["score"] = np.array([1.0, 0.0, -1.0, -2.0, 0.0])
    run(Arbitration(NoSettings(), Materials(made.catalog)), made)
    assert surviving(made) == ["a.app", "nothing.app"]
    assert set(dropped(made).values()) == {"below_nothing"}


def test_prices_of_limits_are_subtracted() -> None:
    limits = """
[limits.contacts]
measure = "contacts"
amount = 10
window = "day"
[limits.money]
measure = "money"
amount = 10
window = "day"
"""
    shop = catalog(ACTIONS, limits)
    made = deciding(shop, state=customer(age=8))
    scored_by(made).fallback(made)
    run(Valuation(NoSettings(), Materials(shop)), made)
    before = column(made, "score")
    made.prices = {"contacts": 0.25, "money": 2.0, "long gone": 9.0}
    run(Arbitration(NoSettings(), Materials(shop)), made)
    after = column(made, "score")
    assert after["a.app"] == pytest.approx(before["a.app"] - 0.25 - 2.0 * 0.5)
    assert after["b.app"] == pytest.approx(before["b.app"] - 0.25)
    assert after["nothing.app"] == 0.0


def test_each_account_of_a_limit_may_have_its_own_price() -> None:
    actions = ACTIONS.replace("[actions.a]", '[actions.a]\ncampaign = "autumn|17"')
    actions = actions.replace("[actions.b]", '[actions.b]\ncampaign = "winter"')
    limits = """
[limits.sent]
scope = ["campaign"]
measure = "contacts"
amount = 10
window = "day"
applies_to = { actions = ["a", "b"] }
"""
    shop = catalog(actions, limits)
    made = deciding(shop, state=customer(age=8))
    scored_by(made).fallback(made)
    run(Valuation(NoSettings(), Materials(shop)), made)
    before = column(made, "score")
    made.prices = {"sent|campaign=autumn%7C17": 0.5}
    stage = Arbitration(NoSettings(), Materials(shop))
    run(stage, made)
    after = column(made, "score")
    assert after["a.app"] == pytest.approx(before["a.app"] - 0.5)
    assert after["b.app"] == before["b.app"]


def test_a_contact_below_nothing_is_told_the_lever_that_lifts_it() -> None:
    made = deciding(
        catalog(
            '[actions.a]\nprior = 0.1\nvalue = 4.0\ntreatments.app = { channel = "app", cost = 1.0 }'
        )
    )
    scored_by(made).fallback(made)
    materials = Materials(made.catalog)
    run(Valuation(NoSettings(), materials), made)
    stage = Arbitration(NoSettings(), materials)
    run(stage, made)
    text, (change,) = sentence(stage, made, "a.app")
    assert "propensity 0.1 * value 4.00 USD - cost 1.00 USD = -0.60 USD" in text
    assert change.value == pytest.approx(2.5, rel=1e-5)
    assert change.value * 0.4 > 1.0


@pytest.mark.parametrize("gainless", ["lever", "propensity", "value"])
def test_no_lever_helps_what_gains_nothing(gainless: str) -> None:
    columns = {"lever": 1.0, "weight": 1.0, "propensity": 0.1, "value": 4.0, "cost": 1.0}
    assert factor_above(columns, 0.0) is not None
    assert factor_above({**columns, gainless: 0.0}, 0.0) is None


def test_a_known_customer_is_read_once() -> None:
    shop = catalog(ACTIONS)
    state = customer("marketing:email", age=30, aggregates={"last_bought": {"x": 5.0}})
    made = run(Profile(NoSettings(), Materials(shop)), deciding(shop, reads=Ledger(state)))
    assert made.known
    assert made.customer_id == "crm:1"
    assert made.customer["age"] == 30
    assert made.customer["last_bought"] == {"x": 5.0}
    assert made.customer["consents"] == ["marketing:email"]
    assert made.profile_bytes


def test_an_unknown_customer_has_its_identity_for_an_id_and_nothing_else() -> None:
    shop = catalog(ACTIONS)
    made = run(Profile(NoSettings(), Materials(shop)), deciding(shop, reads=Ledger()))
    assert not made.known
    assert made.customer_id == "crm:1"
    assert made.customer["known"] is False
    assert "age" not in made.customer
    assert made.profile_bytes == b""
