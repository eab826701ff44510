"""What every `nba_engine.domain.Store` must do with interactions that are too old to be kept."""

from __future__ import annotations

import math

import pytest

from nba_engine.domain import Forgotten, Store
from nba_engine.errors import InvalidRequest
from nba_engine.testing.customers_suite import FOLD, NOW, MakeStore, happened, state_of

_DAY = 86_400.0


def forget(store: Store, before: float, *, dry_run: bool = False) -> int:
    """All batches; how many were forgotten."""
    found = Forgotten(count=0, more=0)
    total = calls = after = 0
    while calls == 0 or after:
        found = store.forget_interactions(before, after=after, dry_run=dry_run)
        assert found.more == 0 or found.last > found.more > after, "it does not come to an end"
        total, calls, after = total + found.count, calls + 1, found.more
    return total


def ids_of(store: Store, identity: str = "crm:1") -> list[str]:
    """The interactions of a customer."""
    held = store.holdings(identity)
    return [] if held is None else [one.interaction_id for one in held.interactions]


class ForgettingSuite:
    """Old interactions go, and what was counted of them stays."""

    def test_what_took_place_before_is_forgotten_and_stays_counted(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        old = [happened(f"old{n}", time=NOW - (9 - n) * _DAY) for n in range(5)]
        new = [happened(f"new{n}", time=NOW + n) for n in range(3)]
        store.record([new[0], *old, *new[1:]], FOLD, now=NOW)
        before = state_of(store)
        assert store.kept_since() is None
        assert forget(store, NOW - 5 * _DAY, dry_run=True) == 4
        assert (len(ids_of(store)), store.kept_since()) == (8, None)
        assert forget(store, NOW - 5 * _DAY) == 4
        assert ids_of(store) == ["inew0", "iold4", "inew1", "inew2"]
        assert state_of(store) == before
        assert forget(store, NOW - 5 * _DAY) == 0
        store.close()
        assert make_store().kept_since() == NOW - 5 * _DAY

    def test_what_took_place_before_what_is_kept_is_rejected_and_counts_nothing(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.record([happened("1", time=NOW - 2 * _DAY)], FOLD, now=NOW)
        before = state_of(store)
        forget(store, NOW - _DAY)
        again = [
            happened("1", time=NOW - 2 * _DAY),
            happened("2", time=NOW - _DAY - 1),
            happened("3", identity="crm:late", time=NOW - 2 * _DAY),
            happened("4", time=NOW - _DAY),
        ]
        results = store.record(again, FOLD, now=NOW)
        assert [one.status for one in results] == ["rejected", "rejected", "rejected", "recorded"]
        assert all("still kept" in one.message for one in results[:3])
        assert ids_of(store) == ["i4"]
        assert store.customer("crm:late") is None
        assert state_of(store).version == before.version + 1
        loaded = store.bulk(interactions=again[:2], fold=FOLD, now=NOW)
        assert [one.status for one in loaded] == ["rejected", "rejected"]

    def test_what_is_kept_never_begins_earlier_again(self, make_store: MakeStore) -> None:
        store = make_store()
        forget(store, NOW)
        forget(store, NOW - _DAY)
        assert store.kept_since() == NOW
        for wrong in (math.nan, math.inf):
            with pytest.raises(InvalidRequest):
                store.forget_interactions(wrong)
