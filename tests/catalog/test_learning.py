"""Outcomes and features: what they are about, and every mistake in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nba_engine.domain import CustomerState, CustomerView, OutcomeSpec
from nba_engine.errors import MistakesFound
from nba_engine.models.assembly import Assembly
from nba_engine.testing import NOW, make_catalog

GENERAL = {"within": "3d", "positive": ["click"]}
BOUGHT = {
    "within": "14d",
    "positive": ["purchase"],
    "by": "category",
    "applies_to": {"groups": ["daily"]},
}


def mistake(**tables: Any) -> str:
    with pytest.raises(MistakesFound) as caught:
        make_catalog(**tables)
    return "\n".join(str(one) for one in caught.value.mistakes)


def test_an_outcome_that_names_its_treatments_goes_before_that_of_all() -> None:
    catalog = make_catalog(outcomes={"bought": BOUGHT, "general": GENERAL})
    of = {
        treatment.action: spec.id
        for treatment, spec in zip(catalog.treatments, catalog.outcomes, strict=True)
    }
    assert of["offer0"] == of["offer3"] == "bought"
    assert of["offer1"] == "general"
    assert of["nothing"] == ""


def test_without_any_an_accept_within_two_weeks_is_the_outcome() -> None:
    assert set(make_catalog().outcomes) == {OutcomeSpec()}
    assert OutcomeSpec().within == 14 * 86_400


def test_two_outcomes_of_one_treatment_are_a_mistake() -> None:
    other = {"within": "1d", "applies_to": {"actions": ["offer0"]}}
    told = mistake(outcomes={"bought": BOUGHT, "other": other})
    assert "offer0.app has the outcome 'bought' already" in told


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ({"positive": ["click"]}, "outcomes.odd: 'within' is missing"),
        ({"within": "3d", "positive": ["x"], "negative": ["x"]}, "'x' is positive, too"),
        ({"within": "3d", "by": "category", "key": "size"}, "no action has 'size'"),
        ({"within": "3d", "applies_to": {"groups": ["none"]}}, "no treatment matches groups"),
    ],
)
def test_mistakes_in_outcomes_are_named(outcome: dict[str, Any], said: str) -> None:
    assert said in mistake(outcomes={"odd": outcome})


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        ({}, "features.odd: 'source' is missing"),
        ({"source": "profile.age"}, "names no source"),
        ({"source": "customer.size"}, "customer.size is not declared"),
        ({"source": "customer.first_name"}, "customer.first_name is string, needs int"),
        ({"source": "customer.age", "transform": "equals"}, "goes with transform = 'equals'"),
        ({"source": "customer.age", "categories": ["a"]}, "goes with transform = 'category'"),
        (
            {"source": "customer.segment", "transform": "category", "categories": ["a", "a"]},
            "names a category twice",
        ),
        ({"source": "action.size"}, "no action has 'size'"),
    ],
)
def test_mistakes_in_features_are_named(feature: dict[str, Any], said: str) -> None:
    assert said in mistake(features={"odd": feature})


def test_a_category_is_its_position_and_anything_else_is_missing() -> None:
    catalog = make_catalog(
        features={
            "segment": {
                "source": "customer.segment",
                "transform": "category",
                "categories": ["new", "old"],
            },
            "offer": {
                "source": "action.id",
                "transform": "category",
                "categories": ["offer1", "offer0"],
            },
        }
    )
    assembly = Assembly(list(catalog.features.values()), catalog, {})
    index = np.array([catalog.treatment_index[f"offer{n}.app"] for n in range(3)])

    def rows(segment: str | None) -> list[list[float]]:
        attributes: dict[str, Any] = {} if segment is None else {"segment": segment}
        state = CustomerState(customer_id="1", attributes=attributes)
        out = np.empty((3, 2), dtype=np.float32)
        found: list[list[float]] = assembly.rows(
            index, CustomerView(state, {}, NOW), {}, NOW, out
        ).tolist()
        return found

    assert rows("old") == [[1, 1], [1, 0], [1, -1]]
    assert rows("other") == rows(None) == [[-1, 1], [-1, 0], [-1, -1]]
