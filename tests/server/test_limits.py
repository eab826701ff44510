from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import grpc
import pytest

from nba_engine._gen.nba.v1 import catalog_pb2
from nba_engine._gen.nba.v1.limit_service_pb2 import (
    GetLimitUsageRequest,
    GetLimitUsageResponse,
    LimitUsage,
    ListLimitsRequest,
)
from nba_engine._gen.nba.v1.limit_service_pb2_grpc import LimitServiceStub
from nba_engine.domain import Hold, ReservationRequest
from nba_engine.engine import Engine
from tests.engine.world import CATALOG, shop
from tests.server.small import Details, Served, SmallEngine

LIMITS = """
[limits.week]
name = "Two contacts a week"
scope = ["action", "customer"]
measure = "contacts"
amount = 2
window = "week"
[limits.rolls]
scope = ["customer"]
measure = "contacts"
amount = "customer.age"
window = "rolling 7d"
[limits.hour]
scope = ["channel"]
measure = "contacts"
amount = 50
window = "hour"
[limits.budget]
measure = "money"
amount = 12.5
window = "lifetime"
[limits.letters]
measure = "contacts"
amount = 1000
window = "hour"
pace = "even"
[limits.reminders]
measure = "contacts"
at_least = 5000
window = "month"
"""
HOUR = dt.datetime(2017, 11, 7, 12, tzinfo=dt.UTC)


class World:
    """A served engine whose ledger has been used."""

    def __init__(self, engine: Engine, served: Served) -> None:
        self.engine = engine
        self.stub = LimitServiceStub(served.channel)

    def reserve(self, account: str, amount: int = 1, *, ceiling: int = 9) -> None:
        limit = account.partition("|")[0]
        hold = Hold(
            account=account,
            limit=limit,
            amount=amount,
            ceiling=ceiling,
            rolls=7 * 86_400.0 if account.endswith("|rolling") else 0.0,
        )
        request = ReservationRequest(
            reservation_id=f"r{account}",
            decision_id="d",
            customer_id="c",
            holds=(hold,),
            expires=time.time() + 1e6,
        )
        (answer,) = self.engine.store.reserve([request], now=time.time())
        assert answer.granted

    def usage(
        self, limit: str, identity: str = "", *, size: int = 0, token: str = ""
    ) -> GetLimitUsageResponse:
        request = GetLimitUsageRequest(
            limit_id=limit, identity=identity, page_size=size, page_token=token
        )
        return self.stub.GetLimitUsage(request)

    def refused(self, limit: str, identity: str = "", *, token: str = "", size: int = 0) -> Details:
        with pytest.raises(grpc.RpcError) as caught:
            self.usage(limit, identity, token=token, size=size)
        return Details(caught.value)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with shop(tmp_path, catalog=CATALOG + LIMITS, simulated=False) as engine:
        served = Served(cast("SmallEngine", engine))
        try:
            yield World(engine, served)
        finally:
            served.channel.close()
            served.server.stop(0)


def test_limits_are_listed_by_pages_as_the_catalog_defines_them(world: World) -> None:
    first = world.stub.ListLimits(ListLimitsRequest(page_size=3))
    rest = world.stub.ListLimits(ListLimitsRequest(page_token=first.next_page_token))
    limits = {limit.id: limit for limit in (*first.limits, *rest.limits)}
    assert len(first.limits) == 3
    assert rest.next_page_token == ""
    assert list(limits) == [limit.id for limit in world.engine.catalog.limits]
    assert limits["week"].name == "Two contacts a week"
    assert list(limits["week"].scope) == ["action", "customer"]
    assert (limits["rolls"].window, limits["rolls"].expression) == ("rolling 7d", "customer.age")
    assert limits["budget"].money_micros == 12_500_000
    assert (first.catalog_version, first.currency_code) == (world.engine.catalog.version, "USD")


def test_usage_tells_what_is_reserved_and_spent_of_the_amount_in_force(world: World) -> None:
    world.reserve("budget|lifetime", 2_000_000, ceiling=3_000_000)
    answer = world.usage("budget")
    assert (answer.measure, answer.currency_code) == (catalog_pb2.MEASURE_MONEY, "USD")
    assert list(answer.usages) == [
        LimitUsage(account="budget|lifetime", reserved=2_000_000, ceiling=12_500_000)
    ]


