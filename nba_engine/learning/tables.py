"""Columns of a plain Parquet or CSV file, whoever wrote it, as numpy arrays."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from nba_engine.errors import NbaError
from nba_engine.learning.cells import UnreadableCell, column_values, is_one_value

__all__ = [
    "Kind",
    "column_names",
    "columns_of_lists",
    "infer_columns",
    "read_columns",
    "read_pieces",
]

Kind = Literal["text", "number", "integer", "time"]

_DELIMITERS = (",", ";", "\t")
_CSV_BYTES = 16 * 2**20  # read together


def column_names(path: Path) -> tuple[str, ...]:
    """The names of a file's columns, in order. Raises `NbaError` when it cannot be read."""
    return tuple(_schema(path)[0])


def columns_of_lists(path: Path) -> dict[str, str]:
    """Columns whose cells hold more than one value, or bytes, each with its Arrow type: unreadable.

    Raises `NbaError` when the file cannot be read.
    """
    if _is_csv(path):
        return {}
    return {one.name: str(one.type) for one in _parquet_schema(path) if not is_one_value(one.type)}


def read_columns(
    path: Path,
    wanted: Mapping[str, Kind],
    *,
    optional: Mapping[str, Kind] | None = None,
    blank: Collection[str] = (),
) -> dict[str, NDArray[Any]]:
    """The columns ``wanted`` of a file, and those of ``optional`` that it has; others are ignored.

    By kind, each array (rows,): ``text`` object of `str` (equal texts are one object), ``number``
    float64 and finite, ``integer`` int64, ``time`` float64, seconds since the epoch, from ISO-8601
    (without an offset: UTC) or epoch seconds. An empty cell is a mistake except in the columns of
    ``blank``, where it is NaN (number, time) or "" (text). A CSV file has a line of headings and is
    separated by commas, semicolons or tabs. Raises `NbaError`: file, column, row (from 1, headings
    not counted) and remedy of the first mistake; missing columns are named all at once.
    """
    names, delimiter = _schema(path)
    kinds = {**wanted, **(optional or {})}
    _check_names(path, names, wanted)
    used = [name for name in kinds if name in names]
    table = _read_csv(path, used, delimiter) if _is_csv(path) else _read_parquet(path, used)
    if not table.num_rows:
        raise NbaError(f"{path}: there is not one row in it")
    return _values(path, table, {name: kinds[name] for name in used}, blank, 0)


def read_pieces(
    path: Path,
    wanted: Mapping[str, Kind],
    *,
    optional: Mapping[str, Kind] | None = None,
    blank: Collection[str] = (),
    rows: int = 250_000,
) -> Iterator[tuple[int, dict[str, NDArray[Any]]]]:
    """What `read_columns` reads, a piece after the other: how many rows came before, and columns.

    A piece has at most about ``rows`` rows, and only one is in memory, however long the file is.
    """
    names, delimiter = _schema(path)
    kinds = {**wanted, **(optional or {})}
    _check_names(path, names, wanted)
    used = {name: kinds[name] for name in kinds if name in names}
    before = 0
    for piece in _pieces(path, list(used), delimiter, rows):
        if piece.num_rows:
            yield before, _values(path, piece, used, blank, before)
            before += piece.num_rows
    if not before:
        raise NbaError(f"{path}: there is not one row in it")


def _pieces(path: Path, used: list[str], delimiter: str, rows: int) -> Iterator[pa.RecordBatch]:
    try:
        if _is_csv(path):
            yield from pa.csv.open_csv(path, **_csv_options(path, used, delimiter))
        else:
            yield from pa.parquet.ParquetFile(path).iter_batches(batch_size=rows, columns=used)
    except pa.ArrowInvalid as error:
        if _is_csv(path):
            raise NbaError(f"{path}{_csv_words(path, delimiter, str(error))}") from None
        raise _unreadable(path, error) from None
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def _values(
    path: Path, table: Any, kinds: Mapping[str, Kind], blank: Collection[str], before: int
) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {}
    for name, kind in kinds.items():
        try:
            columns[name] = column_values(table.column(name), kind, blank=name in blank)
        except UnreadableCell as cell:
            row = f", row {before + cell.row:,}" if cell.row else ""
            raise NbaError(f"{path}: column `{name}`{row}: {cell.message}; {cell.remedy}") from None
    return columns


