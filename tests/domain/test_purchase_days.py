from __future__ import annotations

import random

import pytest

from nba_engine.domain import AggregateSpec, Interaction
from nba_engine.domain.algebra import fold_for, merge_states, value_of
from nba_engine.domain.purchase_days import DAY, days_in, read_days

SPEC = AggregateSpec(name="days", kind="days", types=("purchase",), property="amount")
FOLD = fold_for({"days": SPEC})


def bought(number: int, day: float, amount: object = 1.0) -> Interaction:
    return Interaction(
        interaction_id=f"i{number}",
        identity="crm:1",
        type="purchase",
        time=day * DAY,
        properties={"amount": amount},
    )


def test_days_are_counted_once_and_what_came_first_is_no_repeat() -> None:
    history = [
        bought(1, 100.2, 5.0),
        bought(2, 100.9, [1.0, 2.0]),
        bought(3, 107.0, 4.0),
        bought(4, 250.5, 8.0),
        bought(5, 250.6, "much"),
    ]
    state = FOLD({}, history)["days"]
    assert value_of(SPEC, state, 260 * DAY) == 3
    read = read_days(state, 260.99 * DAY)  # type: ignore[arg-type]
    assert read == (2, 150, 160, 6.0)
    assert read_days(state, 90 * DAY).age == 150  # type: ignore[arg-type]
    assert value_of(SPEC, None, 0.0) == 0


@pytest.mark.parametrize("seed", range(20))
def test_a_state_is_that_of_the_plain_list_of_purchases_in_whichever_order_and_batches(
    seed: int,
) -> None:
    chance = random.Random(seed)
    history = [
        bought(
            n, chance.uniform(-400, 900), chance.uniform(-1e9, 1e9) * 10 ** chance.randint(-9, 0)
        )
        for n in range(chance.randint(1, 60))
    ]
    shuffled = chance.sample(history, len(history))
    at = chance.randint(0, len(history))
    parts = [FOLD({}, part).get("days") for part in (shuffled[:at], shuffled[at:])]
    state = FOLD({}, history)["days"]
    assert merge_states(SPEC, *parts) == merge_states(SPEC, *parts[::-1]) == state
    days = sorted({int(one.time // DAY) for one in history})
    now = chance.uniform(900, 2_000) * DAY
    read = read_days(state, now)  # type: ignore[arg-type]
    assert read[:3] == (len(days) - 1, days[-1] - days[0], int(now // DAY) - days[0])
    later = [one.properties["amount"] for one in history if one.time // DAY > days[0]]
    expected = sum(later) / (len(days) - 1) if len(days) > 1 else 0.0
    assert read.mean_amount == pytest.approx(expected, rel=1e-9, abs=1e-6)
    for window in (1, 7, 50, 333, 5_000):
        today = int(now // DAY)
        among = [day for day in days[1:] if day > today - window]
        assert days_in(state, now, window) == len(among)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", [5, 2.5, [1.0, 2.0, 3.0, 4.0], [7.0, "i1", "x"], {"a": 1}])
def test_the_state_of_another_kind_under_this_name_counts_as_none(state: object) -> None:
    assert value_of(SPEC, state, 300 * DAY) == 0
    after = FOLD({"days": state}, [bought(1, 100.0)])["days"]
    assert value_of(SPEC, after, 300 * DAY) == 1


def test_a_state_grows_with_time_and_not_with_purchases() -> None:
    years = [bought(n, n / 4) for n in range(4 * 3_650)]
    state = FOLD({}, years)["days"]
    assert len(state[3]) == 73  # type: ignore[index]
    assert max(state[3].values()) < 2**53  # type: ignore[index]
