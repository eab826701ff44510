"""docs/decision-log.md tells the file and the record that there are."""

from __future__ import annotations

import re
from pathlib import Path

import apsw

from nba_engine.domain import DecisionRecord
from nba_engine.engine import table_of
from nba_engine.store import open_log
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "decision-log.md").read_text("utf-8")


def names(heading: str) -> list[str]:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]+`) \|", section, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]


def test_the_page_tells_the_fields_of_a_record() -> None:
    assert sorted(names("The record")) == sorted(DecisionRecord.__struct_fields__)


def test_the_page_tells_the_columns_and_the_version_of_the_file(tmp_path: Path) -> None:
    open_log(tmp_path / "log.db").close()
    file = apsw.Connection(str(tmp_path / "log.db"))
    columns = [row[1] for row in file.execute("PRAGMA table_info(decisions)")]
    ((version,),) = file.execute("PRAGMA user_version")
    tables = {row[0] for row in file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    file.close()
    assert names("The file") == columns
    assert all(f"`{table}`" in PAGE for table in tables)
    assert f"version of the format ({version})" in PAGE


def test_the_page_tells_the_columns_of_the_parquet_files() -> None:
    table = table_of([])
    assert sorted(names("Moving old decisions to Parquet")) == sorted(table.column_names)
    kinds = {"string", "timestamp", "bool", "uint64", "int32", "int8", "float", "double", "binary"}
    section = PAGE.partition("\n## Moving old decisions to Parquet\n")[2].partition("\n## ")[0]
    for cell, kind in re.findall(r"^\| (`[^|]+`) \| ([^|]+) \|", section, re.MULTILINE):
        word = kind.split(",", maxsplit=1)[0].removeprefix("list of ")
        assert word in kinds
        for name in re.findall(r"`(\w+)`", cell):
            found = str(table.schema.field(name).type)
            assert word in found, (name, found)
            assert found.startswith("list<") == kind.startswith("list of"), (name, found)
