from __future__ import annotations

import numpy as np
import pytest

from nba_engine.errors import NbaError
from nba_engine.learning.value import Purchases, settle_returns

ROWS = [  # customer, day, amount
    (0, 1.0, 10.0),
    (0, 5.0, 20.0),
    (0, 6.0, -25.0),  # all of the second, half of the first
    (1, 2.0, -5.0),  # before anything was bought
    (1, 3.0, np.nan),  # nothing is known of it
    (1, 4.0, 8.0),
    (1, 4.0, -3.0),  # the same moment: bought first
]


def purchases(rows: slice = slice(None)) -> Purchases:
    customer, time, amount = zip(*ROWS[rows], strict=True)
    return Purchases(np.array(customer, dtype=np.intp), np.array(time), np.array(amount))


def test_returns_are_a_mistake_that_names_the_row_unless_they_are_asked_for() -> None:
    with pytest.raises(NbaError, match=r"shop.csv: column `amount`, row 3 \(and 2 more\): -25 is"):
        settle_returns(purchases(), "refuse", source="shop.csv")
    kept = purchases(slice(2))
    assert settle_returns(kept, "refuse", source="shop.csv").purchases is kept


def test_returns_are_left_out() -> None:
    settled = settle_returns(purchases(), "drop", source="shop.csv")
    assert settled.purchases.time.tolist() == [1.0, 5.0, 3.0, 4.0]
    assert settled.told == "3 returns were left out"


def test_returns_are_taken_off_what_was_bought_last_before_them() -> None:
    settled = settle_returns(purchases(), "net", source="shop.csv")
    assert settled.purchases.time.tolist() == [1.0, 3.0, 4.0]
    assert np.nan_to_num(settled.purchases.amount, nan=-1.0).tolist() == [5.0, -1.0, 5.0]
    assert settled.told == (
        "3 returns were taken off what was bought before; of 1 purchase nothing is left; what went "
        "beyond all purchases before was left out (1 return)"
    )


def test_a_file_of_returns_alone_is_told() -> None:
    only = purchases(slice(2, 3))
    with pytest.raises(NbaError, match="no purchase left"):
        settle_returns(only, "net", source="shop.csv")
