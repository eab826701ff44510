"""What is usual among others is fitted from time to time: a decision's inputs are by the fit of then."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from nba_engine.catalog import Catalog, Vocabulary, load
from nba_engine.domain import DecisionRequest, Interaction, PlacementRequest
from nba_engine.domain.fitted import AFFINITIES, Fitted, FittedTable, SharePrior
from nba_engine.errors import FailedPrecondition
from nba_engine.learning.as_read import fitted_by_version
from nba_engine.learning.training import Examples, examples_of_decisions, examples_of_history
from nba_engine.models import save_fitted
from nba_engine.stages.functions import RULE_FUNCTIONS
from nba_engine.testing import NOW, FakeStore, FixedClock, MemoryLog, make_engine, shop
from nba_engine.testing.world import toml

DAY = 86_400.0
TASTE = {"kind": "share", "types": ["purchase"], "by": "category", "half_life": "90d"}


def table(dairy: float) -> FittedTable:
    """Everybody's shares, as fitted once."""
    prior = SharePrior(means={"": {"dairy": dairy, "bakery": 1.0 - dairy}}, weight=2.0)
    fitted = Fitted(by="category", half_life=90 * DAY, types=("purchase",), prior=prior)
    return FittedTable(aggregates={"taste": fitted})


THEN, TODAY = table(0.5), table(0.01)  # hardly anybody buys dairy any more


def catalog(fitted: FittedTable) -> Catalog:
    tables = shop() | {
        "outcomes": {"answered": {"positive": ["purchase"], "by": "category", "within": "7d"}},
        "features": {"taste": {"source": "customer.taste", "key": "action.category", "default": 1}},
    }
    tables["aggregates"] = {**tables["aggregates"], "taste": TASTE}
    return load({"shop.toml": toml(tables)}, Vocabulary(functions=RULE_FUNCTIONS, fitted=fitted))


class Past:
    """Decisions about customers who bought dairy before; in force was what ``versions`` say."""

    def __init__(self, versions: list[str]) -> None:
        self.today = catalog(TODAY)
        self.store, self.clock, log = FakeStore(), FixedClock(), MemoryLog()
        engine = make_engine(self.today, store=self.store, log=log, clock=self.clock)
        self.records = []
        for number, version in enumerate(versions):
            name, self.clock.now = f"crm:{number}", NOW + number * DAY
            bought = Interaction(
                interaction_id=f"i{number}",
                identity=name,
                type="purchase",
                time=self.clock.now - DAY,
                properties={"category": "dairy"},
            )
            engine.record([bought])
            asked = DecisionRequest(
                identity=name, placements=(PlacementRequest("banner", 3),), context={"hour": 9.0}
            )
            decided = engine.decide(asked)
            models: Mapping[str, str] = {AFFINITIES: version} if version else {}
            record = log.records[decided.decision_id]
            self.records.append(msgspec.structs.replace(record, model_versions=models))

    def examples(self, tables: Mapping[str, FittedTable], **more: Any) -> Examples:
        return examples_of_decisions(
            lambda: self.records,
            self.store,
            self.today,
            catalog_of={self.today.version: self.today}.get,
            tables={},
            fitted_of=tables.get,
            until=NOW + 90 * DAY,
            **more,
        )


def of_dairy(examples: Examples) -> list[float]:
    """The input of each decision's first recommendation of dairy."""
    dairy = [one.id for one in catalog(TODAY).actions if one.attributes.get("category") == "dairy"]
    chosen = np.isin(np.array(examples.actions)[examples.action], dairy)
    return [
        float(examples.rows[chosen & (examples.time == at)][0, 0])
        for at in np.unique(examples.time)
    ]


def test_affinities_are_by_what_was_fitted_when_it_was_decided() -> None:
    found = Past(["", "then", "today"]).examples({"": FittedTable(), "then": THEN, "today": TODAY})
    kept = 2.0 ** (-1 / 90)  # a purchase, a day ago
    share = [(2.0 * mean + kept) / (2.0 + kept) / mean for mean in (0.5, 0.01)]
    assert of_dairy(found) == pytest.approx([1.0, *share], rel=1e-5)


def test_what_is_gone_cannot_be_read_and_is_counted() -> None:
    found = Past(["then", "lost"]).examples({"": FittedTable(), "then": THEN})
    assert len(np.unique(found.time)) == 1
    assert found.left_out["inputs no longer on record"] > 0


def test_who_says_that_it_was_known_gets_todays() -> None:
    found = Past(["", "lost"]).examples({"": FittedTable()}, assumed={"taste"})
    assert min(of_dairy(found)) > 10.0
    assert found.warnings == ("assumed to have been known at the time: taste",)


def test_of_history_they_are_refused() -> None:
    past = Past(["", ""])
    with pytest.raises(FailedPrecondition, match="taste: what is usual was learned from what came"):
        examples_of_history(past.store, past.today, tables={})


def test_earlier_fits_are_read_from_beside_the_one_in_force(tmp_path: Path) -> None:
    path = tmp_path / "affinities.json"
    then, today = save_fitted(path, THEN), save_fitted(path, TODAY)
    find = fitted_by_version(path)
    assert [find(""), find(then), find(today), find("0" * 12)] == [
        FittedTable(),
        THEN,
        TODAY,
        None,
    ]
