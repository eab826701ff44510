"""Only to be type-checked, as a user's program would be: `mypy --strict` reads it in `make types`.

Every ``type: ignore`` marks a mistake that has to be found; one that is not is itself a mistake.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import assert_type

import grpc

from nba_engine.client import (
    Action,
    AioClient,
    Catalog,
    Client,
    DecideRequest,
    DecideResult,
    Decision,
    Explanation,
    InteractionResult,
    InvalidRequest,
    Mistake,
    NbaClientError,
    PlacementRequest,
    Profile,
    Unavailable,
    Value,
    Violation,
)


def threads() -> None:
    with Client(
        "shop:50051",
        credentials=grpc.ssl_channel_credentials(),
        timeout=0.5,
        metadata=[("x-shop", "7")],
    ) as client:
        cart = ["MILK", "BREAD"]
        decision = client.decide("crm:1", ["banner"], context={"cart": cart, "minutes": 3.5})
        assert_type(decision, Decision)
        client.decide("crm:1", [PlacementRequest("banner", 3), "newsletter"], timeout=0.05)
        for r in decision.recommendations:
            assert_type(r.score, Decimal)
            assert_type(r.score_micros, int)
            assert_type(r.expire_time, datetime | None)
        weights: dict[str, float] = {"a": 1.0}
        profile = client.update_profile(
            "crm:1", attributes={"weights": weights, "joined": datetime.now(UTC)}
        )
        assert_type(profile, Profile)
        assert_type(profile.attributes["age"], Value)
        assert_type(client.explain_decision(decision.decision_id), Explanation)
        assert_type(client.list_actions(), Iterator[Action])
        assert_type(client.get_catalog(), Catalog)
        assert_type(client.get_catalog().channels[0].reservation_ttl, timedelta)
        assert_type(client.validate_catalog({"a.toml": ""}), list[Mistake])
        request = DecideRequest(identity="crm:1", placements=["banner"])
        assert_type(client.batch_decide([request]), list[DecideResult])
        assert_type(client.stream_decide(iter([request])), Iterator[DecideResult])
        with client.interactions(max_batch=100) as batch:
            ticket = batch.add(identity="crm:1", type="view", properties={"price": 2.5})
            assert_type(ticket, Future[InteractionResult])


async def loop() -> None:
    async with AioClient("unix:/run/nba.sock") as client:
        assert_type(await client.decide("crm:1", ["banner"], wait_for_ready=True), Decision)
        assert_type(client.list_actions(), AsyncIterator[Action])
        request = DecideRequest(identity="crm:1", placements=["banner"])
        async for result in client.stream_decide([request]):
            assert_type(result.get(), Decision)
        async with client.interactions() as batch:
            ticket = await batch.add(identity="crm:1", type="view")
            assert_type(await ticket, InteractionResult)


def errors(client: Client) -> None:
    try:
        client.health()
    except InvalidRequest as error:
        assert_type(error.violations, tuple[Violation, ...])
    except Unavailable as error:
        assert_type(error.retry_after, float | None)
    except NbaClientError as error:
        assert_type(error.reason, str)


def mistakes(client: Client, decision: Decision) -> None:
    client.decide("crm:1")  # type: ignore[call-arg]
    client.decide("crm:1", ["banner"], timeuot=1.0)  # type: ignore[call-arg]
    client.decide("crm:1", ["banner"], context={"cart": object()})  # type: ignore[dict-item]
    client.decide("crm:1", ["banner"], time=1.5)  # type: ignore[arg-type]
    decision.known = False  # type: ignore[misc]
    decision.recomendations  # type: ignore[attr-defined] # noqa: B018
    DecideRequest("crm:1", ["banner"])  # type: ignore[call-arg]
