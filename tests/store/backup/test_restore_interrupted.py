"""A restore that ends anywhere leaves the old store or the new one, and can be begun again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nba_engine.domain import ProfileUpdate
from nba_engine.store import check_log, check_store, open_store, restore
from tests.store.kept import Kept, filled

MOVES = 9  # what a restore of store, log and Parquet files moves, links and renames, and more


class Died(BaseException):
    """The process is no more."""


def age(kept: Kept) -> object:
    store = kept.open()
    try:
        found = store.customer("crm:1")
        return None if found is None else found[0].attributes["age"]
    finally:
        store.close()


@pytest.fixture
def newer(tmp_path: Path) -> Kept:
    """A backup of when the customer was 41; it is 42 by now."""
    kept = filled(tmp_path)
    kept.back_up()
    store = kept.open()
    store.update([ProfileUpdate(identity="crm:1", attributes={"age": 42})])
    store.close()
    return kept


@pytest.mark.parametrize("survived", range(MOVES))
def test_wherever_it_ends_there_is_one_store_and_the_next_restore_is_whole(
    newer: Kept, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    left = survived

    def until_it_dies(real: Callable[..., Any]) -> Callable[..., Any]:
        def move(*arguments: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise Died
            return real(*arguments)

        return move

    with monkeypatch.context() as patched:
        for name in ("replace", "rename"):
            patched.setattr(Path, name, until_it_dies(getattr(Path, name)))
        patched.setattr(os, "link", until_it_dies(os.link))
        try:
            restore(newer.out, newer.path, newer.log)
        except Died:
            assert age(newer) in (41, 42)
        else:
            assert left >= 0
            assert age(newer) == 41
    assert newer.path.exists()
    assert newer.log.exists()
    restore(newer.out, newer.path, newer.log)
    assert age(newer) == 41
    assert newer.logged() == ["d0", "d1", "d2"]
    assert check_store(newer.path) == check_log(newer.log) == []
    assert not list(newer.folder.glob(".*"))


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.store.kept import Kept, reserve
kept = Kept(Path(sys.argv[1]))
store = kept.open()
assert reserve(store, 2)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_server_left_in_the_write_ahead_log_counts(newer: Kept) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(newer.folder.parent)], check=False)
    assert newer.path.with_name("nba.db-wal").stat().st_size > 0
    done = restore(newer.out, newer.path, newer.log)
    assert newer.spent() == {"budget|all": (1, 1)}
    before = open_store(done.aside[0], create=False)
    assert {one.account: one.reserved for one in before.usage_report()} == {"budget|all": 1}
    before.close()
