from __future__ import annotations

import pytest

from nba_engine import stages
from nba_engine.domain import Explains
from nba_engine.stages.functions import RULE_FUNCTIONS
from tests.stages.making import NOW, Materials, catalog

SHOP = '[actions.tea]\ntreatments.app = { channel = "app" }'
FILTERS = ("eligibility", "contact_policy", "cross_sell", "value", "arbitration", "slate")


def test_the_stages_are_offered_with_their_failure_policies() -> None:
    policies = {name: factory.on_error for name, factory in stages.nba_stages().items()}
    assert policies == {
        "profile": "fail",
        "eligibility": "drop",
        "contact_policy": "drop",
        "propensity": "fall_back",
        "treatment_score": "ignore",
        "cross_sell": "drop",
        "uplift": "fall_back",
        "value": "drop",
        "contact_plan": "ignore",
        "arbitration": "fail",
        "slate": "fail",
    }


@pytest.mark.parametrize("name", FILTERS)
def test_every_stage_that_drops_candidates_can_say_why(name: str) -> None:
    factory = stages.nba_stages()[name]
    stage = factory.build(factory.settings(), Materials(catalog(SHOP)))
    assert isinstance(stage, Explains)


@pytest.mark.parametrize(("name", "expected"), [("days_since", 0.5), ("hours_since", 12.0)])
def test_rule_functions_measure_from_a_time_until_now(name: str, expected: float) -> None:
    function = RULE_FUNCTIONS[name]
    assert function.needs_now
    assert function.call(NOW, NOW - 43_200.0) == expected


def test_templates_are_a_channel_kind() -> None:
    assert list(stages.nba_channels()) == ["template"]
