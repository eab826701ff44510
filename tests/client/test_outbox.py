"""The outbox against a server that plays every trick: each interaction ends exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba_engine.client.errors import (
    DeadlineExceeded,
    Exhausted,
    Internal,
    InvalidRequest,
    NbaClientError,
    NotDelivered,
    Unavailable,
    Violation,
)
from nba_engine.client.interactions import Interaction, InteractionResult
from nba_engine.client.outbox import MAX_BYTES, Entry, Outbox, entry_of, request_of, time_for

TIMEOUT = 20.0


class Trickster:
    """Answers a batch as the next trick says; ``bad`` interactions it never takes."""

    def __init__(self, tricks: Sequence[str], fits: int) -> None:
        self.tricks = list(tricks)
        self.fits = fits
        self.order: list[str] = []

    def record(self, batch: list[Entry]) -> list[InteractionResult]:
        trick = self.tricks.pop() if self.tricks else "good"
        if trick == "away":
            raise Unavailable("away")
        if trick == "busy":
            busy = Exhausted("busy")
            busy.retry_after = 1.0
            raise busy
        if trick == "slow":
            raise DeadlineExceeded("slow")
        if trick == "broken":
            raise Internal("broken")
        if len(batch) > self.fits:
            raise Exhausted("the message is too large")
        bad = [n for n, one in enumerate(batch) if one.interaction.identity.startswith("bad")]
        if bad and trick != "rejects":
            named = [Violation(field=f"interactions[{n}].identity", description="bad") for n in bad]
            raise InvalidRequest.of(named if trick != "silent" else [named[0], *named][:0])
        results = []
        for n, one in enumerate(batch):
            self.order.append(one.interaction.identity)
            status = "rejected" if n in bad else "recorded"
            results.append(_result(one, status))
        return results


def _result(entry: Entry, status: str) -> InteractionResult:
    return InteractionResult(
        interaction_id=entry.interaction.interaction_id,
        status=status,
        message="",
        reservation="",
    )


TRICKS = st.sampled_from(["good", "away", "busy", "slow", "broken", "silent", "rejects"])


@settings(max_examples=300)
@given(
    bad=st.lists(st.booleans(), min_size=1, max_size=60),
    tricks=st.lists(TRICKS, max_size=40),
    max_batch=st.integers(1, 20),
    fits=st.integers(1, 20),
)
def test_each_ends_exactly_once_and_in_order(
    bad: list[bool], tricks: list[str], max_batch: int, fits: int
) -> None:
    outbox = Outbox(max_batch=max_batch, max_queue=1000, told=None)
    server = Trickster(tricks, fits)
    clock = 0.0
    tickets: list[Future[InteractionResult]] = []
    for n, is_bad in enumerate(bad):
        tickets.append(Future())
        one = Interaction(identity=f"{'bad' if is_bad else 'crm'}:{n}", type="view")
        outbox.put(entry_of(n + 1, one, clock, TIMEOUT, tickets[-1]))
    while outbox.oldest is not None:
        batch = outbox.take(clock)
        if not batch:
            continue
        try:
            results = server.record(batch)
        except NbaClientError as error:
            clock += outbox.failed(batch, error, clock)
        else:
            outbox.delivered(batch, results)
    assert outbox.settled(len(bad))
    assert all(ticket.done() for ticket in tickets)
    lost: tuple[str, ...] = ()
    try:
        outbox.report()
    except NotDelivered as error:
        lost = tuple(one.interaction.identity for one in error.undelivered)
    failed = {f"{'bad' if bad[n] else 'crm'}:{n}" for n, t in enumerate(tickets) if t.exception()}
    assert set(lost) == failed
    assert len(lost) == len(failed)
    assert {f"bad:{n}" for n, is_bad in enumerate(bad) if is_bad} <= failed
    assert outbox.empty
    good = [name for name in server.order if name.startswith("crm")]
    assert good == sorted(set(good), key=lambda name: int(name[4:]))
    if not tricks:
        assert {name for name in failed if name.startswith("crm")} == set()


def test_a_message_stays_below_a_megabyte() -> None:
    outbox = Outbox(max_batch=1000, max_queue=1000, told=None)
    for n in range(300):
        page = {f"page{k}": "x" * 4000 for k in range(4)}
        one = Interaction(identity="crm:1", type="view", properties=page)
        outbox.put(entry_of(n + 1, one, 0.0, TIMEOUT, Future()))
    sizes = []
    while batch := outbox.take(0.0):
        sizes.append(request_of(batch).ByteSize())
        outbox.delivered(batch, [_result(one, "duplicate") for one in batch])
    assert len(sizes) > 3
    assert max(sizes) < MAX_BYTES * 1.01
    assert min(sizes[:-1]) > MAX_BYTES * 0.9


def test_a_call_has_as_long_as_its_youngest_interaction_but_not_forever() -> None:
    one = Interaction(identity="crm:1", type="view")
    old = entry_of(1, one, 0.0, 5.0, Future())
    young = entry_of(2, one, 2.0, 5.0, Future())
    assert time_for([old, young], 3.0) == 4.0
    assert time_for([entry_of(3, one, 0.0, 900.0, Future())], 0.0) == 10.0


def test_what_is_too_late_is_given_up_with_the_reason_of_the_delay() -> None:
    outbox = Outbox(max_batch=1, max_queue=10, told=None)
    tickets: list[Future[InteractionResult]] = [Future(), Future()]
    for n, ticket in enumerate(tickets):
        one = Interaction(identity="crm:1", type="view")
        outbox.put(entry_of(n + 1, one, 0.0, TIMEOUT, ticket))
    away = Unavailable("away")
    outbox.failed(outbox.take(0.0), away, TIMEOUT)
    assert outbox.take(TIMEOUT + 1) == []
    assert tickets[1].exception() is away
    with pytest.raises(NotDelivered):
        outbox.report()


@pytest.mark.parametrize(("batch", "queue"), [(0, 10), (1001, 2000), (10, 9)])
def test_senseless_sizes_are_refused(batch: int, queue: int) -> None:
    with pytest.raises(ValueError, match="max_"):
        Outbox(max_batch=batch, max_queue=queue, told=None)
