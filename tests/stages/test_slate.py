from __future__ import annotations

import time

import pytest

from nba_engine.domain import Deciding, NoSettings, PlacementRequest
from nba_engine.errors import DeadlineExceeded, MistakesFound
from nba_engine.stages.slate.slate import Slate
from tests.stages.making import (
    Ledger,
    Materials,
    catalog,
    deciding,
    dropped,
    recommended,
    run,
    scored,
    sentence,
)

ACTIONS = "\n".join(
    f'[actions.{name}]\ncampaign = "{campaign}"\n'
    f'treatments.app = {{ channel = "app", content = {{ t = "{name}" }} }}\n'
    f'treatments.email = {{ channel = "email", cost = 1.0, content = {{ t = "{name}" }} }}'
    for name, campaign in (("a", "x"), ("b", "x"), ("c", "y"), ("d", "y"))
)
ONE_PER_CAMPAIGN = """
[limits.one]
scope = ["campaign"]
measure = "contacts"
amount = 1
window = "day"
"""
BEST_FIRST = {"a.app": 4.0, "b.app": 3.0, "c.app": 2.0, "d.app": 1.0}


def slots(count: int) -> PlacementRequest:
    return PlacementRequest("banner", count)


def fill(made: Deciding) -> Deciding:
    return run(Slate(NoSettings(), Materials(made.catalog)), made)


def test_the_best_are_recommended_in_order() -> None:
    made = fill(scored(deciding(catalog(ACTIONS), slots(2)), BEST_FIRST))
    assert recommended(made) == ["a.app", "b.app"]
    assert [each.position for each in made.recommendations] == [0, 1]
    assert [each.content for each in made.recommendations] == [{"t": "a"}, {"t": "b"}]


def test_only_what_is_worth_something_is_recommended() -> None:
    made = fill(scored(deciding(catalog(ACTIONS), slots(4)), {"a.app": 1.0, "b.app": 0.0}))
    assert recommended(made) == ["a.app"]


def test_nothing_fills_an_empty_placement_alone() -> None:
    made = fill(scored(deciding(catalog(ACTIONS), slots(3), "newsletter"), {"a.app": 1.0}))
    assert recommended(made) == ["a.app", "nothing.email"]
    assert dropped(made)["nothing.app"] == "outranked"


def test_an_action_is_recommended_once_over_all_placements() -> None:
    scores = {"a.app": 4.0, "a.email": 5.0, "b.app": 3.0}
    made = fill(scored(deciding(catalog(ACTIONS), "banner", "newsletter"), scores))
    assert {r.placement: r.treatment for r in made.recommendations} == {
        "banner": "b.app",
        "newsletter": "a.email",
    }
    assert dropped(made)["a.app"] == "same_action"


def test_every_candidate_is_accounted_for() -> None:
    made = fill(scored(deciding(catalog(ACTIONS), slots(2), "newsletter"), BEST_FIRST))
    candidates = made.candidates
    fallen = sum(len(drop.index) for drop in candidates.drops)
    assert candidates.total == len(made.recommendations) + fallen
    assert len(candidates) == len(made.recommendations)


def test_a_refusal_gives_the_place_to_the_next_best() -> None:
    ledger = Ledger()
    made = fill(
        scored(deciding(catalog(ACTIONS, ONE_PER_CAMPAIGN), slots(3), reads=ledger), BEST_FIRST)
    )
    assert recommended(made) == ["a.app", "c.app"]
    assert dropped(made)["b.app"] == dropped(made)["d.app"] == "limit_refused"
    assert [answer.granted for answer in made.answers] == [True, False, True, False]


def test_a_full_account_is_asked_once_however_many_draw_on_it() -> None:
    many = "\n".join(
        f'[actions.m{n}]\ncampaign = "x"\ntreatments.app = {{ channel = "app" }}' for n in range(40)
    )
    ledger = Ledger()
    worth = {f"m{n}.app": float(n + 1) for n in range(40)}

    made = fill(scored(deciding(catalog(many, ONE_PER_CAMPAIGN), slots(2), reads=ledger), worth))

    assert recommended(made) == ["m39.app"]
    assert [dropped(made)[f"m{n}.app"] for n in range(39)] == ["limit_refused"] * 39
    assert ledger.calls == 1
    assert [answer.granted for answer in made.answers] == [True, *[False] * 39]


def test_all_that_a_round_chose_is_reserved_in_one_call() -> None:
    ledger = Ledger()
    shop = catalog(ACTIONS, ONE_PER_CAMPAIGN.replace("amount = 1", "amount = 9"))
    fill(scored(deciding(shop, slots(4), reads=ledger), BEST_FIRST))
    assert ledger.calls == 1


def test_a_refused_action_may_come_in_another_form() -> None:
    shop = catalog(
        ACTIONS,
        ONE_PER_CAMPAIGN.replace("amount = 1", 'amount = 0\napplies_to = { channels = ["email"] }'),
    )
    scores = {"a.email": 5.0, "b.app": 4.0, "a.app": 3.0}
    made = fill(scored(deciding(shop, slots(2), "newsletter"), scores))
    assert recommended(made) == ["b.app", "a.app", "nothing.email"]
    assert [each.position for each in made.recommendations] == [0, 1, 0]


def test_positions_follow_the_scores_even_when_a_later_round_found_the_better() -> None:
    shop = catalog(
        ACTIONS,
        ONE_PER_CAMPAIGN.replace("amount = 1", 'amount = 0\napplies_to = { channels = ["email"] }'),
    )
    scores = {"a.email": 9.0, "a.app": 8.0, "b.app": 7.0}  # a.app is only free after the refusal
    made = fill(scored(deciding(shop, slots(2), "newsletter"), scores))
    assert recommended(made) == ["a.app", "b.app", "nothing.email"]


