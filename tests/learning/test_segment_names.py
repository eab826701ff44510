"""Names of segments that people who sell would use, and the sentence that describes each."""

from __future__ import annotations

import numpy as np
import pytest

from nba_engine.domain import Feature
from nba_engine.learning.segments.naming import Trait, names_of, traits_of, words_of
from nba_engine.learning.segments.vocabulary import kind_of, tokens_of


def apart(*traits: str) -> list[Trait]:
    """Traits as ``+visits``, ``-@last_visit`` (days since it), ``+:dairy`` (of a map), furthest first."""
    found = []
    for place, told in enumerate(traits):
        name = told[1:].removeprefix("@").removeprefix(":")
        distance = (1.5 - 0.2 * place) * (1 if told[0] == "+" else -1)
        element = name if told[1] == ":" else ""
        found.append(
            Trait(
                name=f"bought_{name}" if element else name,
                distance=distance,
                since=told[1] == "@",
                element=element,
            )
        )
    return found


@pytest.mark.parametrize(
    ("traits", "name"),
    [
        (("+@last_visit", "-spent_lately"), "lapsed_small_spenders"),
        (("-recency", "+frequency", "+monetary"), "active_regulars"),
        (("+discounts", "-evenings"), "bargain_hunters"),
        (("+evenings", "-discounts"), "full_price_evening_shoppers"),
        (("+avgBasket", "-visits"), "occasional_big_basket_buyers"),
        (("+:dairy", "+purchases"), "frequent_dairy_fans"),
        (("+age", "-:wine"), "older_customers"),
        (("+visits", "+orders", "+spend"), "high_spending_regulars"),  # one kind is said once
        (("-customer_since", "+orders"), "new_regulars"),
        (("-@last_complaint", "+visits"), "regulars_with_recent_complaint"),
        (("+umsatz", "-besuche"), "high_umsatz_low_besuche"),
        (("-score",), "customers_with_low_score"),
    ],
)
def test_a_name_says_who_they_are(traits: tuple[str, ...], name: str) -> None:
    assert names_of([apart(*traits)]) == [name]


def test_a_name_that_is_taken_gets_what_else_is_said() -> None:
    one = apart("+discounts", "-evenings", "-score")
    assert names_of([one, one], taken=["bargain_hunters"]) == [
        "bargain_hunters_with_few_evenings",
        "bargain_hunters_with_low_score",
    ]


def test_a_moment_is_not_taken_for_days_since_it() -> None:
    moment = Trait(name="last_visit", distance=1.2, typical=1.7e9, usual=1.6e9)
    assert names_of([[moment]]) == ["customers_with_high_last_visit"]


def test_words_of_columns_are_read_however_they_are_written() -> None:
    assert tokens_of("avgBasket_2025 Categories") == ["avg", "basket", "2025", "category"]
    kinds = [kind_of(name) for name in ("Gift vouchers used", "lastOrders", "days_since_signup")]
    assert [kind.name for kind in kinds if kind] == ["discounts", "recency", "tenure"]
    assert kind_of("bonus") is None


def test_the_sentence_tells_the_figures_in_the_behaviors_own_unit() -> None:
    spend = np.log1p([2.0, 4.0, 30.0, 40.0])
    days = [90.0, 110.0, 10.0, 10.0]
    rows = np.array([spend, days], dtype=np.float32).T
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    features = (
        Feature(name="spend", source="customer.spend", transform="log1p"),
        Feature(name="last_visit", source="customer.last_visit", transform="days_since"),
    )
    lapsed, active = traits_of(rows, scaled.astype(np.float64), np.array([0, 0, 1, 1]), features)
    assert words_of(lapsed) == (
        "Longer since the last visit (on average 100 days, all customers 55), "
        "lower spend (on average 3, all customers 19)."
    )
    assert names_of([lapsed, active]) == ["lapsed_small_spenders", "active_big_spenders"]
    assert words_of([Trait(name="visits", distance=0.1)]) == "Like everybody on average."
