"""`nba import`: profiles and interactions from files into the store, resumable."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from nba_engine.cli.rows import Row, RowError, open_rows, to_seconds
from nba_engine.domain import Attribute, Consent, Interaction, InteractionResult, ProfileUpdate

__all__ = ["Destination", "ImportReport", "RejectedRow", "import_file", "interaction", "profile"]

Kind = Literal["profiles", "interactions"]
BATCH = 5_000
KEPT_REJECTIONS = 1_000
_TRUE = {"true", "yes", "1"}
_FALSE = {"false", "no", "0"}


class Destination(Protocol):
    """What an import writes to: the engine's store with its catalog."""

    @property
    def attributes(self) -> Mapping[str, Attribute]:
        """The declared profile attributes."""

    def progress(self, name: str) -> int:
        """How many rows of a file an earlier run committed."""

    def write_profiles(self, updates: Sequence[ProfileUpdate], *, name: str, rows: int) -> None:
        """Write profiles and the progress in one commit."""

    def write_interactions(
        self, interactions: Sequence[Interaction], *, name: str, rows: int
    ) -> Sequence[InteractionResult]:
        """Record interactions and the progress in one commit."""


class RejectedRow(msgspec.Struct, frozen=True):
    """A row that was not imported, and why."""

    number: int
    message: str


class ImportReport(msgspec.Struct, kw_only=True):
    """What an import did: rows written, repeats without effect, rows an earlier run had done."""

    written: int = 0
    duplicates: int = 0
    skipped: int = 0
    rejected: int = 0
    rejections: list[RejectedRow] = []

    def reject(self, number: int, message: str) -> None:
        """Count a bad row; the first ones are kept by name."""
        self.rejected += 1
        if len(self.rejections) < KEPT_REJECTIONS:
            self.rejections.append(RejectedRow(number, message))


def import_file(
    path: Path, kind: Kind, destination: Destination, advance: Callable[[int, int], None]
) -> ImportReport:
    """Import one file in batches; each batch and its progress are one commit.

    A second run of the same file (same content) goes on where the first one stopped.
    ``advance(position, total)`` is called after each batch. Bad rows are reported, the others
    are imported.
    """
    rows, total = open_rows(path)
    name = f"import:{kind}:{_digest(path)}"
    done = destination.progress(name)
    report = ImportReport()
    for batch in _batches(rows):
        last = batch[-1]
        fresh = [row for row in batch if row.number > done]
        report.skipped += len(batch) - len(fresh)
        if fresh:
            _write(fresh, kind, destination, report, name=name, last=last.number)
        advance(last.position, total)
    return report


def _write(
    batch: Sequence[Row],
    kind: Kind,
    destination: Destination,
    report: ImportReport,
    *,
    name: str,
    last: int,
) -> None:
    if kind == "profiles":
        updates = list(_converted(batch, lambda v: profile(v, destination.attributes), report))
        destination.write_profiles([u for _, u in updates], name=name, rows=last)
        report.written += len(updates)
        return
    interactions = list(_converted(batch, interaction, report))
    results = destination.write_interactions([i for _, i in interactions], name=name, rows=last)
    for (number, _), result in zip(interactions, results, strict=True):
        if result.status == "recorded":
            report.written += 1
        elif result.status == "duplicate":
            report.duplicates += 1
        else:
            report.reject(number, result.message)


def _converted(
    batch: Sequence[Row], convert: Callable[[dict[str, Any]], Any], report: ImportReport
) -> Iterator[tuple[int, Any]]:
    for row in batch:
        if isinstance(row.values, RowError):
            report.reject(row.number, row.values.message)
            continue
        try:
            yield row.number, convert(row.values)
        except RowError as error:
            report.reject(row.number, error.message)


def interaction(values: Mapping[str, Any]) -> Interaction:
    """An interaction from a row.

    Columns ``interaction_id``, ``identity``, ``type``, ``time``, optional ``recommendation_id``;
    ``properties`` as an object, and every other column, become properties.
    """
    values = dict(values)
    texts = {name: _text(values, name) for name in ("interaction_id", "identity", "type")}
    if "time" not in values:
        raise RowError("column 'time' is missing")
    time = to_seconds(values.pop("time"))
    if not math.isfinite(time):
        raise RowError("'time' is not finite")
    recommendation = values.pop("recommendation_id", "")
    properties = _object(values.pop("properties", {}), "properties")
    properties.update({k: _guess(v) for k, v in values.items()})
    return Interaction(
        **texts,
        time=time,
        properties={k: _plain(v) for k, v in properties.items()},
        recommendation_id=str(recommendation),
    )


def profile(values: Mapping[str, Any], attributes: Mapping[str, Attribute]) -> ProfileUpdate:
    """A profile from a row.

    Columns ``identity``, a column per declared attribute (or an object ``attributes``), and
    ``consent:<purpose>:<channel>`` with true or false (or an object ``consents``).
    """
    values = dict(values)
    identity = _text(values, "identity")
    time = to_seconds(values.pop("time", 0.0))
    found = _object(values.pop("attributes", {}), "attributes")
    consents = {
        key: _boolean(given, key)
        for key, given in _object(values.pop("consents", {}), "consents").items()
    }
    for name, value in values.items():
        if name.startswith("consent:"):
            consents[name.removeprefix("consent:")] = _boolean(value, name)
        else:
            found[name] = value
    typed: dict[str, Any] = {}
    for name, value in found.items():
        declared = attributes.get(name)
        if declared is None:
            raise RowError(f"attribute {name!r} is not declared in the catalog")
        typed[name] = _typed(name, value, declared.type)
    return ProfileUpdate(
        identity=identity,
        attributes=typed,
        consents={
            key: Consent(granted=given, time=time, source="import")
            for key, given in consents.items()
        },
    )


def _text(values: dict[str, Any], name: str) -> str:
    value = values.pop(name, None)
    if value is None or value == "":
        raise RowError(f"column {name!r} is missing")
    return str(value)


def _object(value: Any, name: str) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise RowError(f"{name!r} is no JSON object: {error}") from error
    if not isinstance(value, Mapping):
        raise RowError(f"{name!r} must be an object")
    return dict(value)


def _boolean(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise RowError(f"{name!r}: {value!r} is neither true nor false")


def _guess(value: Any) -> Any:
    """A number, boolean, list or object where a text cell spells one; the text otherwise."""
    if not isinstance(value, str) or not value or value[0] not in "-0123456789[{tf":
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_seconds(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return [_plain(item) for item in value if item is not None]
    return value


def _typed(name: str, value: Any, kind: str) -> Any:
    """A cell as the attribute's declared type. Raises `RowError`."""
    try:
        if kind == "string":
            return str(value)
        if kind == "int":
            return int(value)
        if kind == "double":
            return float(value)
        if kind == "bool":
            return _boolean(value, name)
        if kind == "timestamp":
            return to_seconds(value)
        if isinstance(value, str):
            value = json.loads(value)
        if kind.startswith("list<") and isinstance(value, list):
            return [_typed(name, item, kind[5:-1]) for item in value]
        if kind.startswith("map<string,"):
            pairs = value.items() if isinstance(value, Mapping) else value  # Parquet maps: pairs
            return {str(key): _typed(name, item, kind[11:-1]) for key, item in pairs}
    except RowError:
        raise
    except (TypeError, ValueError):
        pass
    raise RowError(f"attribute {name!r}: {value!r} is no {kind}")


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(itertools.islice(rows, BATCH)):
        yield batch


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]
