"""What may be done on the batcher's own thread, where nobody else sends."""

from __future__ import annotations

import pytest

from nba_engine.client import (
    Client,
    InteractionBatcher,
    NbaClientError,
    NotDelivered,
    QueueFull,
    Undelivered,
)
from tests.client.both import target_of
from tests.server.small import serving


def test_flush_in_on_undelivered_is_refused_instead_of_waiting_for_itself() -> None:
    batchers: list[InteractionBatcher] = []

    def tell(_lost: Undelivered) -> None:
        batchers[0].flush()

    with serving() as served, Client(target_of(served), timeout=20.0) as client:
        batchers.append(client.interactions(max_wait=3600.0, on_undelivered=tell))
        for identity in ("nobody", "crm:1"):
            batchers[0].add(identity=identity, type="view")
        with pytest.raises(NotDelivered) as caught:  # telling failed, so it is raised
            batchers[0].flush()
        batchers[0].close()
    assert [one.interaction.identity for one in caught.value.undelivered] == ["nobody"]


def test_adding_in_on_undelivered_does_not_wait_for_room() -> None:
    batchers: list[InteractionBatcher] = []
    refused: list[NbaClientError] = []

    def tell(_lost: Undelivered) -> None:
        try:
            batchers[0].add(identity="crm:4", type="view", wait=3600.0)
            batchers[0].add(identity="crm:5", type="view", wait=3600.0)
        except NbaClientError as error:
            refused.append(error)

    with serving() as served, Client(target_of(served), timeout=20.0) as client:
        batchers.append(
            client.interactions(max_wait=3600.0, max_batch=3, max_queue=3, on_undelivered=tell)
        )
        tickets = [batchers[0].add(identity=one, type="view") for one in ("no", "crm:1", "crm:2")]
        assert tickets[2].result(20.0).status == "recorded"
        batchers[0].close()
    assert [type(error) for error in refused] == [QueueFull]