def test_usage_tells_the_window_of_an_account(world: World) -> None:
    world.reserve("hour|channel=app|2017-11-07T12:00Z")
    world.reserve("hour|channel=app|2017-11-06")  # when it was a limit per day
    world.reserve("rolls|customer=c|rolling", ceiling=44)
    of_day, of_hour = world.usage("hour").usages
    assert not of_day.HasField("window_start_time")
    assert of_hour.window_start_time.ToDatetime(dt.UTC) == HOUR
    assert of_hour.window_end_time.ToDatetime(dt.UTC) == HOUR + dt.timedelta(hours=1)
    (rolling,) = world.usage("rolls").usages
    length = rolling.window_end_time.ToDatetime() - rolling.window_start_time.ToDatetime()
    assert length == dt.timedelta(days=7)
    assert abs(rolling.window_end_time.ToSeconds() - time.time()) < 30
    assert rolling.ceiling == 44  # an expression: what it gave at the latest reservation


def test_usage_of_one_customer_is_that_of_all_actions(world: World) -> None:
    customer = world.engine.profile("crm:1").customer_id
    mine = [f"week|action={action}|customer={customer}|2017-11-06" for action in ("milk", "wine")]
    for account in (*mine, "week|action=milk|customer=other|2017-11-06", "weeks|lifetime"):
        world.reserve(account)
    assert [one.account for one in world.usage("week", "crm:1").usages] == mine
    first = world.usage("week", "crm:1", size=1)
    rest = world.usage("week", "crm:1", token=first.next_page_token)
    assert [one.account for one in (*first.usages, *rest.usages)] == mine
    assert len(world.usage("week").usages) == 3


def test_pages_go_on_where_the_last_one_ended(world: World) -> None:
    for number in range(5):
        world.reserve(f"hour|channel=c{number}|2017-11-07T12:00Z")
    first = world.usage("hour", size=2)
    world.reserve("hour|channel=a|2017-11-07T12:00Z")  # before what was shown
    rest = world.usage("hour", token=first.next_page_token, size=5000)
    assert [one.account[14:15] for one in (*first.usages, *rest.usages)] == list("01234")
    assert rest.next_page_token == ""


def test_it_is_told_since_when_windows_are_kept(world: World) -> None:
    world.reserve("hour|channel=app|2017-11-07T12:00Z")
    assert not world.usage("hour").HasField("windows_since_time")
    store, now = world.engine.store, time.time()
    store.release(["rhour|channel=app|2017-11-07T12:00Z"], now=now)
    assert store.forget_windows(now - 1e6).count == 1
    answer = world.usage("hour")
    assert list(answer.usages) == []
    assert abs(answer.windows_since_time.ToMicroseconds() / 1e6 - (now - 1e6)) < 1e-3


def test_a_paced_limit_has_a_price_and_a_plan(world: World) -> None:
    prices, catalog, now = world.engine.prices, world.engine.catalog, time.time()
    prices.step(catalog, now - 10.0)
    world.reserve(prices.cells(catalog)[0].account(now), 900, ceiling=1000)
    prices.step(catalog, now)
    (used,) = world.usage("letters").usages
    assert used.price == prices.current["letters"] > 0.0
    began = used.window_start_time.ToSeconds()
    assert 0 <= used.planned - int(1000 * (now - began) / 3600) <= 20
    paces = {one.id: one.pace for one in world.stub.ListLimits(ListLimitsRequest()).limits}
    assert (paces["letters"], paces["budget"]) == ("even", "")
    world.reserve("budget|lifetime")
    assert not world.usage("budget").usages[0].HasField("price")


def test_a_minimum_has_a_bonus_and_a_plan(world: World) -> None:
    prices, catalog, now = world.engine.prices, world.engine.catalog, time.time()
    (least,) = (one for one in prices.cells(catalog) if one.floor)
    prices.step(catalog, now - 10.0)
    prices.step(catalog, now)  # nobody was written to meanwhile
    world.reserve(least.account(now), 1)
    (used,) = world.usage("reminders").usages
    assert used.bonus == prices.current["reminders|at_least"] > 0.0
    assert used.HasField("planned_at_least")
    assert not used.HasField("price")
    (limit,) = (
        one for one in world.stub.ListLimits(ListLimitsRequest()).limits if one.id == "reminders"
    )
    assert (limit.at_least, limit.WhichOneof("amount")) == (5000, None)


def test_what_is_wrong_with_a_query_is_named(world: World) -> None:
    assert world.refused("").fields == ["limit_id"]
    assert world.refused("weeek").fields == ["limit_id"]
    assert world.refused("hour", "crm:1").fields == ["identity"]
    assert world.refused("week", "nobody", size=-1).fields == ["identity", "page_size"]
    assert world.refused("hour", token="bm9uZQ==").fields == ["page_token"]
    world.reserve("hour|channel=a|2017-11-07T12:00Z")
    world.reserve("hour|channel=b|2017-11-07T12:00Z")
    token = world.usage("hour", size=1).next_page_token
    assert world.refused("budget", token=token).fields == ["page_token"]
    assert world.refused("week", "crm:unknown").reason == "CUSTOMER_NOT_FOUND"
