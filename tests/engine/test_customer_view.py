from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable
from copy import copy
from typing import Any

import pytest

from nba_engine.domain import AggregateSpec, Consent, CustomerState, CustomerView

SPECS = {
    "visits": AggregateSpec(name="visits", kind="count", types=("visit",)),
    "last_visit": AggregateSpec(name="last_visit", kind="last", types=("visit",)),
    "heat": AggregateSpec(name="heat", kind="decayed", types=("visit",), half_life=10.0),
    "age": AggregateSpec(name="age", kind="count", types=("birthday",)),
}


def view(now: float = 100.0, **aggregates: Any) -> CustomerView:
    state = CustomerState(
        customer_id="c",
        attributes={"age": 40},
        aggregates=aggregates,
        consents={
            "marketing:email": Consent(granted=True, time=1.0),
            "marketing:app": Consent(granted=False, time=1.0),
        },
    )
    return CustomerView(state, SPECS, now)


def test_a_view_holds_attributes_consents_and_who_it_is() -> None:
    one = view()
    assert (one["age"], one["customer_id"], one["known"]) == (40, "c", True)
    assert one["consents"] == ["marketing:email"]


def test_aggregates_are_computed_when_asked_for() -> None:
    one = view(visits=3, heat=[90.0, 4.0])
    assert "visits" not in list(one)
    assert one["visits"] == 3
    assert one["heat"] == 2.0
    assert one.get("visits") == 3
    assert "visits" in one
    assert "visits" in list(one)


def test_what_has_no_value_is_missing() -> None:
    one = view()
    assert one["visits"] == 0
    assert "last_visit" not in one
    assert "nowhere" not in one
    assert one.get("last_visit", "never") == "never"
    for name in ("last_visit", "nowhere"):
        with pytest.raises(KeyError):
            one[name]


def test_an_attribute_wins_over_an_aggregate_of_its_name() -> None:
    assert view(age=7)["age"] == 40


def test_names_are_those_with_a_value() -> None:
    assert set(view().names()) == {"age", "customer_id", "known", "consents", "visits", "heat"}


def test_a_view_at_another_time_computes_aggregates_anew() -> None:
    one = view(heat=[90.0, 4.0])
    assert one["heat"] == 2.0
    assert one.at(110.0)["heat"] == 1.0
    assert one["heat"] == 2.0


def test_supposed_values_win_and_removed_ones_are_missing() -> None:
    one = view(visits=3)
    other = one.changed({"visits": 9, "age": 5}, removed=["heat"])
    assert (other["visits"], other["age"]) == (9, 5)
    assert "heat" not in other
    assert other.at(200.0)["visits"] == 9
    assert (one["visits"], one["age"], one["heat"]) == (3, 40, 0.0)


def test_copies_share_nothing_that_changes() -> None:
    one = view(visits=3)
    other = copy(one)
    other["consents"].append("everything:email")
    assert other["visits"] == 3
    assert one["consents"] == ["marketing:email"]


@pytest.mark.parametrize(
    "change",
    [
        lambda seen: seen.__setitem__("age", 1),
        lambda seen: seen.__delitem__("age"),
        lambda seen: seen.update(age=1),
        lambda seen: seen.setdefault("new", 1),
        lambda seen: seen.pop("age"),
        lambda seen: seen.popitem(),
        lambda seen: seen.clear(),
        lambda seen: seen.__ior__({"age": 1}),
    ],
)
def test_nobody_changes_what_is_known_of_a_customer(change: Callable[[Any], object]) -> None:
    one = view(visits=3)
    with pytest.raises(TypeError, match="cannot be changed"):
        change(one)
    assert (one["age"], one["visits"]) == (40, 3)


def test_a_state_of_another_kind_starts_anew() -> None:
    assert view(heat="hot")["heat"] == 0.0


def test_a_view_can_lie_under_other_values() -> None:
    chain = ChainMap[str, Any]({"age": 1}, view(visits=3))
    assert (chain["age"], chain["visits"]) == (1, 3)
