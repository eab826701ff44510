"""Columns of anybody's files: kinds, and one clear error that names file, column, row and remedy."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nba_engine.errors import NbaError
from nba_engine.learning.tables import Kind, column_names, read_columns

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def written(folder: Path, text: str, *, encoding: str = "utf-8") -> Path:
    path = folder / "log.csv"
    path.write_bytes(text.encode(encoding))
    return path


def parquet(folder: Path, **columns: object) -> Path:
    path = folder / "log.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def test_a_csv_file_becomes_columns_by_kind(tmp_path: Path) -> None:
    path = written(tmp_path, "who,when,amount,count,other\nb,2026-01-31,1.5,3,x\na,2026-02-01,2,4,")
    columns = read_columns(
        path,
        {"who": "text", "when": "time", "amount": "number"},
        optional={"count": "integer", "absent": "text"},
    )
    assert list(columns) == ["who", "when", "amount", "count"]
    assert columns["who"].tolist() == ["b", "a"]
    assert columns["when"].tolist() == [NOON.timestamp() - 43_200, NOON.timestamp() + 43_200]
    assert columns["amount"].tolist() == [1.5, 2.0]
    assert columns["count"].dtype == np.int64


def test_a_parquet_file_gives_the_same_whatever_its_types(tmp_path: Path) -> None:
    path = parquet(
        tmp_path,
        who=pa.array(["b", "a"]).dictionary_encode(),
        number=pa.array([7, 8], pa.int32()),
        stamp=pa.array([NOON, NOON], pa.timestamp("ns", "Europe/Berlin")),
        day=pa.array([date(2026, 1, 31)] * 2),
        yes=pa.array([True, False]),
    )
    columns = read_columns(
        path,
        {"who": "text", "number": "text", "stamp": "time", "day": "time", "yes": "number"},
    )
    assert columns["who"].tolist() == ["b", "a"]
    assert columns["number"].tolist() == ["7", "8"]
    assert columns["stamp"].tolist() == [NOON.timestamp()] * 2
    assert columns["day"].tolist() == [NOON.timestamp() - 43_200] * 2
    assert columns["yes"].tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("cells", "seconds"),
    [
        (["2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00"], [0.0, 0.0]),
        (["2026-01-31 12:00:00", "2026-01-31T12:00:01"], [0.0, 1.0]),
        (["2026-01-31T12:00:00", "2026-01-31T12:00:00Z"], [0.0, 0.0]),
        ([str(NOON.timestamp()), "1769860801"], [0.0, 1.0]),
        (["20260131", "20260201"], [-43_200.0, 43_200.0]),
    ],
    ids=["offsets", "no offsets", "mixed", "epoch seconds", "basic dates"],
)
def test_times_are_iso_8601_or_epoch_seconds(
    tmp_path: Path, cells: list[str], seconds: list[float]
) -> None:
    path = written(tmp_path, "\n".join(["time", *cells]))
    assert (read_columns(path, {"time": "time"})["time"] - NOON.timestamp()).tolist() == seconds


def test_semicolons_a_byte_order_mark_and_quoted_line_breaks_are_understood(tmp_path: Path) -> None:
    path = written(tmp_path, '\ufeffname;value\n"a\nb";1\nc;2\n')
    columns = read_columns(path, {"name": "text", "value": "number"})
    assert column_names(path) == ("name", "value")
    assert columns["name"].tolist() == ["a\nb", "c"]


def test_empty_cells_are_allowed_where_the_caller_says_so(tmp_path: Path) -> None:
    path = written(tmp_path, "name,value\n,\nb,2\n")
    columns = read_columns(path, {"name": "text", "value": "number"}, blank=("name", "value"))
    assert columns["name"].tolist() == ["", "b"]
    assert np.isnan(columns["value"][0])
    assert columns["value"][1] == 2.0


MISTAKES: list[tuple[str, dict[str, Kind], str]] = [
    (
        "a,b\n1,2\n",
        {"reward": "number", "a": "text", "action": "text"},
        "no columns `reward`, `action`; it has `a`, `b`: rename what is meant",
    ),
    (
        'a\n1\n"1,5"\n',
        {"a": "number"},
        "column `a`, row 2: cannot read '1,5'; write numbers with a decimal point",
    ),
    ("a,b\n1,x\n,x\n", {"a": "number"}, "column `a`, row 2: is empty; fill it"),
    ("a\n1\nnan\n", {"a": "number"}, "column `a`, row 2: nan is no number; write a finite one"),
    ("a\n1\n1.5\n", {"a": "integer"}, "column `a`, row 2: 1.5 is no whole number"),
    (
        "a\n2026-01-31\n31.01.2026\n",
        {"a": "time"},
        "column `a`, row 2: cannot read '31.01.2026'; write ISO-8601 such as",
    ),
    ("a\n1769860800000\n", {"a": "time"}, "row 1: 1769860800000 is no time in seconds; divide"),
    (
        "a,b\n1,2\n1,2,3\n",
        {"a": "number"},
        ": row 2: it has 3 cells, and there are 2 headings; put",
    ),
    ("a,a\n1,2\n", {"a": "number"}, "more than one column `a`: rename or remove one"),
    ("a,b\n", {"a": "number"}, "there is not one row in it"),
    ("", {"a": "number"}, "the first line is empty; it must hold the names of the columns"),
]


@pytest.mark.parametrize(("text", "wanted", "told"), MISTAKES)
def test_a_mistake_names_the_place_and_the_remedy(
    tmp_path: Path, text: str, wanted: dict[str, Kind], told: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(NbaError) as error:
        read_columns(path, wanted)
    assert error.value.message.startswith(f"{path}: ")
    assert told in error.value.message
    assert "\n" not in error.value.message


def test_a_file_that_is_no_table_is_told_in_a_sentence(tmp_path: Path) -> None:
    wrong = tmp_path / "log.parquet"
    wrong.write_text("no parquet")
    latin = written(tmp_path, "naïve\n1\n", encoding="latin-1")
    other = tmp_path / "log.xlsx"
    for path, told in (
        (wrong, "no Parquet file; write it anew"),
        (latin, "not UTF-8; save it as UTF-8"),
        (other, "cannot tell the format from the ending; use .parquet or .csv"),
        (tmp_path / "absent.csv", "No such file"),
    ):
        with pytest.raises(NbaError, match=told):
            read_columns(path, {"a": "number"})


def test_a_parquet_column_of_another_type_is_told(tmp_path: Path) -> None:
    path = parquet(tmp_path, items=pa.array([[1], [2]]))
    kinds: list[Kind] = ["text", "number", "time"]
    for kind in kinds:
        with pytest.raises(NbaError, match=r"column `items`: holds list"):
            read_columns(path, {"items": kind})
