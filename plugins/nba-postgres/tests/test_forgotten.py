"""Windows that were forgotten, where one commit holds what is late and what is asked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nba_engine.store.interactions import prepare
from nba_engine.testing.customers_suite import FOLD, happened
from nba_engine.testing.ledger_suite import granted, hold, request
from nba_engine.testing.past_suite import BEFORE, DAY, NOW, OVER, forget
from nba_postgres import writer
from nba_postgres.changes import Change, Reserve, Write
from nba_postgres.store import open_store

pytestmark = pytest.mark.xdist_group("postgres")


def test_a_late_contact_beside_a_request_does_not_bring_a_window_back(
    url: Callable[[str], str],
) -> None:
    store = open_store(url("store"))
    assert granted(store, request(1, hold(OVER[0]), expires=NOW + DAY), now=NOW) == [True]
    assert store.expire(now=NOW + DAY) == 1
    assert forget(store, BEFORE) == 1
    late = prepare([happened(1, "delivery", recommendation="r1")])
    group: list[Change] = [
        Write(items=late, fold=FOLD, now=NOW + DAY),
        Reserve([request(2, hold(OVER[0]))], NOW + DAY),
    ]
    tickets = [writer._Ticket(change) for change in group]
    store._writer._commit(tickets)
    assert [ticket.error for ticket in tickets] == [None, None]
    assert tickets[0].result[1][0].reservation == "confirmed"
    assert not tickets[1].result[0].granted
    assert store.usage_report() == []
    assert granted(store, request(3, hold(OVER[0])), now=NOW + DAY) == [False]
    store.close()
