"""Logged decisions in Parquet files: what `nba log export` and `nba log move` write."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nba_engine.domain import DecisionRecord, FloatArray
from nba_engine.errors import FailedPrecondition
from nba_engine.store import needs_pyarrow, read_decision_file

__all__ = ["ParquetLog"]

_EVER = float("-inf")


class ParquetLog:
    """A file, or all below a folder, read as `nba_engine.store.LogReader` reads a log.

    Raises `FailedPrecondition` when there are none, when they hold something else, and when a
    decision is in two of them.
    """

    def __init__(self, path: Path) -> None:
        files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        if not files:
            raise FailedPrecondition(f"{path}: no *.parquet files; nba log export writes them")
        self._times: dict[Path, FloatArray] = {}
        where: dict[str, Path] = {}
        for file in files:
            ids, self._times[file] = _ids_and_times(file)
            for name in ids:
                if name in where:
                    raise FailedPrecondition(
                        f"{path}: decision {name} is in {where[name].relative_to(path)} and in "
                        f"{file.relative_to(path)}: these are two exports, name one of them"
                    )
            where |= dict.fromkeys(ids, file)

    def count(self, *, since: float = _EVER) -> int:
        """How many decisions were made at ``since`` or later."""
        return sum(int((times >= since).sum()) for times in self._times.values())

    def records(
        self, *, since: float = _EVER, limit: int | None = None
    ) -> Iterator[DecisionRecord]:
        """Decisions made at ``since`` or later, the newest few, in the order of the files' names."""
        skip = 0 if limit is None else max(0, self.count(since=since) - limit)
        for file, times in self._times.items():
            count = int((times >= since).sum())
            if skip < count:
                yield from itertools.islice(read_decision_file(file, since=since), skip, None)
            skip = max(0, skip - count)


def _ids_and_times(file: Path) -> tuple[list[str], FloatArray]:
    from pyarrow import ArrowException

    columns = ["decision_id", "time", "record"]
    parquet: Any = needs_pyarrow()
    try:
        missing = set(columns) - set(parquet.read_schema(file).names)
        if missing:
            raise FailedPrecondition(
                f"{file}: is no exported decision log: it has no column `{min(missing)}`"
            )
        table = parquet.read_table(file, columns=columns[:2], partitioning=None)
    except (OSError, ArrowException) as error:
        message = f"{file}: is no exported decision log: {str(error).splitlines()[0]}"
        raise FailedPrecondition(message) from None
    micros = table.column("time").cast("int64").to_numpy()  # since the epoch
    return table.column("decision_id").to_pylist(), micros.astype(np.float64) / 1e6
