"""A model bound to a catalog: the two signatures, and the linear split of the first."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from nba_engine.domain.catalog import CatalogView
from nba_engine.domain.model import Manifest, ModelRuntime, RunModel, Scorer
from nba_engine.domain.tables import ComplementTable
from nba_engine.domain.values import FloatArray, IntArray, Values
from nba_engine.errors import MistakesFound
from nba_engine.models.arrays import wrong
from nba_engine.models.assembly import Assembly
from nba_engine.models.binding import binding_mistakes
from nba_engine.models.linear import LinearSplit, check_linear, read_linear
from nba_engine.models.manifest import MANIFEST_FILE, load_manifest

__all__ = ["check_model", "open_scorer"]

_ROUNDING = 1e-6  # float32 graphs may end a little outside of [0, 1]


def open_scorer(
    folder: Path,
    catalog: CatalogView,
    runtimes: Mapping[str, ModelRuntime],
    tables: Mapping[str, ComplementTable],
    *,
    version: str = "",
) -> Scorer:
    """Load a model folder and bind it to a catalog; ``version`` stands for that of its manifest.

    Raises `MistakesFound`: the manifest, the model file, features that this catalog or these
    tables do not have, a linear split that differs from the graph.
    """
    manifest = load_manifest(folder)
    mistakes = binding_mistakes(manifest, catalog, tables, str(folder / MANIFEST_FILE))
    try:
        run = _load(folder, manifest, runtimes)
    except MistakesFound as found:
        raise MistakesFound([*mistakes, *found.mistakes]) from None
    if mistakes:
        raise MistakesFound(mistakes)
    assembly = Assembly(manifest.features, catalog, tables)
    manifest = replace(manifest, version=version or manifest.version)
    if manifest.signature == "wide":
        return _WideScorer(manifest, assembly, run, catalog)
    if not manifest.linear:
        return _RowScorer(manifest, assembly, run)
    linear = read_linear(folder, manifest)
    check_linear(linear, assembly, run, folder, manifest)
    return _LinearScorer(manifest, assembly, LinearSplit(linear, assembly))


def check_model(folder: Path, runtimes: Mapping[str, ModelRuntime]) -> None:
    """What can be told without a catalog: raises `MistakesFound` as `open_scorer` does."""
    manifest = load_manifest(folder)
    _load(folder, manifest, runtimes)
    if manifest.linear:
        read_linear(folder, manifest)


def _load(folder: Path, manifest: Manifest, runtimes: Mapping[str, ModelRuntime]) -> RunModel:
    if manifest.format not in runtimes:
        known = ", ".join(sorted(runtimes)) or "none"
        message = f"no runtime for {manifest.format!r}"
        remedy = f"formats: {known}; plugins add others"
        raise wrong(folder / MANIFEST_FILE, "format", message, remedy)
    return runtimes[manifest.format].load(folder, manifest)


class _BoundScorer:
    """What the three kinds share: the version, the feature rows."""

    def __init__(self, manifest: Manifest, assembly: Assembly) -> None:
        self.meaning = manifest.meaning
        self._version = manifest.version
        self._trained_on = manifest.trained_on
        self._assembly = assembly

    @property
    def version(self) -> str:
        return self._version

    @property
    def trained_on(self) -> Mapping[str, int]:
        """Action → outcomes of it in the training data; {}: not told."""
        return self._trained_on

    @property
    def feature_names(self) -> Sequence[str]:
        return self._assembly.names

    def features(
        self, index: IntArray, customer: Values, context: Values, now: float
    ) -> NDArray[np.float32]:
        """The assembled feature rows (n, f)."""
        rows = np.empty((len(index), len(self._assembly.names)), dtype=np.float32)
        return self._assembly.rows(index, customer, context, now, rows)


class _LinearScorer(_BoundScorer):
    def __init__(self, manifest: Manifest, assembly: Assembly, split: LinearSplit) -> None:
        super().__init__(manifest, assembly)
        self.propensities = split.propensities


class _RowScorer(_BoundScorer):
    """Row signature: one row per candidate through the graph, equal rows only once.

    Treatments of one action often have equal rows, and so has one treatment in two placements.
    """

    def __init__(self, manifest: Manifest, assembly: Assembly, run: RunModel) -> None:
        super().__init__(manifest, assembly)
        self._run = run
        self._first, self._group = assembly.same_rows()
        self._local = threading.local()

    def propensities(
        self, index: IntArray, customer: Values, context: Values, now: float
    ) -> FloatArray:
        """P per candidate, (n,)."""
        if len(index) == 0:
            return np.empty(0)
        group = self._group[index]
        used = np.zeros(len(self._first), dtype=np.bool_)
        used[group] = True
        groups = np.flatnonzero(used)
        if len(groups) == len(index):
            return self._score(index, customer, context, now)
        place: IntArray = np.cumsum(used) - 1
        scores = self._score(self._first[groups], customer, context, now)
        return scores[place[group]]

    def _score(self, index: IntArray, customer: Values, context: Values, now: float) -> FloatArray:
        rows = self._assembly.rows(index, customer, context, now, self._buffer(len(index)))
        return _probabilities(np.asarray(self._run(rows)).reshape(-1).astype(np.float64))

    def _buffer(self, count: int) -> NDArray[np.float32]:
        rows: NDArray[np.float32] | None = getattr(self._local, "rows", None)
        if rows is None or len(rows) < count:
            rows = np.empty((count, len(self._assembly.names)), dtype=np.float32)
            self._local.rows = rows
        return rows[:count]


class _WideScorer(_BoundScorer):
    """Wide signature: one customer row in, one score per named action out."""

    def __init__(
        self, manifest: Manifest, assembly: Assembly, run: RunModel, catalog: CatalogView
    ) -> None:
        super().__init__(manifest, assembly)
        self._run = run
        outputs = {action: place for place, action in enumerate(manifest.outputs)}
        # actions that the model does not know read the last place, which is NaN
        place = [outputs.get(action.id, len(outputs)) for action in catalog.actions]
        self._place: IntArray = np.array(place, dtype=np.intp)[catalog.action_of]
        self._scores = len(outputs)
        self._least = -1.0 if manifest.meaning == "uplift" else 0.0

    def propensities(
        self, index: IntArray, customer: Values, context: Values, now: float
    ) -> FloatArray:
        """P (or uplift) per candidate, (n,); NaN for actions that the model has no output for."""
        row = np.array([self._assembly.of_request(customer, context, now)], dtype=np.float32)
        scores = np.full(self._scores + 1, np.nan)
        scores[:-1] = np.asarray(self._run(row)).reshape(-1)
        _probabilities(scores[:-1], self._least)
        return scores[self._place[index]]


def _probabilities(scores: FloatArray, least: float = 0.0) -> FloatArray:
    """In place: what is no probability becomes NaN, rounding is taken off."""
    if len(scores) and not (scores.min() >= least and scores.max() <= 1.0):
        scores[~((scores >= least - _ROUNDING) & (scores <= 1.0 + _ROUNDING))] = np.nan
        np.clip(scores, least, 1.0, out=scores)
    return scores
