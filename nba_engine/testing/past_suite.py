"""What every `nba_engine.domain.Store` must do with windows long over, and with old catalogs."""

from __future__ import annotations

import datetime as dt
import math

import pytest

from nba_engine.domain import CatalogFiles, ForgottenWindows, Hold, Publication, Store
from nba_engine.errors import InvalidRequest
from nba_engine.testing.customers_suite import MakeStore
from nba_engine.testing.ledger_suite import granted, hold, request, told, used

__all__ = ["PastSuite"]

DAY = 86_400.0
NOW = dt.datetime(2017, 11, 6, tzinfo=dt.UTC).timestamp()
OVER = ("cap|2017-07-03", "cap|channel=a|2017-07-01", "cap|2017-07-31T23:00Z")
NOT_OVER = ("cap|2017-07-02T12:00", "cap|2017-10-05", "cap|lifetime", "cap|rolling")
BEFORE = NOW - 60 * DAY


def forget(store: Store, before: float, *, dry_run: bool = False) -> int:
    """All batches; how many were forgotten."""
    found = ForgottenWindows(count=0, more="")
    total = calls = 0
    while calls == 0 or found.more:
        after = found.more
        found = store.forget_windows(before, after=after, dry_run=dry_run)
        assert not found.more or found.more > after, "it does not come to an end"
        total, calls = total + found.count, calls + 1
    return total


def spend(store: Store, *accounts: str) -> None:
    """Use one of each, for good."""
    for number, account in enumerate(accounts):
        rolls = 9e9 if account.endswith("rolling") else 0.0
        holds = Hold(account=account, limit="cap", amount=1, ceiling=3, rolls=rolls)
        one = request(f"s{number}", holds, expires=NOW + DAY)
        assert granted(store, one, now=NOW) == [True]
        told(store, (f"i{number}", "delivery", f"s{number}"), now=NOW)


def names(store: Store) -> set[str]:
    """The accounts there are."""
    return {one.account for one in store.usage_report()}


