"""Models over plain columns: a table in, a probability per row out. No catalog is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba_engine.domain.features import Feature
from nba_engine.domain.values import FloatArray
from nba_engine.errors import FailedPrecondition
from nba_engine.models.manifest import load_manifest
from nba_engine.models.runtime import OnnxRuntime
from nba_engine.models.values import DAY, LARGEST, convert_value

__all__ = ["predict_columns", "rows_of_columns"]

Column: TypeAlias = ArrayLike | Sequence[object]

_SLICE = 65_536


def predict_columns(
    folder: Path, columns: Mapping[str, Column], *, now: ArrayLike = 0.0
) -> FloatArray:
    """The probabilities (n,) that a row model gives for columns by the names of its features.

    A column that is not there, and None, NaN or "" in one, are missing values; further columns are
    ignored. ``now``: seconds since the epoch, one or (n,), what times are counted from. Raises
    `MistakesFound` when the folder cannot be loaded, `FailedPrecondition` for columns of different
    lengths, or none that the model knows.
    """
    manifest = load_manifest(folder)
    run = OnnxRuntime().load(folder, manifest)
    rows = rows_of_columns(manifest.features, columns, now=now)
    parts = [
        np.asarray(run(rows[at : at + _SLICE]), dtype=np.float64).reshape(-1)
        for at in range(0, len(rows), _SLICE)
    ]
    return np.concatenate(parts) if parts else np.empty(0)


def rows_of_columns(
    features: Sequence[Feature], columns: Mapping[str, Column], *, now: ArrayLike = 0.0
) -> NDArray[np.float32]:
    """The inputs (n, f) of a model over plain columns. See `predict_columns`."""
    known = {feature.name for feature in features} & set(columns)
    if not known:
        wanted = ", ".join(feature.name for feature in features)
        raise FailedPrecondition(f"none of the model's columns is there: {wanted}")
    lengths = {name: len(np.atleast_1d(np.asarray(columns[name]))) for name in sorted(known)}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        raise FailedPrecondition(f"columns of different lengths: {told}")
    count = next(iter(lengths.values()))
    times = np.broadcast_to(np.asarray(now, dtype=np.float64), (count,))
    rows = np.empty((count, len(features)), dtype=np.float32)
    for at, feature in enumerate(features):
        if feature.name in known:
            rows[:, at] = _column(feature, np.atleast_1d(np.asarray(columns[feature.name])), times)
        else:
            rows[:, at] = feature.default
    return rows


def _column(feature: Feature, values: NDArray[np.generic], now: FloatArray) -> FloatArray:
    if values.dtype.kind in "fiub" and feature.transform in ("none", "days_since"):
        numbers = values.astype(np.float64)
        return _clipped(feature, (now - numbers) / DAY if feature.transform != "none" else numbers)
    convert = convert_value(feature)
    given = values.tolist()
    if feature.transform == "days_since":
        return np.array([convert(value, time) for value, time in zip(given, now, strict=True)])
    each = {value: convert(value, 0.0) for value in set(given)}  # equal values only once
    return np.array([each[value] for value in given], dtype=np.float64)


def _clipped(feature: Feature, numbers: FloatArray) -> FloatArray:
    bad = ~(np.abs(numbers) <= LARGEST)  # NaN, too
    if feature.minimum is not None or feature.maximum is not None:
        numbers = np.clip(numbers, feature.minimum, feature.maximum)
    return np.where(bad, feature.default, numbers)
