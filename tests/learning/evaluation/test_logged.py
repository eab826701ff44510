"""Logged decisions under another catalog, through the engine's own pipeline."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import msgspec
import numpy as np
import pytest

from benchmarks import exploration as crowded
from nba_engine.domain import (
    DecisionRequest,
    Interaction,
    ModelFactory,
    PlacementRequest,
    ProfileUpdate,
)
from nba_engine.engine import Engine, ranked_by
from nba_engine.errors import FailedPrecondition
from nba_engine.learning.evaluation import (
    LoggedPicks,
    Options,
    Reward,
    check_picks,
    evaluate,
    logged_picks,
)
from nba_engine.learning.evaluation.replaying import picks_of
from nba_engine.testing import FakeStore, FixedClock, FixedScorer, MemoryLog, make_engine
from nba_engine.testing.world import NOW

DAY = 86_400.0
# action → its value in the catalog in force and in the one under test; how many say yes
NOW_WORTH = {"a": 2.0, "b": 1.6, "c": 1.2}
THEN_WORTH = {"a": 1.2, "b": 1.6, "c": 2.4}
RATE = {"a": 0.1, "b": 0.3, "c": 0.5, "nothing": 0.0}
TEMPERATURE = 0.4
SOFT = f'exploration = {{ method = "plackett_luce", temperature = {TEMPERATURE} }}'

SURE = Options(confidence=0.999, resamples=2_000)  # whatever the seed, but for one in a thousand


def catalog(worth: Mapping[str, float], *, exploration: str = SOFT, more: str = "") -> str:
    lines = [
        '[attributes]\nmember = { type = "bool" }\n[channels]\napp = {}',
        f'[placements.banner]\nchannel = "app"\nslots = 2\n{exploration}',
        '[outcomes.answered]\nwithin = "7d"\n[actions.nothing]\nkind = "nothing"',
    ]
    for action, value in worth.items():
        lines.append(f'[actions.{action}]\nvalue = {value}\ntreatments.app = {{ channel = "app" }}')
    return "\n".join([*lines, more])


def engine_of(text: str, store: FakeStore, log: MemoryLog) -> Engine:
    stages = ("profile", "eligibility", "contact_policy", "propensity", "value", "arbitration")
    return make_engine(
        {"world.toml": text},
        pipeline=(*stages, "slate"),
        models={"propensity": ModelFactory(build=lambda c: FixedScorer(c, otherwise=0.5))},
        store=store,
        log=log,
        clock=FixedClock(),
    )


class World:
    """Customers who were decided for, and answered at rates that are known."""

    def __init__(self, decisions: int, text: str, *, customers: int = 0) -> None:
        self.store, self.log = FakeStore(), MemoryLog()
        self.engine = engine_of(text, self.store, self.log)
        random = np.random.default_rng(1)
        answers: list[Interaction] = []
        for seed in range(decisions):
            identity = f"crm:{seed % customers if customers else seed}"
            request = DecisionRequest(
                identity=identity, placements=(PlacementRequest("banner"),), time=NOW, seed=seed
            )
            for one in self.engine.decide(request).recommendations:
                if random.random() < RATE[one.action]:
                    answers.append(
                        Interaction(
                            interaction_id=f"i{len(answers)}",
                            identity=identity,
                            type="accept",
                            time=NOW + 60.0,
                            recommendation_id=one.recommendation_id,
                        )
                    )
        for start in range(0, len(answers), 1_000):
            self.engine.record(answers[start : start + 1_000])

    def picks(
        self,
        text: str | None,
        *,
        reward: Reward = "response",
        after: float = 30 * DAY,
        first: int | None = None,
    ) -> LoggedPicks:
        """Evaluated with another catalog; None: the logged policy itself. The ``first`` decisions."""
        other = None if text is None else engine_of(text, FakeStore(), MemoryLog())
        found = logged_picks(
            list(self.log.records.values())[:first],
            self.store,
            self.engine.catalog,
            {self.engine.catalog.version: self.engine.catalog}.get,
            under_test=None if other is None else other.catalogs.snapshot,
            reward=reward,
            until=NOW + after,
        )
        check_picks(found.picks)
        return found


def truth(worth: Mapping[str, float], temperature: float = TEMPERATURE) -> float:
    """Positive outcomes per decision, by hand: all slates with their probabilities."""
    score = {action: 0.5 * value for action, value in worth.items()} | {"nothing": 0.0}
    total = 0.0
    for slate in itertools.permutations(score, 2):
        chance, left = 1.0, dict(score)
        for action in slate:
            weight = {name: math.exp(each / temperature) for name, each in left.items()}
            chance *= weight[action] / sum(weight.values())
            del left[action]
        shown = slate if slate[0] != "nothing" else slate[:1]
        total += chance * sum(RATE[action] for action in shown)
    return total


RULES = """
[slate_rules.one_of_them]
applies_to = { actions = ["a", "c"] }
at_most = 1
"""


def test_slate_rules_count_in_the_probabilities_of_the_policy_under_test() -> None:
    world = World(200, catalog(NOW_WORTH, more=RULES))
    picks = world.picks(catalog(NOW_WORTH, more=RULES + "# another text, the same catalog")).picks
    assert len(picks.propensity) > 200
    assert np.abs(picks.target - picks.propensity).max() < 1e-12
    free = world.picks(catalog(NOW_WORTH)).picks
    assert np.abs(free.target - free.propensity).max() > 0.05  # without them it is another policy


@pytest.fixture(scope="module")
def world() -> World:
    return World(800, catalog(NOW_WORTH))


def test_the_same_policy_gives_every_draw_the_probability_that_was_logged() -> None:
    """In a world of refusals, failed templates, several placements and treatments of one action."""
    snapshot = crowded.make_world().catalogs.snapshot
    seen = set()
    for record in crowded.decide(range(60)):
        picks = list(picks_of(record, ranked_by(snapshot, record)))
        for pick in picks:
            assert pick.target == pytest.approx(pick.propensity, abs=1e-12), pick
        seen |= {(draw.placement, bool(draw.removed)) for draw in record.draws}
        for placement in ("banner", "teaser"):
            drawn = [one.probability for one in record.draws if one.placement == placement]
            mine = [one.propensity for one in picks if one.placement == placement]
            assert math.prod(mine) == pytest.approx(math.prod(drawn)), "none is lost"
        assert {pick.shown.recommendation_id for pick in picks if pick.shown} == {
            one.recommendation_id for one in record.recommendations
        }
    assert seen >= {("banner", True), ("banner", False), ("teaser", False)}


def test_a_changed_catalog_is_worth_what_it_is_worth(world: World) -> None:
    found = evaluate(world.picks(catalog(THEN_WORTH)).picks, options=SURE)
    assert found.supported
    assert found.logged.low < truth(NOW_WORTH) < found.logged.high
    for one in found.estimates.values():
        assert one.low < truth(THEN_WORTH) < one.high
    assert found.differences["dr"].low > 0.0
    assert found.differences["dr"].value == pytest.approx(
        truth(THEN_WORTH) - truth(NOW_WORTH), abs=0.08
    )


def test_a_policy_that_explores_nothing_is_evaluated_on_one_that_did(world: World) -> None:
    picks = world.picks(catalog(THEN_WORTH, exploration="")).picks
    found = evaluate(picks, options=SURE)
    for one in found.estimates.values():
        assert one.low < RATE["c"] < one.high
    # the one slate it would show was logged too seldom: its second position has no number
    assert [bool(one.refused) for one in found.places] == [False, True]
    assert any("position 2 is left out" in note for note in found.notes)


def test_predictions_are_those_of_the_policy_under_test(world: World) -> None:
    picks = world.picks(catalog(THEN_WORTH), reward="value", first=100).picks
    top = picks.position == 0
    assert picks.expected is not None
    assert picks.expected_target is not None
    worth = {action: 0.5 * value for action, value in THEN_WORTH.items()} | {"nothing": 0.0}
    assert picks.expected.tolist() == pytest.approx([worth[action] for action in picks.action])
    weight = {name: math.exp(each / TEMPERATURE) for name, each in worth.items()}
    mean = sum(weight[name] * worth[name] for name in worth) / sum(weight.values())
    assert picks.expected_target[top] == pytest.approx(mean)


def test_value_is_what_was_logged_of_it_less_the_cost(world: World) -> None:
    response, value = (
        world.picks(None, first=100).picks,
        world.picks(None, reward="value", first=100).picks,
    )
    worth = np.array([NOW_WORTH.get(action, 0.0) for action in response.action])
    assert value.reward.tolist() == pytest.approx((response.reward * worth).tolist())


def test_the_logged_policy_itself_needs_no_exploration() -> None:
    plain = World(150, catalog(NOW_WORTH, exploration=""))
    found = evaluate(plain.picks(None).picks, options=Options(resamples=100))
    assert found.supported
    assert found.logged.value == found.estimates["ips"].value


def test_a_log_without_exploration_says_nothing_of_another_catalog() -> None:
    plain = World(150, catalog(NOW_WORTH, exploration=""))
    found = evaluate(plain.picks(catalog(THEN_WORTH)).picks, options=Options(resamples=100))
    assert not found.supported
    assert "explored nothing" in found.reason
    softly = evaluate(plain.picks(catalog(NOW_WORTH)).picks, options=Options(resamples=100))
    assert "explored nothing" in softly.reason


def test_what_must_not_count_is_left_out_and_counted(world: World) -> None:
    kept_out = catalog(NOW_WORTH, more="[control_group]\nshare = 0.3")
    some = World(200, kept_out)
    found = some.picks(None)
    decisions = len(np.unique(found.picks.decision))
    assert found.left_out == {"the customer is in the control group": 200 - decisions}
    assert 35 < 200 - decisions < 85
    with pytest.raises(FailedPrecondition, match=r"time for an outcome is not over \(800\)"):
        world.picks(None, after=6 * DAY)


def test_decisions_that_cannot_be_decided_again_are_left_out_and_counted() -> None:
    known = World(120, catalog(NOW_WORTH), customers=40)
    known.engine.update_profile(ProfileUpdate(identity="crm:1", attributes={"member": True}))
    request = DecisionRequest(
        identity="crm:1", placements=(PlacementRequest("banner"),), time=NOW, seed=1
    )
    last = known.engine.decide(request)
    known.log.records[last.decision_id] = msgspec.structs.replace(
        known.log.records[last.decision_id], profile=b""
    )
    found = known.picks(catalog(THEN_WORTH))
    assert found.left_out == {"the customer's profile is no longer on record": 1}
    elsewhere = catalog(THEN_WORTH).replace("placements.banner", "placements.other")
    with pytest.raises(FailedPrecondition, match="no logged decision to evaluate"):
        known.picks(elsewhere)


def test_an_action_that_is_new_has_no_logged_picks_and_the_support_shows_it(world: World) -> None:
    found = evaluate(
        world.picks(catalog({**THEN_WORTH, "new": 6.0}), first=300).picks,
        options=Options(resamples=200),
    )
    assert not found.supported
    assert "was never tried" in found.reason


def test_customers_are_drawn_together() -> None:
    several = World(120, catalog(NOW_WORTH), customers=40)
    picks = several.picks(None).picks
    assert picks.customer is not None
    assert len(np.unique(picks.customer)) == 40
    assert len(np.unique(picks.decision)) == 120
