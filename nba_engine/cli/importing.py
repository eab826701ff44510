"""`nba import`: profiles and interactions from files into the store, resumable."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from nba_engine.cli.rows import Row, open_rows
from nba_engine.domain import Attribute, Interaction, InteractionResult, ProfileUpdate
from nba_engine.errors import InvalidRequest
from nba_engine.sources import RowError, interaction, profile

__all__ = ["Destination", "ImportReport", "Progress", "import_file"]

Kind = Literal["profiles", "interactions"]
BATCH = 5_000
KEPT_REASONS = 1_000


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far an import of a file came: rows done, those rejected among them, whether to the end."""

    rows: int = 0
    rejected: int = 0
    finished: bool = False


class Destination(Protocol):
    """What an import writes to: the engine's store with its catalog."""

    @property
    def attributes(self) -> Mapping[str, Attribute]:
        """The declared profile attributes."""

    def progress(self, name: str) -> Progress:
        """How far an earlier run came with a file."""

    def checked(self, update: ProfileUpdate) -> ProfileUpdate:
        """The update in its normal form. Raises `InvalidRequest`."""

    def write_profiles(self, updates: Sequence[ProfileUpdate], name: str, at: Progress) -> None:
        """Write profiles and the progress in one commit."""

    def write_interactions(
        self, interactions: Sequence[Interaction], name: str, at: Progress
    ) -> Sequence[InteractionResult]:
        """Record interactions and the progress in one commit."""


class Rejection(msgspec.Struct):
    """A reason for rejecting rows: the first row it was met in, and in how many."""

    row: int
    rows: int = 1


class ImportReport(msgspec.Struct, kw_only=True):
    """What an import did: rows written, repeats without effect, rows an earlier run had done."""

    written: int = 0
    duplicates: int = 0
    skipped: int = 0
    rejected: int = 0
    earlier: Progress = Progress()
    rejections: dict[str, Rejection] = {}  # by message

    def reject(self, number: int, message: str) -> None:
        """Count a bad row under its reason; the number of reasons kept is bounded."""
        self.rejected += 1
        known = self.rejections.get(message)
        if known is not None:
            known.rows += 1
        elif len(self.rejections) < KEPT_REASONS:
            self.rejections[message] = Rejection(number)


def import_file(
    path: Path,
    kind: Kind,
    destination: Destination,
    advance: Callable[[int, int], None],
    *,
    again: bool = False,
) -> ImportReport:
    """Import one file in batches; each batch and its progress are one commit.

    A second run of the same file (same content) goes on where the first one stopped, and does
    nothing when it was finished; ``again`` starts from the first row. ``advance(position, total)``
    is called after each batch. Bad rows are reported, the others are imported.
    """
    rows, total = open_rows(path)
    name = f"import:{kind}:{_digest(path)}"
    report = ImportReport(earlier=Progress() if again else destination.progress(name))
    if report.earlier.finished:
        report.skipped = report.earlier.rows
        return report
    batches = _batches(rows)
    batch = next(batches, [])
    while batch:
        following = next(batches, [])
        last = batch[-1]
        fresh = [row for row in batch if row.number > report.earlier.rows]
        report.skipped += len(batch) - len(fresh)
        if fresh:
            _write(fresh, kind, destination, report, name=name, rows=last.number, end=not following)
        advance(last.position, total)
        batch = following
    return report


def _write(
    batch: Sequence[Row],
    kind: Kind,
    destination: Destination,
    report: ImportReport,
    *,
    name: str,
    rows: int,
    end: bool,
) -> None:
    def progress() -> Progress:
        return Progress(rows=rows, rejected=report.earlier.rejected + report.rejected, finished=end)

    if kind == "profiles":
        updates = list(
            _converted(
                batch, lambda v: destination.checked(profile(v, destination.attributes)), report
            )
        )
        destination.write_profiles([u for _, u in updates], name, progress())
        report.written += len(updates)
        return
    interactions = list(_converted(batch, interaction, report))
    results = destination.write_interactions([i for _, i in interactions], name, progress())
    for (number, _), result in zip(interactions, results, strict=True):
        if result.status == "recorded":
            report.written += 1
        elif result.status == "duplicate":
            report.duplicates += 1
        else:
            report.reject(number, result.message)
    if end and any(result.status == "rejected" for result in results):
        destination.write_interactions((), name, progress())  # what the last batch told


def _converted(
    batch: Sequence[Row], convert: Callable[[dict[str, Any]], Any], report: ImportReport
) -> Iterator[tuple[int, Any]]:
    for row in batch:
        if isinstance(row.values, RowError):
            report.reject(row.number, row.values.message)
            continue
        try:
            yield row.number, convert(row.values)
        except (RowError, InvalidRequest) as error:
            report.reject(row.number, error.message)


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(itertools.islice(rows, BATCH)):
        yield batch


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]
