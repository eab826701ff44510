"""Uplift from what placements that explore drew at random, with the probabilities they drew with."""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np
import pytest

from nba_engine.domain import (
    DecisionRecord,
    DecisionRequest,
    Interaction,
    ModelFactory,
    PlacementRequest,
    ProfileUpdate,
)
from nba_engine.engine import Engine, ranked_by
from nba_engine.errors import FailedPrecondition
from nba_engine.learning.uplift import Trials
from nba_engine.learning.uplift.explored import trials_in_log
from nba_engine.learning.uplift.learner import Trial
from nba_engine.testing import FakeStore, FixedClock, FixedScorer, MemoryLog, make_engine
from nba_engine.testing.world import NOW

DAY, TEMPERATURE = 86_400.0, 0.5
SOFT = f'exploration = {{ method = "plackett_luce", temperature = {TEMPERATURE} }}'
CUSTOMERS = 600
EFFECT = 0.25  # of drawing wine, on whoever


def catalog(exploration: str = SOFT) -> str:
    """Wine is worth more with those who love it, who would buy it anyhow: by what is shown, it shines."""
    return f"""
[attributes.love]
type = "double"
[channels.app]
[placements.home]
channel = "app"
{exploration}
[outcomes.bought]
positive = ["purchase"]
within = "7d"
by = "category"
applies_to = {{ actions = ["wine", "bread"] }}
[features.love]
source = "customer.love"
[actions.nothing]
kind = "nothing"
[actions.bread]
value = 2.0
attributes = {{ category = "bread" }}
treatments.app = {{ channel = "app" }}
[actions.wine]
value = "1.0 + 2.0 * customer.love"
attributes = {{ category = "wine" }}
treatments.app = {{ channel = "app" }}
"""


class World(NamedTuple):
    engine: Engine
    store: FakeStore
    records: list[DecisionRecord]
    love: dict[str, float]

    def trials(
        self,
        *actions: str,
        records: list[DecisionRecord] | None = None,
        until: float = NOW + 30 * DAY,
    ) -> Trials:
        own = self.engine.catalog
        return trials_in_log(
            self.records if records is None else records,
            self.store,
            own,
            {own.version: own}.get,
            lambda record: ranked_by(self.engine.catalogs.snapshot, record),
            actions=actions or ("wine",),
            until=until,
        )


def made(text: str, customers: int) -> World:
    stages = ("profile", "eligibility", "contact_policy", "propensity", "value", "arbitration")
    store, log = FakeStore(), MemoryLog()
    engine = make_engine(
        {"world.toml": text},
        pipeline=(*stages, "slate"),
        models={"propensity": ModelFactory(build=lambda c: FixedScorer(c, otherwise=0.5))},
        store=store,
        log=log,
        clock=FixedClock(),
    )
    random = np.random.default_rng(3)
    love = {f"crm:{number}": float(random.random()) for number in range(customers)}
    bought = []
    for seed, (identity, much) in enumerate(love.items()):
        engine.update_profile(ProfileUpdate(identity=identity, attributes={"love": much}))
        request = DecisionRequest(
            identity=identity, placements=(PlacementRequest("home"),), time=NOW, seed=seed
        )
        shown = {one.action for one in engine.decide(request).recommendations}
        if random.random() < 0.05 + 0.6 * much + EFFECT * ("wine" in shown):
            bought.append(
                Interaction(
                    interaction_id=f"b{seed}",
                    identity=identity,
                    type="purchase",
                    time=NOW + DAY,
                    properties={"category": "wine"},
                )
            )
    for start in range(0, len(bought), 500):
        engine.record(bought[start : start + 500])
    return World(engine, store, list(log.records.values()), love)


@pytest.fixture(scope="module")
def world() -> World:
    return made(catalog(), CUSTOMERS)


def weighted(trial: Trial) -> tuple[float, float]:
    """The effect by inverse probabilities, and its standard error."""
    treated = trial.treated.astype(float)
    each = trial.outcome * (treated / trial.propensity - (1 - treated) / (1 - trial.propensity))
    return float(each.mean()), float(each.std() / math.sqrt(len(each)))


def test_probabilities_are_those_of_drawing_also_of_what_was_not_drawn(world: World) -> None:
    trial = world.trials().trials["wine"]
    scores = 0.5 * (1.0 + 2.0 * trial.rows[:, 0].astype(float))
    weight = np.exp(scores / TEMPERATURE)
    by_hand = weight / (weight + math.exp(0.5 * 2.0 / TEMPERATURE) + 1.0)
    np.testing.assert_allclose(trial.propensity, by_hand, rtol=1e-5)
    wanted, spread = by_hand.sum(), math.sqrt(float((by_hand * (1 - by_hand)).sum()))
    assert abs(trial.treated.sum() - wanted) < 4 * spread
    assert sorted(trial.rows[:, 0].tolist()) == pytest.approx(sorted(world.love.values()))


def test_the_effect_is_found_where_those_who_were_shown_it_would_have_bought_anyhow(
    world: World,
) -> None:
    trial = world.trials().trials["wine"]
    naive = trial.outcome[trial.treated].mean() - trial.outcome[~trial.treated].mean()
    effect, error = weighted(trial)
    assert abs(effect - EFFECT) < 3 * error
    assert naive > EFFECT + 0.05, "by what was shown it would look larger"


def test_what_cannot_be_used_is_left_out_and_told(world: World) -> None:
    wrong = msgspec.structs.replace(
        world.records[0],
        draws=(msgspec.structs.replace(world.records[0].draws[0], probability=0.9),),
    )
    again = msgspec.structs.replace(world.records[1], time=NOW + DAY)
    early = world.trials(records=[wrong, *world.records[1:50], again])
    assert len(early.trials["wine"].treated) == 49
    assert sorted(one.partition(": ")[0] for one in early.left_out) == ["1 decisions"] * 2
    assert any("the logged probability does not come out" in one for one in early.left_out)
    assert any("an earlier one was not over" in one for one in early.left_out)
    late = world.trials(until=NOW + 6 * DAY)
    assert len(late.trials["wine"].treated) == 0
    assert late.left_out == (f"{CUSTOMERS} decisions: their time is not over",)


def test_a_log_without_randomization_is_refused_with_the_remedy() -> None:
    plain = made(catalog(exploration=""), 20)
    with pytest.raises(
        FailedPrecondition, match=r"holds no randomization: none of its 20 .*--since"
    ):
        plain.trials()


def test_actions_without_an_outcome_of_their_own_are_refused(world: World) -> None:
    with pytest.raises(FailedPrecondition, match="the outcome of 'nothing' is not told"):
        world.trials("nothing")
    with pytest.raises(FailedPrecondition, match="has no action 'tea'"):
        world.trials("tea")


def test_an_action_that_was_never_drawn_at_random_is_named(world: World) -> None:
    never = [one for one in world.records if world.love[one.request.identity] > 2.0]
    with pytest.raises(FailedPrecondition, match="holds no randomization"):
        world.trials(records=never)
