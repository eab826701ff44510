"""What is counted online comes to what training labels, once every window is over."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from nba_engine.domain import DecisionRequest, Interaction, LinkRequest, PlacementRequest, Tally
from nba_engine.engine import Recount, decision_times, evidence
from nba_engine.learning.decisions import read_decisions
from nba_engine.settings import StageSettings
from nba_engine.testing import FakeStore, MemoryLog, make_engine
from nba_engine.testing.world import NOW

DAY = 86_400.0
CATALOG = """
[evidence]
[attributes.x]
type = "int"
[channels.app]
[placements.banner]
channel = "app"
slots = 3
[outcomes.answered]
positive = ["accept", "click"]
within = "3d"
shown_by = ["impression"]
[outcomes.bought]
positive = ["purchase"]
by = "categories"
within = "5d"
shown_by = ["impression", "delivery"]
applies_to = { tags = ["goods"] }
[outcomes.joined]
positive = ["join"]
by = "club"
key = "club"
within = "2d"
shown_by = ["impression"]
applies_to = { actions = ["club"] }
[actions.nothing]
kind = "nothing"
[actions.survey]
value = 1.0
prior = 0.2
treatments.app = { channel = "app" }
[actions.milk]
value = 1.0
prior = 0.2
tags = ["goods"]
attributes = { category = "DAIRY" }
treatments.app = { channel = "app" }
[actions.cheese]
value = 1.0
prior = 0.2
tags = ["goods"]
attributes = { category = "DAIRY" }
treatments.app = { channel = "app" }
[actions.bread]
value = 1.0
prior = 0.2
tags = ["goods"]
attributes = { category = "BAKERY" }
treatments.app = { channel = "app" }
[actions.club]
value = 1.0
prior = 0.2
attributes = { club = "cheese" }
treatments.app = { channel = "app" }
"""
PIPELINE = (
    "profile",
    "eligibility",
    "contact_policy",
    StageSettings(stage="propensity", settings={"model": ""}),
    "value",
    "arbitration",
    "slate",
)


class World:
    """Decisions and what came of them, recorded in whatever order it is told."""

    def __init__(self) -> None:
        self.store, self.log = FakeStore(), MemoryLog()
        self.engine = make_engine(
            {"catalog.toml": CATALOG}, pipeline=PIPELINE, store=self.store, log=self.log
        )
        self.interactions: list[Interaction] = []

    def decide(self, who: str, at: float) -> list[str]:
        request = DecisionRequest(
            identity=who, placements=(PlacementRequest("banner"),), time=NOW + at, seed=int(at)
        )
        return [one.recommendation_id for one in self.engine.decide(request).recommendations]

    def happen(self, who: str, kind: str, at: float, about: str = "", **properties: Any) -> None:
        one = Interaction(
            interaction_id=f"i{len(self.interactions)}",
            identity=who,
            type=kind,
            time=NOW + at,
            properties=properties,
            recommendation_id=about,
        )
        self.interactions.append(one)

    def record(self, interactions: list[Interaction]) -> None:
        results = self.engine.record(interactions)
        assert {one.status for one in results} <= {"recorded"}

    def tallies(self) -> dict[str, Tally]:
        while self.engine.evidence.step(self.engine.catalog):
            pass
        return dict(self.engine.evidence.current.actions)

    def labels(self) -> dict[str, Tally]:
        catalog = self.engine.catalog
        found = read_decisions(
            self.log.records.values(), self.store, catalog, lambda _: catalog, until=NOW + 90 * DAY
        )
        action = found.action.words()
        return {
            name: Tally(int(mine.sum()), int(found.label[mine].sum()))
            for name in found.action.names
            if (mine := found.usable & (action == name)).any()
        }


def at_random(world: World, seed: int) -> None:
    """Twenty customers see things, and do things, whether or not because of that."""
    chance = np.random.default_rng(seed)
    for number in range(60):
        who = f"crm:{chance.integers(20)}"
        at = float(chance.uniform(0, 9 * DAY))
        for name in world.decide(who, at):
            for kind in ("impression", "delivery", "click", "accept", "reject", "purchase"):
                for _ in range(int(chance.integers(4)) // 2):
                    when = at + float(chance.uniform(-DAY, 6 * DAY))
                    world.happen(who, kind, when, name, categories=["DAIRY"][: number % 2])
        words = chance.choice(["DAIRY", "BAKERY", "PETS"], size=int(chance.integers(1, 3)))
        world.happen(
            who, "purchase", at + float(chance.uniform(-DAY, 9 * DAY)), categories=words.tolist()
        )
        world.happen(who, "join", at + float(chance.uniform(-DAY, 3 * DAY)), club="cheese")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_tallies_are_the_labels_of_training_whatever_the_order_of_arrival(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "_PAGE", 7)
    world = World()
    at_random(world, seed)
    chance = np.random.default_rng(seed)
    shuffled = [world.interactions[at] for at in chance.permutation(len(world.interactions))]
    while shuffled:
        size = int(chance.integers(1, 40))
        world.record(shuffled[:size])
        world.engine.evidence.step(world.engine.catalog)
        del shuffled[:size]
    found = {name: Tally(one.contacts, one.positives) for name, one in world.tallies().items()}
    assert found == world.labels()
    assert set(found) == {"survey", "milk", "cheese", "bread", "club"}
    assert all(0 < one.positives < one.contacts for one in found.values())
    # how contacts wait is the same when all is counted again, in other pages
    kept = world.store.progress(evidence.MARK)
    monkeypatch.setattr(evidence, "_PAGE", 100)
    recount = Recount(world.store, world.engine.catalog, decision_times(world.store, world.log))
    for _ in recount.run():
        pass
    recount.note(now=NOW)
    again = world.store.progress(evidence.MARK)
    assert kept is not None
    assert again is not None
    before, after = json.loads(kept), json.loads(again)
    assert before["delays"] == after["delays"]
    assert before["until"] == after["until"]
    assert any(kind["open"] for kind in after["delays"].values())


def test_a_purchase_in_the_category_counts_at_once_and_for_all_that_were_shown() -> None:
    world = World()
    shown = world.decide("crm:1", 0.0)
    for name in shown:
        world.happen("crm:1", "impression", 60.0, name)
    world.record(world.interactions)
    contacts = world.tallies()
    assert set(contacts.values()) == {Tally(1, 0)}
    world.interactions.clear()
    world.happen("crm:1", "purchase", DAY, categories=["DAIRY", "BAKERY"])
    world.happen("crm:2", "purchase", DAY, categories=["DAIRY", "BAKERY"])
    world.interactions = [
        Interaction(
            interaction_id=f"late{number}",
            identity=one.identity,
            type=one.type,
            time=one.time,
            properties=one.properties,
        )
        for number, one in enumerate(world.interactions)
    ]
    world.record(world.interactions)
    after = world.tallies()
    assert after == world.labels()
    goods = {"milk", "cheese", "bread"} & contacts.keys()
    assert goods
    assert {name for name, one in after.items() if one.positives} == goods


def test_what_links_brought_together_later_is_counted_by_a_recount() -> None:
    world = World()
    for name in world.decide("cookie:1", 0.0):
        world.happen("cookie:1", "impression", 60.0, name)
    world.happen("crm:1", "purchase", DAY, categories=["DAIRY", "BAKERY"])
    world.record(world.interactions)
    before = world.tallies()
    world.engine.link_identities(LinkRequest(identities=("crm:1", "cookie:1")))
    assert world.tallies() == before != world.labels()
    recount = Recount(world.store, world.engine.catalog, decision_times(world.store, world.log))
    assert recount.kept() == before
    assert list(recount.run())[-1] == len(world.interactions)
    assert recount.actions == world.labels()
    recount.note(now=NOW)
    assert world.tallies() == world.labels()
