"""Aggregates: what they compute, and that no order or batching of interactions changes it."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba_engine.domain import AggregateSpec, Interaction, Value
from nba_engine.domain.algebra import fold_for, merge_states, value_of

DAY = 86_400.0
NOW = 100 * DAY


def interaction(
    kind: str = "purchase", *, time: float = NOW, number: int = 0, **properties: Value
) -> Interaction:
    return Interaction(
        interaction_id=f"i{number}", identity="crm:1", type=kind, time=time, properties=properties
    )


def computed(spec: AggregateSpec, *interactions: Interaction, now: float = NOW) -> Value:
    states = fold_for({spec.name: spec})({}, interactions)
    return value_of(spec, states.get(spec.name), now)


def spec(kind: Any, *types: str, **fields: Any) -> AggregateSpec:
    return AggregateSpec(name="a", kind=kind, types=types or ("purchase",), **fields)


def test_count_counts_the_named_types_only() -> None:
    assert computed(spec("count"), interaction(), interaction("view"), interaction()) == 2


def test_count_by_a_list_counts_every_element() -> None:
    basket = interaction(category=["milk", "bread", "milk"])
    assert computed(spec("count", by="category"), basket) == {"milk": 2, "bread": 1}


def test_where_keeps_interactions_whose_properties_match() -> None:
    online = spec("count", where={"shop": "online", "gift": True})
    yes = interaction(shop="online", gift=True)
    assert computed(online, yes, interaction(shop="online", gift=1), interaction()) == 1


def test_where_with_a_list_means_any_of_these() -> None:
    either = spec("count", where={"shop": ["a", "b"]})
    found = [interaction(shop=shop) for shop in ("a", "b", "c")]
    assert computed(either, *found) == 2


def test_sum_ignores_interactions_without_the_property_or_with_nonsense() -> None:
    total = spec("sum", property="amount")
    nonsense: list[Value] = ["3", True, math.nan, math.inf, None, 10**400]
    wrong = [interaction(amount=value) for value in nonsense]
    assert computed(total, interaction(amount=2), interaction(), *wrong) == 2.0


def test_sum_by_pairs_the_two_lists_of_a_basket() -> None:
    basket = interaction(category=["milk", "bread", "milk"], amount=[1.5, 2.0, 0.25])
    assert computed(spec("sum", by="category", property="amount"), basket) == {
        "milk": 1.75,
        "bread": 2.0,
    }


def test_sum_of_a_list_without_by_is_the_whole_basket() -> None:
    assert computed(spec("sum", property="amount"), interaction(amount=[1.0, 2.5])) == 3.5


def test_sum_is_exact_whatever_cancels() -> None:
    amounts = [1e16, 1.0, 0.1, -1e16, -1.0]
    parts = [interaction(amount=amount) for amount in amounts]
    assert computed(spec("sum", property="amount"), *parts) == 0.1


def test_first_and_last_give_times() -> None:
    seen = [interaction(time=time) for time in (5.0, 3.0, 9.0)]
    assert computed(spec("first"), *seen) == 3.0
    assert computed(spec("last"), *seen) == 9.0


def test_last_with_a_property_gives_its_value_then_and_skips_those_without() -> None:
    seen = [
        interaction(time=2.0, shop="b"),
        interaction(time=1.0, shop="a"),
        interaction(time=3.0),
    ]
    assert computed(spec("last", property="shop"), *seen) == "b"
    assert computed(spec("first", property="shop"), *seen) == "a"


def test_ties_of_last_are_broken_by_the_interaction_id() -> None:
    tied = [interaction(number=n, shop=f"shop {n}") for n in (2, 7, 5)]
    assert computed(spec("last", property="shop"), *tied) == "shop 7"
    assert computed(spec("first", property="shop"), *tied) == "shop 2"


def test_last_by_gives_a_time_per_element() -> None:
    seen = [interaction(time=1.0, category=["a", "b"]), interaction(time=2.0, category="a")]
    assert computed(spec("last", by="category"), *seen) == {"a": 2.0, "b": 1.0}


def test_elements_that_are_not_strings_become_strings() -> None:
    seen = interaction(size=[7, 7.5, 7.0, True, None, math.nan, {"x": 1}])
    assert computed(spec("count", by="size"), seen) == {"7": 2, "7.5": 1, "true": 1}


def test_a_set_forgets_what_was_seen_too_long_ago() -> None:
    recent = spec("set", by="category", within=7 * DAY)
    seen = [
        interaction(time=NOW - 8 * DAY, category="old"),
        interaction(time=NOW - 7 * DAY, category="edge"),
        interaction(category="new"),
    ]
    assert computed(recent, *seen) == ["edge", "new"]
    assert computed(recent, *seen, now=NOW + 7 * DAY) == ["new"]


def test_the_state_of_a_set_holds_no_time_older_than_within() -> None:
    recent = spec("set", by="c", within=7 * DAY)
    cart = spec("set", by="c", within=7 * DAY, removed_by=("remove",))
    seen = [
        interaction(time=NOW - 9 * DAY, c="old"),
        interaction("remove", time=NOW - 8 * DAY, c=["gone", "again"]),
        interaction(c=["new", "again"]),
    ]
    assert fold_for({"a": recent})({}, seen) == {"a": {"new": NOW, "again": NOW}}
    assert fold_for({"a": cart})({}, seen) == {"a": {"new": NOW, "again": NOW}}


def test_a_cart_loses_what_was_removed_or_bought() -> None:
    cart = spec("set", "add_to_cart", by="product", removed_by=("remove_from_cart", "purchase"))
    seen = [
        interaction("add_to_cart", time=1.0, product=["a", "b", "c"]),
        interaction("remove_from_cart", time=2.0, product="a"),
        interaction("purchase", time=3.0, product=["b"]),
        interaction("add_to_cart", time=4.0, product="a"),
    ]
    assert computed(cart, *seen) == ["a", "c"]
    assert computed(cart, *reversed(seen)) == ["a", "c"]


def test_bought_at_the_very_time_it_was_added_leaves_the_cart_empty() -> None:
    cart = spec("set", "add_to_cart", by="product", removed_by=("purchase",))
    seen = [interaction("add_to_cart", product="a"), interaction("purchase", product="a")]
    assert computed(cart, *seen) == computed(cart, *reversed(seen)) == []


def test_where_of_a_set_says_what_is_added_not_what_removes() -> None:
    cart = spec("set", "add_to_cart", by="product", where={"shop": "a"}, removed_by=("purchase",))
    seen = [
        interaction("add_to_cart", time=1.0, product="x", shop="a"),
        interaction("add_to_cart", time=1.0, product="y", shop="b"),
        interaction("purchase", time=2.0, product="x"),
    ]
    assert computed(cart, *seen[:2]) == ["x"]
    assert computed(cart, *seen) == []


def test_decayed_halves_every_half_life() -> None:
    counter = spec("decayed", half_life=DAY)
    seen = [interaction(time=NOW), interaction(time=NOW - DAY), interaction(time=NOW - 2 * DAY)]
    assert computed(counter, *seen) == pytest.approx(1.75)
    assert computed(counter, *seen, now=NOW + DAY) == pytest.approx(0.875)


def test_decayed_by_with_amounts_of_a_basket() -> None:
    spent = spec("decayed", by="category", property="amount", half_life=DAY)
    seen = [
        interaction(category=["a", "b"], amount=[2.0, 3.0]),
        interaction(time=NOW - DAY, category=["a"], amount=[2.0]),
    ]
    assert computed(spent, *seen) == pytest.approx({"a": 3.0, "b": 3.0})


def test_decayed_never_grows_for_a_now_before_its_last_interaction() -> None:
    counter = spec("decayed", half_life=1e-3)
    assert computed(counter, interaction(), now=0.0) == 1.0
    by = spec("decayed", half_life=1e-3, by="c")
    assert computed(by, interaction(c="x"), now=0.0) == {"x": 1.0}


@pytest.mark.parametrize(
    ("kind", "by", "empty"),
    [
        ("count", "", 0),
        ("sum", "", 0.0),
        ("decayed", "", 0.0),
        ("first", "", None),
        ("last", "", None),
        ("set", "x", []),
        ("count", "x", {}),
        ("decayed", "x", {}),
        ("last", "x", {}),
    ],
)
def test_without_any_interaction_the_value_is_the_empty_one(
    kind: Any, by: str, empty: Value
) -> None:
    assert value_of(spec(kind, by=by, half_life=1.0), None, NOW) == empty


def test_folding_leaves_the_state_before_untouched() -> None:
    fold = fold_for({"a": spec("sum", by="c", property="x")})
    before = fold({}, [interaction(c="k", x=1.0)])
    copy = msgspec.msgpack.decode(msgspec.msgpack.encode(before))
    fold(before, [interaction(c="k", x=0.1), interaction(c="l", x=0.1)])
    assert before == copy


def test_states_of_undeclared_aggregates_are_kept() -> None:
    assert fold_for({})({"old": [1, 2]}, [interaction()]) == {"old": [1, 2]}


@pytest.mark.parametrize("state", [7, "x", [1.0], {"milk": "x"}, {"milk": [1]}, {"milk": None}])
def test_a_state_of_another_form_starts_anew(state: object) -> None:
    decayed = spec("decayed", by="category", half_life=DAY)
    assert value_of(decayed, state, NOW) == {}
    after = fold_for({"a": decayed})({"a": state}, [interaction(category="milk")])
    assert value_of(decayed, after["a"], NOW) == {"milk": 1.0}


def test_a_value_per_element_is_that_of_its_last_interaction() -> None:
    seen = [interaction(time=n, number=n, c=["x", "y"][: n + 1], shop=f"s{n}") for n in (1, 0)]
    last = spec("last", by="c", property="shop")
    assert computed(last, *seen) == {"x": "s1", "y": "s1"}
    first = spec("first", by="c", property="shop")
    assert computed(first, *seen) == {"x": "s0", "y": "s1"}


def test_a_map_of_sums_shows_plain_numbers() -> None:
    total = spec("sum", by="c", property="x", where={"shop": "a"})
    seen = [interaction(c="k", x=x, shop="a") for x in (0.1, 0.2, 0.3)]
    assert computed(total, *seen, interaction(c="k", x=9.0)) == {"k": math.fsum([0.1, 0.2, 0.3])}


def test_a_spec_that_cannot_work_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="half_life"):
        fold_for({"a": spec("decayed")})
    with pytest.raises(ValueError, match="needs `by`"):
        fold_for({"a": spec("set")})


SPECS = {
    one.name: one
    for one in (
        AggregateSpec(name="count", kind="count", types=("buy",)),
        AggregateSpec(name="count_by", kind="count", types=("buy", "add"), by="c"),
        AggregateSpec(name="where", kind="count", types=("add",), where={"c": ["p", "q"]}),
        AggregateSpec(name="sum", kind="sum", types=("buy", "take"), property="x"),
        AggregateSpec(name="sum_by", kind="sum", types=("buy",), property="x", by="c"),
        AggregateSpec(name="first", kind="first", types=("buy",), property="x"),
        AggregateSpec(name="last", kind="last", types=("buy", "add")),
        AggregateSpec(name="last_by", kind="last", types=("buy", "add"), property="x", by="c"),
        AggregateSpec(name="set", kind="set", types=("add",), by="c"),
        AggregateSpec(
            name="cart", kind="set", types=("add",), by="c", removed_by=("take", "buy"), within=20
        ),
        AggregateSpec(name="kept", kind="set", types=("add",), by="c", removed_by=("take",)),
        AggregateSpec(name="decayed", kind="decayed", types=("buy",), half_life=3.0),
        AggregateSpec(
            name="decayed_by", kind="decayed", types=("buy",), half_life=3.0, by="c", property="w"
        ),
    )
}

WORDS = st.sampled_from(["p", "q", "r", "s"])
HISTORIES = st.lists(
    st.tuples(
        st.sampled_from(["buy", "add", "take"]),
        st.integers(0, 60).map(float) | st.floats(0, 60),
        st.one_of(WORDS, st.lists(WORDS, max_size=4)),
        st.floats(-1e12, 1e12) | st.sampled_from([0.1, 1e16, -1e16, 1e-9]),
        st.lists(st.floats(0, 1e6), max_size=4),
    ),
    max_size=14,
).map(
    lambda rows: [
        interaction(kind, time=time, number=number, c=c, x=x, w=w)
        for number, (kind, time, c, x, w) in enumerate(rows)
    ]
)


def assert_same(one: Any, other: Any, name: str) -> None:
    """Equal states; decayed numbers to 1e-9 relative."""
    if not name.startswith("decayed"):
        assert one == other, name
        return
    for now in (0.0, 30.0, 61.0, 80.0):
        left, right = (value_of(SPECS[name], state, now) for state in (one, other))
        assert left == pytest.approx(right, rel=1e-9, abs=0.0), name


@given(history=HISTORIES, seed=st.integers(0, 2**32))
def test_no_order_and_no_batching_changes_a_state(
    history: Sequence[Interaction], seed: int
) -> None:
    fold = fold_for(SPECS)
    at_once = fold({}, sorted(history, key=lambda one: one.time))
    shuffled = list(history)
    chance = random.Random(seed)
    chance.shuffle(shuffled)
    states: dict[str, object] = {}
    while shuffled:
        size = chance.randint(1, len(shuffled))
        states = fold(states, shuffled[:size])
        del shuffled[:size]
        states = msgspec.msgpack.decode(msgspec.msgpack.encode(states))
    assert states.keys() == at_once.keys()
    for name, state in states.items():
        assert_same(state, at_once[name], name)


@given(history=HISTORIES, seed=st.integers(0, 2**32))
def test_states_merge_like_the_interactions_behind_them(
    history: Sequence[Interaction], seed: int
) -> None:
    fold = fold_for(SPECS)
    chance = random.Random(seed)
    parts: list[list[Interaction]] = [[], [], []]
    for one in history:
        parts[chance.randrange(3)].append(one)
    a, b, c = (fold({}, part) for part in parts)
    whole = fold({}, history)
    for name, one_spec in SPECS.items():
        x, y, z = a.get(name), b.get(name), c.get(name)
        left = merge_states(one_spec, merge_states(one_spec, x, y), z)
        right = merge_states(one_spec, x, merge_states(one_spec, z, y))
        assert_same(left, right, name)
        assert_same(left, whole.get(name), name)


@given(history=HISTORIES, now=st.floats(60, 100))
def test_a_cart_equals_a_replay_in_time_order(history: Sequence[Interaction], now: float) -> None:
    cart: dict[str, float] = {}
    # at one time, what removes comes after what adds
    for one in sorted(history, key=lambda one: (one.time, one.type != "add")):
        words = one.properties["c"]
        for word in words if isinstance(words, list) else [words]:
            if one.type == "add":
                cart[word] = one.time
            else:
                cart.pop(word, None)
    expected = sorted(word for word, time in cart.items() if now - 20 <= time)
    state = fold_for(SPECS)({}, history).get("cart")
    assert value_of(SPECS["cart"], state, now) == expected


def test_what_has_decayed_to_almost_nothing_reads_as_nothing() -> None:
    once = spec("decayed", half_life=DAY)
    assert computed(once, interaction(time=NOW), now=NOW + 39 * DAY) == pytest.approx(2.0**-39)
    assert computed(once, interaction(time=NOW), now=NOW + 40 * DAY) == 0.0
    spent = spec("decayed", by="category", property="amount", half_life=DAY)
    seen = interaction(category=["a", "b", "c"], amount=[1.0, -1.0, -100.0])
    assert computed(spent, seen, now=NOW + 39 * DAY)["b"] < 0.0
    after = computed(spent, seen, now=NOW + 40 * DAY)
    assert (after["a"], after["b"]) == (0.0, 0.0)
    assert after["c"] == pytest.approx(-100.0 * 2.0**-40)
