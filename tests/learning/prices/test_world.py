"""What prices earn on a small day of traffic; the full form: `benchmarks/prices.py`."""

from __future__ import annotations

import pytest

from benchmarks import prices as world


@pytest.mark.parametrize("drift", [0.0, 0.3])
def test_prices_come_close_to_the_optimum_and_nothing_is_overspent(drift: float) -> None:
    day = world.play_day(seed=1, requests=2_000, drift=drift)
    assert day.shares["ours"] >= world.GATES[drift]
    assert day.shares["ours, cold start"] > day.shares["net value + caps"]
    assert day.shares["net value + caps"] > day.shares["P·C·V·L + caps"]
    assert day.shares["ours"] > day.shares["ours, even pace"]
    assert max(day.shares.values()) <= 1.0
    assert day.overspend == 0.0
