"""Merging customers: in any order the same one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba_engine.domain import AggregateSpec, Consent, CustomerState, Held, MergeRule, of_customer
from nba_engine.domain.merging import merge_for

RULES: dict[str, MergeRule] = {
    "city": "latest",
    "born": "first",
    "best": "max",
    "worst": "min",
    "visits": "sum",
    "money": "sum",
    "by_day": "sum",
    "pets": "union",
    "seen": "union",
}
SPECS = {
    "purchases": AggregateSpec(name="purchases", kind="count", types=("p",)),
    "spent": AggregateSpec(name="spent", kind="sum", types=("p",), property="amount"),
    "last": AggregateSpec(name="last", kind="last", types=("p",), by="category"),
    "owned": AggregateSpec(
        name="owned", kind="set", types=("p",), by="category", removed_by=("r",)
    ),
}
MERGE = merge_for(RULES, SPECS)

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64)
WORDS = st.sampled_from(["a", "b", "c"])
TIMES = st.sampled_from([0.0, 1.0, 2.0, 3.0])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "city": WORDS,
    "born": WORDS,
    "best": NUMBERS,
    "worst": st.integers(-5, 5),
    "visits": st.integers(0, 2**62),
    "money": st.floats(-1e300, 1e300),
    "by_day": st.dictionaries(WORDS, st.floats(-1e9, 1e9)),
    "pets": st.lists(WORDS),
    "seen": st.dictionaries(WORDS, TIMES),
}
AGGREGATES = st.fixed_dictionaries(
    {},
    optional={
        "purchases": st.integers(1, 9),
        "spent": st.floats(-1e9, 1e9),
        "last": st.dictionaries(WORDS, TIMES, min_size=1),
        "owned": st.dictionaries(
            WORDS, TIMES | st.tuples(st.none() | TIMES, TIMES).map(list), min_size=1
        ),
        "forgotten": st.integers(1, 3),  # which the catalog no longer declares
    },
)
CONSENTS = st.dictionaries(
    st.sampled_from(["m:*", "m:email", "m:sms", "s:*", "s:email"]),
    st.builds(Consent, granted=st.booleans(), time=TIMES, source=WORDS),
)


@st.composite
def customers(draw: st.DrawFn) -> Held:
    attributes = draw(st.fixed_dictionaries({}, optional=VALUES))
    return Held(
        state=CustomerState(
            customer_id="one",
            version=draw(st.integers(1, 5)),
            attributes=attributes,
            aggregates=draw(AGGREGATES),
            consents=draw(CONSENTS),
        ),
        stamps={name: draw(TIMES) for name in attributes},
    )


@given(customers(), customers())
def test_it_does_not_matter_which_customer_is_merged_into_which(one: Held, other: Held) -> None:
    assert MERGE(one, other) == MERGE(other, one)


@given(customers(), customers(), customers())
def test_merging_in_any_order_gives_the_same_profile(a: Held, b: Held, c: Held) -> None:
    assert MERGE(MERGE(a, b), c) == MERGE(a, MERGE(b, c)) == MERGE(MERGE(c, a), b)


@given(customers(), customers(), customers(), customers())
def test_pairs_may_be_merged_first(a: Held, b: Held, c: Held, d: Held) -> None:
    assert MERGE(MERGE(a, b), MERGE(c, d)) == MERGE(MERGE(MERGE(d, b), a), c)


@given(customers(), customers())
def test_a_merge_changes_neither_of_the_two(one: Held, other: Held) -> None:
    before = repr((one, other))
    MERGE(one, other)
    assert repr((one, other)) == before


@given(customers(), customers())
def test_no_consent_is_granted_that_either_withdrew(one: Held, other: Held) -> None:
    merged = MERGE(one, other).state.consents
    for side in (one, other):
        for word, consent in side.state.consents.items():
            if not consent.granted:
                assert not merged[word].granted
                if word == "m:*":
                    exact = side.state.consents.get("m:email")
                    assert not (exact is None and merged.get("m:email", consent).granted)


def held(time: float, **attributes: Any) -> Held:
    return Held(
        state=CustomerState(customer_id="one", version=1, attributes=attributes),
        stamps=dict.fromkeys(attributes, time),
    )


@pytest.mark.parametrize(
    ("name", "earlier", "later", "merged"),
    [
        ("city", "x", "y", "y"),
        ("born", "x", "y", "x"),
        ("best", 2.0, 1.0, 2.0),
        ("worst", 2, 1, 1),
        ("visits", 2, 1, 3),
        ("by_day", {"a": 1.0}, {"a": 2.0, "b": 3.0}, {"a": 3.0, "b": 3.0}),
        ("pets", ["c", "b"], ["a", "b"], ["a", "b", "c"]),
        ("seen", {"a": 2.0}, {"a": 1.0, "b": 3.0}, {"a": 2.0, "b": 3.0}),
        ("undeclared", "x", "y", "y"),
    ],
)
def test_each_rule_does_what_the_page_says(
    name: str, earlier: Any, later: Any, merged: Any
) -> None:
    both = MERGE(held(1.0, **{name: earlier}), held(2.0, **{name: later}))
    assert both.state.attributes == {name: merged}


def test_sums_are_exact_however_many_are_merged() -> None:
    parts = [held(1.0, money=value) for value in (1e16, 1.0, -1e16, 1.0)]
    first = MERGE(MERGE(parts[0], parts[1]), MERGE(parts[2], parts[3]))
    assert first.state.attributes == {"money": 2.0}


def test_sums_end_where_numbers_do() -> None:
    large = MERGE(held(1.0, visits=2**62, money=1.7e308), held(1.0, visits=2**62, money=1.7e308))
    assert large.state.attributes == {"visits": 2**63 - 1, "money": 1.7976931348623157e308}


def test_a_value_of_a_type_that_is_no_longer_declared_is_taken_as_it_comes() -> None:
    both = MERGE(held(1.0, visits=2, pets="cat"), held(2.0, visits="many", pets=["dog"]))
    assert both.state.attributes == {"visits": "many", "pets": ["dog"]}


@pytest.mark.parametrize(
    ("account", "moved"),
    [
        ("cap|customer=a|lifetime", "cap|customer=b%7Cc|lifetime"),
        ("cap|channel=x|customer=a|2017-11-06", "cap|channel=x|customer=b%7Cc|2017-11-06"),
        ("cap|lifetime", "cap|lifetime"),
        ("cap|customer=ab|lifetime", "cap|customer=ab|lifetime"),
        ("cap|group=customer=a|lifetime", "cap|group=customer=a|lifetime"),
    ],
)
def test_an_account_is_moved_if_it_is_the_customers(account: str, moved: str) -> None:
    assert of_customer(account, "a", "b|c") == moved
