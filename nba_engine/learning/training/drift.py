"""Drift: how differently inputs and scores are distributed than when the last model was trained.

The population stability index, Σ (p - q) · ln(p / q) over bins: below .1 is called stable, above .25
a shift (Siddiqi 2006). The bins are those of the last model, kept in its folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import FloatArray

__all__ = ["FILE", "SHIFTED", "Reference", "psi", "read_reference", "reference_of"]

FILE = "distributions.npz"
SHIFTED = 0.25
_BINS = 10
_FLOOR = 1e-4  # share of an empty bin


class Reference(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Per name (a feature, or "" for the score): inner ``edges`` of the bins, ``shares`` in them."""

    edges: Mapping[str, FloatArray]
    shares: Mapping[str, FloatArray]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As `numpy.savez` takes them."""
        names = list(self.edges)
        counts = [len(self.edges[name]) for name in names]
        return {
            "names": np.array(names, dtype=np.str_),
            "bins": np.array(counts, dtype=np.int64),
            "edges": np.concatenate([self.edges[name] for name in names]),
            "shares": np.concatenate([self.shares[name] for name in names]),
        }

    def drift(self, columns: Mapping[str, NDArray[Any]]) -> dict[str, float]:
        """The index of each column that both have, the largest first."""
        found = {
            name: psi(self.shares[name], _shares(values, self.edges[name]))
            for name, values in columns.items()
            if name in self.edges
        }
        return dict(sorted(found.items(), key=lambda item: -item[1]))


def reference_of(columns: Mapping[str, NDArray[Any]]) -> Reference:
    """The distribution of columns, in bins of about equal mass; few values have a bin each."""
    edges = {name: _edges(np.asarray(values, np.float64)) for name, values in columns.items()}
    shares = {name: _shares(values, edges[name]) for name, values in columns.items()}
    return Reference(edges=edges, shares=shares)


def read_reference(folder: Path) -> Reference | None:
    """What was kept beside a model; None when there is nothing, or it cannot be read."""
    try:
        with np.load(folder / FILE, allow_pickle=False) as file:
            names, bins = file["names"].tolist(), file["bins"]
            edges, shares = file["edges"], file["shares"]
    except (OSError, KeyError, ValueError):
        return None
    ends = np.cumsum(bins)
    more = np.cumsum(bins + 1)
    return Reference(
        edges=dict(zip(names, np.split(edges, ends[:-1]), strict=True)),
        shares=dict(zip(names, np.split(shares, more[:-1]), strict=True)),
    )


def psi(before: Sequence[float] | FloatArray, now: Sequence[float] | FloatArray) -> float:
    """The population stability index of two distributions over the same bins."""
    p = np.maximum(np.asarray(now, dtype=np.float64), _FLOOR)
    q = np.maximum(np.asarray(before, dtype=np.float64), _FLOOR)
    return float(np.sum((p - q) * np.log(p / q)))


def _edges(values: FloatArray) -> FloatArray:
    distinct = np.unique(values)
    if len(distinct) <= _BINS:
        return (distinct[1:] + distinct[:-1]) / 2.0
    return np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1]))


def _shares(values: NDArray[Any], edges: FloatArray) -> FloatArray:
    place = np.searchsorted(edges, np.asarray(values, dtype=np.float64), side="left")
    counts = np.bincount(place, minlength=len(edges) + 1)
    return counts / max(len(values), 1)
