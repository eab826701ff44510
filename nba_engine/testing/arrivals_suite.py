"""What every `nba_engine.domain.Store` must do for those who count what arrives."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from nba_engine.domain import Arrival, Interaction, LinkRequest, Store
from nba_engine.testing.customers_suite import FOLD, NOW, MakeStore

TYPES = ("impression", "accept")


def named(
    number: int,
    kind: str = "impression",
    about: str = "d.0.1",
    who: str = "crm:1",
    time: float = NOW,
) -> Interaction:
    """An interaction that names a recommendation."""
    return Interaction(
        interaction_id=f"a{number}",
        identity=who,
        type=kind,
        time=time,
        properties={"action": "milk"},
        recommendation_id=about,
    )


def record(store: Store, *interactions: Interaction) -> None:
    """Record these in a commit of their own."""
    store.record(interactions, FOLD, now=NOW)


def ids(arrivals: Sequence[Arrival]) -> list[str]:
    """The interactions' own ids."""
    return [one.interaction.interaction_id for one in arrivals]


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

    def test_it_is_told_when_each_arrived(self, make_store: MakeStore) -> None:
        store = make_store()
        store.record([named(1, time=NOW - 900.0)], FOLD, now=NOW)
        store.record([named(2, "accept", time=NOW - 800.0)], FOLD, now=NOW + 60.0)
        page = store.arrivals(TYPES)
        assert [one.recorded for one in page.arrivals] == [NOW, NOW + 60.0]
        assert [one.recorded for one in store.arrivals(TYPES, after=1).before] == [NOW]

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
        record(store, named(1, time=NOW - 900.0), named(2, "view"), named(3, who="crm:2"))
        record(store, named(4, "accept", time=NOW - 900.0), named(5, about="d.0.2", time=NOW - 9.0))
        last = store.arrivals(TYPES).last
        record(store, named(6, "accept"), named(7, "accept", about="d.0.3"))
        page = store.arrivals(TYPES, after=last)
        assert ids(page.arrivals) == ["a6", "a7"]
        assert ids(page.before) == ["a1", "a4"]
        assert ids(store.arrivals(TYPES, after=last, reach=9.0).before) == ["a1", "a4", "a5"]

    def test_other_types_count_without_a_name_too(self, make_store: MakeStore) -> None:
        store = make_store()
        record(store, named(1, time=NOW - 50.0), named(2, "purchase", about="", time=NOW - 50.0))
        record(store, named(3, "purchase", about=""), named(4, "view", about=""))
        record(store, named(5, who="crm:2"), named(6, "purchase", about="", who="crm:2"))
        page = store.arrivals(TYPES, unnamed=("purchase",))
        assert ids(page.arrivals) == ["a1", "a2", "a3", "a5", "a6"]
        assert page.before == ()
        whose = [one.customer for one in page.arrivals]
        assert whose[0] == whose[1] == whose[2] != whose[3] == whose[4]
        last = store.arrivals(TYPES, unnamed=("purchase",), most=2).last
        for reach, known in ((50.0, ["a1", "a2"]), (49.0, [])):
            page = store.arrivals(TYPES, unnamed=("purchase",), reach=reach, after=last, most=1)
            assert (ids(page.arrivals), ids(page.before)) == (["a3"], known)

    def test_what_a_merge_brings_is_known_from_then_on(self, make_store: MakeStore) -> None:
        store = make_store()
        record(store, named(1, who="cookie:1"), named(2, "accept", who="crm:1"))
        last = store.arrivals(TYPES).last
        store.link(
            LinkRequest(identities=("crm:1", "cookie:1")),
            lambda one, _other: one,
            now=NOW,
        )
        record(store, named(3, "accept", who="cookie:1"))
        page = store.arrivals(TYPES, after=last)
        assert (ids(page.arrivals), ids(page.before)) == (["a3"], ["a1", "a2"])
        assert len({one.customer for one in (*page.arrivals, *page.before)}) == 1
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
