"""Aggregates computed again: equal to those kept, whatever happened and whatever happens meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba_engine.domain import AggregateSpec, Interaction, LinkRequest, ProfileUpdate, Store
from nba_engine.domain.algebra import fold_for
from nba_engine.domain.merging import merge_for
from nba_engine.engine import Rebuilding
from nba_engine.engine.rebuilding import same_states
from nba_engine.errors import Unavailable
from nba_engine.store import WrappedStore, open_store
from nba_engine.testing import FakeStore

DAY = 86_400.0


def specs(**kinds: dict[str, Any]) -> dict[str, AggregateSpec]:
    return {
        name: AggregateSpec(name=name, **{"types": ("purchase",), **fields})
        for name, fields in kinds.items()
    }


SPECS = specs(
    count={"kind": "count"},
    by_shop={"kind": "count", "by": "shop"},
    total={"kind": "sum", "property": "amount"},
    by_sum={"kind": "sum", "by": "shop", "property": "amount"},
    first={"kind": "first"},
    last_shop={"kind": "last", "property": "shop", "type": "string"},
    recent={"kind": "set", "by": "shop", "within": 3 * DAY},
    cart={"kind": "set", "by": "shop", "types": ("add",), "removed_by": ("purchase",)},
    warm={"kind": "decayed", "half_life": DAY},
    taste={"kind": "decayed", "by": "shop", "property": "amount", "half_life": DAY},
)
# the same names, and each means something else; two that are new
CHANGED = specs(
    count={"kind": "last"},
    by_shop={"kind": "set", "by": "shop"},
    total={"kind": "decayed", "property": "amount", "half_life": DAY},
    first={"kind": "count", "types": ("add", "purchase")},
    recent={"kind": "set", "by": "shop", "within": DAY},
    new={"kind": "sum", "property": "amount"},
    newer={"kind": "decayed", "by": "shop", "half_life": DAY},
)

happenings = st.builds(
    Interaction,
    interaction_id=st.sampled_from([f"i{number}" for number in range(40)]),
    identity=st.sampled_from(["c:1", "c:2", "c:3", "c:4"]),
    type=st.sampled_from(["purchase", "add", "view"]),
    time=st.sampled_from([number * 0.3 * DAY for number in range(20)]),
    properties=st.fixed_dictionaries(
        {},
        optional={
            "shop": st.sampled_from(["a", "b", ["a", "c"]]),
            "amount": st.sampled_from([0.1, 0.2, 1e16, 3.7, [1.5, 0.25]]),
        },
    ),
)
batches = st.lists(
    st.one_of(
        st.lists(happenings, min_size=1, max_size=8),
        st.sets(st.sampled_from(["c:1", "c:2", "c:3", "c:4"]), min_size=2, max_size=2),
    ),
    max_size=12,
)


def happened(
    number: int, *, identity: str = "c:1", time: float | None = None, **properties: Any
) -> Interaction:
    return Interaction(
        interaction_id=f"i{number}",
        identity=identity,
        type="purchase",
        time=number % 7 * DAY if time is None else time,
        properties={"shop": "a", "amount": 0.1, **properties},
    )


def link(store: Store, *identities: str) -> None:
    store.link(LinkRequest(identities=identities), merge_for({}, SPECS), now=0.0)


def lived(batches: Sequence[list[Interaction] | set[str]]) -> FakeStore:
    """A store in which all this happened, one after the other."""
    store = FakeStore()
    for batch in batches:
        if isinstance(batch, set):
            link(store, *batch)
        else:
            store.record(batch, fold_for(SPECS), now=0.0)
    return store


def check(store: Store, specs: dict[str, AggregateSpec]) -> list[Any]:
    rebuilding = Rebuilding(store, specs)
    return [one for one in rebuilding.check(rebuilding.customers()) if one is not None]


def mend(store: Store, specs: dict[str, AggregateSpec]) -> list[Any]:
    rebuilding = Rebuilding(store, specs)
    return [one for one in rebuilding.mend(rebuilding.customers()) if one is not None]


def states(store: Store, identity: str = "c:1") -> dict[str, Any]:
    found = store.customer(identity)
    return {} if found is None else found[0].aggregates


def counted(store: Store, identity: str, specs: dict[str, AggregateSpec]) -> dict[str, Any]:
    """What an aggregate is by definition: over each interaction of the customer, in order."""
    held = store.holdings(identity)
    happened = sorted(held.interactions, key=lambda one: one.time) if held else []
    found: dict[str, Any] = {}
    for one in happened:
        found = fold_for(specs)(found, [one])
    return found


@given(batches)
@settings(max_examples=60, deadline=None)
def test_what_is_kept_is_what_is_computed_again(
    batches: list[list[Interaction] | set[str]],
) -> None:
    store = lived(batches)
    assert check(store, SPECS) == []
    assert mend(store, SPECS) == []


@given(batches)
@settings(max_examples=60, deadline=None)
def test_after_a_change_of_the_catalog_all_that_ever_happened_counts(
    batches: list[list[Interaction] | set[str]],
) -> None:
    store = lived(batches)
    wrong = check(store, CHANGED)
    assert mend(store, CHANGED) == wrong
    assert check(store, CHANGED) == []
    for identity in ("c:1", "c:2", "c:3", "c:4"):
        kept, counts = states(store, identity), counted(store, identity, CHANGED)
        assert kept.keys() == counts.keys()
        assert all(same_states(CHANGED[name], kept[name], counts[name]) for name in kept)


def test_a_difference_names_what_is_kept_and_what_it_should_be() -> None:
    store = lived([[happened(1), happened(2)], [happened(3, identity="c:2")]])
    changed = SPECS | specs(count={"kind": "count", "types": ("add",)})
    found = check(store, changed)
    assert [one.aggregates for one in found] == [{"count": (1, None)}, {"count": (2, None)}]


def test_checking_writes_nothing() -> None:
    store = lived([[happened(1)]])
    before = store.customer("c:1")
    assert check(store, CHANGED)
    assert store.customer("c:1") == before


def test_what_is_right_is_not_written() -> None:
    store = lived([[happened(1)]])
    before = store.customer("c:1")
    assert mend(store, SPECS) == []
    assert store.customer("c:1") == before


def test_many_pages_are_one_history(tmp_path: Path) -> None:
    store = open_store(tmp_path / "nba.db", simulated=True)
    items = [happened(number, shop=f"s{number % 9}") for number in range(2_345)]
    store.record(items, fold_for(specs(count={"kind": "sum", "property": "amount"})), now=0.0)
    assert len(mend(store, SPECS)) == 1
    assert states(store)["count"] == 2_345
    assert check(store, SPECS) == []
    store.close()


class Interrupting(WrappedStore):
    """Lets something happen whenever a page was read or aggregates are about to be written."""

    def __init__(self, inner: Store, happen: Any) -> None:
        super().__init__(inner)
        self.happen = happen

    def history(self, customer_id: str, *, after: int = 0) -> Any:
        page = self.inner.history(customer_id, after=after)
        self.happen()
        return page

    def rebuild(self, customers: Any) -> Any:
        self.happen()
        return self.inner.rebuild(customers)


@pytest.mark.parametrize("what", ["record", "link", "update"])
def test_what_happens_at_the_worst_moments_is_not_lost(what: str) -> None:
    inner = lived([[happened(n) for n in range(25)], [happened(n, identity="c:2") for n in (50,)]])
    times = iter(range(100, 106))

    def happen() -> None:
        number = next(times, 0)
        if what == "record" and number:
            inner.record([happened(number)], fold_for(CHANGED), now=0.0)
        elif what == "link" and number in (101, 103):
            link(inner, "c:1", f"c:{number - 99}")
        elif what == "update" and number:
            inner.update([ProfileUpdate(identity="c:1", attributes={"n": number})])

    mend(Interrupting(inner, happen), CHANGED)
    assert check(inner, CHANGED) == []
    assert counted(inner, "c:1", CHANGED)["first"] == states(inner)["first"]


def test_a_customer_that_changes_without_end_is_told() -> None:
    inner = lived([[happened(n) for n in range(3)]])
    numbers = iter(range(1_000, 10_000))

    def happen() -> None:
        inner.record([happened(next(numbers))], fold_for(CHANGED), now=0.0)

    with pytest.raises(Unavailable, match="faster than it can be computed"):
        mend(Interrupting(inner, happen), CHANGED)


def test_threads_that_record_and_link_meanwhile_lose_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path / "nba.db", simulated=True)
    store.record(
        [happened(n, identity=f"c:{n % 20}") for n in range(400)], fold_for(SPECS), now=0.0
    )
    stop = threading.Event()
    recorded: list[int] = []

    def record(thread: int) -> None:
        for count, number in enumerate(range(1_000 * thread, 1_000 * thread + 400)):
            if stop.is_set():
                recorded.append(count)
                return
            item = happened(number, identity=f"c:{number % 20}")
            store.record([item], fold_for(CHANGED), now=0.0)
            if number % 80 == 0:
                link(store, f"c:{number % 20}", f"c:{(number + 7) % 20}")
        recorded.append(400)

    threads = [threading.Thread(target=record, args=(n,)) for n in (1, 2)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        mend(store, CHANGED)
    stop.set()
    for thread in threads:
        thread.join()
    mend(store, CHANGED)  # in peace, for the links above merge by the rules of before
    assert check(store, CHANGED) == []
    customers = Rebuilding(store, CHANGED).customers()
    found = [store.history(customer_id) for customer_id in customers]
    total = sum(page.state.aggregates["first"] for page in found if page is not None)
    assert total == 400 + sum(recorded)
    store.close()


def test_states_of_another_kind_are_never_the_same() -> None:
    spec = SPECS["warm"]
    assert not same_states(spec, 5, [0.0, 1.0])
    assert not same_states(spec, [0.0], [0.0, 1.0])
    assert not same_states(spec, [0.0, 1.0], [0.0, 1.0 + 1e-8])
    assert same_states(spec, [0.0, 1.0], [0.0, 1.0 + 1e-10])
    assert not same_states(SPECS["taste"], {"a": [0.0, 1.0]}, {})
    assert not same_states(SPECS["count"], 1, 2)


def test_what_may_have_counted_forgotten_interactions_stays_as_it_is() -> None:
    store = lived([[happened(n) for n in range(14)], [happened(n, identity="c:2") for n in (20,)]])
    store.forget_interactions(3 * DAY)
    before, other = states(store), states(store, "c:2")
    # the time of the last one, and what was seen on the last days, need nothing that is gone
    changed = CHANGED | specs(
        count={"kind": "last"},
        last_shop={"kind": "last", "property": "amount"},
        recent={"kind": "set", "by": "shop", "within": 2 * DAY},
        cart={"kind": "set", "by": "shop", "within": 4 * DAY},
    )
    rebuilding = Rebuilding(store, changed)
    list(rebuilding.mend(rebuilding.customers()))
    after = states(store)
    assert after["count"] == 6 * DAY
    assert after["last_shop"] == [6 * DAY, "i6", 0.1]
    assert after["recent"] == {"a": 6 * DAY}
    unchanged = ("by_shop", "total", "by_sum", "first", "cart", "warm", "taste")
    assert {name: after.get(name) for name in unchanged} == {
        name: before.get(name) for name in unchanged
    }
    assert after["new"] == pytest.approx(8 * 0.1)  # what is new starts with what is kept
    assert states(store, "c:2")["count"] == 6 * DAY
    assert states(store, "c:2")["total"] == other["total"]
    assert rebuilding.held >= {"by_shop", "total", "first", "warm", "taste"}
    assert not rebuilding.held & {"count", "last_shop", "recent", "new"}
    assert check(store, changed) == []


def test_what_comes_while_something_is_kept_is_not_counted_twice() -> None:
    inner = lived([[happened(n) for n in range(14)]])
    inner.forget_interactions(3 * DAY)
    times = iter(range(104, 109))

    def happen() -> None:
        number = next(times, 0)
        if number:
            inner.record([happened(number, time=6 * DAY)], fold_for(SPECS), now=0.0)

    changed = SPECS | specs(last_shop={"kind": "last", "property": "amount"})
    mend(Interrupting(inner, happen), changed)
    assert states(inner)["count"] == 14 + 5
    assert check(inner, changed) == []
