from __future__ import annotations

import pytest

from nba_engine.catalog import Vocabulary, load
from nba_engine.domain import ContactPlanTerms
from nba_engine.errors import MistakesFound

CATALOG = """
[channels.app]
[channels.post]
direction = "outbound"
[placements.banner]
channel = "app"
[placements.letter]
channel = "post"
[actions.nothing]
kind = "nothing"
[attributes.purse]
type = "double"
"""
PLAN = """
[contact_plan]
period = "7d"
periods = 4
diminishing = 0.8
budget = "customer.purse * 0.5"
"""


def test_a_contact_plan_is_about_all_outbound_placements_unless_it_names_some() -> None:
    spec = load({"a.toml": CATALOG + PLAN}, Vocabulary()).contact_plan

    assert spec is not None
    assert spec.terms == ContactPlanTerms(
        period=7 * 86_400.0,
        periods=4,
        most_contacts=3,
        diminishing=0.8,
        placements=("letter",),
    )
    assert not isinstance(spec.budget, float | None)
    assert spec.budget.evaluate({"purse": 3.0}, {}, 0.0) == 1.5


def test_a_contact_plan_brings_the_attribute_that_holds_what_is_planned() -> None:
    without = load({"a.toml": CATALOG}, Vocabulary())
    planned = load({"a.toml": CATALOG + PLAN}, Vocabulary())

    assert without.contact_plan is None
    assert set(planned.attributes) - set(without.attributes) == {"contact_plan"}


def test_a_contact_plan_needs_a_channel_on_which_we_begin() -> None:
    inbound = CATALOG.replace('direction = "outbound"', "")

    with pytest.raises(MistakesFound, match="there is nothing to plan"):
        load({"a.toml": inbound + PLAN}, Vocabulary())
