from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from nba_engine.domain import (
    DecisionRequest,
    Feature,
    Interaction,
    LinkRequest,
    PlacementRequest,
    ProfileUpdate,
)
from nba_engine.learning.decisions import LoggedDecisions, read_decisions
from nba_engine.testing import (
    NOW,
    FakeStore,
    FixedClock,
    MemoryLog,
    make_catalog,
    make_engine,
    shop,
)

DAY = 86_400.0
ANSWERED = {"answered": {"within": "7d"}}
SEEN = {"answered": {"within": "7d", "shown_by": ["impression"]}}
BOUGHT = {
    "answered": {"within": "7d"},
    "bought": {
        "positive": ["purchase"],
        "by": "categories",
        "within": "3d",
        "applies_to": {"actions": ["offer0"]},
    },
}


class World:
    """An engine in memory whose clock the test moves."""

    def __init__(self, **tables: Any) -> None:
        self.catalog = make_catalog(**tables)
        self.store, self.log, self.clock = FakeStore(), MemoryLog(), FixedClock()
        self.engine = make_engine(self.catalog, store=self.store, log=self.log, clock=self.clock)
        self._count = 0

    def decide(self, customer: str = "crm:1", after: float = 0.0) -> str:
        """The first recommendation's id."""
        self.clock.now = NOW + after
        request = DecisionRequest(
            identity=customer, placements=(PlacementRequest("banner", 2),), context={"hour": 9.0}
        )
        return self.engine.decide(request).recommendations[0].recommendation_id

    def happen(
        self, kind: str, after: float, about: str = "", customer: str = "crm:1", **properties: Any
    ) -> None:
        self._count += 1
        self.clock.now = NOW + after
        interaction = Interaction(
            interaction_id=f"i{self._count}",
            identity=customer,
            type=kind,
            time=NOW + after,
            properties=properties,
            recommendation_id=about,
        )
        (result,) = self.engine.record([interaction])
        assert result.status == "recorded"

    def read(self, after: float = 30 * DAY, **options: Any) -> LoggedDecisions:
        catalogs = {self.catalog.version: self.catalog, **options.pop("catalogs", {})}
        return read_decisions(
            self.log.records.values(),
            self.store,
            options.pop("catalog", self.catalog),
            catalogs.get,
            until=NOW + after,
            **options,
        )


def only(table: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: (entry if name in names else None) for name, entry in table.items()}


def one_offer(name: str) -> dict[str, Any]:
    """Changes that leave one offer and *nothing*."""
    return {
        "outcomes": BOUGHT if name == "offer0" else ANSWERED,
        "actions": only(shop()["actions"], name, "nothing")
        | {name: {"complements": [], "owned_for": "0s"}},
        "rules": {"adults": None, "signed_up": None},
    }


WEEKLY, DAILY = one_offer("offer1"), one_offer("offer0")


def test_an_accept_that_names_the_recommendation_is_positive_within_its_window() -> None:
    world = World(**WEEKLY)
    accepted, late, rejected = (world.decide(after=at * DAY) for at in range(3))
    world.happen("accept", 2.5 * DAY, accepted)
    world.happen("reject", 2.6 * DAY, rejected)
    world.happen("accept", 20 * DAY, late)
    found = world.read()
    assert found.recommendation_id == (accepted, late, rejected)
    assert found.outcome.tolist() == [1, 0, -1]
    assert found.outcome_time.tolist()[::2] == [NOW + 2.5 * DAY, NOW + 2.6 * DAY]
    assert found.label.tolist() == [1.0, 0.0, 0.0]


def test_a_positive_outcome_wins_over_an_earlier_negative_one() -> None:
    world = World(**WEEKLY)
    shown = world.decide()
    world.happen("reject", 1.0, shown)
    world.happen("accept", 2.0, shown)
    assert world.read().outcome.tolist() == [1]


def test_what_nobody_saw_is_not_usable_where_the_outcome_asks_for_impressions() -> None:
    world = World(**{**WEEKLY, "outcomes": SEEN})
    seen, _unseen = world.decide(), world.decide(after=60.0)
    world.happen("impression", 90.0, seen)
    found = world.read()
    assert found.seen.tolist() == [True, False]
    assert found.usable.tolist() == [True, False]


def test_an_example_is_censored_until_its_window_is_over() -> None:
    world = World(**WEEKLY)
    shown = world.decide()
    world.happen("accept", DAY, shown)
    assert world.read(after=6.9 * DAY).censored.tolist() == [True]
    assert world.read(after=7.1 * DAY).censored.tolist() == [False]


