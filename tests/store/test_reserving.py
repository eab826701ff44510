"""What callers ask for at once is decided as if they had asked one after the other."""

from __future__ import annotations

import random
from itertools import chain
from pathlib import Path

import pytest

from nba_engine.domain import Answer, Hold, ReservationRequest
from nba_engine.store import SqliteStore, open_store
from nba_engine.store.ledger.ledger import check_requests
from nba_engine.store.reserving import Asked, reserve_all
from nba_engine.testing.customers_suite import FOLD, happened

START = 1e9


def at_once(store: SqliteStore, asked: list[Asked]) -> list[list[Answer]]:
    """As if the writer found all of these waiting."""
    for one in asked:
        check_requests(one.requests)
    return store._writer.submit(lambda connection: reserve_all(store._ledger, connection, asked))


def one_by_one(store: SqliteStore, asked: list[Asked]) -> list[list[Answer]]:
    return [
        [*chain(*[store.reserve([request], now=one.now) for request in one.requests])]
        for one in asked
    ]


def drawn(draw: random.Random, step: int, now: float) -> ReservationRequest:
    """A request on some of three accounts; some are repeats, and some others due at once."""
    due = draw.random() < 0.2
    holds = (
        Hold(account="fixed", limit="fixed", amount=draw.randint(0, 2), ceiling=30),
        Hold(account="rolls", limit="rolls", amount=1, ceiling=9, rolls=draw.choice((10.0, 25.3))),
        Hold(account="low", limit="low", amount=1, ceiling=draw.randint(1, 4)),
    )
    return ReservationRequest(
        reservation_id=f"due{draw.random()}" if due else f"r{draw.randrange(step, step + 12)}",
        decision_id="d",
        customer_id="c",
        holds=tuple(draw.choices(holds, k=draw.randint(0, 4))),
        expires=now - 1 if due else now + draw.uniform(1, 8),
    )


@pytest.mark.parametrize("seed", range(2))
def test_callers_taken_together_get_the_answers_they_would_get_alone(
    tmp_path: Path, seed: int
) -> None:
    draw = random.Random(seed)
    together, alone = (open_store(tmp_path / f"{name}.db", simulated=True) for name in "ab")
    now = START
    answers: list[bool] = []
    for step in range(100):
        now += draw.uniform(0, 2)
        later = now + draw.choice((0.0, 0.0, 0.5))
        asked = [
            Asked([drawn(draw, step, now) for _ in range(draw.randrange(3))], moment)
            for moment in (now, now, now, later, later)
        ]
        now = later
        wanted = one_by_one(alone, asked)
        assert at_once(together, asked) == wanted
        answers += [answer.granted for each in wanted for answer in each]
        item = happened(step, "delivery", time=now, recommendation=f"r{step}")
        for store in (together, alone):
            store.record([item], FOLD, now=now)
            store.expire(now=now)
            assert store.recount() == store.usage_report()
        assert together.usage_report() == alone.usage_report()
    assert answers.count(True) > 100
    assert answers.count(False) > 100
    together.close()
    alone.close()


def test_callers_of_a_real_store_are_decided_at_the_latest_of_their_times(tmp_path: Path) -> None:
    store = open_store(tmp_path / "nba.db")
    hold = Hold(account="a", limit="a", amount=1, ceiling=1)
    first = ReservationRequest(
        reservation_id="r1", decision_id="d", customer_id="c", holds=(hold,), expires=START + 5
    )
    second, third = (
        ReservationRequest(
            reservation_id=name, decision_id="d", customer_id="c", holds=(hold,), expires=START + 50
        )
        for name in ("r2", "r3")
    )
    store.reserve([first], now=START)
    (made,), (refused,) = at_once(store, [Asked([second], START), Asked([third], START + 6)])
    assert (made.granted, refused.granted) == (True, False)
    assert store.expire(now=START + 7) == 0  # the first one is over already
    store.close()


def test_many_accounts_and_reservations_fit_into_one_batch(tmp_path: Path) -> None:
    store = open_store(tmp_path / "nba.db", simulated=True)
    requests = [
        ReservationRequest(
            reservation_id=f"r{number}",
            decision_id="d",
            customer_id=f"c{number % 700}",
            holds=(
                Hold(account=f"a{number % 900}", limit="a", amount=1, ceiling=2),
                Hold(account="hot", limit="hot", amount=1, ceiling=1_900),
            ),
            expires=START + 9,
        )
        for number in range(2_000)
    ]
    answers = store.reserve(requests, now=START)
    assert [answer.granted for answer in answers] == [number < 1_800 for number in range(2_000)]
    assert store.recount() == store.usage_report()
    assert store.expire(now=START + 10) == 1_800
    store.close()
