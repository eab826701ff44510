"""What windows that roll do in the ledger of every `nba_engine.domain.Store`."""

from __future__ import annotations

import threading

import pytest

from nba_engine.domain import Hold, Store
from nba_engine.errors import InvalidRequest
from nba_engine.testing.customers_suite import NOW, MakeStore
from nba_engine.testing.ledger_suite import DAY, granted, request, told, used

HOUR = 3_600.0


def week(*, amount: int = 1, ceiling: int = 2, rolls: float = 7 * DAY) -> Hold:
    """A hold on one account that counts what was spent in the last seven days."""
    return Hold(account="week/1", limit="week", amount=amount, ceiling=ceiling, rolls=rolls)


def asked(store: Store, number: int | str, hold: Hold, now: float) -> bool:
    """Reserve for a day; whether it was granted."""
    return granted(store, request(number, hold, expires=now + DAY), now=now) == [True]


def spend(store: Store, number: int, hold: Hold, now: float) -> None:
    """Reserve and confirm at one moment."""
    assert asked(store, number, hold, now)
    assert told(store, (f"spend{number}", "delivery", number), now=now) == ["confirmed"]


class RollingSuite:
    """What is spent counts for so many seconds from its confirmation on, and no longer."""

    def test_what_was_spent_counts_until_it_is_as_old_as_the_window(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        spend(store, 1, week(), NOW)
        spend(store, 2, week(), NOW + 4 * DAY)
        assert not asked(store, 3, week(), NOW + 7 * DAY - 1.0)
        assert asked(store, 4, week(), NOW + 7 * DAY)
        assert not asked(store, 5, week(), NOW + 7 * DAY)
        assert used(store, "week/1") == (1, 1, 0)

    def test_it_counts_from_its_confirmation_not_from_its_reservation(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        assert granted(store, request(1, week(ceiling=1), expires=NOW + 9 * DAY)) == [True]
        assert not asked(store, 2, week(ceiling=1), NOW + 8 * DAY)
        told(store, ("a", "delivery", 1), now=NOW + 8 * DAY)
        assert not asked(store, 3, week(ceiling=1), NOW + 15 * DAY - 1.0)
        assert asked(store, 4, week(ceiling=1), NOW + 15 * DAY)

    def test_what_is_released_or_expires_is_free_at_once(self, make_store: MakeStore) -> None:
        store = make_store()
        assert (
            granted(store, request(1, week()), request(2, week(), expires=NOW + 60)) == [True] * 2
        )
        told(store, ("a", "reject", 1), now=NOW + 1)
        assert asked(store, 3, week(), NOW + 2)
        assert not asked(store, 4, week(), NOW + 2)
        assert asked(store, 5, week(), NOW + 60)

    def test_an_overrun_falls_out_with_what_caused_it(self, make_store: MakeStore) -> None:
        store = make_store()
        store.reserve([request(1, week(ceiling=1), expires=NOW + 1)], now=NOW)
        spend(store, 2, week(ceiling=1), NOW + 2)
        assert told(store, ("late", "delivery", 1), now=NOW + 3) == ["overrun"]
        assert used(store, "week/1") == (0, 2, 1)
        store.expire(now=NOW + 2 + 7 * DAY)
        assert used(store, "week/1") == (0, 1, 1)
        store.expire(now=NOW + 3 + 7 * DAY)
        assert used(store, "week/1") == (0, 0, 0)

    def test_usage_is_as_of_the_moment_asked_for(self, make_store: MakeStore) -> None:
        store = make_store()
        spend(store, 1, week(), NOW)
        spend(store, 2, week(), NOW + DAY)
        moments = (NOW + DAY, NOW + 7 * DAY - 1, NOW + 7 * DAY, NOW + 8 * DAY)
        assert [store.usage(["week/1"], now=now)["week/1"] for now in moments] == [2, 2, 1, 0]
        many = ["week/1", *(f"x/{n}" for n in range(100))]
        assert store.usage(many, now=NOW + 7 * DAY)["week/1"] == 1
        assert [store.accounts("week/", now=now)[0].spent for now in moments] == [2, 2, 1, 0]
        assert store.usage(["week/1"])["week/1"] == 2

    def test_a_window_of_another_length_counts_at_once_for_what_is_still_in_it(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        spend(store, 1, week(), NOW)
        spend(store, 2, week(), NOW + 2 * DAY)
        shorter, longer = week(rolls=2 * DAY), week(rolls=30 * DAY)
        assert not asked(store, 3, longer, NOW + 7 * DAY - 1)
        assert not asked(store, 4, longer, NOW + 8 * DAY)
        assert asked(store, 5, shorter, NOW + 8 * DAY)
        assert asked(store, 6, shorter, NOW + 8 * DAY)
        assert not asked(store, 7, shorter, NOW + 8 * DAY)

    def test_however_much_falls_out_none_of_it_stands_in_the_way(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        many = 600
        for number in range(many):  # each at a moment of its own
            one = week(ceiling=many)
            store.reserve([request(number, one)], now=NOW + number)
            told(store, (f"i{number}", "delivery", number), now=NOW + number)
        all_of_it = week(amount=many, ceiling=many)
        assert asked(store, "all", all_of_it, NOW + 8 * DAY)

    def test_a_window_survives_a_restart(self, make_store: MakeStore) -> None:
        store = make_store()
        spend(store, 1, week(ceiling=1), NOW)
        store.close()
        store = make_store()
        assert not asked(store, 2, week(ceiling=1), NOW + 6 * DAY)
        assert asked(store, 3, week(ceiling=1), NOW + 7 * DAY)

    @pytest.mark.parametrize("jump", [-HOUR, HOUR])
    def test_a_clock_that_jumps_an_hour_and_back_never_doubles_a_window(
        self, make_store: MakeStore, jump: float
    ) -> None:
        store = make_store(simulated=False)
        hour = week(ceiling=3, rolls=HOUR)
        grants: list[tuple[float, bool]] = []
        clock = NOW
        for minute in range(240):
            wall = NOW + 60.0 * minute + (jump if 60 <= minute < 120 else 0.0)
            clock = max(clock, wall)
            answer = asked(store, minute, hour, wall)
            grants.append((clock, answer))
            if answer:
                told(store, (f"i{minute}", "delivery", minute), now=wall)
        times = [time for time, answer in grants if answer]
        assert all(sum(end - HOUR < time <= end for time in times) <= 3 for end in times)
        assert len(times) >= 6

    def test_two_clocks_half_a_minute_apart_share_one_window(self, make_store: MakeStore) -> None:
        store = make_store(simulated=False)
        minute = week(ceiling=2, rolls=60.0)
        times: list[float] = []
        for second in range(0, 600, 5):
            wall = NOW + second + 30.0 * (second % 2)
            if asked(store, second, minute, wall):
                told(store, (f"i{second}", "delivery", second), now=wall)
                times.append(max([wall, *times]))
        assert all(sum(end - 60.0 < time <= end for time in times) <= 2 for end in times)
        assert len(times) >= 18

    def test_eight_threads_on_one_window_never_exceed_it(self, make_store: MakeStore) -> None:
        store = make_store(simulated=False)
        ceiling, rolls = 10, 5.0
        spent: list[float] = []

        def work(thread: int) -> None:
            for step in range(40):
                number, now = f"{thread}-{step}", NOW + step * 0.5
                hold = week(ceiling=ceiling, rolls=rolls)
                if asked(store, number, hold, now):
                    told(store, (f"i{number}", "delivery", number), now=now)
                    spent.append(now)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert used(store, "week/1")[1] <= ceiling
        assert len(spent) >= 2 * ceiling

    @pytest.mark.parametrize("rolls", [-1.0, float("nan"), float("inf")])
    def test_a_window_without_a_length_is_a_mistake(
        self, make_store: MakeStore, rolls: float
    ) -> None:
        store = make_store()
        with pytest.raises(InvalidRequest) as refused:
            store.reserve([request(1, week(rolls=rolls))], now=NOW)
        (violation,) = refused.value.violations
        assert violation.field == "requests[0].holds[0].rolls"