def test_a_purchase_in_the_actions_category_counts_after_the_decision_only() -> None:
    world = World(**DAILY)
    world.happen("purchase", -60.0, categories=["dairy", "pets"])
    world.decide()
    world.happen("purchase", DAY, categories=["pets"])
    assert world.read().outcome.tolist() == [0]
    world.happen("purchase", 2 * DAY, categories=["pets", "dairy"])
    assert world.read().outcome.tolist() == [1]
    world.decide(after=3 * DAY)
    world.happen("purchase", 3.5 * DAY, categories=["dairy"], customer="crm:2")
    assert world.read().outcome.tolist() == [1, 0], "somebody else's purchase"


def test_decisions_before_a_merge_find_what_the_merged_customer_did() -> None:
    world = World(**DAILY)
    world.happen("visit", 0.0, customer="cookie:9")
    world.happen("visit", 0.0, customer="crm:1")
    world.decide("cookie:9")
    world.engine.link_identities(LinkRequest(identities=("crm:1", "cookie:9")))
    world.happen("purchase", DAY, categories=["dairy"], customer="crm:1")
    assert world.read().outcome.tolist() == [1]


FEATURES = (
    Feature(name="age", source="customer.age", default=-1.0),
    Feature(name="bought", source="customer.purchases", key="action.category"),
    Feature(name="hour", source="context.hour"),
    Feature(name="price", source="action.price"),
)


def test_features_are_read_as_of_the_decision() -> None:
    world = World(**WEEKLY)
    world.engine.update_profile(ProfileUpdate(identity="crm:1", attributes={"age": 30}))
    world.happen("purchase", -DAY, category="bakery")
    world.decide()
    world.happen("purchase", DAY, category="bakery")
    world.engine.update_profile(ProfileUpdate(identity="crm:1", attributes={"age": 31}))
    world.decide(after=2 * DAY)
    found = world.read(features=FEATURES)
    assert found.features.tolist() == [[30, 1, 9, 2.5], [31, 2, 9, 2.5]]
    assert found.readable.all()


def test_values_of_actions_are_those_of_the_catalog_that_decided() -> None:
    world = World(**WEEKLY)
    world.decide()
    dearer = make_catalog(
        **{**WEEKLY, "actions": WEEKLY["actions"] | {"offer1": {"attributes": {"price": 99.0}}}},
    )
    found = world.read(catalog=dearer, catalogs={dearer.version: dearer}, features=FEATURES[3:])
    assert found.features.tolist() == [[2.5]]


def test_an_aggregate_that_was_declared_later_is_folded_up_to_the_decision() -> None:
    world = World(**WEEKLY)
    world.happen("purchase", -2.0, category="bakery")
    world.happen("purchase", -1.0, category="pets")
    world.decide()
    world.happen("purchase", 0.0, category="bakery")  # as of the decision, it had not happened
    world.decide(after=1.0)
    newer = make_catalog(
        **WEEKLY,
        aggregates={"ever": {"kind": "count", "types": ["purchase"]}},
    )
    ever = Feature(name="ever", source="customer.ever")
    found = world.read(catalog=newer, features=(ever, *FEATURES[1:2]))
    assert found.features.tolist() == [[2, 1], [3, 2]]


def test_decisions_whose_catalog_is_gone_have_outcomes_but_no_features() -> None:
    world = World(**WEEKLY)
    shown = world.decide()
    world.happen("accept", 1.0, shown)
    record = next(iter(world.log.records.values()))
    gone = msgspec.structs.replace(record, catalog_version="gone")
    found = read_decisions(
        [gone], world.store, world.catalog, lambda _: None, until=NOW + 9 * DAY, features=FEATURES
    )
    assert (found.outcome.tolist(), found.readable.tolist()) == ([1], [False])


def test_nothing_is_told_apart() -> None:
    world = World(**{**WEEKLY, "actions": WEEKLY["actions"] | {"offer1": {"value": 0.0}}})
    world.decide()
    found = world.read()
    assert (found.is_nothing.tolist(), found.usable.tolist()) == ([True], [False])


def test_without_decisions_the_columns_are_empty() -> None:
    found = World().read(features=FEATURES)
    assert (found.time.shape, found.features.shape) == ((0,), (0, 4))
    assert found.action.names == ()
    assert np.array_equal(found.usable, np.zeros(0, bool))
