"""`nba import --follow`: files and folders read as they grow, until somebody stops it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from nba_engine.domain import Source
from nba_engine.engine import Engine, Rejected, Taken, mark_name, take_in
from nba_engine.errors import NbaError
from nba_engine.sources import CSV, JSONL, FileSettings, Holds

__all__ = ["Followed", "follow", "followed_sources"]

BATCH = 1_000
_FACTORIES = {".csv": CSV, ".jsonl": JSONL, ".ndjson": JSONL}


class Followed(msgspec.Struct, kw_only=True):
    """What came of following so far; ``behind`` in bytes."""

    written: int = 0
    duplicates: int = 0
    rejected: int = 0
    behind: int = 0

    def add(self, taken: Taken, behind: int) -> None:
        """Count a batch."""
        self.written += taken.interactions + taken.updates
        self.duplicates += taken.duplicates
        self.rejected += taken.rejected
        self.behind = behind


def followed_sources(paths: Sequence[Path], holds: Holds) -> dict[str, Source]:
    """A source for each file, two for each folder, by the names of their positions.

    Raises `NbaError` for a file that cannot be followed.
    """
    sources: dict[str, Source] = {}
    for path in paths:
        whole = path.resolve()
        settings = FileSettings(path=str(whole), holds=holds)
        if path.is_dir():
            factories = {"csv": CSV, "jsonl": JSONL}
        elif (factory := _FACTORIES.get(path.suffix.lower())) is not None:
            factories = {path.suffix.lower()[1:]: factory}
        else:
            raise NbaError(f"{path}: only .csv and .jsonl files are followed")
        for kind, factory in factories.items():
            sources[f"import:{holds}:{kind}:{whole}"] = factory.build(settings, whole.parent)
    return sources


def follow(
    engine: Engine,
    sources: Mapping[str, Source],
    reject: Callable[[Sequence[Rejected]], None],
    *,
    poll_seconds: float,
    stopping: Callable[[], bool],
) -> Iterator[Followed]:
    """Read until ``stopping``; what came of it so far, after each batch and whenever all is read.

    Each batch and its position are one commit: killed at any moment, the next run goes on there.
    """
    so_far = Followed()
    while not stopping():
        read = False
        for name, source in sources.items():
            read = (not stopping() and _step(engine, name, source, reject, so_far)) or read
        yield so_far
        if not read and not stopping():
            time.sleep(poll_seconds)


def _step(
    engine: Engine,
    name: str,
    source: Source,
    reject: Callable[[Sequence[Rejected]], None],
    so_far: Followed,
) -> bool:
    told: dict[str, str] = {}

    def position(part: str) -> str:
        told[part] = engine.store.progress(mark_name(name, part)) or ""
        return told[part]

    batch = source.read(position, most=BATCH, catalog=engine.catalog)
    if batch is None:
        return False
    taken = take_in(engine, name, batch, reject, follows=told[batch.part])
    if taken is not None:
        so_far.add(taken, batch.behind)
    return True
