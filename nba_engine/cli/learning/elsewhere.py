"""Logs that lie elsewhere: exported decisions, and what customers did as files tell it."""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from rich.progress import Progress

from nba_engine.cli.rows import Row, files_in, open_rows
from nba_engine.domain import Interaction, Store
from nba_engine.domain.algebra import fold_for
from nba_engine.errors import NbaError
from nba_engine.sources import RowError, interaction
from nba_engine.store import open_store

__all__ = ["Told", "interactions_of"]

_BATCH = 5_000


class Told(NamedTuple):
    """``store`` holds what files say that customers did ``until`` then; without files both are None."""

    store: Store | None
    until: float | None


@contextmanager
def interactions_of(paths: Sequence[Path], bar: Progress) -> Iterator[Told]:
    """Interactions of files, or of folders of them, in a store that goes with the block.

    A file ends when its last interaction happened: what came later is not known. Raises `NbaError`:
    file, row, what is wrong.
    """
    if not paths:
        yield Told(None, None)
        return
    with tempfile.TemporaryDirectory(prefix="nba-interactions-") as folder:
        store = open_store(Path(folder) / "nba.db", simulated=True)
        try:
            last = max(_read(file, store, bar) for file in files_in(paths))
            if last == -math.inf:
                raise NbaError(f"{', '.join(map(str, paths))}: there is no interaction in it")
            yield Told(store, math.nextafter(last, math.inf))
        finally:
            store.close()


def _read(file: Path, store: Store, bar: Progress) -> float:
    """Add a file's interactions; when the last of them happened."""
    rows, total = open_rows(file)
    fold = fold_for({})
    last = -math.inf
    task = bar.add_task(f"reading {file.name}", total=total)
    while batch := list(itertools.islice(rows, _BATCH)):
        found = [_interaction(file, row) for row in batch]
        last = max(last, *(one.time for one in found))
        results = store.bulk(interactions=found, fold=fold, now=last)
        for row, result in zip(batch, results, strict=True):
            if result.status == "rejected":
                raise NbaError(f"{file}: row {row.number:,}: {result.message}")
        bar.update(task, completed=batch[-1].position)
    bar.remove_task(task)
    return last


def _interaction(file: Path, row: Row) -> Interaction:
    try:
        if isinstance(row.values, RowError):
            raise row.values
        return interaction(row.values)
    except RowError as error:
        raise NbaError(
            f"{file}: row {row.number:,}: {error.message}; nba import interactions --help says "
            "what the columns are"
        ) from None
