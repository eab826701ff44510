from __future__ import annotations

import random
from datetime import date, timedelta

import pytest

from nba_engine.domain import NoSettings
from nba_engine.stages.eligibility import Eligibility
from tests.stages import making
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


@pytest.mark.parametrize("seed", range(10))
def test_seasons_hold_at_every_moment_whatever_was_asked_before(seed: int) -> None:
    source = random.Random(seed)
    days = [date(2017, 11, 1) + timedelta(days=source.randrange(6)) for _ in range(24)]
    text = []
    for number, (one, other) in enumerate(zip(days[::2], days[1::2], strict=True)):
        text.append(f'[actions.a{number}]\ntreatments.app = {{ channel = "app" }}')
        starts, ends = min(one, other), max(one, other) + timedelta(days=1)
        text += [f"starts = {starts}"] * source.randrange(2) + [
            f"ends = {ends}"
        ] * source.randrange(2)
    shop = catalog("\n".join(text))
    eligibility = Eligibility(NoSettings(), Materials(shop))
    bounds = {t for action in shop.actions for t in (action.starts, action.ends) if t is not None}
    moments = [t + offset for t in bounds for offset in (-1.0, 0.0, 1.0)] * 2
    source.shuffle(moments)
    for now in moments:
        for ahead in (False, True):
            made = deciding(shop, now=now)
            made.ahead = ahead
            run(eligibility, made)
            open_now = {
                f"{action.id}.app"
                for action in shop.actions
                if (action.starts is None or ahead or action.starts <= now)
                and (action.ends is None or now < action.ends)
            }
            assert set(surviving(made)) == open_now | {"nothing.app"}


def test_nothing_stays_when_its_season_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = "[actions.nothing]\nends = 2017-11-01"
    monkeypatch.setattr(making, "SHOP", making.SHOP.replace("[actions.nothing]", ended))
    shop = catalog(TEN)
    made = run(Eligibility(NoSettings(), Materials(shop)), deciding(shop, now=NOW))
    assert "nothing.app" in surviving(made)


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
