"""Picks from a plain Parquet or CSV file, whoever logged them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_engine.domain.values import IntArray
from nba_engine.errors import NbaError
from nba_engine.learning.evaluation.picks import Picks, check_picks
from nba_engine.learning.tables import Kind, column_names, read_columns

__all__ = ["read_picks"]

_WANTED: dict[str, Kind] = {
    "action": "text",
    "reward": "number",
    "propensity": "number",
    "target_probability": "number",
}
_OPTIONAL: dict[str, Kind] = {
    "q_logged": "number",
    "q_target": "number",
    "customer": "text",
    "channel": "text",
    "decision": "text",
    "placement": "text",
    "position": "integer",
}


def read_picks(path: Path) -> Picks:
    """Read and check a file with a row per pick.

    Columns ``action``, ``reward``, ``propensity`` (the logged policy's probability of the pick) and
    ``target_probability`` (that of the policy under test); optional ``q_logged`` and ``q_target``
    for DR, ``customer``, ``channel``, and for slates ``decision``, ``placement`` and ``position``
    (from 0). Raises `NbaError`: file, column, row, remedy.
    """
    if "record" in column_names(path):
        raise NbaError(f"{path}: it is a decision log of this engine: name it with --log")
    columns = read_columns(path, _WANTED, optional=_OPTIONAL)
    rows = len(columns["reward"])
    one = {"q_logged", "q_target"} & set(columns)
    if len(one) == 1:
        raise NbaError(
            f"{path}: it has `{one.pop()}` alone; DR needs q_logged (what the pick was expected to "
            "earn) and q_target (what the policy under test would): give both or neither"
        )
    if "position" in columns and "decision" not in columns:
        raise NbaError(
            f"{path}: it has `position` without `decision`: name what was shown together"
        )
    decision = columns.get("decision")
    customer = columns.get("customer")
    picks = Picks(
        decision=np.arange(rows) if decision is None else _codes(decision),
        placement=columns.get("placement", np.full(rows, "", dtype=object)),
        position=columns.get("position", np.zeros(rows, dtype=np.int64)),
        reward=columns["reward"],
        propensity=columns["propensity"],
        target=columns["target_probability"],
        action=columns["action"],
        channel=columns.get("channel"),
        customer=None if customer is None else _codes(customer),
        expected=columns.get("q_logged"),
        expected_target=columns.get("q_target"),
    )
    check_picks(picks, source=str(path))
    return picks


def _codes(names: NDArray[Any]) -> IntArray:
    return np.unique(names.astype(str), return_inverse=True)[1].reshape(-1).astype(np.intp)
