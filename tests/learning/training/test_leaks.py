"""No feature sees the future: what becomes known after the outcome does not help."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nba_engine.catalog import Catalog
from nba_engine.domain import (
    DecisionRequest,
    Interaction,
    PlacementRequest,
    ProfileUpdate,
)
from nba_engine.engine import Engine
from nba_engine.errors import FailedPrecondition
from nba_engine.learning.interactions import customers_of, history_of
from nba_engine.learning.metrics import auc
from nba_engine.learning.training import (
    Examples,
    Options,
    examples_of_decisions,
    examples_of_history,
    train,
)
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
CUSTOMERS = 260

FEATURES = {
    "visits": {"source": "customer.visits"},
    # set in the profile after the accept: a perfect leak, if it were read as of today
    "loyal": {"source": "customer.loyal"},
    # counted from thank-you mails that follow an accept
    "thanked": {"source": "customer.thanked"},
}


def catalog(**tables: Any) -> Catalog:
    changes: dict[str, Any] = {
        "outcomes": {"answered": {"within": "7d"}},
        "actions": {name: None for name in shop()["actions"] if name not in ("offer1", "nothing")},
        "rules": {"adults": None, "signed_up": None},
        "attributes": {"loyal": {"type": "bool"}},
        "aggregates": {"thanked": {"kind": "count", "types": ["thanks"]}},
        "features": FEATURES,
    }
    return make_catalog(**(changes | tables))


class Past:
    """Customers who were offered something once; the more visits, the likelier they accept."""

    def __init__(self) -> None:
        self.catalog = catalog()
        self.store, self.log, self.clock = FakeStore(), MemoryLog(), FixedClock()
        self.engine: Engine = make_engine(
            self.catalog, store=self.store, log=self.log, clock=self.clock
        )
        random = np.random.default_rng(11)
        self.accepted: list[bool] = []
        for number in range(CUSTOMERS):
            name, at = f"crm:{number}", NOW + number * DAY / 2
            visits = int(random.integers(0, 6))
            self._happen(*(("visit", at - 60.0 + visit) for visit in range(visits)), name=name)
            self.clock.now = at
            request = DecisionRequest(
                identity=name, placements=(PlacementRequest("banner", 1),), context={"hour": 9.0}
            )
            shown = self.engine.decide(request).recommendations[0].recommendation_id
            self.accepted.append(bool(random.random() < visits / 6))
            if self.accepted[-1]:
                # told with the outcome, of a time before the decision: a perfect leak, too
                told = (("accept", at + DAY), ("thanks", at + DAY), ("survey", at - DAY))
                self._happen(*told, name=name, about=shown)
                update = ProfileUpdate(identity=name, attributes={"loyal": True})
                self.engine.update_profile(update)

    def _happen(self, *what: tuple[str, float], name: str, about: str = "") -> None:
        if what:
            self.clock.now = max(time for _, time in what)
            self.engine.record(
                [
                    Interaction(
                        interaction_id=f"{name}-{kind}-{time}",
                        identity=name,
                        type=kind,
                        time=time,
                        recommendation_id=about if kind == "accept" else "",
                    )
                    for kind, time in what
                ]
            )

    def examples(self, wanted: Catalog) -> Examples:
        known = {self.catalog.version: self.catalog, wanted.version: wanted}
        return examples_of_decisions(
            self.log.records.values,
            self.store,
            wanted,
            catalog_of=known.get,
            tables={},
            until=NOW + 200 * DAY,
        )


@pytest.fixture(scope="module")
def past() -> Past:
    return Past()


def test_the_leak_is_there_for_whoever_reads_todays_profiles(past: Past) -> None:
    today = []
    for number in range(CUSTOMERS):
        found = past.store.customer(f"crm:{number}")
        today.append(bool(found and found[0].attributes.get("loyal", False)))
    assert auc(np.array(past.accepted, float), np.array(today, float)) == 1.0


def test_an_attribute_that_became_known_after_the_outcome_does_not_help(past: Past) -> None:
    examples = past.examples(past.catalog)
    assert examples.label.tolist() == [float(one) for one in past.accepted]
    place = [feature.name for feature in examples.features].index("loyal")
    assert np.unique(examples.rows[:, place]).tolist() == [0.0]
    found = train(examples, Options(model="logistic", validation=0.25, test=0.3))
    assert found.importance["loyal"] == 0.0
    assert found.figures["model"].auc < 0.95


def test_an_aggregate_declared_since_does_not_see_what_followed_the_outcome(past: Past) -> None:
    renamed = catalog(
        aggregates={
            "thanked": {"kind": "count", "types": ["thanks"], "sensitive": True},
            "visits": {"kind": "count", "types": ["visit", "call"]},
        }
    )
    examples = past.examples(renamed)
    names = [feature.name for feature in examples.features]
    assert np.unique(examples.rows[:, names.index("thanked")]).tolist() == [0.0]
    visits = examples.rows[:, names.index("visits")]
    assert set(visits.tolist()) == {0.0, 1.0, 2.0, 3.0, 4.0, 5.0}
    assert np.array_equal(visits, past.examples(past.catalog).rows[:, names.index("visits")])


def test_what_was_told_after_the_decision_is_not_seen_whenever_it_took_place(past: Past) -> None:
    declared = catalog(
        aggregates={
            "surveys": {"kind": "count", "types": ["survey"]},
            "thanked": {"kind": "count", "types": ["thanks"]},
        },
        features=FEATURES | {"surveys": {"source": "customer.surveys"}},
    )
    examples = past.examples(declared)
    names = [feature.name for feature in examples.features]
    today = past.store.customer(f"crm:{past.accepted.index(True)}")
    assert today is not None
    history = history_of(past.store, today[0].customer_id) or []
    assert any(one.type == "survey" and one.time < NOW + CUSTOMERS * DAY for one in history)
    assert np.unique(examples.rows[:, names.index("surveys")]).tolist() == [0.0]


BOUGHT = {
    "bought": {"positive": ["purchase"], "by": "category", "within": "5d"},
}


def shopping(features: dict[str, Any], **tables: Any) -> tuple[FakeStore, Catalog]:
    """Forty customers buy bread and milk at random for 60 days."""
    found = make_catalog(
        outcomes=BOUGHT,
        features=features,
        aggregates={"when": {"kind": "last", "types": ["purchase"], "by": "category"}},
        **tables,
    )
    store, clock = FakeStore(simulated=True), FixedClock()
    engine = make_engine(found, store=store, clock=clock)
    random = np.random.default_rng(12)
    for customer in range(40):
        times = np.sort(random.uniform(0, 60 * DAY, 30))
        clock.now = NOW + 61 * DAY
        engine.record(
            [
                Interaction(
                    interaction_id=f"{customer}-{number}",
                    identity=f"crm:{customer}",
                    type="purchase",
                    time=NOW + float(time),
                    properties={"category": str(random.choice(["bakery", "dairy", "pets"]))},
                )
                for number, time in enumerate(times)
            ]
        )
    return store, found


def test_at_moments_of_the_past_nothing_later_is_seen_and_labels_are_what_followed() -> None:
    store, found = shopping(
        {
            "bought": {"source": "customer.purchases", "key": "action.category"},
            "since": {
                "source": "customer.when",
                "key": "action.category",
                "transform": "days_since",
                "default": 99,
            },
        }
    )
    examples = examples_of_history(store, found, tables={}, until=NOW + 60 * DAY)
    category_of = {one.id: one.attributes.get("category") for one in found.actions}
    assert len(np.unique(examples.time)) >= 10
    random, ids = np.random.default_rng(13), list(customers_of(store))
    for at in random.choice(len(examples), 60, replace=False).tolist():
        code = int(examples.customer[at])
        history = history_of(store, ids[code]) or []
        category = category_of[examples.actions[examples.action[at]]]
        times = [one.time for one in history if one.properties["category"] == category]
        before = [time for time in times if time < examples.time[at]]
        after = [time for time in times if examples.time[at] < time <= examples.time[at] + 5 * DAY]
        since = (examples.time[at] - max(before)) / DAY if before else 99.0
        assert examples.rows[at].tolist() == pytest.approx([len(before), since], rel=1e-6)
        assert examples.label[at] == float(bool(after))


@pytest.mark.parametrize(
    ("feature", "reason"),
    [
        ({"source": "customer.age"}, "the profile says what it is today"),
        ({"source": "action.price"}, "the catalog says what it is today"),
        ({"source": "context.hour"}, "there is no context"),
        ({"source": "now.hour"}, "the moments are chosen here"),
        ({"source": "treatment.cost"}, "no treatment was shown"),
        (
            {
                "source": "customer.purchases",
                "key": "action.category",
                "transform": "table",
                "table": "complements",
            },
            "may have been learned from what came later",
        ),
    ],
)
def test_what_cannot_be_known_as_of_then_is_refused(feature: dict[str, Any], reason: str) -> None:
    store, found = shopping({"odd": feature})
    with pytest.raises(FailedPrecondition, match=f"odd: .*{reason}"):
        examples_of_history(store, found, tables={})


def test_who_knows_better_says_so_and_it_is_told() -> None:
    store, found = shopping({"price": {"source": "action.price"}})
    examples = examples_of_history(store, found, tables={}, assumed={"price"})
    assert examples.warnings == ("assumed to have been known at the time: price",)
