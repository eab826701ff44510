"""What was decided for one customer is found in the log and in what was moved out of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from nba_engine.domain import DecisionRecord
from nba_engine.engine import table_of
from nba_engine.errors import FailedPrecondition
from nba_engine.store import Mover, open_log, open_log_reader
from nba_engine.testing import MemoryLog
from tests.store.log.test_log import record

DAY = 86_400.0


def of(number: int, customer_id: str, identity: str) -> DecisionRecord:
    """A decision of the day of its number."""
    made = record(number, time=number * DAY, customer_id=customer_id)
    return msgspec.structs.replace(
        made, request=msgspec.structs.replace(made.request, identity=identity)
    )


RECORDS = (
    of(0, "cookie:9f", "cookie:9f"),  # while it was nobody's
    of(1, "c1", "cookie:9f"),
    of(2, "c2", "crm:2"),
    of(3, "c1", "crm:1"),
    of(4, "c2", "crm:2"),
    of(5, "c1", "crm:1"),
)
HERS = [0, 1, 3, 5]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    log = open_log(tmp_path / "log.db")
    for one in RECORDS:
        log.append(one)
    log.close()
    return tmp_path / "log.db"


def found(path: Path, names: Sequence[str]) -> list[int]:
    reader = open_log_reader(path)
    try:
        return [int(one.decision_id[1:]) for one in reader.decisions_of(names)]
    finally:
        reader.close()


@pytest.mark.parametrize("moved", [0, 1, 3, 6])
def test_decisions_are_found_by_customer_and_by_identity_wherever_they_are(
    path: Path, moved: int
) -> None:
    assert Mover(path, table_of).move(moved * DAY) == moved
    assert found(path, ["c1", "cookie:9f"]) == HERS
    assert found(path, ["cookie:9f"]) == [0, 1]
    assert found(path, ["c2"]) == [2, 4]
    assert found(path, ["crm:nobody", "c"]) == []
    assert found(path, []) == []


def test_what_is_moved_while_they_are_read_is_given_once(path: Path) -> None:
    reader = open_log_reader(path)
    given = reader.decisions_of(["c1", "cookie:9f"])
    first = next(given)
    Mover(path, table_of).move(9 * DAY)
    assert [first, *given] == [RECORDS[number] for number in HERS]
    reader.close()


def test_a_file_that_is_gone_is_told_of(path: Path) -> None:
    Mover(path, table_of).move(2 * DAY)
    for file in path.with_suffix("").rglob("*.parquet"):
        file.unlink()
    with pytest.raises(FailedPrecondition, match="is gone"):
        found(path, ["c1"])


def test_the_log_of_tests_finds_the_same() -> None:
    log = MemoryLog()
    for one in RECORDS:
        log.append(one)
    given = log.decisions_of(["c1", "cookie:9f"])
    assert list(given) == [RECORDS[number] for number in HERS]
