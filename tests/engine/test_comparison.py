from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from nba_engine.app.assembly import Assembly
from nba_engine.domain import DecisionRequest, ProfileUpdate
from nba_engine.engine import Comparison, Differences, Engine
from nba_engine.settings import Settings, StageSettings
from nba_engine.store import open_log_reader
from tests.engine.test_explain import random_request, shop_at_random
from tests.engine.world import CATALOG, DAY, NOON, STAGES, ask, register_with, shop


def assembly() -> Assembly:
    settings = Settings(pipeline=tuple(StageSettings(stage=stage) for stage in STAGES))
    return Assembly(settings, register_with())


def compared(folder: Path, before: str, after: str) -> Differences:
    """The log in a folder, once with each catalog."""
    made = assembly()
    comparison = Comparison(made({"shop.toml": before}), made({"shop.toml": after}))
    log = open_log_reader(folder / "decisions.db")
    for record in log.records():
        comparison.add(record)
    log.close()
    return comparison.differences()


@contextmanager
def decided(folder: Path, *requests: DecisionRequest, catalog: str = CATALOG) -> Iterator[Engine]:
    with shop(folder, catalog=catalog) as engine:
        for request in requests:
            engine.decide(request)
        engine.log.flush()
        yield engine


def causes(found: Differences) -> dict[str, list[tuple[str, str, int]]]:
    return {
        side: [(f"{one.stage}/{one.reason}", one.by, one.recommendations) for one in counted]
        for side, counted in (("lost", found.lost), ("won", found.won))
    }


def test_the_same_catalog_changes_nothing_in_random_decisions(tmp_path: Path) -> None:
    rng = random.Random(7)
    with shop(tmp_path) as engine:
        for number in range(80):
            shop_at_random(engine, rng, number)
            engine.decide(random_request(rng))
    # another version, for its text is another, that decides the same; as logged and decided anew
    same = CATALOG.replace('name = "Bread"', 'name = "Fresh bread"')
    for before, after, logged in ((CATALOG, same, 80), (same, CATALOG, 0)):
        found = compared(tmp_path, before, after)
        assert (found.decisions, found.as_logged) == (80, logged)
        if logged:
            assert found.other_actions == 0
            assert all(one.before == one.after for one in found.actions)
            assert all(one.before == one.after for one in found.limits)
            assert not any((found.drops, found.lost, found.won))
            assert found.money.cost_before == found.money.cost_after
            assert any(one.before for one in found.limits)


def test_the_rule_that_takes_a_recommendation_away_is_named(tmp_path: Path) -> None:
    rule = '[rules.no_milk]\ntier = "suitability"\nwhen = "customer.age < 18"\n'
    after = CATALOG + rule + 'applies_to = { actions = ["milk"] }\n'
    with decided(tmp_path, ask("crm:1"), ask("crm:2")):
        found = compared(tmp_path, CATALOG, after)
    assert (found.decisions, found.other_actions, found.other_form) == (2, 1, 0)
    assert (found.customers, found.customers_changed) == (2, 1)
    assert causes(found) == {
        "lost": [("eligibility/not_suitable", "no_milk", 1)],
        "won": [("slate/outranked", "", 1)],
    }
    changes = {one.action: one.after - one.before for one in found.actions}
    assert {action: n for action, n in changes.items() if n} == {"milk": -1, "wine": 1}
    (example,) = found.examples
    assert (example.before, example.after) == (["banner: milk.app"], ["banner: wine.app"])
    assert example.why_not_any_more == ["eligibility/not_suitable (no_milk)"]
    assert ("eligibility", "not_suitable", 0, 1) in [
        (one.stage, one.reason, one.before, one.after) for one in found.drops
    ]
    with decided(tmp_path / "other", ask("crm:1"), catalog=after):
        back = compared(tmp_path / "other", after, CATALOG)
    assert causes(back)["won"] == [("eligibility/not_suitable", "no_milk", 1)]


def test_an_action_that_is_not_there_any_more_is_told_from_one_that_is_new(tmp_path: Path) -> None:
    renamed = CATALOG.replace("[actions.milk]", "[actions.oat]")
    with decided(tmp_path, ask("crm:1")):
        found = compared(tmp_path, CATALOG, renamed)
    assert causes(found) == {
        "lost": [("catalog/not_there", "", 1)],
        "won": [("catalog/not_there", "", 1)],
    }


