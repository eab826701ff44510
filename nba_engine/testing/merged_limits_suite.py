"""What the ledger of every `nba_engine.domain.Store` must do when customers are merged."""

from __future__ import annotations

import threading

from nba_engine.testing.customers_suite import FOLD, NOW, MakeStore, happened, state_of, update
from nba_engine.testing.identities_suite import account_of, link, reserve, told, used

__all__ = ["MergedLimitsSuite"]


class MergedLimitsSuite:
    """Limits count per customer, not per identity: they survive merges."""

    def test_what_was_used_of_limits_adds_up(self, make_store: MakeStore) -> None:
        store = make_store()
        store.update([update("crm:1"), update("cookie:1")])
        assert [reserve(store, 1, "crm:1"), reserve(store, 2, "cookie:1")] == [True, True]
        assert told(store, 2, "impression") == "confirmed"
        link(store, "crm:1", "cookie:1")
        assert used(store, "crm:1") == used(store, "cookie:1") == (1, 1)
        assert [reserve(store, 3, "cookie:1"), reserve(store, 4, "crm:1")] == [True, False]
        assert [one.account for one in store.usage_report("cap")] == [account_of(store, "crm:1")]

    def test_reservations_from_before_end_on_the_merged_account(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.update([update("crm:1"), update("cookie:1")])
        for number in (1, 2, 3):
            reserve(store, number, "cookie:1")
        link(store, "crm:1", "cookie:1")
        assert told(store, 1, "impression") == "confirmed"
        assert told(store, 2, "reject") == "released"
        assert used(store, "crm:1") == (1, 1)
        assert store.expire(now=NOW + 200) == 1
        assert used(store, "crm:1") == (0, 1)
        assert [told(store, n, "click") for n in (1, 2)] == ["unchanged", "unchanged"]

    def test_an_overhang_blocks_further_grants_and_is_reported(self, make_store: MakeStore) -> None:
        store = make_store()
        store.update([update("crm:1"), update("cookie:1")])
        for number, identity in enumerate(["crm:1", "cookie:1"] * 3):
            assert reserve(store, number, identity)
        link(store, "crm:1", "cookie:1")
        assert used(store, "crm:1") == (6, 0)  # of 3
        assert not reserve(store, 10, "crm:1")
        for number in range(3):
            assert told(store, number, "reject") == "released"
        assert not reserve(store, 11, "crm:1")
        assert told(store, 3, "reject") == "released"
        assert reserve(store, 12, "crm:1")

    def test_what_was_spent_in_a_rolling_window_falls_out_of_it_after_a_merge_too(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.update([update("crm:1"), update("cookie:1")])
        for number, (identity, time) in enumerate([("crm:1", 0), ("cookie:1", 0), ("cookie:1", 5)]):
            assert reserve(store, number, identity, rolls=20.0, now=NOW + time)
            assert told(store, number, "impression", now=NOW + time) == "confirmed"
        link(store, "crm:1", "cookie:1")
        assert used(store, "cookie:1") == (0, 3)
        assert not reserve(store, 10, "crm:1", rolls=20.0, now=NOW + 19)
        assert reserve(store, 11, "crm:1", rolls=20.0, now=NOW + 20)
        store.expire(now=NOW + 24)
        assert used(store, "crm:1") == (1, 1)
        store.expire(now=NOW + 25)
        assert used(store, "crm:1") == (1, 0)

    def test_a_late_confirmation_of_what_was_reserved_before_a_merge_is_charged(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.update([update("crm:1"), update("cookie:1")])
        for number, identity in enumerate(["cookie:1", "crm:1", "crm:1", "crm:1"]):
            assert reserve(store, number, identity)
        for number in (1, 2, 3):
            assert told(store, number, "impression") == "confirmed"
        store.expire(now=NOW + 200)
        link(store, "crm:1", "cookie:1")
        assert told(store, 0, "delivery", now=NOW + 200) == "overrun"
        assert used(store, "crm:1") == (0, 4)

    def test_a_decision_made_just_before_a_merge_reserves_for_the_merged_customer(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.update([update("crm:0"), update("crm:1"), update("cookie:1")])
        gone = state_of(store, "cookie:1").customer_id
        for number in (1, 2):
            reserve(store, number, "crm:1")
        link(store, "crm:1", "cookie:1")
        link(store, "crm:0", "crm:1")  # and merged once more
        assert reserve(store, 3, "cookie:1", customer=gone)
        assert used(store, "crm:1") == (3, 0)
        assert not reserve(store, 4, "cookie:1", customer=gone)

    def test_what_an_identity_used_while_it_was_nobodys_is_its_customers(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.update([update("crm:1")])
        assert [reserve(store, 1, "cookie:1"), reserve(store, 2, "cookie:|2%")] == [True, True]
        link(store, "crm:1", "cookie:1")
        assert used(store, "crm:1") == (1, 0)
        store.record([happened(1, "view", identity="cookie:|2%")], FOLD, now=NOW)
        assert store.usage(["cap|customer=cookie:%7C2%25|lifetime"]) == {}
        assert told(store, 2, "impression") == "confirmed"
        assert used(store, "cookie:|2%") == (0, 1)

    def test_a_decision_for_an_identity_that_was_nobodys_then_reserves_for_its_customer(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.update([update("cookie:1")])
        assert reserve(store, 1, "cookie:1", customer="cookie:1")
        assert used(store, "cookie:1") == (1, 0)

    def test_links_beside_interactions_and_reservations_lose_and_exceed_nothing(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        names = [f"x:{number}" for number in range(8)]
        store.update([update(name, visits=1) for name in names])
        ids = {name: state_of(store, name).customer_id for name in names}
        granted: list[bool] = []

        def act(number: int) -> None:
            name = names[number]
            for turn in range(5):
                store.record([happened(f"{name}/{turn}", identity=name)], FOLD, now=NOW)
                one = reserve(store, 100 * number + turn, name, customer=ids[name], ceiling=10)
                granted.append(one)

        def tie() -> None:
            for number in (1, 3, 5, 7, 2, 6, 4):
                link(store, names[number - 1], names[number])

        threads = [threading.Thread(target=act, args=(number,)) for number in range(8)]
        threads.append(threading.Thread(target=tie))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        state = state_of(store, "x:5")
        assert state.aggregates["purchases"] == 40
        assert state.attributes == {"visits": 8}
        assert sum(used(store, "x:5")) == sum(granted)
        (only,) = store.usage_report("cap")
        assert only.account == account_of(store, "x:0")
        if sum(granted) >= 10:
            assert not reserve(store, 1_000, "x:3", ceiling=10)
