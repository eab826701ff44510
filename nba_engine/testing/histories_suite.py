"""What every `nba_engine.domain.Store` must do when aggregates are computed again."""

from __future__ import annotations

from nba_engine.domain import CustomerPage, History, Interaction, LinkRequest, Rebuilt, Store
from nba_engine.domain.merging import merge_for
from nba_engine.testing.customers_suite import FOLD, NOW, MakeStore, happened, state_of, update

_MERGE = merge_for({}, {})


def pages_of(store: Store, customer_id: str) -> list[History]:
    """All pages of what a customer did."""
    pages: list[History] = []
    after = 0
    while not pages or pages[-1].last < pages[-1].newest:
        page = store.history(customer_id, after=after)
        assert page is not None
        assert len(pages) < 1_000, "the pages have no end"
        pages.append(page)
        after = page.last
    return pages


def link(store: Store, *identities: str) -> None:
    """Make these one customer."""
    store.link(LinkRequest(identities=identities), _MERGE, now=NOW)


def rebuilt(page: History, **aggregates: object) -> Rebuilt:
    """Aggregates for the customer of a page, computed from all up to there."""
    return Rebuilt(
        customer_id=page.state.customer_id,
        aggregates=aggregates,
        newest=page.newest,
        merges=page.merges,
    )


def history_of(store: Store, identity: str = "crm:1") -> History:
    """The last page of a customer who is there."""
    return pages_of(store, state_of(store, identity).customer_id)[-1]


