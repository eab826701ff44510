from __future__ import annotations

import random
from pathlib import Path

import apsw
import pytest

from nba_engine.domain import Hold, ReservationRequest
from nba_engine.store import open_store
from nba_engine.testing.customers_suite import FOLD, happened

START = 1e9 + 0.1


@pytest.mark.parametrize("seed", range(4))
def test_accounts_of_rolling_windows_equal_a_recount_at_every_moment(
    tmp_path: Path, seed: int
) -> None:
    draw = random.Random(seed)
    store = open_store(tmp_path / "nba.db")
    now = START
    for step in range(120):
        now += draw.uniform(0, 3)
        holds = (
            Hold(account="fixed", limit="fixed", amount=1, ceiling=40),
            Hold(
                account="rolls",
                limit="rolls",
                amount=draw.randint(1, 3),
                ceiling=20,
                rolls=draw.choice((10.0, 10.0, 25.3)),
            ),
        )
        request = ReservationRequest(
            reservation_id=f"r{step}",
            decision_id="d",
            customer_id="c",
            holds=holds,
            expires=now + draw.uniform(0, 20),
        )
        store.reserve([request], now=now)
        kind = draw.choice(("delivery", "delivery", "reject"))
        item = happened(step, kind, time=now, recommendation=f"r{draw.randrange(step + 1)}")
        store.record([item], FOLD, now=now)
        assert store.recount() == store.usage_report()
    store.expire(now=now + 100.0)
    usages = {usage.account: usage for usage in store.usage_report()}
    assert (usages["rolls"].reserved, usages["rolls"].spent, usages["rolls"].overrun) == (0, 0, 0)
    assert usages["fixed"].spent > 20
    store.close()
    file = apsw.Connection(str(tmp_path / "nba.db"))
    assert file.execute("SELECT count(*) FROM spends").get == 0  # nothing is kept for good
    file.close()
