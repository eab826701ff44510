"""Randomized logs in a plain table: who was treated, how it ended, and what was known before."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import Feature
from nba_engine.domain.values import FloatArray, IntArray
from nba_engine.errors import NbaError
from nba_engine.learning.segments.behavior import identifier
from nba_engine.learning.tables import column_names, read_columns
from nba_engine.learning.uplift.learner import Trial
from nba_engine.models.values import LARGEST

__all__ = ["Trials", "read_trials"]

_ROLES = ("treated", "outcome", "propensity", "action", "customer", "time")


class Trials(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """``trials`` by action ("" without a column ``action``), ``features`` of all of them.

    ``left_out``: columns that are no features, those with texts with the first of these.
    """

    trials: dict[str, Trial]
    features: tuple[Feature, ...]
    rows: NDArray[np.float32]
    left_out: tuple[str, ...]


def read_trials(path: Path, *, action: str = "", without: tuple[str, ...] = ()) -> Trials:
    """Read ``treated`` and ``outcome`` (0 or 1), features, and what else the file has.

    ``propensity``: the probability of being treated with which it was drawn; without it the share of
    the treated, by action. ``action``: several trials in one file; or the name of the only one.
    ``customer``: rows of one customer stay together. Every other column of numbers is a feature,
    read in serving as ``customer.<column>``; an empty cell is the median.
    """
    names = column_names(path)
    wanted = read_columns(
        path,
        {"treated": "number", "outcome": "number"},
        optional={"propensity": "number", "action": "text", "customer": "text"},
    )
    for name in ("treated", "outcome"):
        wrong = ~np.isin(wanted[name], (0.0, 1.0))
        if wrong.any():
            row = int(wrong.argmax())
            raise NbaError(
                f"{path}: column `{name}`, row {row + 1:,}: {wanted[name][row]:g} is neither 0 nor 1"
            )
    features, columns, left_out = _features(path, names, without)
    if not features:
        told = "; ".join(left_out) or f"it has {', '.join(names)}"
        raise NbaError(f"{path}: no column of numbers is left that effects could differ by; {told}")
    rows = np.ascontiguousarray(np.stack(columns, axis=1), dtype=np.float32)
    count = len(rows)
    unit: IntArray = np.arange(count)
    if "customer" in wanted:
        unit = np.unique(wanted["customer"].astype(np.str_), return_inverse=True)[1].reshape(-1)
    of = wanted.get("action")
    parts = {action: np.ones(count, dtype=np.bool_)}
    if of is not None:
        words = sorted(set(of.tolist())) if not action else [action]
        parts = {word: np.asarray(of == word) for word in words}
        if not parts[words[0]].any():
            raise NbaError(f"{path}: no row of action {action!r}")
    trials = {}
    for word, chosen in parts.items():
        treated = wanted["treated"][chosen] > 0.0
        share = wanted.get("propensity", np.full(count, float(treated.mean())))
        trials[word] = Trial(
            rows=rows[chosen],
            treated=treated,
            outcome=wanted["outcome"][chosen],
            propensity=share[chosen],
            unit=unit[chosen],
        )
    return Trials(trials=trials, features=tuple(features), rows=rows, left_out=tuple(left_out))


def _features(
    path: Path, names: tuple[str, ...], without: tuple[str, ...]
) -> tuple[list[Feature], list[FloatArray], list[str]]:
    features, columns, left_out = [], [], []
    for name in names:
        if name in _ROLES or name in without:
            continue
        try:
            column = read_columns(path, {name: "number"}, blank=(name,))[name]
        except NbaError as error:  # texts
            left_out.append(error.message.removeprefix(f"{path}: "))
            continue
        column = np.where(np.abs(column) <= LARGEST, column, np.nan)  # as serving reads it
        known = column[~np.isnan(column)]
        if not len(known) or float(np.ptp(known)) < 1e-12:
            left_out.append(f"column `{name}`: it says the same in every row")
            continue
        feature = Feature(
            name=name, source=f"customer.{identifier(name)}", default=float(np.median(known))
        )
        features.append(feature)
        columns.append(np.where(np.isnan(column), feature.default, column))
    return features, columns, left_out
