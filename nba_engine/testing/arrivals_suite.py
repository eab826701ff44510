"""What every `nba_engine.domain.Store` must do for those who count what arrives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from nba_engine.domain import Arrival, Interaction, LinkRequest, Store
from nba_engine.testing.customers_suite import FOLD, NOW, MakeStore

TYPES = ("impression", "accept")


def named(
    number: int, kind: str = "impression", about: str = "d.0.1", who: str = "crm:1"
) -> Interaction:
    """An interaction that names a recommendation."""
    return Interaction(
        interaction_id=f"a{number}",
        identity=who,
        type=kind,
        time=NOW,
        properties={"action": "milk"},
        recommendation_id=about,
    )


def record(store: Store, *interactions: Interaction) -> None:
    """Record these in a commit of their own."""
    store.record(interactions, FOLD, now=NOW)


def everything(store: Store, most: int = 2) -> list[Arrival]:
    """All that arrived, page by page."""
    found: list[Arrival] = []
    after, more = 0, True
    while more:
        page = store.arrivals(TYPES, after=after, most=most)
        found += page.arrivals
        after, more = page.last, page.more
    assert store.arrivals(TYPES, after=after).arrivals == ()
    return found


class ArrivalsSuite:
    """Interactions that name recommendations, in the order of their arrival."""

    def test_what_arrived_is_read_in_its_order_page_by_page(self, make_store: MakeStore) -> None:
        store = make_store()
        sent = [named(number, about=f"d{number}.0.1", who=f"crm:{number}") for number in range(7)]
        record(store, *sent[:4])
        record(store, *sent[4:])
        assert [one.interaction for one in everything(store)] == sent

    def test_other_types_and_what_names_no_recommendation_are_passed_over(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        record(store, named(1, "view"), named(2, about=""), named(3), named(4, "purchase"))
        assert [one.interaction.interaction_id for one in everything(store)] == ["a3"]
        assert store.arrivals((), after=0).arrivals == ()

    def test_a_repeat_does_not_arrive(self, make_store: MakeStore) -> None:
        store = make_store()
        record(store, named(1))
        last = store.arrivals(TYPES).last
        record(store, named(1))
        assert store.arrivals(TYPES, after=last).arrivals == ()

    def test_it_is_told_what_was_known_of_the_recommendation_before(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        record(store, named(1), named(2, "view"), named(3, "accept"), named(4, about="d.0.2"))
        record(store, named(5), named(6, "accept"))
        assert [one.earlier for one in everything(store)] == [
            frozenset(),
            frozenset({"impression"}),
            frozenset(),
            frozenset({"impression", "accept"}),
            frozenset({"impression", "accept"}),
        ]

    def test_a_merge_changes_nothing_of_it(self, make_store: MakeStore) -> None:
        store = make_store()
        record(store, named(1, who="cookie:1"), named(2, "accept", who="crm:1"))
        last = store.arrivals(TYPES).last
        store.link(
            LinkRequest(identities=("crm:1", "cookie:1")),
            lambda one, _other: one,
            now=NOW,
        )
        record(store, named(3, "accept", who="cookie:1"))
        (late,) = store.arrivals(TYPES, after=last).arrivals
        assert late.earlier == {"impression", "accept"}
        assert len(everything(store)) == 3

    def test_of_what_many_record_at_once_nothing_is_passed_over(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        seen: list[str] = []
        after = 0
        with ThreadPoolExecutor(4) as pool:
            done = [
                pool.submit(record, store, named(n, about=f"d{n}.0.1", who=f"crm:{n}"))
                for n in range(60)
            ]
            while len(seen) < 60:
                finished = all(one.done() for one in done)
                page = store.arrivals(TYPES, after=after, most=7)
                seen += [one.interaction.interaction_id for one in page.arrivals]
                after = page.last
                if finished and not page.more:
                    break
        assert sorted(seen) == sorted(f"a{n}" for n in range(60))
