"""Cells of foreign columns as numbers, times and texts: what cannot be read is told by its row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["UnreadableCell", "column_values", "is_one_value"]

_SHOWN = 40
_BYTES = (
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)
# epoch seconds beyond are milliseconds; these eight digits are a date of ISO-8601's basic form
_LAST_SECOND = 100_000_000_000
_FIRST_DATE, _LAST_DATE = 19_000_101, 21_001_231


class UnreadableCell(Exception):
    """A cell that is not what its column must hold: its row (from 1; 0: all), and what to do."""

    def __init__(self, row: int, message: str, remedy: str) -> None:
        super().__init__(message)
        self.row, self.message, self.remedy = row, message, remedy


def is_one_value(kind: Any) -> bool:
    """Whether a cell of this Arrow type is a number, a time or a text: no list, no map, no bytes."""
    if isinstance(kind, pa.BaseExtensionType):
        return is_one_value(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return is_one_value(kind.value_type)
    return not (pa.types.is_nested(kind) or any(is_bytes(kind) for is_bytes in _BYTES))


def column_values(
    column: Any, kind: Literal["text", "number", "integer", "time"], *, blank: bool = False
) -> NDArray[Any]:
    """An Arrow column as numpy array of a kind; empty cells are NaN or "" where ``blank``.

    Raises `UnreadableCell` for the first cell that cannot be read.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if not is_one_value(column.type):
        raise UnreadableCell(
            0, f"holds {column.type}", "a cell must be one number, time or text: write it as text"
        )
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        column = column.cast(pa.string())
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    if pa.types.is_string(column.type):
        trimmed = pc.utf8_trim_whitespace(column)
        column = pc.if_else(pc.equal(trimmed, ""), None, trimmed)
    if column.null_count and not (blank and kind != "integer"):
        raise UnreadableCell(_first(pc.is_null(column)), "is empty", "fill it or leave the row out")
    readers: dict[str, Callable[[Any], NDArray[Any]]] = {
        "text": _texts,
        "number": _numbers,
        "integer": _integers,
        "time": _times,
    }
    return readers[kind](column)


def _texts(column: Any) -> NDArray[Any]:
    encoded = column.cast(pa.string()).fill_null("").dictionary_encode()
    words = np.array(encoded.dictionary.to_pylist(), dtype=object)
    return np.asarray(words[encoded.indices.to_numpy(zero_copy_only=False)])


def _numbers(column: Any) -> NDArray[Any]:
    blank = column.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_string(column.type):
        values = _cast_text(column, pa.float64(), float, "write numbers with a decimal point")
    elif _is_numeric(column.type):
        values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    else:
        raise UnreadableCell(0, f"holds {column.type}, not numbers", "write numbers")
    wrong = ~np.isfinite(values) & ~blank
    if wrong.any():
        row = int(wrong.argmax())
        raise UnreadableCell(row + 1, f"{values[row]} is no number", "write a finite one")
    return np.asarray(values, dtype=np.float64)


def _integers(column: Any) -> NDArray[Any]:
    if pa.types.is_integer(column.type):
        return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.int64)
    values = _numbers(column)
    wrong = (values != np.floor(values)) | (np.abs(values) > 2**53)
    if wrong.any():
        row = int(wrong.argmax())
        raise UnreadableCell(row + 1, f"{values[row]:g} is no whole number", "write whole numbers")
    return values.astype(np.int64)


def _times(column: Any) -> NDArray[Any]:
    kind = column.type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return _seconds(column.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=False))
    if pa.types.is_string(kind):
        try:
            return _epoch(column, column.cast(pa.float64()).to_numpy(zero_copy_only=False))
        except pa.ArrowInvalid:
            return _from_iso(column)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _epoch(column, column.cast(pa.float64()).to_numpy(zero_copy_only=False))
    raise UnreadableCell(0, f"holds {kind}, not times", "write ISO-8601 times or epoch seconds")


def _epoch(column: Any, seconds: NDArray[Any]) -> NDArray[Any]:
    """Numbers as times: epoch seconds, or dates such as 20260131 when all of them are."""
    values = np.asarray(seconds, dtype=np.float64)
    known = values[~np.isnan(values)]
    if len(known) and bool(np.all((known >= _FIRST_DATE) & (known <= _LAST_DATE))):
        return _from_iso(column.cast(pa.int64()).cast(pa.string()))
    wrong = np.abs(values) > _LAST_SECOND
    if wrong.any():
        row = int(wrong.argmax())
        raise UnreadableCell(
            row + 1, f"{values[row]:.0f} is no time in seconds", "divide milliseconds by 1,000"
        )
    blank = column.is_null().to_numpy(zero_copy_only=False)
    nothing = np.isnan(values) & ~blank
    if nothing.any():
        raise UnreadableCell(int(nothing.argmax()) + 1, "nan is no time", "write a finite one")
    return values


def _from_iso(column: Any) -> NDArray[Any]:
    for zone in (None, "UTC"):  # all without an offset, or all with one: Arrow is fast
        try:
            return _seconds(column.cast(pa.timestamp("us", zone)))
        except pa.ArrowInvalid:
            continue
    return _each(column, _iso_second, "write ISO-8601 such as 2026-01-31T12:00:00Z")


def _iso_second(text: str) -> float:
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _seconds(stamps: Any) -> NDArray[Any]:
    values = stamps.cast(pa.int64()).cast(pa.float64(), safe=False)
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64) / 1e6


def _cast_text(
    column: Any, kind: Any, convert: Callable[[str], float], remedy: str
) -> NDArray[Any]:
    try:
        return np.asarray(column.cast(kind).to_numpy(zero_copy_only=False))
    except pa.ArrowInvalid:  # it names no row
        return _each(column, convert, remedy)


def _each(column: Any, convert: Callable[[str], float], remedy: str) -> NDArray[Any]:
    values = np.full(len(column), np.nan)
    for row, text in enumerate(column.to_pylist()):
        if text is None:
            continue
        try:
            values[row] = convert(text)
        except ValueError:
            shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
            raise UnreadableCell(row + 1, f"cannot read {shown!r}", remedy) from None
    return values


def _is_numeric(kind: Any) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
    )


def _first(mask: Any) -> int:
    return int(mask.to_numpy(zero_copy_only=False).argmax()) + 1
