"""The last model beside the new one: its figures on the same held-out rows, and what has drifted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import Feature, FloatArray, Manifest
from nba_engine.errors import MistakesFound
from nba_engine.learning.training.drift import read_reference
from nba_engine.learning.training.encoding import ABSENT
from nba_engine.learning.training.examples import Examples
from nba_engine.learning.training.measuring import Figures, figures_of
from nba_engine.models import OnnxRuntime, load_manifest

__all__ = ["Last", "compare_with_last"]

_MISSING = -1.0  # the position of a category that is none


class Last(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The last model: its figures on today's held-out rows, if it can score them, and drift."""

    version: str
    figures: Figures | None
    probability: FloatArray | None
    drift: Mapping[str, float]  # by input; "" is the score


def compare_with_last(folder: Path, test: Examples, score: FloatArray) -> Last | None:
    """Hold the model in ``folder`` against today's held-out rows and their new ``score`` (n,).

    Inputs are taken as they were encoded then: a category has another position when others became
    more frequent, and is the same. None when the folder holds no model.
    """
    try:
        manifest = load_manifest(folder)
    except MistakesFound:
        return None
    columns = {
        feature.name: column
        for feature in manifest.features
        if (column := _as_then(feature, test)) is not None
    }
    reference = read_reference(folder)
    probability = _of_last(folder, manifest, columns)
    return Last(
        version=manifest.version,
        figures=None if probability is None else figures_of(test.label, probability),
        probability=probability,
        drift={} if reference is None else reference.drift({**columns, "": score}),
    )


def _as_then(then: Feature, test: Examples) -> NDArray[np.float32] | None:
    """Today's column of an input, encoded as then; None when there is none that means the same."""
    for at, now in enumerate(test.features):
        same = msgspec.structs.replace(now, categories=then.categories, default=then.default)
        if same != then:
            continue
        column = test.rows[:, at]
        if now.transform != "category":
            # gaps were filled with what was usual, if there were none in training
            return np.where(column == np.float32(ABSENT), np.float32(then.default), column)
        place = {word: float(position) for position, word in enumerate(then.categories)}
        codes = np.array([*(place.get(word, _MISSING) for word in now.categories), _MISSING])
        position = column.astype(np.intp)
        known = (position >= 0) & (position < len(now.categories))
        return codes[np.where(known, position, -1)].astype(np.float32)
    return None


def _of_last(
    folder: Path, manifest: Manifest, columns: Mapping[str, NDArray[Any]]
) -> FloatArray | None:
    """What a row model says, where all its inputs are there."""
    if manifest.signature != "row" or len(columns) < len(manifest.features):
        return None
    try:
        run = OnnxRuntime().load(folder, manifest)
    except MistakesFound:
        return None
    rows = np.stack([columns[one.name] for one in manifest.features], axis=1)
    answers = np.asarray(run(np.ascontiguousarray(rows)), dtype=np.float64).reshape(-1)
    return answers if bool(np.isfinite(answers).all()) else None
