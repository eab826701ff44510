"""GetContactPlan on a real server, over a store on disk, by both clients."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import grpc
import pytest

from nba_engine._gen.nba.v1.decision_service_pb2 import GetContactPlanRequest
from nba_engine._gen.nba.v1.decision_service_pb2_grpc import DecisionServiceStub
from nba_engine.client import FailedPrecondition, InvalidRequest, NotFound
from nba_engine.domain import DecisionRequest, Interaction, PlacementRequest
from nba_engine.engine import Engine
from nba_engine.store import open_store
from tests.client.both import KINDS, connected
from tests.engine.contact_plans.world import (
    CATALOG,
    DAY,
    IDENTITY,
    START,
    add_customer,
    make_plan,
    make_shop,
)
from tests.server.small import Details, SmallEngine, serving

NOON = dt.datetime.fromtimestamp(START + DAY / 2, dt.UTC)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Engine]:
    store = open_store(tmp_path / "nba.db", simulated=True)
    try:
        yield make_shop(CATALOG, store=store)
    finally:
        store.close()


@pytest.fixture(params=KINDS)
def client(request: pytest.FixtureRequest, shop: Engine) -> Iterator[Any]:
    with ExitStack() as stack:
        served = stack.enter_context(serving(cast("SmallEngine", shop)))
        yield stack.enter_context(
            connected(request.param, f"127.0.0.1:{served.port}", timeout=10.0)
        )


def test_a_plan_is_told_with_its_times_money_and_prices(shop: Engine, client: Any) -> None:
    anna = add_customer(shop, IDENTITY)
    make_plan(shop, ("bread.email", 0), ("milk.letter", 2), customer=anna)

    plan = client.get_contact_plan(IDENTITY, time=NOON)

    assert (plan.plan_id, plan.replanned, plan.currency) == ("plan-1", False, "USD")
    assert plan.made == plan.starts == plan.computed == dt.datetime(2020, 11, 13, tzinfo=dt.UTC)
    assert plan.ends == dt.datetime(2020, 12, 11, tzinfo=dt.UTC)
    assert plan.prices == {"letters": (0.5, 0.5, 0.5, 0.5)}
    first, second = plan.contacts
    assert (first.period, first.action, first.treatment) == (0, "bread", "bread.email")
    assert (second.channel, second.reason, str(second.cost)) == ("post", "made_room", "0.7")
    assert second.starts == dt.datetime(2020, 11, 27, tzinfo=dt.UTC)
    assert second.ends == dt.datetime(2020, 12, 4, tzinfo=dt.UTC)


def test_what_was_recorded_since_plans_anew_and_decisions_agree(shop: Engine, client: Any) -> None:
    anna = add_customer(shop, IDENTITY)
    make_plan(shop, ("bread.email", 0), customer=anna)
    shop.record(
        [
            Interaction(
                interaction_id="i1", identity=IDENTITY, type="complaint", time=NOON.timestamp()
            )
        ]
    )

    plan = client.get_contact_plan(IDENTITY, time=NOON)

    assert plan.replanned
    assert plan.computed == NOON
    assert [one.reason for one in plan.contacts] == ["best_at_prices"] * 3
    decision = shop.decide(
        DecisionRequest(
            identity=IDENTITY,
            placements=(PlacementRequest("newsletter"),),
            time=NOON.timestamp(),
            seed=1,
        )
    )
    assert decision.recommendations[0].treatment == plan.contacts[0].treatment
    assert "planned" in decision.recommendations[0].reason_codes


def test_replacing_all_attributes_leaves_the_plan(shop: Engine, client: Any) -> None:
    anna = add_customer(shop, IDENTITY)
    make_plan(shop, ("bread.email", 0), customer=anna)
    before = client.get_contact_plan(IDENTITY, time=NOON)

    known = dict(client.get_profile(IDENTITY).attributes)  # as who changes what was read does
    for attributes in ({"age": 41}, {**known, "age": 41}):
        client.update_profile(IDENTITY, attributes=attributes, update_mask=["attributes"])
        assert client.get_contact_plan(IDENTITY, time=NOON) == before

    assert client.get_profile(IDENTITY).attributes["age"] == 41
    client.update_profile(IDENTITY, attributes={**known, "age": 42})  # and without a mask
    assert client.get_profile(IDENTITY).attributes["age"] == 42
    assert client.get_contact_plan(IDENTITY, time=NOON) == before
    with pytest.raises(InvalidRequest, match="nba plan sets it"):
        client.update_profile(IDENTITY, update_mask=["attributes.contact_plan"])


def test_who_is_unknown_and_what_is_not_in_force_is_told_apart(shop: Engine, client: Any) -> None:
    with pytest.raises(NotFound):
        client.get_contact_plan("crm:nobody", time=NOON)

    add_customer(shop, IDENTITY)
    with pytest.raises(FailedPrecondition, match="no contact plan was made yet"):
        client.get_contact_plan(IDENTITY, time=NOON)

    make_plan(shop)
    with pytest.raises(FailedPrecondition, match="ended at 2020-12-11"):
        client.get_contact_plan(IDENTITY, time=dt.datetime(2021, 1, 1, tzinfo=dt.UTC))
    with pytest.raises(InvalidRequest):
        client.get_contact_plan("anna")


def test_the_time_is_for_simulated_stores() -> None:
    with serving(SmallEngine()) as served:
        asked = GetContactPlanRequest(identity="crm:1")
        asked.time.FromDatetime(NOON)
        with pytest.raises(grpc.RpcError) as failed:
            DecisionServiceStub(served.channel).GetContactPlan(asked)

    assert Details(failed.value).reason == "TIME_NOT_ALLOWED"
