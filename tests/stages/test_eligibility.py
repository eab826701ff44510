from __future__ import annotations

import pytest

from nba_engine.domain import NoSettings
from nba_engine.stages.eligibility import Eligibility
from tests.stages.making import (
    NOW,
    Materials,
    catalog,
    customer,
    deciding,
    dropped,
    run,
    sentence,
    surviving,
)

TEN = "\n".join(
    f'[actions.a{n}]\ntreatments.app = {{ channel = "app" }}\ntags = ["{"odd" if n % 2 else "even"}"]'
    for n in range(10)
)
ODD = """
[rules.odd]
tier = "suitability"
when = "customer.age > 50"
applies_to = { tags = ["odd"] }
"""


def test_each_bit_of_a_table_is_its_own_treatment() -> None:
    shop = catalog(TEN, ODD)
    made = run(Eligibility(NoSettings(), Materials(shop)), deciding(shop, state=customer(age=40)))
    assert surviving(made) == ["a0.app", "a2.app", "a4.app", "a6.app", "a8.app", "nothing.app"]
    assert dropped(made) == {f"a{n}.app": "not_suitable" for n in (1, 3, 5, 7, 9)}


def test_nothing_is_never_dropped() -> None:
    shop = catalog(TEN, '[rules.no]\ntier = "eligibility"\nwhen = "customer.age > 100"')
    made = run(Eligibility(NoSettings(), Materials(shop)), deciding(shop, state=customer(age=40)))
    assert surviving(made) == ["nothing.app"]


def test_the_first_tier_that_objects_gives_the_reason() -> None:
    rules = """
[rules.first]
tier = "eligibility"
when = "customer.age > 50"
[rules.second]
tier = "applicability"
when = "customer.age > 50"
"""
    shop = catalog(TEN, rules)
    made = run(Eligibility(NoSettings(), Materials(shop)), deciding(shop, state=customer(age=40)))
    assert set(dropped(made).values()) == {"not_eligible"}


@pytest.mark.parametrize(("offset", "reason"), [(-1.0, "not_in_season"), (0.0, None)])
def test_a_season_begins_with_its_first_moment(offset: float, reason: str | None) -> None:
    shop = catalog('[actions.a]\nstarts = 2017-11-10\ntreatments.app = { channel = "app" }')
    starts = shop.actions[shop.action_index["a"]].starts
    assert starts is not None
    made = run(Eligibility(NoSettings(), Materials(shop)), deciding(shop, now=starts + offset))
    assert dropped(made).get("a.app") == reason


def test_a_rule_that_no_change_can_help_says_so() -> None:
    shop = catalog(TEN, """[rules.r]\ntier = "eligibility"\nwhen = "action.id == 'a1'" """)
    eligibility = Eligibility(NoSettings(), Materials(shop))
    made = run(eligibility, deciding(shop, state=customer(first_name="Ann")))
    assert surviving(made) == ["a1.app", "nothing.app"]
    text, changes = sentence(eligibility, made, "a0.app")
    assert "action.id == 'a1'" in text
    assert [change.kind for change in changes] == ["none"]


def test_waiting_is_named_as_a_time_that_holds() -> None:
    shop = catalog(
        TEN,
        '[rules.r]\ntier = "eligibility"\nwhen = "hours_since(customer.seen) > 5.0"\n'
        '[attributes.seen]\ntype = "timestamp"',
    )
    eligibility = Eligibility(NoSettings(), Materials(shop))
    made = run(eligibility, deciding(shop, state=customer(seen=NOW - 3600.0)))
    _, (change,) = sentence(eligibility, made, "a0.app")
    assert change.kind == "time"
    later = run(eligibility, deciding(shop, state=customer(seen=NOW - 3600.0), now=change.value))
    assert "a0.app" in surviving(later)
