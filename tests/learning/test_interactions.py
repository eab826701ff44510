from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from nba_engine.domain import Interaction, LinkRequest, Store
from nba_engine.domain.history import History
from nba_engine.domain.merging import merge_for
from nba_engine.domain.values import Value
from nba_engine.learning.interactions import read_interactions
from nba_engine.store import open_store
from nba_engine.testing import FakeStore

NOW = 1_700_000_000.0


def happened(
    number: int, who: str = "crm:1", kind: str = "purchase", **properties: Value
) -> Interaction:
    return Interaction(
        interaction_id=f"i{number}",
        identity=who,
        type=kind,
        time=NOW + number,
        properties=properties,
    )


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = FakeStore()
    if request.param == "sqlite":
        made = open_store(tmp_path / "nba.db", simulated=True)
    yield made
    made.close()


def record(store: Store, *interactions: Interaction) -> None:
    store.record(interactions, lambda state, _: dict(state), now=NOW + 10_000_000)


def test_interactions_of_the_types_asked_for_become_columns_by_customer_and_time(
    store: Store,
) -> None:
    record(
        store,
        happened(5, amount=2.5, category=["milk", "bread"]),
        happened(1, amount=[1.0, 2.0]),
        happened(2, kind="view", category="milk"),
        happened(3, kind="click"),
        happened(4, "crm:2", amount="much", category=7),
    )
    seen: list[tuple[int, int]] = []
    found = read_interactions(
        store,
        types=("purchase", "view"),
        fields=("amount", "category"),
        progress=lambda done, of: seen.append((done, of)),
    )
    ids = {who: store.customer(who)[0].customer_id for who in ("crm:1", "crm:2")}  # type: ignore[index]
    assert set(found.customer_ids) == set(ids.values())
    assert seen == [(1, 2), (2, 2)]
    mine = found.customer == found.customer_ids.index(ids["crm:1"])
    assert found.time[mine].tolist() == [NOW + 1, NOW + 2, NOW + 5]
    assert [found.types[code] for code in found.type[mine]] == ["purchase", "view", "purchase"]
    assert found.interaction_id[mine].tolist() == ["i1", "i2", "i5"]
    assert found.fields["category"][mine].tolist() == [None, "milk", ["milk", "bread"]]
    np.testing.assert_array_equal(found.numbers("amount")[mine], [3.0, np.nan, 2.5])
    assert np.isnan(found.numbers("amount")[~mine]).all()
    exploded = found.exploded("category")
    assert exploded.words == ("bread", "milk")
    words = sorted(
        (found.interaction_id[row], exploded.words[code])
        for row, code in zip(exploded.row, exploded.code, strict=True)
    )
    assert words == [("i2", "milk"), ("i5", "bread"), ("i5", "milk")]


def test_nothing_after_the_given_time_is_read(store: Store) -> None:
    record(store, *(happened(number) for number in range(10)))
    found = read_interactions(store, types=("purchase",), until=NOW + 4)
    assert found.time.tolist() == [NOW, NOW + 1, NOW + 2, NOW + 3]


def test_histories_of_many_pages_and_customers_who_did_nothing_are_read(store: Store) -> None:
    record(store, *(happened(number, place=number) for number in range(2_045)))
    record(store, happened(9_999, "crm:2", kind="view"))
    found = read_interactions(store, types=("purchase",), fields=("place",))
    assert found.numbers("place").tolist() == list(range(2_045))
    assert (len(found.customer_ids), len(set(found.customer.tolist()))) == (2, 1)


def test_an_empty_store_gives_empty_columns(store: Store) -> None:
    found = read_interactions(store, types=("purchase",), fields=("amount",))
    assert (found.customer_ids, len(found.time), len(found.numbers("amount"))) == ((), 0, 0)
    assert found.exploded("amount").words == ()


class Restless(FakeStore):
    """Does something else between two pages of a history."""

    between: Callable[[], None] | None = None

    def history(self, customer_id: str, *, after: int = 0) -> History | None:
        if after and self.between is not None:
            between, self.between = self.between, None
            between()
        return super().history(customer_id, after=after)


def test_a_customer_merged_while_it_is_read_is_read_again() -> None:
    store = Restless()
    record(store, *(happened(number) for number in range(150)))
    record(store, happened(2_000, "crm:2"))
    merge = merge_for({}, {})
    request = LinkRequest(identities=("crm:1", "crm:2"))
    store.between = lambda: store.link(request, merge, now=NOW)  # type: ignore[assignment]
    record(store, happened(3_000, "crm:3"))
    found = read_interactions(store, types=("purchase",))
    assert sorted(found.interaction_id) == sorted(
        [*(f"i{number}" for number in range(150)), "i2000", "i3000"]
    )


def test_interactions_forgotten_while_they_are_read_do_not_hold_the_reading_up() -> None:
    store = Restless()
    record(store, *(happened(number) for number in range(150)))
    store.between = lambda: store.forget_interactions(NOW + 9_999)  # type: ignore[assignment]
    found = read_interactions(store, types=("purchase",))
    assert 0 < len(found.time) < 150
