"""What the ledger of every `nba_engine.domain.Store` must do."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

import pytest

from nba_engine.domain import Answer, Hold, ReservationRequest, Store, Usage
from nba_engine.errors import InvalidRequest
from nba_engine.testing.customers_suite import FOLD, NOW, MakeStore, happened

DAY = 86_400.0


def hold(account: str = "cap/1", *, amount: int = 1, ceiling: int = 3) -> Hold:
    """A hold on one account of the limit ``cap``."""
    return Hold(account=account, limit=account.partition("/")[0], amount=amount, ceiling=ceiling)


def request(number: int | str, *holds: Hold, expires: float = NOW + DAY) -> ReservationRequest:
    """A reservation with some holds."""
    return ReservationRequest(
        reservation_id=f"r{number}" if number != "" else "",
        decision_id="d1",
        customer_id="c1",
        holds=holds or (hold(),),
        expires=expires,
    )


def granted(store: Store, *requests: ReservationRequest, now: float = NOW) -> list[bool]:
    """Reserve these; whether each was granted."""
    return [answer.granted for answer in store.reserve(requests, now=now)]


def used(store: Store, account: str = "cap/1") -> tuple[int, int, int]:
    """(reserved, spent, overrun) of one account."""
    for usage in store.usage_report():
        if usage.account == account:
            return usage.reserved, usage.spent, usage.overrun
    return 0, 0, 0


def told(store: Store, *rows: tuple[str, str, int | str], now: float = NOW) -> list[str]:
    """Record (interaction id, type, reservation number); what became of the reservations."""
    items = [
        happened(name, kind, time=now, recommendation=f"r{number}") for name, kind, number in rows
    ]
    return [result.reservation for result in store.record(items, FOLD, now=now)]


class LedgerSuite:
    """Reserve, confirm, release, expire."""

    def test_grants_stop_at_the_ceiling_and_name_the_limit(self, make_store: MakeStore) -> None:
        store = make_store()
        answers = store.reserve([request(n) for n in range(5)], now=NOW)
        assert [answer.granted for answer in answers] == [True, True, True, False, False]
        assert answers[3] == Answer(reservation_id="r3", granted=False, refused_by="cap", room=0)
        assert used(store) == (3, 0, 0)

    def test_a_refusal_tells_the_room_that_is_left(self, make_store: MakeStore) -> None:
        store = make_store()
        budget = hold("budget/x", amount=70, ceiling=100)
        _, refused = store.reserve([request(1, budget), request(2, budget)], now=NOW)
        assert (refused.refused_by, refused.room) == ("budget", 30)

    def test_a_request_is_granted_whole_or_not_at_all(self, make_store: MakeStore) -> None:
        store = make_store()
        two = (hold("a/1"), hold("b/1", amount=5, ceiling=4))
        (answer,) = store.reserve([request(1, *two)], now=NOW)
        assert (answer.granted, answer.refused_by) == (False, "b")
        assert used(store, "a/1") == (0, 0, 0)

    def test_a_smaller_request_may_fit_where_a_larger_was_refused(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        amounts = (8, 3, 2)
        holds = [hold("b/1", amount=amount, ceiling=10) for amount in amounts]
        requests = [request(n, one) for n, one in enumerate(holds)]
        assert granted(store, *requests) == [True, False, True]

    def test_the_ceiling_in_force_at_the_moment_counts(self, make_store: MakeStore) -> None:
        store = make_store()
        assert granted(store, request(1, hold(ceiling=1)), request(2, hold(ceiling=1))) == [
            True,
            False,
        ]
        assert granted(store, request(3, hold(ceiling=2)), request(4, hold(ceiling=1))) == [
            True,
            False,
        ]

    def test_two_holds_on_one_account_count_together(self, make_store: MakeStore) -> None:
        store = make_store()
        assert granted(store, request(1, hold(amount=2), hold(amount=2))) == [False]
        assert granted(store, request(2, hold(amount=2), hold(amount=1))) == [True]
        assert granted(store, request(3, hold(amount=0, ceiling=9), hold(amount=1))) == [False]
        assert used(store) == (3, 0, 0)

    def test_repeating_a_reservation_reserves_nothing_more(self, make_store: MakeStore) -> None:
        store = make_store()
        only = request(1, hold(amount=3))
        assert granted(store, only, only) == [True, True]
        assert granted(store, only) == [True]
        assert used(store) == (3, 0, 0)

    def test_a_reservation_without_holds_is_granted(self, make_store: MakeStore) -> None:
        store = make_store()
        empty = ReservationRequest(
            reservation_id="r1", decision_id="d", customer_id="c", holds=(), expires=NOW + 1
        )
        assert granted(store, empty) == [True]

    def test_usage_adds_reserved_and_spent_and_omits_the_unknown(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.reserve([request(1), request(2), request(3, hold("b/1"))], now=NOW)
        told(store, ("c", "impression", 1))
        assert dict(store.usage(["cap/1", "b/1", "never"])) == {"cap/1": 2, "b/1": 1}
        many = [f"x/{n}" for n in range(500)]
        assert dict(store.usage([*many, "cap/1"])) == {"cap/1": 2}

    def test_the_report_names_the_accounts_of_one_limit(self, make_store: MakeStore) -> None:
        store = make_store()
        store.reserve([request(1, hold("a/1"), hold("a/2"), hold("b/1"))], now=NOW)
        assert [usage.account for usage in store.usage_report("a")] == ["a/1", "a/2"]
        assert len(list(store.usage_report())) == 3

    def test_accounts_are_listed_by_name_a_page_at_a_time(self, make_store: MakeStore) -> None:
        store = make_store()
        names = ["a|1", "a|2", "a|\U0001f600", "a|%7C", "ab|1", "b|1"]
        holds = [hold(name, amount=n + 1, ceiling=9) for n, name in enumerate(names)]
        store.reserve([request(1, *holds)], now=NOW)
        first = store.accounts("a|", now=NOW, most=2)
        rest = store.accounts("a|", now=NOW, after=first[-1].account)
        assert [one.account for one in (*first, *rest)] == sorted(names[:4])
        (last,) = store.accounts("b", now=NOW)
        assert last == Usage(account="b|1", limit="b|1", reserved=6, spent=0, overrun=0, ceiling=9)
        assert list(store.accounts("c", now=NOW)) == []
        assert list(store.accounts("\ud800", now=NOW)) == []

    @pytest.mark.parametrize("kind", ["impression", "delivery", "click", "accept"])
    def test_a_contact_that_took_place_is_spent_once(
        self, make_store: MakeStore, kind: str
    ) -> None:
        store = make_store()
        store.reserve([request(1)], now=NOW)
        assert told(store, ("a", kind, 1)) == ["confirmed"]
        assert told(store, ("b", "impression", 1), ("c", "click", 1)) == ["unchanged", "unchanged"]
        assert used(store) == (0, 1, 0)

    @pytest.mark.parametrize("kind", ["reject", "failure", "bounce"])
    def test_a_contact_that_failed_frees_its_room_once(
        self, make_store: MakeStore, kind: str
    ) -> None:
        store = make_store()
        store.reserve([request(n) for n in range(3)], now=NOW)
        assert told(store, ("a", kind, 1), ("b", kind, 1)) == ["released", "unchanged"]
        assert used(store) == (2, 0, 0)
        assert granted(store, request(7), request(8)) == [True, False]

    def test_a_refusal_after_the_contact_frees_nothing(self, make_store: MakeStore) -> None:
        store = make_store()
        store.reserve([request(1)], now=NOW)
        assert told(store, ("a", "impression", 1), ("b", "reject", 1)) == [
            "confirmed",
            "unchanged",
        ]
        assert used(store) == (0, 1, 0)

    def test_a_repeated_interaction_moves_nothing(self, make_store: MakeStore) -> None:
        store = make_store()
        store.reserve([request(1), request(2)], now=NOW)
        assert told(store, ("a", "impression", 1)) == ["confirmed"]
        assert told(store, ("a", "impression", 2)) == [""]
        assert used(store) == (1, 1, 0)

    def test_other_types_and_unknown_recommendations_move_nothing(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.reserve([request(1)], now=NOW)
        assert told(store, ("a", "purchase", 1), ("b", "view", 1)) == ["", ""]
        assert told(store, ("c", "click", 9), ("d", "reject", 9)) == ["unknown", "unknown"]
        assert used(store) == (1, 0, 0)

    def test_a_reservation_that_expired_makes_room(self, make_store: MakeStore) -> None:
        store = make_store()
        store.reserve([request(n, expires=NOW + 10) for n in range(3)], now=NOW)
        assert granted(store, request(7), now=NOW + 9.9) == [False]
        assert granted(store, request(8), now=NOW + 10) == [True]
        assert used(store) == (1, 0, 0)

    def test_expire_ends_what_is_due_and_counts_it(self, make_store: MakeStore) -> None:
        store = make_store()
        store.reserve([request(n, expires=NOW + n) for n in (10, 20)], now=NOW)
        assert [store.expire(now=NOW + time) for time in (5, 10, 10, 30)] == [0, 1, 0, 1]
        assert used(store) == (0, 0, 0)

    def test_however_many_are_due_none_of_them_stands_in_the_way(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        many = 3_000
        wide = hold("wide/1", ceiling=many)
        store.reserve([request(n, wide, expires=NOW + 1) for n in range(many)], now=NOW)
        all_of_it = hold("wide/1", amount=many, ceiling=many)
        assert granted(store, request("all", all_of_it), now=NOW + 2) == [True]
        assert used(store, "wide/1") == (many, 0, 0)

    def test_a_confirmation_after_expiry_is_charged(self, make_store: MakeStore) -> None:
        store = make_store()
        store.reserve([request(1, expires=NOW + 1)], now=NOW)
        assert told(store, ("a", "delivery", 1), now=NOW + 2) == ["confirmed"]
        assert told(store, ("b", "delivery", 1), now=NOW + 2) == ["unchanged"]
        assert used(store) == (0, 1, 0)

    def test_a_confirmation_after_expiry_without_room_is_an_overrun(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.reserve([request(1, hold(amount=2), expires=NOW + 1)], now=NOW)
        assert granted(store, request(2, hold(amount=2)), now=NOW + 2) == [True]
        assert told(store, ("a", "delivery", 1), now=NOW + 3) == ["overrun"]
        assert used(store) == (2, 2, 1)
        assert granted(store, request(3), now=NOW + 3) == [False]

    def test_an_overrun_is_measured_by_the_amount_of_the_last_grant(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.reserve([request(1, hold(ceiling=9), expires=NOW + 1)], now=NOW)
        assert granted(store, request(2, hold(ceiling=1)), now=NOW + 2) == [True]
        assert told(store, ("a", "delivery", 1), now=NOW + 3) == ["overrun"]
        assert used(store) == (1, 1, 1)

    def test_one_late_confirmation_among_many_that_are_due_is_no_overrun(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        others, amount = 900, 600
        wide = hold("wide/1", ceiling=others + amount)
        late = hold("wide/1", amount=amount, ceiling=others + amount)
        store.reserve([request(n, wide, expires=NOW + 1) for n in range(others)], now=NOW)
        store.reserve([request("late", late, expires=NOW + 2)], now=NOW)
        assert told(store, ("a", "delivery", "late"), now=NOW + 3) == ["confirmed"]
        store.expire(now=NOW + 3)
        assert used(store, "wide/1") == (0, amount, 0)

    def test_a_release_after_expiry_changes_nothing(self, make_store: MakeStore) -> None:
        store = make_store()
        store.reserve([request(1, expires=NOW + 1)], now=NOW)
        store.expire(now=NOW + 2)
        assert told(store, ("a", "bounce", 1), now=NOW + 2) == ["unchanged"]
        assert used(store) == (0, 0, 0)

    def test_what_was_due_is_not_given_back_but_charged_when_it_takes_place(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.reserve([request(1, expires=NOW + 1)], now=NOW)
        store.release(["r1"], now=NOW + 2)
        assert told(store, ("a", "delivery", 1), now=NOW + 2) == ["confirmed"]
        assert used(store) == (0, 1, 0)

    def test_a_clock_that_jumps_back_frees_nothing_and_doubles_nothing(
        self, make_store: MakeStore
    ) -> None:
        store = make_store(simulated=False)
        short = [request(n, expires=NOW + 10) for n in range(3)]
        assert granted(store, *short) == [True] * 3
        assert store.expire(now=NOW + 11) == 3
        store.close()
        store = make_store(simulated=False)
        # made at NOW by the wall clock, but due by the ledger's: it ends at once, not later
        assert granted(store, *[request(n, expires=NOW + 9) for n in "abc"]) == [True] * 3
        assert store.expire(now=NOW) == 3

    def test_a_simulated_store_takes_the_time_it_is_given(self, make_store: MakeStore) -> None:
        store = make_store(simulated=True)
        store.expire(now=NOW + 1_000 * DAY)
        assert granted(store, request(1, expires=NOW + 1)) == [True]
        assert store.expire(now=NOW) == 0
        assert used(store) == (1, 0, 0)

    @pytest.mark.parametrize(
        ("bad", "field"),
        [
            (request(""), "requests[0].reservation_id"),
            (request(1, expires=math.nan), "requests[0].expires"),
            (request(1, hold(""), hold()), "requests[0].holds[0].account"),
            (request(1, hold(amount=-1)), "requests[0].holds[0].amount"),
            (request(1, hold(ceiling=2**63)), "requests[0].holds[0].ceiling"),
        ],
    )
    def test_a_request_the_ledger_cannot_hold_is_named(
        self, make_store: MakeStore, bad: ReservationRequest, field: str
    ) -> None:
        store = make_store()
        with pytest.raises(InvalidRequest) as refused:
            store.reserve([bad], now=NOW)
        assert [violation.field for violation in refused.value.violations] == [field]

    def test_reservations_are_there_after_a_restart(self, make_store: MakeStore) -> None:
        store = make_store()
        store.reserve([request(1), request(2)], now=NOW)
        told(store, ("a", "impression", 1))
        store.close()
        store = make_store()
        assert used(store) == (1, 1, 0)
        assert told(store, ("b", "impression", 2)) == ["confirmed"]

    def test_eight_threads_on_one_account_never_exceed_its_ceiling(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        hot = hold("hot/1", amount=3, ceiling=500)
        grants: list[bool] = []

        def reserve(thread: int, numbers: Sequence[int]) -> None:
            for number in numbers:
                own = hold(f"own/{thread}", ceiling=1_000)
                grants.extend(granted(store, request(f"{thread}-{number}", own, hot)))

        threads = [threading.Thread(target=reserve, args=(n, range(40))) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert grants.count(True) == 166
        assert used(store, "hot/1") == (498, 0, 0)
        own = sum(usage.reserved for usage in store.usage_report("own"))
        assert own == 166
