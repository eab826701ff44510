"""What was rolled back leaves a connection that goes on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from nba_engine.errors import FailedPrecondition
from nba_engine.testing.progress_suite import step
from nba_postgres.store import open_store

pytestmark = pytest.mark.xdist_group("postgres")


def test_changes_that_fail_among_others_leave_the_others_to_succeed(
    url: Callable[[str], str],
) -> None:
    store = open_store(url("store"))
    try:
        step(store, 1, follows="")

        def write(number: int) -> bool:
            fails = number % 3 == 0
            try:
                step(store, number, follows="never" if fails else None)
            except FailedPrecondition:
                return fails
            return not fails

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(write, range(2, 200)))
    finally:
        store.close()
