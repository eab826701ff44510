"""Rows of profiles and interactions from Parquet, CSV and JSON lines."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

import msgspec

from nba_engine.errors import NbaError

__all__ = ["Row", "RowError", "open_rows", "to_seconds"]


class RowError(NbaError):
    """One row cannot be used; the message says why."""

    reason = "BAD_ROW"


class Row(msgspec.Struct, frozen=True):
    """A row: its number in the file (from 1, headings not counted), its values, bytes or rows read."""

    number: int
    values: dict[str, Any] | RowError
    position: int


def open_rows(path: Path) -> tuple[Iterator[Row], int]:
    """Rows of a file by its ending, and the total that `Row.position` runs up to.

    Raises `NbaError` when the file cannot be read or its ending is unknown.
    """
    readers: dict[str, Callable[[Path], tuple[Iterator[Row], int]]] = {
        ".csv": _csv,
        ".jsonl": _jsonl,
        ".ndjson": _jsonl,
        ".parquet": _parquet,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise NbaError(
            f"{path}: cannot tell the format from the ending; use .parquet, .csv or .jsonl"
        )
    try:
        return reader(path)
    except OSError as error:
        raise NbaError(f"{path}: cannot be read: {error.strerror or error}") from error


def to_seconds(value: object, zone: tzinfo = UTC) -> float:
    """Seconds since the epoch from a number, an ISO 8601 text or a datetime.

    One without a zone is in ``zone``. Raises `RowError`.
    """
    if isinstance(value, bool):
        raise RowError(f"{value!r} is no time")
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            pass
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise RowError(
                f"{value!r} is no time; write seconds since the epoch or 2026-11-21T08:30:00+01:00"
            ) from None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=zone)).timestamp()
    raise RowError(f"{value!r} is no time")


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
                values = json.loads(line)
            except ValueError as error:
                yield Row(number, RowError(f"no JSON: {error}"), read)
                continue
            if not isinstance(values, dict):
                yield Row(number, RowError("a line must hold one JSON object"), read)
                continue
            yield Row(number, values, read)

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
                    if len(cells) != len(heading):
                        yield Row(
                            number,
                            RowError(f"{len(cells)} cells under {len(heading)} headings"),
                            position,
                        )
                        continue
                    filled = {h: c for h, c in zip(heading, cells, strict=True) if c != ""}
                    yield Row(number, filled, position)
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
