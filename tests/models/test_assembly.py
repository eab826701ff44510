"""The vectorized assembly against a slow reading of `Feature`'s docstring, one value at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba_engine.domain import AggregateSpec, CustomerState, CustomerView, Feature, Values
from nba_engine.models.assembly import Assembly
from tests.models import world

CATALOG = world.catalog()
TABLES = world.tables()
EVERY = np.arange(len(CATALOG.treatments))
LARGEST = float(np.finfo(np.float32).max)


def oracle(
    feature: Feature, treatment: int, customer: Values, context: Values, now: float
) -> float:
    raw = _raw(feature, treatment, customer, context, now)
    number = _transformed(feature, raw, now)
    if number is None or not abs(number) <= LARGEST:
        return feature.default
    if feature.minimum is not None:
        number = max(number, feature.minimum)
    return number if feature.maximum is None else min(number, feature.maximum)


def _raw(feature: Feature, treatment: int, customer: Values, context: Values, now: float) -> Any:
    of, _, name = feature.source.partition(".")
    if of == "now":
        local = datetime.fromtimestamp(now, ZoneInfo("America/New_York"))
        return {"": now, "hour": local.hour, "weekday": local.weekday()}[name]
    if of in ("action", "treatment"):
        return _of_treatment(feature.source, treatment)
    values = customer if of == "customer" else context
    if name not in values:
        return None
    value = values[name]
    if not feature.key:
        return value
    key = _of_treatment(feature.key, treatment)
    if not isinstance(key, str):
        return None
    if feature.transform == "table":
        if isinstance(value, Mapping):
            value = [element for element, amount in value.items() if amount != 0]
        if not isinstance(value, list):
            return None
        texts = {element for element in value if isinstance(element, str)}
        return math.fsum(TABLES["complements"].complements(text).get(key, 0.0) for text in texts)
    return value.get(key) if isinstance(value, Mapping) else None


def _of_treatment(path: str, index: int) -> Any:
    of, _, name = path.partition(".")
    treatment = CATALOG.treatments[index]
    thing = CATALOG.actions[CATALOG.action_index[treatment.action]] if of == "action" else treatment
    own = {"id", "name", "prior", "channel", "cost"}
    return getattr(thing, name) if name in own else thing.attributes.get(name)


def _transformed(feature: Feature, raw: Any, now: float) -> float | None:
    if feature.transform == "equals":
        usable = isinstance(raw, (str, int, float)) and not _is_nan(raw)
        return float(raw == feature.value) if usable else None
    if not isinstance(raw, (int, float)):
        return None
    try:
        number = float(raw)
    except OverflowError:
        return None
    if feature.transform == "log1p":
        return math.log1p(number) if number > -1 else None
    return (now - number) / world.DAY if feature.transform == "days_since" else number


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


SPECIAL = st.sampled_from(
    [-1.0, 0.0, 3.0, True, 1e39, math.nan, math.inf, 10**400, -(10**400), world.NOW - 1e6]
)
NUMBERS = SPECIAL | st.floats(-1e6, 1e6) | st.integers(-10, 10)
ANY = NUMBERS | st.sampled_from(["a", "3", "", [], {}, [1.0], "c1"])
EQUAL_TO: st.SearchStrategy[str | float | bool] = st.sampled_from(["a", 3.0, True, 0.0])
CATEGORIES = st.sampled_from(["c0", "c1", "c2", "email", "elsewhere"])
MAPS = st.dictionaries(CATEGORIES, st.one_of(SPECIAL, SPECIAL, SPECIAL, ANY), min_size=2)
LISTS = st.lists(CATEGORIES | st.sampled_from([3, None, ["c1"]]), min_size=2, max_size=6)
NAMES = ("age", "joined", "segment", "shares", "bought")
VALUES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"shares": st.one_of(MAPS, MAPS, MAPS, MAPS, ANY), "bought": LISTS | LISTS | MAPS | ANY},
    optional={"age": ANY, "joined": ANY, "segment": ANY},
) | st.just({})


@st.composite
def features(draw: st.DrawFn) -> Feature:
    kind = draw(st.sampled_from(["plain", "cross", "cross", "table", "table", "action", "now"]))
    transform = draw(st.sampled_from(["none", "log1p", "days_since", "equals"]))
    key = table = ""
    of = draw(st.sampled_from(["customer", "context"]))
    source = f"{of}.{draw(st.sampled_from(NAMES))}"
    if kind in ("cross", "table"):
        source = draw(st.sampled_from([f"{of}.shares", f"{of}.shares", f"{of}.bought"]))
        key = draw(st.sampled_from(["action.category"] * 4 + ["treatment.channel", "action.price"]))
    if kind == "table":
        transform, table = "table", "complements"
    if kind == "action":
        source = draw(st.sampled_from(["action.price", "action.id", "treatment.tone"]))
        transform = draw(st.sampled_from(["none", "log1p", "equals"]))
    if kind == "now":
        source = draw(st.sampled_from(["now", "now.hour", "now.weekday"]))
        transform = draw(st.sampled_from(["none", "log1p", "equals"]))
    bounds = sorted(draw(st.lists(st.floats(-100, 100), min_size=2, max_size=2)))
    return Feature(
        name="x",
        source=source,
        key=key,
        table=table,
        transform=transform,  # type: ignore[arg-type]
        value=draw(EQUAL_TO) if transform == "equals" else None,
        default=draw(st.sampled_from([0.0, -1.0, 500.0])),
        minimum=draw(st.sampled_from([None, None, None, bounds[0]])),
        maximum=draw(st.sampled_from([None, None, None, bounds[1]])),
    )


@settings(deadline=None, max_examples=400)
@given(
    st.lists(features(), min_size=4, max_size=8),
    VALUES,
    VALUES,
    st.floats(0, 4e9),
    st.lists(st.integers(0, len(EVERY) - 1), max_size=3),
)
def test_the_assembly_equals_the_slow_reading_of_the_definition(
    declared: list[Feature],
    customer: dict[str, Any],
    context: dict[str, Any],
    now: float,
    index: list[int],
) -> None:
    assembly = Assembly(declared, CATALOG, TABLES)
    index += [0, 5, 8, len(EVERY) - 1]  # three categories, both channels, nothing
    expected = [[oracle(f, t, customer, context, now) for f in declared] for t in index]
    rows = np.empty((len(index), len(declared)), dtype=np.float32)
    for _ in range(2):  # buffers are used again
        assembly.rows(np.array(index, dtype=np.intp), customer, context, now, rows)
        np.testing.assert_allclose(
            rows, np.array(expected, dtype=np.float32).reshape(rows.shape), rtol=1e-6
        )


def rows_of(feature: Feature, customer: Values, context: Values | None = None) -> dict[str, float]:
    """The feature's value by treatment id."""
    rows = np.empty((len(EVERY), 1), dtype=np.float32)
    Assembly([feature], CATALOG, TABLES).rows(EVERY, customer, context or {}, world.NOW, rows)
    return {t.id: float(v) for t, v in zip(CATALOG.treatments, rows[:, 0], strict=True)}


