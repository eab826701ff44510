from __future__ import annotations

from collections.abc import Callable

import pytest

from nba_engine.domain import CatalogView, CustomerState, Hold, Interaction, ReservationRequest
from nba_engine.engine import LimitRow, limit_rows
from nba_engine.testing import FakeStore, make_catalog
from nba_engine.testing.customers_suite import FOLD

HOUR = 3_600.0
NOW = 1_509_980_400.0  # Monday, 6 November 2017, 15:00 UTC, 10:00 in the shop
LIMITS = {
    "email_week": None,
    "seats": {"scope": ["channel"], "measure": "contacts", "amount": 3, "window": "hour"},
    "budget": {"name": "Budget", "measure": "money", "amount": 12.5, "window": "lifetime"},
    "own": {
        "scope": ["customer"],
        "measure": "money",
        "amount": "customer.income * 0.5",
        "window": "month",
    },
    "often": {"scope": ["customer"], "measure": "contacts", "amount": 2, "window": "rolling 7d"},
}

Use = Callable[..., str]


@pytest.fixture(scope="module")
def catalog() -> CatalogView:
    return make_catalog(limits=LIMITS)


@pytest.fixture
def store() -> FakeStore:
    return FakeStore(simulated=False)


@pytest.fixture
def use(store: FakeStore) -> Use:
    """Reserves on an account, and confirms it at once if that is asked for."""
    made: list[str] = []

    def reserve(
        account: str,
        amount: int,
        *,
        ceiling: int = 1_000_000_000,
        now: float = NOW,
        spent: bool = False,
    ) -> str:
        made.append(f"r{len(made)}")
        rolls = 7 * 24 * HOUR if account.endswith("rolling") else 0.0
        limit = account.partition("|")[0]
        hold = Hold(account=account, limit=limit, amount=amount, ceiling=ceiling, rolls=rolls)
        request = ReservationRequest(
            reservation_id=made[-1],
            decision_id="d",
            customer_id="c",
            holds=(hold,),
            expires=now + HOUR,
        )
        assert store.reserve([request], now=now)[0].granted
        if spent:
            deliver(store, made[-1], now)
        return made[-1]

    return reserve


def deliver(store: FakeStore, name: str, now: float) -> None:
    item = Interaction(
        interaction_id=name, identity="x", type="delivery", time=now, recommendation_id=name
    )
    store.record([item], FOLD, now=now)


def rows(
    catalog: CatalogView,
    store: FakeStore,
    *limits: str,
    now: float | None = NOW,
    past: bool = False,
) -> list[LimitRow]:
    return list(limit_rows(catalog, store, now=now, limits=limits, past=past))


def test_every_limit_has_a_row_before_it_is_used(catalog: CatalogView, store: FakeStore) -> None:
    found = {row.limit: row for row in rows(catalog, store)}
    assert list(found) == [limit.id for limit in catalog.limits]
    budget = found["budget"]
    assert (budget.name, budget.amount, budget.left, budget.accounts) == ("Budget", 12.5, 12.5, 0)
    assert (found["seats"].start, found["seats"].end) == (NOW, NOW + HOUR)
    assert (found["own"].amount, found["own"].expression) == (None, "customer.income * 0.5")
    assert [row.together for row in found.values()] == [
        "customer" in limit.scope for limit in catalog.limits
    ]


def test_a_shared_limit_has_a_row_per_account_with_what_is_left(
    catalog: CatalogView, store: FakeStore, use: Use
) -> None:
    use("seats|channel=app|2017-11-06T15:00Z", 2)
    use("seats|channel=e%7Cmail|2017-11-06T15:00Z", 3, spent=True)
    app, mail = rows(catalog, store, "seats")
    assert (dict(app.scope), app.reserved, app.spent, app.left, app.full) == (
        {"channel": "app"},
        2,
        0,
        1,
        0,
    )
    assert (dict(mail.scope), mail.spent, mail.left, mail.full) == ({"channel": "e|mail"}, 3, 0, 1)


