"""What explanations tell a marketer: true reasons, in words, and nothing twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nba_engine.domain import Change, Explanation
from tests.engine.world import CATALOG, DAY, NOON, STAGES, ask, shop
from tests.pipeline.faulty import Doing, factory

NEW_YORK = CATALOG.replace('time_zone = "UTC"', 'time_zone = "America/New_York"')
HELD_BACK = "\n[control_group]\nshare = 1.0\n"


def explained(
    folder: Path,
    identity: str = "crm:1",
    *placements: str,
    catalog: str = CATALOG,
    time: float = NOON,
    before: int = 0,
    **context: Any,
) -> Explanation:
    with shop(folder, catalog=catalog) as engine:
        for _ in range(before):
            engine.decide(ask(identity, *placements, time=time))
        decision = engine.decide(ask(identity, *placements, time=time, **context))
        return engine.explain(decision.decision_id)


def about(explanation: Explanation, placement: str) -> str:
    """What is told of a placement where nothing is recommended."""
    (told,) = [
        trace.text
        for trace in explanation.candidates
        if not trace.stage and trace.placement == placement
    ]
    assert told in explanation.sentences
    return told


def why_not(explanation: Explanation, treatment: str) -> str:
    (told,) = [trace.text for trace in explanation.candidates if trace.treatment == treatment]
    return told


def test_in_the_control_group_nothing_is_too_dear(tmp_path: Path) -> None:
    told = explained(tmp_path, "crm:2", catalog=CATALOG + HELD_BACK)
    assert about(told, "banner") == (
        "In banner nothing is recommended: of its candidates 4 are held back because the customer "
        "is in the control group and 1 is not allowed for this customer."
    )
    assert not any("worth its cost" in sentence for sentence in told.sentences)


def test_without_consent_nothing_is_too_dear(tmp_path: Path) -> None:
    told = about(explained(tmp_path, "crm:2", "newsletter"), "newsletter")
    assert "3 lack the customer's consent and 1 is not allowed" in told
    assert "worth" not in told


def test_a_limit_that_is_used_up_is_told_for_its_placement(tmp_path: Path) -> None:
    told = about(explained(tmp_path, "crm:1", "newsletter", before=1), "newsletter")
    assert told.endswith("of its candidates 4 have a limit that is used up.")


def test_quiet_hours_are_told_as_quiet_hours(tmp_path: Path) -> None:
    explanation = explained(tmp_path, "crm:1", "newsletter", time=NOON + 10 * 3600)
    assert about(explanation, "newsletter").endswith("4 fall into quiet hours.")


def test_what_is_not_worth_its_cost_is_told_as_such(tmp_path: Path) -> None:
    dear = CATALOG.replace("cost = 0.02", "cost = 9.0").replace("cost = 0.01", "cost = 9.0")
    both = explained(tmp_path, "crm:1", "banner", catalog=dear)
    assert about(both, "banner").endswith("to do nothing: no candidate is worth its cost.")
    (tmp_path / "child").mkdir()
    child = explained(tmp_path / "child", "crm:2", "banner", catalog=dear)
    assert about(child, "banner").endswith("no candidate that is possible is worth its cost.")


def test_a_placement_without_candidates_says_so(tmp_path: Path) -> None:
    catalog = CATALOG + '[channels.fax]\n[placements.fax]\nchannel = "fax"\n'
    told = about(explained(tmp_path, "crm:1", "fax", catalog=catalog), "fax")
    assert told == "In fax nothing can be done: the catalog has no candidate for it."


@pytest.mark.parametrize("fraction", [0.25, 0.999, 0.0])
def test_no_one_waits_for_what_is_over(fraction: float, tmp_path: Path) -> None:
    told = explained(tmp_path, "crm:1", catalog=CATALOG + HELD_BACK, time=NOON + fraction)
    dropped = [trace for trace in told.candidates if trace.reason == "control_group"]
    assert dropped
    for trace in dropped:
        assert [change.kind for change in trace.changes] == ["control_group"]
        assert "decide at" not in trace.text


def test_an_hour_is_an_hour_even_from_a_fraction_of_a_second_on(tmp_path: Path) -> None:
    told = explained(tmp_path, "crm:1", "newsletter", catalog=NEW_YORK, time=NOON + 0.25)
    assert "08:00 on 7 November 2017 (in 1 hour)" in why_not(told, "milk.email")


def test_times_are_told_in_the_zone_of_the_catalog(tmp_path: Path) -> None:
    catalog = NEW_YORK.replace(
        "customer.age >= 18", "now > timestamp('2017-11-08T17:00:00Z') && customer.age >= 12"
    )
    told = why_not(explained(tmp_path, catalog=catalog), "wine.app")
    assert "now is 07:00 on 7 November 2017" in told
    assert "decide at 12:00:01 on 8 November 2017 or later" in told
    assert "UTC" not in told


def test_values_are_told_in_words(tmp_path: Path) -> None:
    catalog = CATALOG.replace(
        "customer.age >= 18",
        "size(context.cart) > 7 && customer.purchases > 3 && customer.known == false",
    )
    told = why_not(explained(tmp_path, catalog=catalog, cart=["Cold and flu", "TEA"]), "wine.app")
    assert "context.cart is “Cold and flu” and “TEA”" in told
    assert "customer.purchases is 0" in told
    assert "customer.known is true" in told
    assert not any(python in told for python in ("None", "True", "{", "['Cold"))


def test_an_example_for_a_missing_value_is_told_in_words(tmp_path: Path) -> None:
    catalog = CATALOG.replace("value = 5.0", "value = \"context.prices['a b'] * context.hour\"")
    catalog += '[context.prices]\ntype = "map<string,double>"\n'
    told = why_not(explained(tmp_path, catalog=catalog), "wine.app")
    assert "context.prices of “a b” is known, such as 1; context.hour is known, such as 1." in told


def test_a_lever_is_named_and_rounded_up_while_the_change_is_exact(tmp_path: Path) -> None:
    explanation = explained(tmp_path)
    (bread,) = [t for t in explanation.candidates if t.treatment == "bread.app"]
    assert bread.text.endswith(
        "what it would take: the lever of “Bread” by App is multiplied by 6.01."
    )
    (change,) = bread.changes
    assert 6.0 < change.value < 6.01


def test_a_chance_has_its_article(tmp_path: Path) -> None:
    told = explained(tmp_path, catalog=CATALOG.replace("prior = 0.20", "prior = 0.1845"))
    assert any("an 18.45% chance" in sentence for sentence in told.sentences)


def test_runners_up_of_an_unscored_slate_are_those_that_came_furthest(tmp_path: Path) -> None:
    catalog = CATALOG.replace('name = "Milk"', 'name = "Milk"\nends = 2016-01-01')
    explanation = explained(tmp_path, "crm:2", "newsletter", catalog=catalog)
    asked = [sentence for sentence in explanation.sentences if sentence.startswith("Why not")]
    assert [sentence.split("”")[0] for sentence in asked] == [
        "Why not “Cereal",
        "Why not “Bread",
        "Why not “Wine",
    ]
    (tmp_path / "over").mkdir()
    rule = '[rules.rich]\ntier = "suitability"\nwhen = "customer.income > 999.0"\n'
    told = explained(tmp_path / "over", catalog=catalog + rule)
    asked = [sentence for sentence in told.sentences if sentence.startswith("Why not")]
    assert len(asked) == 3
    assert not any("season" in sentence for sentence in asked)


def test_a_text_is_complete_and_says_no_change_twice(tmp_path: Path) -> None:
    class Terse(Doing):
        def explain(
            self, deciding: object, drop: object, position: int
        ) -> tuple[str, list[Change]]:
            return "Sold out.", [Change(kind="context", target="cart", value=[], text="more milk")]

    def drop_milk(deciding: Any) -> None:
        milk = deciding.catalog.treatment_index["milk.app"]
        deciding.candidates.drop(deciding.candidates.index == milk, "sold_out")

    stages = (*STAGES[:2], "terse", *STAGES[2:])
    terse = factory(Terse(drop_milk))
    with shop(tmp_path, stages=stages, terse=terse) as engine:
        decision = engine.decide(ask("crm:2", "banner", "newsletter", time=NOON + DAY))
        explanation = engine.explain(decision.decision_id)
    assert why_not(explanation, "milk.app") == "Sold out; what it would take: more milk."
    for trace in explanation.candidates:
        assert all(trace.text.count(change.text) == 1 for change in trace.changes), trace
    for sentence in explanation.sentences:
        assert sentence.count("what it would take") <= 1
        assert "would pass if" not in sentence
