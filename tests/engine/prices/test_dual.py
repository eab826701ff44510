"""One step of a price."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from nba_engine.engine.prices import MOST, next_price


def step(price: float, used: float, planned: float, *, scale: float = 2.0) -> float:
    return next_price(
        price, used=used, planned=planned, scale=scale, per_contact=0.5, contacts=400.0
    )


def test_a_price_rises_when_more_is_used_than_planned_and_falls_when_less() -> None:
    assert step(1.0, used=3.0, planned=2.0) > 1.0 > step(1.0, used=1.0, planned=2.0)
    assert step(1.0, used=2.0, planned=2.0) == 1.0


def test_one_contact_too_many_moves_a_price_by_a_step_over_the_root_of_all_contacts() -> None:
    # planned 4 contacts of 0.5 each, used 5; 400 in all: 0.5 / 20 of the scale 2
    assert math.isclose(step(1.0, used=2.5, planned=2.0), 1.0 + 0.5 / 20.0 * 2.0)


def test_a_price_is_never_negative_and_never_leaps() -> None:
    assert step(0.001, used=0.0, planned=50.0) == 0.0
    assert step(1.0, used=1e9, planned=1.0) == 1.0 + MOST * 2.0


def test_nothing_moves_where_nothing_is_left_to_plan_with() -> None:
    assert step(1.5, used=3.0, planned=0.0) == 1.5
    assert next_price(1.5, used=1, planned=1, scale=1, per_contact=0.0, contacts=9) == 1.5


@given(st.lists(st.floats(0.0, 3.0), min_size=1, max_size=20), st.floats(0.5, 3.0))
def test_how_often_prices_are_updated_does_not_matter(uses: list[float], planned: float) -> None:
    often = 10.0
    for used in uses:
        often = step(often, used=used, planned=planned, scale=0.1)
    once = step(10.0, used=sum(uses), planned=planned * len(uses), scale=0.1)
    assert math.isclose(often, once, rel_tol=1e-9) or abs(once - 10.0) >= MOST * 0.1 * 0.999