def test_a_lower_limit_bites_after_what_the_changed_catalog_itself_took(tmp_path: Path) -> None:
    generous = CATALOG.replace("amount = 1\n", "amount = 3\n")
    asked = [ask("crm:1", "newsletter", time=NOON + hour * 3600.0) for hour in range(4)]
    with decided(tmp_path, *asked, catalog=generous):
        found = compared(tmp_path, generous, CATALOG)
    (limit,) = found.limits
    assert (limit.limit, limit.measure, limit.before, limit.after) == (
        "email_week",
        "contacts",
        3,
        1,
    )
    assert found.other_actions == 2
    assert causes(found)["lost"] == [("contact_policy/limit_exhausted", "email_week", 2)]


def test_a_raised_limit_lets_through_what_it_held_back_and_no_more(tmp_path: Path) -> None:
    raised = CATALOG.replace("amount = 1\n", "amount = 3\n")
    asked = [ask("crm:1", "newsletter", time=NOON + hour * 3600.0) for hour in range(5)]
    with decided(tmp_path, *asked):
        found = compared(tmp_path, CATALOG, raised)
    (limit,) = found.limits
    assert (limit.before, limit.after) == (1, 3)
    assert found.other_actions == 2
    assert causes(found)["won"] == [("contact_policy/limit_exhausted", "email_week", 2)]


NEW_LIMIT = """
[limits.app_budget]
name = "App budget"
scope = []
measure = "money"
amount = 0.05
window = "lifetime"
applies_to = { channels = ["app"] }
"""


def test_a_limit_that_is_not_on_record_starts_empty_and_fills_up(tmp_path: Path) -> None:
    asked = [ask("crm:1", time=NOON + n) for n in range(6)]  # two banners each, 0.01 USD
    with decided(tmp_path, *asked):
        found = compared(tmp_path, CATALOG, CATALOG + NEW_LIMIT)
    spent = {one.limit: (one.before, one.after) for one in found.limits}
    assert spent["app_budget"] == (0.0, 0.05)
    assert found.money.cost_before - found.money.cost_after == pytest.approx(0.07)


def test_what_falls_out_of_a_rolling_window_counts_no_longer(tmp_path: Path) -> None:
    rolling = CATALOG.replace('window = "week"', 'window = "rolling 7d"')
    asked = [ask("crm:1", "newsletter", time=NOON + day * DAY) for day in (0, 3, 6, 8)]
    without = CATALOG.replace("amount = 1\n", "amount = 100\n")
    with decided(tmp_path, *asked, catalog=without):
        found = compared(tmp_path, without, rolling)
    (limit,) = found.limits
    assert (limit.before, limit.after) == (4, 2)  # the first, and the one eight days later


def test_only_another_order_or_content_is_told_apart_from_other_actions(tmp_path: Path) -> None:
    after = CATALOG.replace("{{ action.name }} for you", "Take {{ action.name }}")
    with decided(tmp_path, ask("crm:1")):
        found = compared(tmp_path, CATALOG, after)
    assert (found.other_actions, found.other_form) == (0, 1)
    assert not any((found.lost, found.won, found.examples))


def test_requests_that_the_changed_catalog_cannot_answer_are_counted_by_reason(
    tmp_path: Path,
) -> None:
    without = CATALOG.replace("[placements.newsletter]", "[placements.letters]")
    with decided(tmp_path, ask("crm:1"), ask("crm:1", "newsletter")):
        found = compared(tmp_path, CATALOG, without)
    assert found.decisions == 1
    ((reason, count),) = found.not_asked.items()
    assert "newsletter" in reason
    assert count == 1


def test_a_request_whose_customer_is_no_longer_on_record_is_left_out(tmp_path: Path) -> None:
    with decided(tmp_path, ask("crm:1")):
        pass
    log = open_log_reader(tmp_path / "decisions.db")
    (record,) = log.records()
    log.close()
    snapshot = assembly()({"shop.toml": CATALOG})
    comparison = Comparison(snapshot, snapshot)
    comparison.add(msgspec.structs.replace(record, profile=b""))
    found = comparison.differences()
    assert found.decisions == 0
    assert found.not_asked == {"the customer's profile is no longer on record": 1}


def test_of_a_decision_logged_with_an_older_catalog_before_is_what_is_in_force(
    tmp_path: Path,
) -> None:
    older = CATALOG.replace("prior = 0.30", "prior = 0.01")
    with decided(tmp_path, ask("crm:1"), catalog=older) as engine:
        engine.store.update([ProfileUpdate(identity="crm:1", attributes={"age": 3})])
        found = compared(tmp_path, CATALOG, CATALOG.replace("prior = 0.30", "prior = 0.02"))
    assert (found.decisions, found.as_logged, found.other_actions) == (1, 0, 1)
    assert [one.before for one in found.examples] == [["banner: milk.app"]]
    assert [one.after for one in found.examples] == [["banner: wine.app"]]
