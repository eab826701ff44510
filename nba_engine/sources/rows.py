"""Rows of profiles and interactions as lines of text: JSON objects, and CSV under a heading."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from nba_engine.errors import NbaError

__all__ = ["RowError", "cells_of", "json_row", "named", "to_seconds"]


class RowError(NbaError):
    """One row cannot be used; the message says why."""

    reason = "BAD_ROW"


def json_row(line: bytes) -> dict[str, Any]:
    """The JSON object of a line. Raises `RowError`."""
    try:
        values = json.loads(line)
    except UnicodeDecodeError:
        raise RowError("not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise RowError(f"no JSON: {error}") from None
    if not isinstance(values, dict):
        raise RowError("a line must hold one JSON object")
    return values


def cells_of(record: bytes) -> list[str]:
    """The cells of one CSV record, which may hold line breaks in quotes. Raises `RowError`."""
    try:
        text = record.decode("utf-8")
    except UnicodeDecodeError:
        raise RowError("not UTF-8") from None
    try:
        rows = list(csv.reader([text]))
    except csv.Error as error:
        raise RowError(f"no CSV: {error}") from None
    return rows[0] if rows else []


def named(cells: Sequence[str], heading: Sequence[str]) -> dict[str, Any]:
    """Cells by their headings; empty ones are left out. Raises `RowError`."""
    if len(cells) != len(heading):
        raise RowError(f"{len(cells)} cells under {len(heading)} headings")
    return {name: cell for name, cell in zip(heading, cells, strict=True) if cell != ""}


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
