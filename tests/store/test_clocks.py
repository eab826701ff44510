"""Clocks that are wrong never bring more than the amount into a limit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nba_engine.store import open_store
from tests.store.wrong_clocks import CLOCKS, reserve_by_wrong_clocks


@pytest.mark.parametrize("error", CLOCKS)
def test_no_clock_brings_more_than_the_amount_into_a_window(
    tmp_path: Path, error: Callable[[int], float]
) -> None:
    reserve_by_wrong_clocks(lambda: open_store(tmp_path / "nba.db"), error)
