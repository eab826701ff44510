"""Old decisions go from the log and from Parquet, and nothing else does, whenever it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from nba_engine.engine import table_of
from nba_engine.store import Mover, open_log, open_log_reader
from nba_engine.store.lock import turn
from nba_engine.store.log import pruning
from nba_engine.store.log.archive import moving_path
from nba_engine.store.log.pruning import count_old, prune_log
from tests.store.log.test_log import record

DAY = 86_400.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Seven decisions on each of four days; the first two are in Parquet files."""
    log = open_log(tmp_path / "log.db")
    for number in range(28):
        log.append(record(number, time=number // 7 * DAY + number % 7))
    log.close()
    Mover(tmp_path / "log.db", table_of).move(2 * DAY)
    return tmp_path / "log.db"


def left(path: Path) -> list[int]:
    reader = open_log_reader(path)
    try:
        return [int(one.decision_id[1:]) for one in reader.records()]
    finally:
        reader.close()


def files(path: Path) -> list[str]:
    folder = path.with_suffix("")
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*"))


@pytest.mark.parametrize(
    ("days", "first"), [(0.0, 0), (0.5, 7), (1.0, 7), (2.5, 21), (3 + 3 / DAY, 24), (9.0, 28)]
)
def test_what_was_decided_before_goes_wherever_it_is(
    path: Path, monkeypatch: pytest.MonkeyPatch, days: float, first: int
) -> None:
    monkeypatch.setattr(pruning, "BATCH", 4)
    told: list[int] = []
    assert count_old(path, days * DAY) == first
    assert prune_log(path, days * DAY, told.append) == first == sum(told)
    assert left(path) == list(range(first, 28))
    assert count_old(path, days * DAY) == prune_log(path, days * DAY) == 0


def test_a_file_goes_with_all_of_its_decisions_and_with_its_folder(path: Path) -> None:
    assert prune_log(path, DAY - 1) == 7
    assert files(path) == ["date=1970-01-02", "date=1970-01-02/d7.parquet"]
    reader = open_log_reader(path)
    assert reader.read("d3") is None
    reader.close()


def test_a_file_that_one_who_died_forgot_is_removed_by_the_next(path: Path) -> None:
    forgotten = path.with_suffix("") / "date=1970-01-01" / "d0.parquet"
    content = forgotten.read_bytes()
    prune_log(path, DAY)
    forgotten.parent.mkdir()
    forgotten.write_bytes(content)
    assert prune_log(path, DAY) == 0
    assert not forgotten.exists()


def test_it_ends_when_it_is_told_to_and_goes_on_later(path: Path) -> None:
    told: list[int] = []
    assert prune_log(path, 9 * DAY, told.append, stop=lambda: len(told) == 2) == 14
    assert left(path) == list(range(14, 28))
    assert prune_log(path, 9 * DAY) == 14


def test_it_waits_for_whoever_moves_or_copies_decisions(path: Path) -> None:
    with turn(moving_path(path)) as taken:
        assert taken
        assert prune_log(path, 9 * DAY) == 0
    assert prune_log(path, 9 * DAY) == 28