class HistoriesSuite:
    """Customers one after the other, with what they did, and aggregates replaced."""

    def test_customers_are_listed_from_the_newest_on_page_by_page(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        assert (store.count_customers(), store.customer_ids()) == (0, CustomerPage(()))
        store.update([update(f"crm:{number}") for number in range(7)])
        known = [state_of(store, f"crm:{number}").customer_id for number in range(7)]
        link(store, "crm:3", "app:3", "web:3")
        found: list[str] = []
        names: list[str] = []
        page = store.customer_ids(most=3)
        while page.customer_ids:
            found += page.customer_ids
            names += page.identities
            page = store.customer_ids(before=page.more, most=3) if page.more else CustomerPage(())
        assert found == known[::-1]
        assert names == ["crm:6", "crm:5", "crm:4", "app:3", "crm:2", "crm:1", "crm:0"]
        assert store.count_customers() == 7

    def test_whoever_walks_through_customers_meets_what_those_merged_meanwhile_became(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.update([update(f"crm:{number}") for number in range(4)])
        first = store.customer_ids(most=2)
        link(store, "crm:3", "crm:0")  # met already
        link(store, "crm:2", "crm:1")
        rest = store.customer_ids(before=first.more)
        assert rest.customer_ids == tuple(
            state_of(store, identity).customer_id for identity in ("crm:1", "crm:0")
        )
        assert store.history(first.customer_ids[0]) is None
        assert store.count_customers() == 2

    def test_a_history_is_all_that_happened_in_the_order_of_its_arrival(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        items = [happened(n, time=NOW - n, category="milk", amount=n / 8) for n in range(2_500)]
        other = happened("other", identity="crm:2")
        store.record([*items[:1_000], other, *items[1_000:], items[0]], FOLD, now=NOW)
        pages = pages_of(store, state_of(store).customer_id)
        assert [one for page in pages for one in page.interactions] == items
        assert all(len(page.interactions) for page in pages)
        assert {page.state.version for page in pages} == {state_of(store).version}
        assert pages[-1].last == pages[-1].newest

    def test_it_is_known_when_each_interaction_arrived(self, make_store: MakeStore) -> None:
        store = make_store()
        store.record([happened(1), happened(2, time=NOW - 900.0)], FOLD, now=NOW)
        late, again = happened(3, time=NOW - 800.0), happened(1)
        store.record([late, again], FOLD, now=NOW + 60.0)
        store.bulk(interactions=[happened(4, identity="crm:2")], fold=FOLD, now=NOW + 90.0)
        link(store, "crm:2", "crm:1")
        (page,) = pages_of(store, state_of(store).customer_id)
        assert page.recorded == (NOW, NOW, NOW + 60.0, NOW + 90.0)

    def test_the_history_of_someone_without_interactions_is_one_empty_page(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.update([update(age=41)])
        (page,) = pages_of(store, state_of(store).customer_id)
        assert (page.state, page.interactions) == (state_of(store), ())
        assert (page.last, page.newest, page.merges) == (0, 0, 0)

    def test_nobody_has_no_history(self, make_store: MakeStore) -> None:
        store = make_store()
        assert store.history("nobody") is None
        assert store.history("\ud800") is None

    def test_aggregates_are_replaced_and_nothing_else(self, make_store: MakeStore) -> None:
        store = make_store()
        store.update([update(age=41)])
        store.record([happened(1), happened(2)], FOLD, now=NOW)
        before = state_of(store)
        assert store.rebuild([rebuilt(history_of(store), other=5)]) == [True]
        after = state_of(store)
        assert (after.aggregates, after.attributes) == ({"other": 5}, {"age": 41})
        assert after.version == before.version + 1

    def test_what_came_meanwhile_is_never_lost(self, make_store: MakeStore) -> None:
        store = make_store()
        store.record([happened(1), happened(1, identity="crm:2")], FOLD, now=NOW)
        late = history_of(store)
        # one that changes no aggregate, and so no version
        store.record([happened("view", "view")], FOLD, now=NOW)
        before = state_of(store)
        assert store.rebuild([rebuilt(late, purchases=7)]) == [False]
        assert state_of(store) == before
        assert store.rebuild([rebuilt(history_of(store), purchases=7)]) == [True]

    def test_what_came_in_the_place_of_something_forgotten_is_not_lost(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.record([happened(1), happened(2, time=NOW - 9.0)], FOLD, now=NOW)
        before = history_of(store)
        store.forget_interactions(NOW - 5.0)
        store.record([happened(3)], FOLD, now=NOW)
        assert store.rebuild([rebuilt(before, purchases=2)]) == [False]
        assert state_of(store).aggregates["purchases"] == 3

    def test_a_repeat_and_an_update_do_not_stand_in_the_way(self, make_store: MakeStore) -> None:
        store = make_store()
        store.record([happened(1)], FOLD, now=NOW)
        page = history_of(store)
        store.record([happened(1)], FOLD, now=NOW)
        store.update([update(age=41)])
        assert store.rebuild([rebuilt(page, purchases=7)]) == [True]
        after = state_of(store)
        assert (after.aggregates, after.attributes) == ({"purchases": 7}, {"age": 41})

    def test_a_merge_stands_in_the_way_of_both(self, make_store: MakeStore) -> None:
        store = make_store()
        # the newest interaction is that of the one that stays: its number does not change
        store.record([happened(1, identity="crm:1")], FOLD, now=NOW)
        store.record([happened(2, identity="crm:2")], FOLD, now=NOW)
        store.record([happened(3, identity="crm:1")], FOLD, now=NOW)
        kept, gone = history_of(store, "crm:1"), history_of(store, "crm:2")
        link(store, "crm:1", "crm:2")
        assert store.rebuild([rebuilt(kept), rebuilt(gone)]) == [False, False]
        merged = history_of(store)
        assert merged.newest == kept.newest
        assert merged.merges > kept.merges
        assert len(merged.interactions) == 3
        assert store.rebuild([rebuilt(merged, purchases=3)]) == [True]

    def test_each_is_replaced_or_not_by_itself(self, make_store: MakeStore) -> None:
        store = make_store()
        identities = [f"crm:{number}" for number in range(3)]
        store.record([happened(name, identity=name) for name in identities], FOLD, now=NOW)
        pages = [history_of(store, name) for name in identities]
        store.record([happened(9, identity="crm:1")], FOLD, now=NOW)
        done = store.rebuild([rebuilt(page, purchases=5) for page in pages])
        assert list(done) == [True, False, True]
        found = [state_of(store, name).aggregates["purchases"] for name in identities]
        assert found == [5, 2, 5]

    def test_aggregates_computed_again_in_any_pages_are_those_that_were_kept(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        items: list[Interaction] = [
            happened(n, time=NOW + n * 37 % 11, category=f"c{n % 5}") for n in range(40)
        ]
        for start in range(0, len(items), 7):
            store.record(items[start : start + 7], FOLD, now=NOW)
        aggregates: dict[str, object] = {}
        for page in pages_of(store, state_of(store).customer_id):
            aggregates = FOLD(aggregates, page.interactions)
        assert aggregates == state_of(store).aggregates
