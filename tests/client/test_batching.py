"""Interactions by batches: delivered once and in order, or told of, whatever the server does."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nba_engine import errors
from nba_engine.client import (
    ClientClosed,
    DeadlineExceeded,
    Interaction,
    InvalidRequest,
    NotDelivered,
    QueueFull,
    Unavailable,
    Undelivered,
)
from tests.client.both import KINDS, TroubledEngine, connected, serving_troubled, target_of
from tests.integration.shop import serving_shop
from tests.server.small import serving

pytestmark = pytest.mark.parametrize("kind", KINDS)
FOREVER = 3600.0


def away() -> errors.Unavailable:
    error = errors.Unavailable("the store is away")
    error.retry_after = 0.01
    return error


@contextmanager
def batching(kind: str, *troubles: Exception, **given: Any) -> Iterator[tuple[Any, TroubledEngine]]:
    """A batcher that flushes when told (unless ``given`` says else), and the engine behind."""
    with (
        serving_troubled(*troubles) as (served, engine),
        connected(kind, target_of(served), timeout=20.0) as client,
        client.interactions(**{"max_wait": FOREVER, **given}) as batch,
    ):
        yield batch, engine


def recorded(engine: TroubledEngine) -> list[str]:
    """The identities recorded, in order, each once."""
    found: dict[str, str] = {}
    for batch in engine.recorded:
        for one in batch:
            if one.interaction_id in engine.small_store.seen:
                found[one.interaction_id] = one.identity
    return list(found.values())


def test_leaving_the_block_flushes_in_order(kind: str) -> None:
    with batching(kind, max_batch=40) as (batch, engine):
        tickets = [batch.add(identity=f"crm:{n}", type="view") for n in range(100)]
    assert [ticket.result().status for ticket in tickets] == ["recorded"] * 100
    assert recorded(engine) == [f"crm:{n}" for n in range(100)]
    assert [len(one) for one in engine.recorded] == [40, 40, 20]


def test_a_full_batch_goes_out_by_itself(kind: str) -> None:
    with batching(kind, max_batch=3) as (batch, _):
        tickets = [batch.add(identity="crm:1", type="view") for _ in range(4)]
        assert [ticket.result().status for ticket in tickets[:3]] == ["recorded"] * 3
        assert not tickets[3].done()


def test_what_waited_long_enough_goes_out_by_itself(kind: str) -> None:
    with batching(kind, max_wait=0.05) as (batch, _):
        ticket = batch.add(identity="crm:1", type="view")
        assert ticket.result(10).status == "recorded"


def test_flush_waits_until_all_is_durable(kind: str) -> None:
    with batching(kind) as (batch, engine):
        ticket = batch.add(identity="crm:1", type="view")
        batch.flush()
        assert ticket.done()
        assert recorded(engine) == ["crm:1"]
        batch.flush()


def test_everything_given_arrives(kind: str) -> None:
    when = datetime(2020, 1, 2, tzinfo=UTC)
    with batching(kind) as (batch, engine):
        batch.add(
            identity="crm:1",
            type="purchase",
            interaction_time=when,
            properties={"price": 2.5, "category": "MILK"},
            recommendation_id="r1",
            interaction_id="i1",
        )
        whole = Interaction(identity="crm:2", type="view")
        batch.put(whole)
    ((first, second),) = engine.recorded
    assert (first.interaction_id, first.identity, first.type) == ("i1", "crm:1", "purchase")
    assert (first.time, first.recommendation_id) == (when.timestamp(), "r1")
    assert first.properties == {"price": 2.5, "category": "MILK"}
    assert second.interaction_id == whole.interaction_id


def test_troubles_are_ridden_out(kind: str) -> None:
    with batching(kind, *[away()] * 7) as (batch, engine):
        tickets = [batch.add(identity=f"crm:{n}", type="view") for n in range(10)]
    assert {ticket.result().status for ticket in tickets} == {"recorded"}
    assert engine.calls >= 8


def test_a_malformed_interaction_fails_alone(kind: str) -> None:
    with pytest.raises(NotDelivered) as caught:  # noqa: PT012, SIM117 - leaving raises
        with batching(kind) as (batch, engine):
            tickets = [batch.add(identity=f"crm:{n}", type="view") for n in range(5)]
            bad = batch.add(identity="nobody", type="")
            tickets += [batch.add(identity=f"crm:{n}", type="view") for n in range(5, 9)]
    (lost,) = caught.value.undelivered
    assert lost.interaction.identity == "nobody"
    assert isinstance(lost.error, InvalidRequest)
    assert {one.field for one in lost.error.violations} == {"identity", "type"}
    assert bad.exception() is lost.error
    assert {ticket.result().status for ticket in tickets} == {"recorded"}
    assert recorded(engine) == [f"crm:{n}" for n in range(9)]


def test_a_message_above_the_servers_limit_is_cut_until_it_fits(kind: str) -> None:
    text = "x" * 4000
    with (  # noqa: PT012 - leaving raises
        pytest.raises(NotDelivered) as caught,
        serving(max_message_bytes=20_000) as served,
        connected(kind, target_of(served), timeout=20.0) as client,
        client.interactions(max_wait=FOREVER) as batch,
    ):
        tickets = [
            batch.add(identity="crm:1", type="view", properties={"page": text}) for _ in range(9)
        ]
        large = dict.fromkeys("abcdefgh", text)
        batch.add(identity="crm:large", type="view", properties=large)
    assert {ticket.result().status for ticket in tickets} == {"recorded"}
    assert [lost.interaction.identity for lost in caught.value.undelivered] == ["crm:large"]


def test_what_no_message_holds_is_refused_when_it_is_added(kind: str) -> None:
    naive = {"at": datetime(2020, 1, 1)}  # noqa: DTZ001
    wrong = r'properties\["at"\]: a time needs a time zone'
    with batching(kind) as (batch, engine), pytest.raises(InvalidRequest, match=wrong):
        batch.add(identity="crm:1", type="view", properties=naive)
    assert engine.recorded == []


def test_a_server_that_stays_away_costs_no_interaction_a_word(kind: str) -> None:
    with serving() as served:
        target = target_of(served)
    with connected(kind, target) as client:
        batch = client.interactions(max_wait=FOREVER, timeout=0.4)
        tickets = [batch.add(identity=f"crm:{n}", type="view") for n in range(3)]
        with pytest.raises(NotDelivered, match="3 interactions were not delivered") as caught:
            batch.flush()
        batch.flush()  # reported once
    identities = [lost.interaction.identity for lost in caught.value.undelivered]
    assert identities == ["crm:0", "crm:1", "crm:2"]
    for ticket in tickets:
        assert isinstance(ticket.exception(), Unavailable | DeadlineExceeded)
    with serving() as served, connected(kind, target_of(served)) as client:
        again = [lost.interaction for lost in caught.value.undelivered]
        assert {one.status for one in client.record_interactions(again)} == {"recorded"}


def test_a_queue_has_an_end(kind: str) -> None:
    with serving() as served:
        target = target_of(served)
    with connected(kind, target) as client:
        batch = client.interactions(max_batch=2, max_queue=2, timeout=0.5)
        for _ in range(2):
            batch.add(identity="crm:1", type="view")
        with pytest.raises(QueueFull, match="no room"):
            batch.add(identity="crm:2", type="view", wait=0.0)
        # what was given up takes room until somebody was told
        with pytest.raises(NotDelivered) as caught:
            batch.add(identity="crm:3", type="view", wait=20.0)
        assert {lost.interaction.identity for lost in caught.value.undelivered} == {"crm:1"}
        batch.add(identity="crm:4", type="view")
        with pytest.raises(NotDelivered) as caught:
            batch.close()
    assert "crm:4" in {lost.interaction.identity for lost in caught.value.undelivered}


def test_room_is_waited_for(kind: str) -> None:
    with batching(kind, max_batch=1, max_queue=1) as (batch, engine):
        for n in range(20):
            batch.add(identity=f"crm:{n}", type="view")
    assert len(recorded(engine)) == 20


def test_who_wants_to_be_told_is_told_instead(kind: str) -> None:
    told: list[Undelivered] = []

    def tell(lost: Undelivered) -> None:
        told.append(lost)
        if lost.interaction.identity == "bad:":
            raise OSError("no disk to write it to")

    with pytest.raises(NotDelivered) as caught:  # noqa: PT012, SIM117 - leaving raises
        with batching(kind, on_undelivered=tell) as (batch, _):
            batch.add(identity="nobody", type="view")
            batch.flush()
            assert [lost.interaction.identity for lost in told] == ["nobody"]
            batch.add(identity="bad:", type="view")
    (lost,) = caught.value.undelivered  # what could not be told is raised
    assert lost.interaction.identity == "bad:"


def test_an_error_in_the_block_goes_first_and_tells_of_the_loss(kind: str) -> None:
    with pytest.raises(KeyError) as caught:  # noqa: PT012, SIM117 - leaving raises
        with batching(kind) as (batch, engine):
            batch.add(identity="nobody", type="view")
            batch.add(identity="crm:1", type="view")
            raise KeyError("the block's own")
    assert caught.value.__notes__[0].startswith("and on leaving: 1 interaction was not delivered")
    assert recorded(engine) == ["crm:1"]


def test_closing_the_client_flushes_its_batchers(kind: str) -> None:
    with (
        serving_troubled() as (served, engine),
        connected(kind, target_of(served), timeout=20.0) as client,
    ):
        for identity in ("crm:1", "crm:2"):
            batch = client.interactions(max_wait=FOREVER)
            batch.add(identity=identity, type="view")
            batch.add(identity="nobody", type="view")
        with pytest.raises(NotDelivered, match="2 interactions were not delivered"):
            client.close()
        with pytest.raises(ClientClosed):
            batch.add(identity="crm:3", type="view")
    assert recorded(engine) == ["crm:1", "crm:2"]


def test_cancelling_a_ticket_withdraws_nothing(kind: str) -> None:
    with batching(kind) as (batch, engine):
        batch.add(identity="crm:1", type="view").cancel()
        batch.add(identity="crm:2", type="view")
        batch.flush()
    assert recorded(engine) == ["crm:1", "crm:2"]


def test_a_server_that_is_killed_and_comes_back_has_each_interaction_once(
    kind: str, tmp_path: Path
) -> None:
    milk = {"category": "MILK"}
    number = 600
    with serving_shop(tmp_path) as shop:
        target = shop.address
        with connected(kind, target) as client:
            batch = client.interactions(max_batch=20, max_wait=0.01, timeout=50.0)
            for _ in range(number // 2):
                batch.add(identity="crm:1", type="purchase", properties=milk)
            batch.add(identity="crm:1", type="purchase", properties=milk).result(20)
            shop.process.kill()  # with batches on their way
            for _ in range(number // 2 - 1):
                batch.add(identity="crm:1", type="purchase", properties=milk)
            shop.process.wait()
            with serving_shop(tmp_path, NBA_SERVER__LISTEN=target):
                batch.close()
                profile = client.get_profile("crm:1", timeout=20.0)
    assert profile.aggregates["purchases"] == {"MILK": number}


def test_the_end_of_the_interpreter_flushes(kind: str) -> None:
    if kind == "asyncio":
        _loop_that_ends_logs()
        return
    with serving_troubled() as (served, engine):
        code = (
            "from nba_engine.client import Client\n"
            f"batch = Client('{target_of(served)}').interactions(max_wait=3600)\n"
            "for n in range(3): batch.add(identity=f'crm:{n}', type='view')\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert len(recorded(engine)) == 3


def _loop_that_ends_logs() -> None:
    """A loop cannot be flushed when it is gone: the log tells how many were held."""
    code = (
        "import asyncio\n"
        "from nba_engine.client import AioClient\n"
        "async def main():\n"
        "    batch = AioClient('127.0.0.1:1').interactions(max_wait=3600)\n"
        "    for n in range(3): await batch.add(identity=f'crm:{n}', type='view')\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False
    )
    assert "3 interactions were not delivered" in done.stderr


def test_a_burst_is_cheap(kind: str) -> None:
    with batching(kind, max_batch=1000) as (batch, engine):
        started = time.monotonic()
        for n in range(2000):
            batch.add(identity=f"crm:{n}", type="view")
        batch.flush()
        assert time.monotonic() - started < 20
    assert len(engine.recorded) <= 4