def test_money_is_in_units_of_the_currency(
    catalog: CatalogView, store: FakeStore, use: Use
) -> None:
    use("budget|lifetime", 2_500_000, spent=True)
    use("budget|lifetime", 1_000_000)
    (row,) = rows(catalog, store, "budget")
    assert (row.reserved, row.spent, row.left, row.window) == (1.0, 2.5, 9.0, "lifetime")


def test_customers_are_one_row_that_tells_how_many_are_full(
    catalog: CatalogView, store: FakeStore, use: Use
) -> None:
    for number in range(3):
        for _ in range(number):
            use(f"often|customer=c{number}|rolling", 1, spent=True)
    (row,) = rows(catalog, store, "often")
    assert (row.accounts, row.full, row.spent, row.left) == (2, 1, 3, None)
    assert (row.amount, row.window) == (2, "rolling 7d")
    (later,) = rows(catalog, store, "often", now=NOW + 8 * 24 * HOUR)
    assert (later.full, later.spent) == (0, 0)


def test_what_is_beyond_the_amount_in_force_is_overhang_and_late_charges_are_overrun(
    catalog: CatalogView, store: FakeStore, use: Use
) -> None:
    late = use("budget|lifetime", 9_000_000, ceiling=20_000_000)
    use("budget|lifetime", 18_000_000, ceiling=20_000_000, now=NOW + HOUR)
    (row,) = rows(catalog, store, "budget")
    assert (row.left, row.overhang, row.overrun) == (0.0, 5.5, 0.0)
    deliver(store, late, NOW + HOUR)
    (row,) = rows(catalog, store, "budget")
    assert (row.left, row.overhang, row.overrun) == (0.0, 14.5, 7.0)


def test_one_customer_has_rows_of_its_own_with_the_amount_it_has_now(
    catalog: CatalogView, store: FakeStore, use: Use
) -> None:
    use("own|customer=c1|2017-11-01", 250_000)
    use("own|customer=c2|2017-11-01", 990_000)
    state = CustomerState(customer_id="c1", attributes={"income": 1.0})
    own, often = limit_rows(catalog, store, now=NOW, customer=state)
    assert (own.amount, own.reserved, own.left, own.together) == (0.5, 0.25, 0.25, False)
    assert (often.limit, often.left, often.accounts) == ("often", 2, 0)
    nobody = CustomerState(customer_id="c2")
    own, _ = limit_rows(catalog, store, now=NOW, customer=nobody)
    assert own.amount == 1_000.0  # what it was at the last grant


def test_windows_before_this_one_are_shown_when_asked_for(
    catalog: CatalogView, store: FakeStore, use: Use
) -> None:
    for hour in (13, 14, 15):
        use(f"seats|channel=app|2017-11-06T{hour}:00Z", hour - 12)
    use("seats|channel=app|2017-11-05", 3)  # when it was a limit per day
    (row,) = rows(catalog, store, "seats")
    assert row.reserved == 3
    found = rows(catalog, store, "seats", past=True)
    assert [(row.reserved, row.start) for row in found] == [
        (3, NOW),
        (2, NOW - HOUR),
        (1, NOW - 2 * HOUR),
        (3, None),
    ]


def test_without_a_time_the_latest_window_that_was_used_counts(
    catalog: CatalogView, store: FakeStore, use: Use
) -> None:
    (unused,) = rows(catalog, store, "seats", now=None)
    assert (unused.accounts, unused.start) == (0, None)
    use("seats|channel=app|2017-11-06T13:00Z", 1)
    use("seats|channel=app|2017-11-06T14:00Z", 2)
    (row,) = rows(catalog, store, "seats", now=None)
    assert (row.reserved, row.end) == (2, NOW)


def test_more_accounts_than_fit_on_a_page_are_all_counted(
    catalog: CatalogView, store: FakeStore
) -> None:
    holds = tuple(
        Hold(account=f"often|customer=c{n}|rolling", limit="often", amount=1, ceiling=2, rolls=9.0)
        for n in range(2_050)
    )
    request = ReservationRequest(
        reservation_id="r", decision_id="d", customer_id="c", holds=holds, expires=NOW + 1
    )
    store.reserve([request], now=NOW)
    (row,) = rows(catalog, store, "often")
    assert (row.accounts, row.reserved) == (2_050, 2_050)
