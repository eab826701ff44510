"""The table of what was fitted about aggregates: one JSON file, and earlier ones beside it."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from nba_engine.domain.fitted import (
    AffinityPrior,
    Cycle,
    Fitted,
    FittedTable,
    ReorderPrior,
    SharePrior,
)
from nba_engine.errors import Mistake, MistakesFound

__all__ = ["KEPT", "load_fitted", "save_fitted"]

KEPT = 20  # versions

_REMEDY = "fit again: nba affinity fit, nba reorder fit"


def load_fitted(path: Path, version: str = "") -> tuple[FittedTable, str]:
    """The table and its version (a hash of the file); an empty one and "" when there is no file.

    Of an earlier ``version`` as long as its file is there, else the one that is in force. Raises `MistakesFound` when it cannot be read, or holds what no fit gives.
    """
    if version and (kept := _kept(path, version)).is_file():
        path = kept
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return FittedTable(), ""
    except OSError as error:
        raise _wrong(path, "", f"cannot be read: {error.strerror}") from error
    try:
        table = msgspec.json.decode(data, type=FittedTable)
    except msgspec.DecodeError as error:
        raise _wrong(path, "", f"is no table of affinities: {error}") from error
    mistakes = [
        Mistake(file=str(path), place=place, message=message, remedy=_REMEDY)
        for place, message in _flaws(table)
    ]
    if mistakes:
        raise MistakesFound(mistakes)
    return table, _version(data)


def save_fitted(path: Path, table: FittedTable) -> str:
    """Write a table in one step: a reader sees the old file or the new one. Its version.

    It is written a second time under its version, so that decisions made with it can be explained
    when there is a newer one; the last `KEPT` of these stay.
    """
    data = msgspec.json.format(msgspec.json.encode(table, order="sorted"), indent=1) + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    version = _version(data)
    for file in (_kept(path, version), path):
        unfinished = path.with_name(f".{file.name}.{os.getpid()}")
        unfinished.write_bytes(data)
        unfinished.replace(file)
    kept = sorted(path.parent.glob(_kept(path, "?" * 12).name), key=lambda one: one.stat().st_mtime)
    for old in kept[:-KEPT]:
        old.unlink(missing_ok=True)
    return version


def _kept(path: Path, version: str) -> Path:
    return path.with_name(f"{path.stem}-{version}{path.suffix}")


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def _wrong(path: Path, place: str, message: str) -> MistakesFound:
    return MistakesFound([Mistake(file=str(path), place=place, message=message, remedy=_REMEDY)])


def _flaws(table: FittedTable) -> Iterator[tuple[str, str]]:
    for name, fitted in table.aggregates.items():
        for flaw in _flaws_of(fitted):
            yield f"aggregates.{name}", flaw
    score = table.score
    numbers = [] if score is None else [score.bias, score.slope, *score.exponents.values()]
    if not all(map(math.isfinite, numbers)):
        yield "score", "must hold finite numbers"


def _flaws_of(fitted: Fitted) -> Iterator[str]:
    prior = fitted.prior
    if isinstance(prior, ReorderPrior):
        if any(map(_is_broken, prior.cycles.values())):
            yield "a cycle must have numbers above 0, and as many waits as medians"
        return
    weights = [prior.weight] if isinstance(prior, SharePrior) else [*prior.weights.values()]
    if isinstance(prior, AffinityPrior):
        weights.append(prior.customer_weight)
    if not all(0 <= weight < math.inf for weight in weights):
        yield "weights must be numbers of at least 0"
    means = [mean for words in prior.means.values() for mean in words.values()]
    if not means or not all(0 < mean < 1 for mean in means):
        yield "means must be above 0 and below 1, at least one of them"


def _is_broken(cycle: Cycle) -> bool:
    numbers = (cycle.shape, cycle.a, cycle.b, *cycle.wait, *cycle.usual)
    return (
        not cycle.wait
        or len(cycle.wait) != len(cycle.usual)
        or not all(0 < number < math.inf for number in numbers)
    )
