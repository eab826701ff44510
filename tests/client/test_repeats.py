"""What is repeated, and what never is: a server that fails, then heals."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from nba_engine import errors
from nba_engine.client import (
    Consent,
    DecideRequest,
    Exhausted,
    Interaction,
    InvalidRequest,
    Unavailable,
)
from nba_engine.client.retries import MAX_ATTEMPTS, delay_before
from tests.client.both import KINDS, connected, serving_troubled, target_of

pytestmark = pytest.mark.parametrize("kind", KINDS)


def away(retry_after: float = 0.01) -> errors.Unavailable:
    error = errors.Unavailable("the store is away")
    error.retry_after = retry_after
    return error


def full(retry_after: float = 0.01) -> errors.Exhausted:
    error = errors.Exhausted("the disk is full")
    error.retry_after = retry_after
    return error


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.update_profile("crm:1", attributes={"age": 1}),
        lambda c: c.update_profile(
            "crm:1", consents=[Consent(purpose="marketing", channel="app", granted=True)]
        ),
        lambda c: c.link_identities(["crm:1", "cookie:1"]),
        lambda c: c.record_interactions([Interaction(identity="crm:1", type="view")]),
        lambda c: c.validate_catalog({"a.toml": "currency"}),
    ],
)
def test_an_idempotent_call_is_repeated_until_the_server_heals(
    kind: str, call: Callable[[Any], object]
) -> None:
    with (
        serving_troubled(away(), away()) as (served, engine),
        connected(kind, target_of(served), timeout=20.0) as client,
    ):
        call(client)
    assert engine.calls == 3


def test_repeats_of_interactions_and_updates_carry_the_ids_of_the_first(kind: str) -> None:
    with (
        serving_troubled() as (served, engine),
        connected(kind, target_of(served), timeout=20.0) as client,
    ):
        client.update_profile("crm:1", attributes={"age": 1})
        client.update_profile("crm:1", attributes={"age": 1})
        engine.troubles.append(away())
        client.record_interactions([Interaction(identity="crm:1", type="view")])
    first, second = engine.recorded
    assert first[0].interaction_id == second[0].interaction_id
    ids = [update.request_id for update in engine.updates]
    assert len(set(ids)) == 2
    assert "" not in ids


def test_a_decision_without_a_request_id_is_asked_for_once(kind: str) -> None:
    with (
        serving_troubled(away(0.25)) as (served, engine),
        connected(kind, target_of(served), timeout=20.0) as client,
    ):
        with pytest.raises(Unavailable) as caught:
            client.decide("crm:1", ["banner"])
        assert engine.calls == 1
    error = caught.value
    assert str(error) == "Decide: the store is away"
    assert (error.reason, error.code, error.retry_after) == ("UNAVAILABLE", "UNAVAILABLE", 0.25)


@pytest.mark.parametrize("trouble", [away, full])
def test_a_decision_with_a_request_id_is_repeated_after_the_time_the_server_says(
    kind: str, trouble: Callable[[float], Exception]
) -> None:
    with (
        serving_troubled(trouble(0.3), trouble(0.01)) as (served, engine),
        connected(kind, target_of(served), timeout=20.0) as client,
    ):
        started = time.monotonic()
        assert client.decide("crm:1", ["banner"], request_id="once").recommendations
        assert time.monotonic() - started > 0.3
    assert [request.request_id for request in engine.requests] == ["once"] * 3


def test_no_repeat_outlasts_the_deadline(kind: str) -> None:
    with (
        serving_troubled(away(30.0)) as (served, engine),
        connected(kind, target_of(served), timeout=5.0) as client,
    ):
        started = time.monotonic()
        with pytest.raises(Unavailable):
            client.decide("crm:1", ["banner"], request_id="once")
        assert time.monotonic() - started < 4
    assert engine.calls == 1


def test_repeats_come_to_an_end(kind: str) -> None:
    with (
        serving_troubled(*[away()] * 20) as (served, engine),
        connected(kind, target_of(served), timeout=20.0) as client,
    ):
        with pytest.raises(Unavailable):
            client.decide("crm:1", ["banner"], request_id="once")
        assert engine.calls == MAX_ATTEMPTS
        with pytest.raises(Unavailable):
            client.update_profile("crm:1", attributes={"age": 1})
        assert engine.calls == 2 * MAX_ATTEMPTS


def test_a_mistake_of_the_caller_is_not_repeated(kind: str) -> None:
    wrong = errors.InvalidRequest([errors.Violation(field="identity", description="wrong")])
    with (
        serving_troubled(wrong) as (served, engine),
        connected(kind, target_of(served), timeout=20.0) as client,
    ):
        with pytest.raises(InvalidRequest):
            client.decide("crm:1", ["banner"], request_id="once")
        assert engine.calls == 1


def test_delays_grow_differ_and_hold_what_the_server_asked_for(kind: str) -> None:
    error = Unavailable("away")
    rounds = [[delay_before(n, error, 60.0) or 0.0 for n in (2, 3, 4)] for _ in range(50)]
    for first, second, third in rounds:
        assert 0.05 <= first <= 0.1 <= second <= 0.2 <= third <= 0.4
    assert len({first for first, *_ in rounds}) > 10
    error.retry_after = 3.0
    assert 3.0 < (delay_before(2, error, 60.0) or 0.0) < 3.2
    assert delay_before(2, error, 2.0) is None
    assert delay_before(MAX_ATTEMPTS + 1, error, 60.0) is None
    assert delay_before(2, Exhausted("the message is too large"), 60.0) is None


def test_the_items_of_a_batch_say_when_they_failed(kind: str) -> None:
    requests = [
        DecideRequest(identity="crm:1", placements=["banner"], request_id=str(n)) for n in range(3)
    ]
    with (
        serving_troubled(away(0.5)) as (served, engine),
        connected(kind, target_of(served), timeout=20.0) as client,
    ):
        failed, good, other = client.batch_decide(requests)
    assert isinstance(failed.error, Unavailable)
    assert failed.error.retry_after == 0.5
    assert good.get().decision_id != other.get().decision_id
    assert engine.calls == 3