def infer_columns(
    path: Path, names: Collection[str]
) -> dict[str, tuple[Literal["text", "number", "time"], NDArray[Any]]]:
    """Columns of a file, each with the kind that all its cells have: number, time, else text.

    Empty cells are NaN or "". Dates are told from numbers by their type or by dashes in them.
    Raises `NbaError` as `read_columns` does.
    """
    known, delimiter = _schema(path)
    _check_names(path, known, names)
    used = list(names)
    table = _read_csv(path, used, delimiter) if _is_csv(path) else _read_parquet(path, used)
    if not table.num_rows:
        raise NbaError(f"{path}: there is not one row in it")
    found: dict[str, tuple[Literal["text", "number", "time"], NDArray[Any]]] = {}
    kinds: tuple[Literal["number", "time", "text"], ...] = ("number", "time", "text")
    for name in used:
        for kind in kinds:
            try:
                found[name] = kind, column_values(table.column(name), kind, blank=True)
            except UnreadableCell as cell:
                if kind == "text":
                    message = f"{path}: column `{name}`: {cell.message}; {cell.remedy}"
                    raise NbaError(message) from None
            else:
                break
    return found


def _check_names(path: Path, names: Collection[str], wanted: Collection[str]) -> None:
    missing = [name for name in wanted if name not in names]
    if missing:
        plural = "s" if len(missing) > 1 else ""
        raise NbaError(
            f"{path}: no column{plural} {_quoted(missing)}; it has {_quoted(names)}: "
            "rename what is meant"
        )
    twice = sorted({name for name in names if name in wanted and list(names).count(name) > 1})
    if twice:
        raise NbaError(f"{path}: more than one column {_quoted(twice)}: rename or remove one")


def _schema(path: Path) -> tuple[list[str], str]:
    """The names of the columns, and the delimiter of a CSV file."""
    if not _is_csv(path):
        return list(_parquet_schema(path).names), ""
    try:
        return _heading(path)
    except OSError as error:
        raise NbaError(f"{path}: cannot be read: {error.strerror or error}") from None


def _parquet_schema(path: Path) -> Any:
    try:
        return pa.parquet.read_schema(path)
    except OSError as error:
        raise NbaError(f"{path}: cannot be read: {error.strerror or error}") from None
    except pa.ArrowInvalid:
        raise NbaError(f"{path}: no Parquet file; write it anew, or as CSV") from None


def _heading(path: Path) -> tuple[list[str], str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            first = file.readline()
        except UnicodeDecodeError:
            raise NbaError(f"{path}: not UTF-8; save it as UTF-8") from None
    if not first.strip():
        raise NbaError(f"{path}: the first line is empty; it must hold the names of the columns")
    delimiter = max(_DELIMITERS, key=first.count)
    return [name.strip() for name in next(csv.reader([first], delimiter=delimiter))], delimiter


def _read_csv(path: Path, used: list[str], delimiter: str) -> pa.Table:
    try:
        return pa.csv.read_csv(path, **_csv_options(path, used, delimiter))
    except pa.ArrowInvalid as error:
        raise NbaError(f"{path}{_csv_words(path, delimiter, str(error))}") from None


def _csv_options(path: Path, used: list[str], delimiter: str) -> dict[str, Any]:
    names, _ = _heading(path)
    return {
        "read_options": pa.csv.ReadOptions(
            column_names=_unique(names), skip_rows=1, block_size=_CSV_BYTES
        ),
        "parse_options": pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        "convert_options": pa.csv.ConvertOptions(
            include_columns=used,
            column_types={name: pa.string() for name in used},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    }


def _csv_words(path: Path, delimiter: str, error: str) -> str:
    if "UTF8" in error:
        return ": not UTF-8; save it as UTF-8"
    if "Empty CSV" in error:
        return ": there is not one row in it"
    with path.open(encoding="utf-8-sig", newline="") as file:  # slow, but it knows the row
        rows = (cells for cells in csv.reader(file, delimiter=delimiter) if cells)
        width = len(next(rows))
        for number, cells in enumerate(rows, 1):
            if len(cells) != width:
                return (
                    f": row {number:,}: it has {len(cells)} cells, and there are {width} headings; "
                    "put quotes around a cell with a separator in it"
                )
    return f": {error.splitlines()[0]}; write it anew"


def _unique(names: list[str]) -> list[str]:
    """Names of columns nobody wants may repeat; Arrow must still tell them apart."""
    return [name if name not in names[:i] else f"{name}\0{i}" for i, name in enumerate(names)]


def _read_parquet(path: Path, used: list[str]) -> pa.Table:
    try:
        return pa.parquet.ParquetFile(path).read(columns=used)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> NbaError:
    first = (str(error).splitlines() or ["damaged"])[0]
    return NbaError(f"{path}: cannot be read: {first}; write it anew")


def _is_csv(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise NbaError(f"{path}: cannot tell the format from the ending; use .parquet or .csv")
    return suffix == ".csv"


def _quoted(names: Collection[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
