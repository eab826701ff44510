"""Contacts whose outcomes may still come, from decisions to decisions."""

from __future__ import annotations

from msgspec.structs import replace

from nba_engine.domain import Decision, DecisionRequest, Interaction, PlacementRequest, Tally
from nba_engine.engine import Engine, repeat
from nba_engine.engine.evidence import known_evidence
from nba_engine.settings import StageSettings
from nba_engine.testing import FakeStore, FixedClock, make_engine
from nba_engine.testing.world import NOW

DAY = 86_400.0
CATALOG = """
[evidence]
start = 50
[channels.app]
[placements.banner]
channel = "app"
slots = 2
[actions.nothing]
kind = "nothing"
[actions.old]
prior = 0.2
value = 1.0
treatments.app = { channel = "app" }
[actions.new]
prior = 0.2
value = 1.0
treatments.app = { channel = "app" }
"""


class World:
    """An engine of which the time is told."""

    def __init__(self, *, simulated: bool = True) -> None:
        self.clock = FixedClock(NOW)
        self.engine: Engine = make_engine(
            {"catalog.toml": CATALOG},
            pipeline=(
                *("profile", "eligibility", "contact_policy"),
                StageSettings(stage="propensity", settings={"model": ""}),
                *("value", "arbitration", "slate"),
            ),
            store=FakeStore(simulated=simulated),
            clock=self.clock,
        )
        self._number = 0

    def decide(self, day: float) -> Decision:
        self.clock.now = NOW + day * DAY
        self._number += 1
        time = self.clock.now if self.engine.store.simulated else None
        return self.engine.decide(
            DecisionRequest(
                identity=f"crm:{self._number}", placements=(PlacementRequest("banner"),), time=time
            )
        )

    def tell(self, decision: Decision, action: str, kind: str, day: float) -> None:
        """What became of a recommendation of the decision."""
        self.clock.now = NOW + day * DAY
        (shown,) = [one for one in decision.recommendations if one.action == action]
        happened = Interaction(
            interaction_id=f"{shown.recommendation_id}/{kind}",
            identity=f"crm:{self._number}",
            type=kind,
            time=self.clock.now,
            recommendation_id=shown.recommendation_id,
        )
        assert [one.status for one in self.engine.record([happened])] == ["recorded"]

    def know(self) -> dict[str, Tally]:
        while self.engine.evidence.step(self.engine.catalog):
            pass
        return dict(self.engine.evidence.current.actions)


def answered(world: World, days: int) -> None:
    """Every day the old action is shown twice, and accepted once, a week later."""
    for day in range(days):
        world.tell(world.decide(day), "old", "impression", day)
        decision = world.decide(day)
        world.tell(decision, "old", "impression", day)
        world.tell(decision, "old", "accept", day + 7)


def propensity(decision: Decision, action: str) -> float:
    return next(one.propensity for one in decision.recommendations if one.action == action)


def test_they_do_not_speak_against_a_new_action_before_their_time_is_over() -> None:
    world = World()
    answered(world, 40)
    world.know()
    before = propensity(world.decide(60), "new")
    for _ in range(40):
        world.tell(world.decide(60), "new", "impression", 60)
    assert world.know()["new"].counted < 9.0
    decision = world.decide(60)
    assert 0.85 * before < propensity(decision, "new") < before
    world.tell(world.decide(90), "old", "impression", 90)
    assert world.know()["new"] == Tally(40, 0)
    assert propensity(world.decide(90), "new") < 0.6 * before


def test_a_decision_on_them_is_on_record_replayed_and_explained() -> None:
    world = World()
    answered(world, 40)
    for _ in range(40):
        world.tell(world.decide(60), "new", "impression", 60)
    known = world.know()["new"]
    decision = world.decide(60)
    record = world.engine.log.read(decision.decision_id)
    assert record is not None
    assert record.evidence["new"] == known
    assert repeat(world.engine.catalogs.of(record), record).outcome == "identical"
    told = world.engine.explain(decision.decision_id).candidates
    text = next(one.text for one in told if one.action == "new")
    assert (
        f"40 contacts so far, 0 of them with a positive outcome; as outcomes may still come, they "
        f"count as {known.counted:.1f}: "
    ) in text


def test_in_a_real_store_they_grow_old_by_themselves() -> None:
    world = World(simulated=False)
    answered(world, 40)
    for _ in range(10):
        world.tell(world.decide(60), "new", "impression", 60)
    waits = [world.know()["new"].waiting]
    for day in (64, 68, 90):
        world.clock.now = NOW + day * DAY
        waits.append(world.know()["new"].waiting)
        now = known_evidence(world.engine.store, now=world.clock.now)
        assert now == world.engine.evidence.current.actions
    assert waits[0] > 7.0
    assert waits == sorted(waits, reverse=True)
    assert waits[-1] == 0.0


def test_outcomes_that_are_told_late_are_waited_for() -> None:
    """They took place at once, but the file with them comes a week later."""
    world = World(simulated=False)
    for day in range(40):
        decision = world.decide(day)
        world.tell(decision, "old", "impression", day)
        (shown,) = [one for one in decision.recommendations if one.action == "old"]
        world.clock.now = NOW + (day + 7) * DAY
        accepted = Interaction(
            interaction_id=f"{shown.recommendation_id}/accept",
            identity="crm:1",
            type="accept",
            time=NOW + day * DAY,
            recommendation_id=shown.recommendation_id,
        )
        world.engine.record([replace(accepted, identity=f"crm:{day + 1}")])
    for _ in range(20):
        world.tell(world.decide(60), "new", "impression", 60)
    assert world.know()["new"].counted < 5.0
