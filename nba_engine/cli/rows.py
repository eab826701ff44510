"""Rows of profiles and interactions from whole files: Parquet, CSV and JSON lines."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from nba_engine.errors import NbaError
from nba_engine.sources import RowError, json_row, named

__all__ = ["SUFFIXES", "Row", "files_in", "open_rows"]

SUFFIXES = (".csv", ".jsonl", ".ndjson", ".parquet")


class Row(msgspec.Struct, frozen=True):
    """A row: its number in the file (from 1, headings not counted), its values, bytes or rows read."""

    number: int
    values: dict[str, Any] | RowError
    position: int


def files_in(paths: Sequence[Path]) -> Iterator[Path]:
    """Files as they are, and those in folders by name. Raises `NbaError` for a folder without."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        inside = [
            file
            for file in sorted(path.iterdir())
            if file.suffix.lower() in SUFFIXES and file.is_file() and not file.name.startswith(".")
        ]
        if not inside:
            raise NbaError(f"{path}: there is no file of {', '.join(SUFFIXES)} in this folder")
        yield from inside


def open_rows(path: Path) -> tuple[Iterator[Row], int]:
    """Rows of a file by its ending, and the total that `Row.position` runs up to.

    Raises `NbaError` when the file cannot be read or its ending is unknown.
    """
    functions = (_csv, _jsonl, _jsonl, _parquet)
    readers: dict[str, Callable[[Path], tuple[Iterator[Row], int]]] = dict(
        zip(SUFFIXES, functions, strict=True)
    )
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise NbaError(
            f"{path}: cannot tell the format from the ending; use .parquet, .csv or .jsonl"
        )
    try:
        return reader(path)
    except OSError as error:
        raise NbaError(f"{path}: cannot be read: {error.strerror or error}") from error


def _lines(path: Path) -> Iterator[tuple[bytes, int]]:
    read = 0
    with path.open("rb") as file:
        for line in file:
            read += len(line)
            yield line, read


def _jsonl(path: Path) -> tuple[Iterator[Row], int]:
    size = path.stat().st_size
    path.open("rb").close()

    def rows() -> Iterator[Row]:
        for number, (line, read) in enumerate(_lines(path), 1):
            if not line.strip():
                continue
            try:
                yield Row(number, json_row(line), read)
            except RowError as error:
                yield Row(number, error, read)

    return rows(), size


def _csv(path: Path) -> tuple[Iterator[Row], int]:
    size = path.stat().st_size
    path.open("rb").close()

    def rows() -> Iterator[Row]:
        with path.open("rb") as raw:
            text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
            reader = csv.reader(text)
            try:
                heading = next(reader, None)
                if heading is None:
                    return
                for number in itertools.count(1):
                    cells = next(reader, None)
                    if cells is None:
                        return
                    if not cells:
                        continue
                    position = min(size, raw.tell())
                    try:
                        yield Row(number, named(cells, heading), position)
                    except RowError as error:
                        yield Row(number, error, position)
            except UnicodeDecodeError as error:
                raise NbaError(f"{path}: not UTF-8 near byte {error.start}") from error
            except csv.Error as error:
                raise NbaError(f"{path}: line {reader.line_num}: {error}") from error

    return rows(), size


def _parquet(path: Path) -> tuple[Iterator[Row], int]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise NbaError(
            f"{path}: reading Parquet needs pyarrow; install it with: pip install 'nba-engine[data]'"
        ) from None
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise NbaError(f"{path}: no Parquet file: {error}") from error

    def rows() -> Iterator[Row]:
        number = 0
        for batch in file.iter_batches(batch_size=10_000):
            for values in batch.to_pylist():
                number += 1
                yield Row(number, {k: v for k, v in values.items() if v is not None}, number)

    return rows(), int(file.metadata.num_rows)
