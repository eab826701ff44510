"""Examples from anybody's table: kinds of columns inferred, categories found, gaps kept as gaps."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import Feature, FloatArray
from nba_engine.errors import NbaError
from nba_engine.learning.tables import (
    column_names,
    columns_of_lists,
    infer_columns,
    read_columns,
)
from nba_engine.learning.training.encoding import ABSENT
from nba_engine.learning.training.examples import Examples, fill_categories
from nba_engine.models.columns import rows_of_columns
from nba_engine.models.values import DAY

__all__ = ["examples_of_table"]

_POSITIVE = frozenset({"1", "true", "yes", "y", "t"})
_NEGATIVE = frozenset({"0", "false", "no", "n", "f"})
_SOURCE = re.compile(r"(customer|context|action|treatment)\.[A-Za-z_]\w*")
_LISTS = "its cells hold more than one value, or bytes"
_MANY = 0.5  # share of distinct texts above which a column is a name or free text, no category
_FEW_ROWS = 50  # texts that make no such share
_MOSTLY = 0.5  # share of distinct cells that are numbers: the others are told


def examples_of_table(
    path: Path,
    *,
    label: str,
    time: str,
    features: Sequence[str] = (),
    customer: str = "",
    action: str = "",
    window: float = 0.0,
) -> Examples:
    """One example per row of a Parquet or CSV file.

    ``label`` names the column that says how it ended (0/1, true/false, yes/no), ``time`` the one
    that says when it was decided; ``window`` seconds later the label was known. ``features`` are
    the columns to learn from, all others without it. ``customer`` and ``action`` name columns that
    the baselines go by. Raises `NbaError`, one sentence with file, column and remedy.
    """
    names = column_names(path)
    given = {"label": label, "time": time, "customer": customer, "action": action}
    lists = columns_of_lists(path)
    _refuse_lists(path, {name: lists[name] for name in features if name in lists})
    wanted = tuple(features) or tuple(
        name for name in names if name not in {*given.values(), *lists}
    )
    both = sorted({label, time} & set(wanted))
    if both:
        raise NbaError(f"{path}: `{both[0]}` cannot be a feature: it is what is learned, or when")
    if action and not features:
        wanted = (*wanted, action)
    if not wanted:
        raise NbaError(f"{path}: there is no column to learn from beside {label} and {time}")
    moments = read_columns(path, {time: "time"})[time]
    read = infer_columns(path, tuple(dict.fromkeys((*wanted, label))))
    # names, also where they look like numbers: offer 7 is not between 6 and 8
    groups = [name for name in (customer, action) if name]
    names_of = read_columns(path, dict.fromkeys(groups, "text"), blank=groups) if groups else {}
    if action in read:
        read[action] = "text", names_of[action]
    found: list[Feature] = []
    columns: dict[str, NDArray[Any]] = {}
    warnings = [
        f"{name} was left out: {_LISTS} ({lists[name]})"
        for name in names
        if name in lists and not features
    ]
    for name in wanted:
        kind, values = read[name]
        taken = {other.source for other in found}
        source = "action.id" if name == action else _source(name, taken)
        feature = _feature(name, source, kind, values, moments, warnings)
        if feature is not None:
            found.append(feature)
            columns[name] = values
    if not found:
        raise NbaError(f"{path}: no column to learn from is left; {'; '.join(warnings)}")
    actions, action_code = _groups(names_of.get(action), len(moments))
    _, customer_code = _groups(names_of.get(customer), len(moments))
    return Examples(
        source="table",
        features=tuple(found),
        rows=rows_of_columns(found, columns, now=moments),
        label=_labels(path, label, *read[label]),
        time=moments,
        known=moments + window,
        action=action_code,
        actions=actions,
        customer=customer_code,
        warnings=tuple(warnings),
    )


def _refuse_lists(path: Path, lists: Mapping[str, str]) -> None:
    for name, kind in lists.items():
        raise NbaError(
            f"{path}: column `{name}` cannot be a feature: {_LISTS} ({kind}); leave it out of "
            "--features, or write each value that matters into a column of its own"
        )


def _feature(
    name: str,
    source: str,
    kind: str,
    values: NDArray[Any],
    moments: FloatArray,
    warnings: list[str],
) -> Feature | None:
    if kind == "text":
        words = values[values != ""]
        different = np.unique(words.astype(str)).tolist()
        distinct, odd = len(different), [word for word in different if not _is_number(word)]
        mostly = source != "action.id" and 0 < len(odd) < (1 - _MOSTLY) * distinct
        remedy = f"; most of it is numbers, {odd[0]!r} is none: mend or empty it" if mostly else ""
        if distinct > max(_FEW_ROWS, _MANY * len(words)):
            warnings.append(
                f"{name} was left out: {distinct:,} different texts are names, no kinds{remedy}"
            )
            return None
        if mostly:
            warnings.append(f"{name} was taken for a category{remedy}")
        if distinct < 2 and len(words) == len(values):
            warnings.append(f"{name} was left out: it says the same in every row")
            return None
        return fill_categories(Feature(name=name, source=source, transform="category"), values)
    known = values[~np.isnan(values)]
    if not len(known) or (known.min() == known.max() and len(known) == len(values)):
        warnings.append(f"{name} was left out: it says the same in every row")
        return None
    given = (moments - values) / DAY if kind == "time" else values
    # a gap that training never saw is filled with what is usual
    default = ABSENT if len(known) < len(values) else float(np.median(given))
    if kind == "time":
        later = float(np.mean((values > moments)[~np.isnan(values)]))
        if later:
            warnings.append(
                f"{name} lies after the row's own time in {later:.1%} of the rows: was it known "
                "before? What becomes known with the outcome is no feature"
            )
        return Feature(name=name, source=source, transform="days_since", default=default)
    return Feature(name=name, source=source, default=default)


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def _source(name: str, taken: set[str]) -> str:
    """Where serving would read it: ``age`` is ``customer.age``, ``context.hour`` what it says."""
    if _SOURCE.fullmatch(name):
        return name
    word = re.sub(r"\W", "_", name, flags=re.ASCII).strip("_") or "column"
    source = f"customer.{word if not word[0].isdigit() else f'_{word}'}"
    number = 2
    while source in taken:
        source, number = f"{source.rstrip('0123456789')}{number}", number + 1
    return source


def _labels(path: Path, name: str, kind: str, values: NDArray[Any]) -> FloatArray:
    remedy = "write 1 for a positive outcome and 0 for none, or true and false"
    if kind == "number":
        wrong = ~np.isin(values, (0.0, 1.0))
        label = np.asarray(values, dtype=np.float64)
    else:
        words = np.array([str(value).strip().lower() for value in values], dtype=object)
        positive = np.isin(words, list(_POSITIVE))
        wrong = ~(positive | np.isin(words, list(_NEGATIVE)))
        label = positive.astype(np.float64)
    if wrong.any():
        row = int(wrong.argmax())
        shown = (
            "is empty"
            if values[row] in ("", None) or values[row] != values[row]
            else f"{values[row].item() if kind == 'number' else values[row]!r} is no label"
        )
        raise NbaError(f"{path}: column `{name}`, row {row + 1:,}: {shown}; {remedy}")
    if label.min() == label.max():
        raise NbaError(f"{path}: column `{name}`: every row says {label[0]:g}; {remedy}")
    return label


def _groups(values: NDArray[Any] | None, count: int) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    if values is None:
        return ("",), np.zeros(count, dtype=np.int32)
    words, code = np.unique(values.astype(str), return_inverse=True)
    return tuple(words.tolist()), code.reshape(-1).astype(np.int32)