def test_a_default_is_not_clipped() -> None:
    recency = Feature(
        name="r", source="customer.joined", transform="days_since", default=999.0, maximum=365.0
    )
    assert set(rows_of(recency, {}).values()) == {999.0}
    assert set(rows_of(recency, {"joined": 0.0}).values()) == {365.0}


def test_a_map_is_looked_up_by_the_actions_key() -> None:
    share = Feature(name="s", source="customer.shares", key="action.category", default=-1.0)
    values = rows_of(share, {"shares": {"c0": 0.5, "c1": True, "elsewhere": 9.0}})
    assert values["offer0.app"] == values["offer1.email"] == 0.5
    assert values["offer2.app"] == 1.0
    assert values["offer4.app"] == values["nothing.app"] == -1.0


def test_an_integer_beyond_every_number_is_missing() -> None:
    share = Feature(name="s", source="customer.shares", key="action.category", default=-1.0)
    for others in ({}, {"c2": "3"}):
        values = rows_of(share, {"shares": {"c0": 10**400, "c1": 2, **others}})
        assert values["offer0.app"] == values["offer4.app"] == -1.0
        assert values["offer2.app"] == 2.0


def test_a_table_sums_over_distinct_elements() -> None:
    score = Feature(
        name="e",
        source="context.cart",
        key="action.category",
        transform="table",
        table="complements",
        default=-1.0,
    )
    strength = {c: TABLES["complements"].complements(c) for c in ("c0", "c1")}
    values = rows_of(score, {}, {"cart": ["c0", "c1", "c0", "unknown"]})
    assert values["offer4.app"] == pytest.approx(strength["c0"]["c2"] + strength["c1"]["c2"])
    assert values["offer10.app"] == 0.0
    assert values["nothing.app"] == -1.0
    assert rows_of(score, {}, {"cart": []})["offer4.app"] == 0.0
    assert rows_of(score, {}, {})["offer4.app"] == -1.0


def test_a_map_counts_as_the_list_of_what_it_has_more_than_none_of() -> None:
    score = Feature(
        name="e", source="customer.count", key="action.category", transform="table",
        table="complements",
    )  # fmt: skip
    of_map = rows_of(score, {"count": {"c0": 3, "c1": 0}})
    assert of_map == rows_of(score, {"count": ["c0"]})
    assert of_map["offer4.app"] > 0


def test_hour_and_weekday_are_local() -> None:
    # 2017-07-14 02:40 UTC is Thursday the 13th, 22:40, in New York
    assert set(rows_of(Feature(name="h", source="now.hour"), {}).values()) == {22.0}
    assert set(rows_of(Feature(name="d", source="now.weekday"), {}).values()) == {3.0}


def test_a_customer_view_serves_its_aggregates() -> None:
    spec = {"count": AggregateSpec(name="count", kind="count", types=("p",), by="category")}
    state = CustomerState(customer_id="1", aggregates={"count": {"c1": 4}})
    view = CustomerView(state, spec, world.NOW)
    values = rows_of(Feature(name="n", source="customer.count", key="action.category"), view)
    assert values["offer2.app"] == 4.0
    assert values["offer0.app"] == 0.0