class PastSuite:
    """Accounts go when their windows are long over; catalogs when they are named."""

    def test_accounts_of_windows_that_are_over_are_forgotten_and_no_others(
        self, make_store: MakeStore
    ) -> None:
        store = make_store(simulated=False)
        spend(store, *OVER, *NOT_OVER)
        assert store.windows_since() is None
        assert forget(store, BEFORE, dry_run=True) == len(OVER)
        assert (names(store), store.windows_since()) == ({*OVER, *NOT_OVER}, None)
        assert forget(store, BEFORE) == len(OVER)
        assert names(store) == {*NOT_OVER}
        assert forget(store, BEFORE) == 0
        store.close()
        store = make_store(simulated=False)
        assert (names(store), store.windows_since()) == ({*NOT_OVER}, BEFORE)

    def test_a_date_is_over_when_the_month_it_may_name_is(self, make_store: MakeStore) -> None:
        store = make_store(simulated=False)
        spend(store, "cap|2017-10-01", "cap|2017-10-31T23:00Z")
        first = dt.datetime(2017, 11, 3, tzinfo=dt.UTC).timestamp()
        assert forget(store, first - 1) == 1  # the hour
        assert names(store) == {"cap|2017-10-01"}
        assert forget(store, first) == 1

    def test_what_still_holds_a_reservation_stays(self, make_store: MakeStore) -> None:
        store = make_store(simulated=False)
        granted(store, request(1, hold(OVER[0]), expires=NOW + DAY), now=NOW)
        assert forget(store, BEFORE) == 0
        store.expire(now=NOW + DAY)
        assert forget(store, BEFORE) == 1

    def test_a_window_that_was_forgotten_grants_nothing_any_more(
        self, make_store: MakeStore
    ) -> None:
        store = make_store(simulated=False)
        spend(store, *OVER)
        forget(store, BEFORE)
        again = [request(f"a{n}", hold(account)) for n, account in enumerate(OVER)]
        answers = store.reserve(again, now=NOW)
        assert [(one.granted, one.refused_by, one.room) for one in answers] == [
            (False, "cap|2017-07-03", 0),
            (False, "cap|channel=a|2017-07-01", 0),
            (False, "cap|2017-07-31T23:00Z", 0),
        ]
        never = request("n", hold("cap|2017-01-01"), hold("b/1"))
        assert granted(store, never, now=NOW) == [False]
        assert granted(store, request("b", hold("cap|2017-11-06")), now=NOW) == [True]
        assert used(store, "b/1") == (0, 0, 0)

    def test_a_contact_in_a_window_that_was_forgotten_is_noted_and_counts_elsewhere(
        self, make_store: MakeStore
    ) -> None:
        store = make_store(simulated=False)
        both = request(1, hold(OVER[0]), hold("all|lifetime"), expires=NOW + DAY)
        granted(store, both, now=NOW)
        store.expire(now=NOW + DAY)
        forget(store, BEFORE)
        assert told(store, ("late", "delivery", 1), now=NOW + DAY) == ["confirmed"]
        assert used(store, "all|lifetime") == (0, 1, 0)
        assert names(store) == {"all|lifetime"}

    def test_what_holds_nothing_of_a_window_that_was_forgotten_ends_like_the_rest(
        self, make_store: MakeStore
    ) -> None:
        store = make_store(simulated=False)
        nothing = Hold(account=OVER[0], limit="cap", amount=0, ceiling=3)
        both = request(1, nothing, hold("all|lifetime"), expires=NOW + DAY)
        assert granted(store, both, now=NOW) == [True]
        assert forget(store, BEFORE) == 1
        assert store.expire(now=NOW + DAY) == 1
        assert used(store, "all|lifetime") == (0, 0, 0)
        assert names(store) == {"all|lifetime"}

    def test_windows_that_were_forgotten_stay_so(self, make_store: MakeStore) -> None:
        store = make_store(simulated=False)
        forget(store, NOW)
        forget(store, BEFORE)
        assert store.windows_since() == NOW
        for wrong in (math.nan, math.inf):
            with pytest.raises(InvalidRequest):
                store.forget_windows(wrong)

    def test_many_are_forgotten_in_batches(self, make_store: MakeStore) -> None:
        store = make_store(simulated=False)
        many = [hold(f"cap|customer=c{n:04}|2017-07-03") for n in range(1_200)]
        granted(store, request(1, *many, hold("cap|lifetime"), expires=NOW + 1), now=NOW)
        store.expire(now=NOW + 1)
        assert forget(store, BEFORE) == 1_200
        assert names(store) == {"cap|lifetime"}

    def test_catalogs_that_are_named_are_forgotten_unless_they_are_in_force_or_to_come(
        self, make_store: MakeStore
    ) -> None:
        store = make_store(simulated=False)
        for number, version in enumerate("abcd"):
            store.publish_catalog(
                CatalogFiles(version=version, files={"c.toml": version}),
                Publication(version=version, time=NOW, switch_time=NOW + number),
            )
        store.keep_catalog(CatalogFiles(version="aside", files={"c.toml": "x"}))
        everything = ("a", "b", "c", "d", "aside", "none")
        assert store.forget_catalogs(everything, now=NOW + 2.5) == 3
        kept = [version for version in everything if store.catalog_files(version) is not None]
        assert kept == ["c", "d"]
        assert [one.version for one in store.publications()] == ["a", "b", "c", "d"]

    def test_a_catalog_that_was_forgotten_can_be_published_again(
        self, make_store: MakeStore
    ) -> None:
        store = make_store(simulated=False)
        for version in "aba":
            files = CatalogFiles(version=version, files={"c.toml": version})
            store.publish_catalog(files, Publication(version=version, time=NOW, switch_time=NOW))
            store.forget_catalogs(("a", "b"), now=NOW)
        assert store.catalog_files("a") == {"c.toml": "a"}
        assert store.catalog_files("b") is None