def test_what_draws_on_no_limit_costs_no_write() -> None:
    ledger = Ledger()
    fill(scored(deciding(catalog(ACTIONS), slots(3), reads=ledger), BEST_FIRST))
    assert ledger.calls == 0


def test_a_reservation_carries_account_amount_ceiling_and_expiry() -> None:
    money = ONE_PER_CAMPAIGN.replace('"contacts"', '"money"').replace("amount = 1", "amount = 2.5")
    ledger = Ledger()
    made = deciding(catalog(ACTIONS, money), "newsletter", reads=ledger)
    made = fill(scored(made, {"a.email": 1.0}))
    assert ledger.used == {"one|campaign=x|2017-11-06": 1_000_000}
    (recommendation,) = made.recommendations
    assert recommendation.expires == made.now + 86_400.0
    assert recommendation.recommendation_id == made.answers[0].reservation_id


def test_without_the_ledger_limits_fail_closed_and_the_rest_goes_on() -> None:
    ledger = Ledger()
    ledger.down = True
    shop = catalog(
        ACTIONS,
        ONE_PER_CAMPAIGN.replace("amount = 1", 'amount = 9\napplies_to = { campaigns = ["x"] }'),
    )
    made = fill(scored(deciding(shop, slots(3), reads=ledger), BEST_FIRST))
    assert recommended(made) == ["c.app", "d.app"]
    assert dropped(made)["a.app"] == dropped(made)["b.app"] == "limit_refused"
    assert made.degraded == ["this stage"]
    assert ledger.calls == 1


def test_nothing_is_reserved_after_the_deadline() -> None:
    ledger = Ledger()
    shop = catalog(ACTIONS, ONE_PER_CAMPAIGN)
    late = deciding(shop, slots(1), reads=ledger, deadline=time.monotonic() - 1.0)
    with pytest.raises(DeadlineExceeded):
        fill(scored(late, BEST_FIRST))
    assert ledger.calls == 0


def test_content_that_fails_costs_the_place_before_anything_is_reserved() -> None:
    ledger = Ledger()
    broken = ACTIONS.replace('t = "a"', 't = "{{ customer.missing }}"')
    shop = catalog(broken, '[limits.all]\nmeasure = "contacts"\namount = 9\nwindow = "day"')
    made = fill(scored(deciding(shop, slots(1), reads=ledger), BEST_FIRST))
    assert recommended(made) == ["b.app"]
    assert dropped(made)["a.app"] == "render_failed"
    assert ledger.used == {"all|2017-11-06": 1}


def test_a_channel_that_raises_anything_costs_one_treatment_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken:
        def prepare(self, treatment: object) -> object:
            def render(seen: object) -> dict[str, str]:
                if treatment.action == "a":  # type: ignore[attr-defined]
                    raise ZeroDivisionError
                return {"t": "fine"}

            return render

    shop = catalog(ACTIONS)
    materials = Materials(shop, channels=dict.fromkeys(shop.channels, Broken()))  # type: ignore[arg-type]
    slate = Slate(NoSettings(), materials)
    made = run(slate, scored(deciding(shop, slots(1)), BEST_FIRST))
    assert recommended(made) == ["b.app"]
    assert caplog.messages == ["the channel of a.app failed: ZeroDivisionError"]
    text, changes = sentence(slate, made, "a.app")
    assert "its content could not be made (its channel failed)" in text
    assert [change.kind for change in changes] == ["none"]


def test_bad_templates_are_all_found_when_the_stage_is_built() -> None:
    shop = catalog(ACTIONS.replace('t = "a"', 't = "{{"'))
    with pytest.raises(MistakesFound) as found:
        Slate(NoSettings(), Materials(shop))
    assert len(found.value.mistakes) == 2


def test_ties_between_treatments_are_broken_by_the_seed_alone() -> None:
    shop = catalog(ACTIONS)
    equal = dict.fromkeys(BEST_FIRST, 1.0)
    first = {
        seed: recommended(fill(scored(deciding(shop, slots(4), seed=seed), equal)))
        for seed in range(20)
    }
    again = {
        seed: recommended(fill(scored(deciding(shop, slots(4), seed=seed), equal)))
        for seed in range(20)
    }
    assert first == again
    assert {slate[0] for slate in first.values()} == {"a.app", "b.app", "c.app", "d.app"}


def test_the_same_treatment_in_two_placements_goes_to_the_first() -> None:
    shop = catalog(ACTIONS, '[placements.second]\nchannel = "app"')
    for seed in range(8):
        made = fill(scored(deciding(shop, "second", "banner", seed=seed), {"a.app": 1.0}))
        assert {r.placement: r.treatment for r in made.recommendations} == {
            "second": "a.app",
            "banner": "nothing.app",
        }


def test_a_long_ranking_is_walked_to_its_end() -> None:
    many = "\n".join(
        f'[actions.m{n}]\ntreatments.app = {{ channel = "app", content = {{ t = "{{{{ customer.no }}}}" }} }}'
        for n in range(120)
    )
    shop = catalog(ACTIONS, many)
    scores = {f"m{n}.app": 10.0 + n for n in range(120)} | {"d.app": 0.5}
    made = fill(scored(deciding(shop, slots(1)), scores))
    assert recommended(made) == ["d.app"]
    assert sum(reason == "render_failed" for reason in dropped(made).values()) == 120
