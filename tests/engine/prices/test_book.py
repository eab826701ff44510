"""The price book: one mark in the store, stepped by whoever is first, read by all."""

from __future__ import annotations

import math

import msgspec
import pytest

from nba_engine.domain import CatalogView, Hold, ReservationRequest
from nba_engine.engine.prices import EVERY, HOURS, MARK, PriceBook, PriceHistory, next_price
from nba_engine.engine.prices.book import HISTORY
from nba_engine.testing import FakeStore
from tests.stages.making import catalog

MONDAY = 1_509_944_400.0  # 6 November 2017, midnight in New York, the catalog's zone
DAY = 86_400.0
ACTIONS = """
[actions.a]
campaign = "autumn"
prior = 0.5
value = 10.0
treatments.app = { channel = "app", cost = 2.0 }
[actions.b]
campaign = "winter"
prior = 0.1
value = 10.0
treatments.app = { channel = "app" }
"""
LIMITS = """
[limits.letters]
name = "Letters"
measure = "contacts"
amount = 1000
window = "day"
pace = "even"
[limits.spent]
scope = ["campaign"]
measure = "money"
amount = 100
window = "week"
pace = "profile"
[limits.unpaced]
measure = "contacts"
amount = 5
window = "day"
"""


@pytest.fixture
def shop() -> CatalogView:
    return catalog(ACTIONS, LIMITS)


def use(store: FakeStore, account: str, units: int, now: float, *, key: str = "r") -> None:
    limit = account.partition("|")[0]
    hold = Hold(account=account, limit=limit, amount=units, ceiling=10**9)
    (answer,) = store.reserve(
        [
            ReservationRequest(
                reservation_id=f"{key}{now}",
                decision_id="d",
                customer_id="c",
                holds=(hold,),
                expires=now + DAY * 9,
            )
        ],
        now=now,
    )
    assert answer.granted


def test_a_price_rises_with_what_was_reserved_beyond_the_plan(shop: CatalogView) -> None:
    store = FakeStore()
    book = PriceBook(store)
    book.step(shop, MONDAY)
    assert book.at(MONDAY) == {}
    use(store, "letters|2017-11-06", 100, MONDAY + 1)  # where the plan has 1000 * 600 / 86400
    book.step(shop, MONDAY + 600)
    planned = 1000 * 600 / DAY
    wanted = next_price(
        0.0,
        used=100,
        planned=planned,
        scale=(3.0 + 1.0) / 2,
        per_contact=1,
        contacts=1000,
        since=planned,
    )
    assert wanted > 0.0
    assert book.at(MONDAY + 601) == {"letters": pytest.approx(wanted)}


def test_each_account_of_a_limit_has_its_own_price(shop: CatalogView) -> None:
    assert [one.name for one in PriceBook(FakeStore()).cells(shop)] == [
        "letters",
        "spent|campaign=autumn",
    ]  # what costs nothing draws on no money


def test_between_two_steps_nothing_moves(shop: CatalogView) -> None:
    store = FakeStore()
    book = PriceBook(store)
    book.step(shop, MONDAY)
    noted = store.progress(MARK)
    use(store, "letters|2017-11-06", 100, MONDAY + 1)
    book.step(shop, MONDAY + EVERY - 0.1)
    assert store.progress(MARK) == noted


def test_another_process_takes_over_what_the_first_one_did(shop: CatalogView) -> None:
    store = FakeStore()
    one, other = PriceBook(store), PriceBook(store)
    one.step(shop, MONDAY)
    use(store, "letters|2017-11-06", 500, MONDAY + 1)
    one.step(shop, MONDAY + 60)
    other.step(shop, MONDAY + 61)
    assert other.current == one.current != {}
    other.step(shop, MONDAY + 70)  # and the next step is its own
    one.read(shop)
    assert one.mark.time == MONDAY + 70


def test_of_two_that_step_at_once_one_counts(shop: CatalogView) -> None:
    store = FakeStore()
    one, other = PriceBook(store), PriceBook(store)
    one.step(shop, MONDAY)
    other.read(shop)
    use(store, "letters|2017-11-06", 500, MONDAY + 1)
    one.step(shop, MONDAY + 60)
    other.read = lambda _catalog: None  # type: ignore[method-assign,assignment]  # it had read just before
    other.step(shop, MONDAY + 60)
    del other.read
    other.read(shop)
    assert other.current == one.current


def test_the_next_window_begins_with_the_price_of_the_last(shop: CatalogView) -> None:
    store = FakeStore()
    book = PriceBook(store)
    book.step(shop, MONDAY)
    use(store, "letters|2017-11-06", 900, MONDAY + 1)
    book.step(shop, MONDAY + 60)
    before = book.current["letters"]
    book.step(shop, MONDAY + DAY + 60)  # of the new day nothing was used yet
    after = book.mark.cells["letters"]
    assert (after.window, after.used) == ("2017-11-07", 0)
    assert 0.5 * before < after.price < before


