"""What every `nba_engine.domain.Store` must do for those who read from a place that they remember."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from nba_engine.domain import Store
from nba_engine.errors import FailedPrecondition
from nba_engine.testing.customers_suite import FOLD, NOW, MakeStore, happened, state_of, update


def step(store: Store, number: int, *, follows: str | None) -> None:
    """Record something and move the mark on from where it is thought to be."""
    store.bulk(
        updates=[update(step=number)],
        interactions=[happened(number)],
        fold=FOLD,
        now=NOW,
        progress=("source", str(number)),
        follows=follows,
    )


class ProgressSuite:
    """A mark that moves on only from where it is thought to be."""

    def test_a_mark_moves_on_from_where_it_is(self, make_store: MakeStore) -> None:
        store = make_store()
        step(store, 1, follows="")
        step(store, 2, follows="1")
        assert store.progress("source") == "2"
        assert state_of(store).aggregates["purchases"] == 2

    @pytest.mark.parametrize("wrong", ["", "0", "2"])
    def test_from_anywhere_else_nothing_is_written(self, make_store: MakeStore, wrong: str) -> None:
        store = make_store()
        step(store, 1, follows="")
        before = state_of(store)
        with pytest.raises(FailedPrecondition):
            step(store, 7, follows=wrong)
        assert state_of(store) == before
        assert store.progress("source") == "1"

    def test_a_mark_that_is_not_there_is_followed_by_none_but_the_first(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        with pytest.raises(FailedPrecondition):
            step(store, 1, follows="0")
        assert store.customer("crm:1") is None
        assert store.progress("source") is None

    def test_without_saying_so_it_moves_from_anywhere(self, make_store: MakeStore) -> None:
        store = make_store()
        for number in (1, 2, 1):
            step(store, number, follows=None)
        assert store.progress("source") == "1"

    def test_of_many_who_read_the_same_one_writes_it(self, make_store: MakeStore) -> None:
        store = make_store()
        step(store, 1, follows="")

        def attempt(number: int) -> bool:
            try:
                step(store, number, follows="1")
            except FailedPrecondition:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            done = list(pool.map(attempt, range(10, 18)))
        assert sum(done) == 1
        assert state_of(store).aggregates["purchases"] == 2
