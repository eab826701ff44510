"""What servers learn from the decisions they make: traffic by the hour, and what contacts are worth."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from nba_engine.domain import DecisionRequest, PlacementRequest
from nba_engine.engine.prices import PriceBook, Traffic, paced_cells
from nba_engine.engine.prices.seen import SEEN, Seen, Watching, Worth
from nba_engine.settings import StageSettings
from nba_engine.testing import FakeStore, make_engine
from tests.stages.making import catalog

MONDAY = 1_509_926_400.0  # 6 November 2017, 00:00 UTC
HOUR = 3600.0
DAY = 24 * HOUR
LETTERS = """
[limits.letters]
measure = "contacts"
amount = 400
window = "day"
time_zone = "UTC"
pace = "profile"
"""
ACTIONS = '[actions.a]\nvalue = "customer.age * 2"\ntreatments.app = { channel = "app" }\n'
SHOP = catalog(ACTIONS, LETTERS)


def visit(book: PriceBook, day: int, per_hour: list[int]) -> None:
    """A day's decisions, with a look every ten minutes."""
    for hour, count in enumerate(per_hour):
        for tenth in range(6):
            start = MONDAY + day * DAY + hour * HOUR + tenth * 600.0
            for number in range(count // 6):
                book.at(start + 600.0 * number / count)
            book.step(SHOP, start + 590.0)


def test_the_traffic_of_one_day_is_the_plan_of_the_next_without_a_refresh() -> None:
    store = FakeStore()
    book = PriceBook(store)
    busy = [60] * 8 + [600] * 4 + [120] * 6 + [2400] * 4 + [60] * 2
    (cell,) = book.cells(SHOP)
    book.step(SHOP, MONDAY)
    assert book.plan(cell, MONDAY + HOUR).share(MONDAY + DAY / 2) == pytest.approx(0.5)
    visit(book, 0, busy)
    visit(book, 1, busy[:1])
    # the first hour is not known whole: it counts as the average, until it comes again
    wanted = np.cumsum([0, *busy]) / sum(busy)
    plan = book.plan(cell, MONDAY + DAY + HOUR)
    found = [plan.share(MONDAY + DAY + hour * HOUR) for hour in range(25)]
    assert np.abs(np.array(found) - wanted).max() < 0.06
    other = PriceBook(store)  # a process that was started just now
    other.read(SHOP)
    assert other.plan(cell, MONDAY + DAY + HOUR).share(MONDAY + 1.7 * DAY) == pytest.approx(
        plan.share(MONDAY + 1.7 * DAY), abs=0.01
    )


def test_processes_add_up_what_they_saw() -> None:
    store = FakeStore()
    books = [PriceBook(store) for _ in range(3)]
    for book in books:
        book.cells(SHOP)
    for number in range(30):
        books[number % 3].at(MONDAY + number)
    for turn in range(3):  # all at one moment: one after the other they get their turn
        for book in books:
            book.step(SHOP, MONDAY + 120.0 + turn)
    seen = msgspec.json.decode(store.progress(SEEN) or "", type=Seen)
    assert seen.hours == {int(MONDAY // HOUR): 30}


def test_with_little_traffic_hours_are_drawn_to_the_average() -> None:
    traffic = Traffic()
    hours = [0] * 12 + [3] * 12
    for hour, count in enumerate(hours):
        traffic.add_all([MONDAY + hour * HOUR + 1.0] * count)
    traffic.add(MONDAY)
    little = np.array(traffic.profile("UTC"))[:24]
    for hour, count in enumerate(hours):
        traffic.add_all([MONDAY + hour * HOUR + 1.0] * (100 * count))
    much = np.array(traffic.profile("UTC"))[:24]
    assert 0.7 < little[1] / little[20] < 0.95
    assert much[1] / much[20] < 0.1
    assert Traffic().profile("UTC") == ()


def test_what_contacts_are_worth_is_seen_where_the_catalog_cannot_tell() -> None:
    engine = make_engine(
        {
            "catalog.toml": """
[context.gain]
type = "double"
[channels.app]
[placements.home]
channel = "app"
[actions.nothing]
kind = "nothing"
[actions.a]
prior = 0.5
value = "context.gain"
treatments.app = { channel = "app", cost = 2.0 }
[limits.spent]
measure = "money"
amount = 1000
window = "day"
pace = "even"
"""
        },
        pipeline=(
            "profile",
            "eligibility",
            "contact_policy",
            StageSettings(stage="propensity", settings={"model": ""}),
            "value",
            "arbitration",
            "slate",
        ),
        store=FakeStore(),
    )
    book = engine.prices
    (cell,) = book.cells(engine.catalog)
    book.step(engine.catalog, MONDAY)
    assert cell.scale == 1.0  # what a contact costs, per unit of money
    for number in range(12):
        engine.decide(
            DecisionRequest(
                identity=f"crm:{number}",
                placements=(PlacementRequest("home"),),
                context={"gain": 40.0},
                time=MONDAY + number,
                seed=number,
            )
        )
    book.step(engine.catalog, MONDAY + 20.0)
    assert book.seen.worth("spent") == pytest.approx((0.5 * 40.0 - 2.0) / 2.0)
    # one step moves by a quarter of that at most, not of 1
    assert 0.25 < book.current["spent"] <= 0.25 * 9.0


def test_prices_are_added_again_and_what_is_long_ago_fades() -> None:
    shop = catalog(ACTIONS, LETTERS)
    (cell,) = paced_cells(shop)
    watching = Watching()
    watching.decided(MONDAY)
    watching._shown.append(("a.app", 3.0, None))
    seen = watching.collect([cell], {"letters": 2.0}, shop)
    assert seen == Seen({int(MONDAY // HOUR): 1}, {"letters": Worth(1.0, 1.0, 5.0)})
    assert watching.collect([cell], {}, shop) == Seen()
    old = Seen({int(MONDAY // HOUR) - 24 * 29: 7}, {"letters": Worth(20_000.0, 20_000.0, 0.0)})
    both = old.plus(seen)
    assert both.hours == {int(MONDAY // HOUR): 1}
    assert both.worth["letters"] == Worth(10_001.0, 10_001.0, 5.0)


def test_what_was_seen_under_one_catalog_counts_for_the_same_treatments_of_the_next() -> None:
    wide = '[actions.{0}]\nvalue = 1\ntreatments.app = {{ channel = "app" }}\n'
    mails = LETTERS.replace("limits.letters", "limits.mails").replace("400", "300")
    some = LETTERS + 'applies_to = { actions = ["z"] }\n'
    after = catalog(*map(wide.format, "nz"), some, mails + 'applies_to = { actions = ["n"] }\n')
    watching = Watching()
    for name in ("y.app", "z.app", "b.app"):  # two of them are gone, one has another number
        watching._shown.append((name, 3.0, None))
    seen = watching.collect(paced_cells(after), {}, after)
    assert seen.worth == {"letters": Worth(1.0, 1.0, 3.0)}
    watching._shown.append(("a.app", 3.0, None))
    assert watching.collect(paced_cells(after), {}, after) == Seen()