def test_a_profile_that_was_learned_is_followed(shop: CatalogView) -> None:
    store = FakeStore()
    book = PriceBook(store)
    book.step(shop, MONDAY)
    autumn = book.cells(shop)[1]
    assert math.isclose(book.plan(autumn, MONDAY).share(MONDAY + DAY), 1 / 7)
    busy = tuple(1.0 if hour < 24 else 0.0 for hour in range(HOURS))
    known = msgspec.json.encode(PriceHistory(profiles={"spent": busy, "letters": busy})).decode()
    store.bulk(now=MONDAY, progress=(HISTORY, known))
    book.step(shop, MONDAY + 60)
    assert book.plan(autumn, MONDAY).share(MONDAY + DAY) > 0.95
    letters = book.cells(shop)[0]  # which is paced evenly
    assert math.isclose(book.plan(letters, MONDAY).share(MONDAY + DAY / 2), 0.5)


def test_a_catalog_without_paced_limits_reads_nothing() -> None:
    class Deaf(FakeStore):
        def progress(self, name: str) -> str | None:
            raise AssertionError(name)

    book = PriceBook(Deaf())
    book.step(catalog(ACTIONS), MONDAY)
    assert book.at(MONDAY) == {}


def test_a_clock_that_was_set_back_does_not_stop_prices(shop: CatalogView) -> None:
    store = FakeStore(simulated=False)
    book = PriceBook(store)
    book.step(shop, MONDAY + DAY)
    book.step(shop, MONDAY + DAY - 10)  # another process's clock, perhaps
    assert book.mark.time == MONDAY + DAY
    book.step(shop, MONDAY)
    assert book.mark.time == MONDAY


def test_a_lifetime_is_planned_over_the_season_of_its_actions() -> None:
    season = ACTIONS.replace(
        'campaign = "autumn"', 'campaign = "autumn"\nstarts = 2017-11-06\nends = 2017-11-15'
    )
    limits = LIMITS.replace("week", "lifetime").replace(
        'pace = "profile"', 'pace = "profile"\napplies_to = { campaigns = ["autumn"] }'
    )
    shop = catalog(season, limits)
    book = PriceBook(FakeStore())
    autumn = book.cells(shop)[1]
    assert math.isclose(book.plan(autumn, MONDAY).share(MONDAY + DAY), 0.1)


MAILS = """
[limits.mails]
measure = "contacts"
amount = 1000
window = "day"
pace = "even"
"""


def test_processes_at_two_catalogs_leave_each_other_their_prices(shop: CatalogView) -> None:
    wider = catalog(ACTIONS, LIMITS + MAILS)
    store, now = FakeStore(), MONDAY + DAY / 2
    old, new, alone = PriceBook(store), PriceBook(store), PriceBook(FakeStore())
    for book, mine in ((alone, wider), (new, wider)):
        book.step(mine, now)
        book.replace(mine, {"letters": 1.5, "mails": 0.9}, PriceHistory(time=now))
    accounts = {cell.name: cell.account(now) for cell in new.cells(wider)}
    for turn in range(12):  # the one is always a little earlier than the other
        now += EVERY
        for each in (store, alone._store):
            assert isinstance(each, FakeStore)
            use(each, accounts["mails"], 40, now, key=f"r{turn}")
        old.step(shop, now)
        new.step(wider, now + 0.3)
        alone.step(wider, now + 0.3)
    assert "mails" not in old.current
    assert new.current["mails"] == pytest.approx(alone.current["mails"], rel=0.02)
    assert new.current["mails"] > 0.9
    assert new.current["letters"] == pytest.approx(alone.current["letters"], rel=0.02)
    # what no catalog steps any more goes after five weeks
    old.step(shop, now + 34 * DAY)
    assert "mails" in old.mark.cells
    old.step(shop, now + 36 * DAY)
    assert set(old.mark.cells) == {cell.name for cell in old.cells(shop)}


def test_a_mark_from_before_prices_had_times_is_read(shop: CatalogView) -> None:
    store = FakeStore()
    noted = f'{{"time":{MONDAY},"cells":{{"letters":[1.5,3,"2017-11-06",2.0]}}}}'
    store.bulk(now=MONDAY, progress=(MARK, noted))
    book = PriceBook(store)
    book.read(shop)
    assert book.current == {"letters": 1.5}
    book.step(shop, MONDAY + 60.0)
    assert 0.0 < book.current["letters"] < 1.5
