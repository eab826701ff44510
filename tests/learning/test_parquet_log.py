"""Logged decisions in Parquet files: the same ones, newest few, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from nba_engine.domain import DecisionRecord, DecisionRequest, PlacementRequest
from nba_engine.engine import table_of
from nba_engine.errors import FailedPrecondition
from nba_engine.learning.parquet_log import ParquetLog
from nba_engine.testing import NOW, FixedClock, MemoryLog, make_catalog, make_engine


def decided(count: int) -> list[DecisionRecord]:
    """As many decisions, a second apart."""
    log, clock = MemoryLog(), FixedClock()
    engine = make_engine(make_catalog(), log=log, clock=clock)
    for number in range(count):
        clock.now = NOW + number
        asked = DecisionRequest(identity="crm:1", placements=(PlacementRequest("banner", 2),))
        engine.decide(asked)
    return list(log.records.values())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five decisions in two files."""
    records = decided(5)
    for name, some in (("date=2023-11-14/000000", records[:2]), ("date=2023-11-15/0", records[2:])):
        file = tmp_path / f"{name}.parquet"
        file.parent.mkdir()
        parquet.write_table(table_of(some), file)
    return tmp_path


def test_an_exported_log_reads_like_the_log_itself(tmp_path: Path) -> None:
    records = decided(3)
    parquet.write_table(table_of(records), tmp_path / "log.parquet")
    assert list(ParquetLog(tmp_path).records()) == records
    assert list(ParquetLog(tmp_path / "log.parquet").records()) == records


@pytest.mark.parametrize("since", [float("-inf"), NOW + 1.0, NOW + 3.0, NOW + 9.0])
@pytest.mark.parametrize("limit", [None, 1, 2, 4, 9])
def test_decisions_of_a_time_and_the_newest_few_are_found_across_files(
    folder: Path, since: float, limit: int | None
) -> None:
    wanted = [one for one in (0.0, 1.0, 2.0, 3.0, 4.0) if NOW + one >= since]
    found = ParquetLog(folder)
    assert found.count(since=since) == len(wanted)
    kept = [one.time - NOW for one in found.records(since=since, limit=limit)]
    assert kept == wanted[-limit if limit else None :]


def test_two_exports_in_one_folder_are_refused_as_they_would_count_twice(folder: Path) -> None:
    copy = folder / "date=2023-11-15" / "again.parquet"
    copy.write_bytes((folder / "date=2023-11-15" / "0.parquet").read_bytes())
    with pytest.raises(FailedPrecondition, match=r"is in date=.* and in date=.*name one of them"):
        ParquetLog(folder)


def test_a_folder_without_a_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match=r"no \*\.parquet files"):
        ParquetLog(tmp_path)


def test_what_is_no_log_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("no Parquet")
    with pytest.raises(FailedPrecondition, match=r"a\.parquet: is no exported decision log: "):
        ParquetLog(tmp_path)
    parquet.write_table(pa.table({"decision_id": ["1"], "time": [1.0]}), tmp_path / "a.parquet")
    with pytest.raises(FailedPrecondition, match="it has no column `record`"):
        ParquetLog(tmp_path)
