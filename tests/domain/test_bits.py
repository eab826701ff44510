from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nba_engine.domain.bits import is_among


@given(
    numbers=st.lists(st.integers(0, 29), max_size=40),
    few=st.frozensets(st.integers(0, 29), max_size=8),
)
def test_numbers_are_looked_up_among_a_few_as_numpy_does(
    numbers: list[int], few: frozenset[int]
) -> None:
    array = np.array(numbers, dtype=np.intp)
    assert is_among(array, few, 30).tolist() == np.isin(array, list(few)).tolist()
