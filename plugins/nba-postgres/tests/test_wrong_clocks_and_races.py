"""Reservations by clocks that are wrong, and raced for; the same as on the embedded store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from nba_postgres.address import address_of
from nba_postgres.connections import open_connection
from nba_postgres.store import open_store
from tests.store.racing import Place, race
from tests.store.wrong_clocks import jumping_ahead, reserve_by_wrong_clocks, wild

pytestmark = pytest.mark.xdist_group("postgres")


@pytest.mark.parametrize("error", [jumping_ahead, wild])
def test_no_clock_brings_more_than_the_amount_into_a_window(
    url: Callable[[str], str], error: Callable[[int], float]
) -> None:
    reserve_by_wrong_clocks(lambda: open_store(url("store")), error, steps=160)


def test_confirm_release_and_expire_race_for_2000_reservations_and_each_ends_once(
    url: Callable[[str], str],
) -> None:
    def rows(sql: str) -> Sequence[Any]:
        with open_connection(address_of(url("store"))) as connection:
            return connection.execute(sql.encode()).fetchall()

    ended, wrong = race(Place(lambda: open_store(url("store")), rows), 2_000, seed=20171106)
    assert wrong == []
    assert sum(ended.values()) == 2_000
    assert ended["reserved"] == 0
    # a race that one of them always wins shows nothing
    assert min(ended[word] for word in ("confirmed", "released", "expired")) > 40, ended
