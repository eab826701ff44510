"""What a model sees of its inputs: gaps filled, categories spread out. Part of the graph.

Inputs are float32 as serving assembles them; a category is the position among its categories, and
anything else is missing. A category of few values becomes a column for each (one-hot), one of many
the log-odds of a positive outcome that its value had in training, drawn to the overall ones by
evidence (ordinal by target: Micci-Barreca 2001).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from nba_engine.domain import Feature, FloatArray

__all__ = ["ABSENT", "FEW", "Encoding", "columns_for_fitting", "fit_encoding"]

FEW = 12  # categories that get a column each
ABSENT = -1.0e30  # a number that is not there, where training saw gaps; no value is as small
_EVIDENCE = 20.0  # rows' worth of the overall rate in that of a category
_FOLDS = 5

Rows = NDArray[np.float32]


class Encoding(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Rows (n, f) → columns (n, d), float32: ``names`` says what each is.

    ``plain`` are the positions of inputs taken as they are. ``gaps`` those that may be `ABSENT`:
    ``fill`` stands in, and a column more says so. ``few`` and ``many`` are positions of categories
    with how many they have, ``tables`` the log-odds of each of the latter (missing first).
    """

    names: tuple[str, ...]
    plain: tuple[int, ...] = ()
    gaps: tuple[int, ...] = ()
    fill: tuple[float, ...] = ()
    few: tuple[tuple[int, int], ...] = ()
    many: tuple[tuple[int, int], ...] = ()
    tables: tuple[Rows, ...] = ()

    @property
    def is_identity(self) -> bool:
        """Whether the model sees its inputs as they are."""
        return self.plain == tuple(range(len(self.names)))

    def columns(self, rows: NDArray[np.floating[Any]]) -> Rows:
        """Encode rows."""
        rows = np.asarray(rows, dtype=np.float32)
        if self.is_identity:
            return rows
        out = np.empty((len(rows), len(self.names)), dtype=np.float32)
        at = len(self.plain)
        out[:, :at] = rows[:, list(self.plain)]
        width = len(self.gaps)
        given = rows[:, list(self.gaps)]
        absent = given == np.float32(ABSENT)
        fill = np.array(self.fill, dtype=np.float32)
        out[:, at : at + width] = np.where(absent, fill, given)
        out[:, at + width : at + 2 * width] = absent
        at += 2 * width
        for position, count in self.few:
            out[:, at : at + count] = rows[:, [position]] == np.arange(count, dtype=np.float32)
            at += count
        for (position, _), table in zip(self.many, self.tables, strict=True):
            out[:, at] = table[_places(rows[:, position], len(table))]
            at += 1
        return out

    def nodes(self, entry: str, output: str) -> tuple[list[Any], list[Any]]:
        """The same as ONNX nodes, and their initializers."""
        nodes: list[Any] = []
        constants: list[Any] = []
        parts: list[str] = []

        def constant(name: str, values: Any, kind: Any) -> str:
            constants.append(numpy_helper.from_array(np.asarray(values, dtype=kind), name))
            return name

        def node(kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
            nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
            return name

        def pick(name: str, positions: Sequence[int]) -> str:
            at = constant(f"{name}_at", list(positions), np.int64)
            return node("Gather", [entry, at], name, axis=1)

        if self.plain:
            parts.append(pick("plain", self.plain))
        if self.gaps:
            given = pick("given", self.gaps)
            absent = node("Equal", [given, constant("absent_is", ABSENT, np.float32)], "absent")
            fill = constant("fill", [self.fill], np.float32)
            parts.append(node("Where", [absent, fill, given], "filled"))
            parts.append(node("Cast", [absent], "gaps", to=TensorProto.FLOAT))
        for position, count in self.few:
            place = pick(f"category_{position}", [position])
            each = constant(f"categories_{position}", [np.arange(count)], np.float32)
            hot = node("Equal", [place, each], f"is_{position}")
            parts.append(node("Cast", [hot], f"one_hot_{position}", to=TensorProto.FLOAT))
        for (position, _), table in zip(self.many, self.tables, strict=True):
            place = pick(f"category_{position}", [position])
            one = constant(f"one_{position}", 1.0, np.float32)
            low = constant(f"low_{position}", 0.0, np.float32)
            high = constant(f"high_{position}", float(len(table) - 1), np.float32)
            kept = node(
                "Clip", [node("Add", [place, one], f"next_{position}"), low, high], f"in_{position}"
            )
            at = node("Cast", [kept], f"place_{position}", to=TensorProto.INT64)
            rates = constant(f"rates_{position}", table, np.float32)
            parts.append(node("Gather", [rates, at], f"log_odds_{position}"))
        node("Concat", parts, output, axis=1)
        return nodes, constants


def fit_encoding(
    features: Sequence[Feature], rows: Rows, label: FloatArray, *, few: int = FEW
) -> Encoding:
    """What training rows (n, f) need. ``label`` (n,) may be a share."""
    plain: list[int] = []
    gaps: list[int] = []
    fill: list[float] = []
    small: list[tuple[int, int]] = []
    many: list[tuple[int, int]] = []
    tables: list[Rows] = []
    for at, feature in enumerate(features):
        count = len(feature.categories)
        if feature.transform != "category":
            known = rows[:, at] != np.float32(ABSENT)
            if known.all():
                plain.append(at)
            else:
                gaps.append(at)
                fill.append(float(np.median(rows[known, at])) if known.any() else 0.0)
        elif count <= few:
            small.append((at, count))
        else:
            many.append((at, count))
            tables.append(_log_odds(_places(rows[:, at], count + 1), label, count + 1))
    names = [features[at].name for at in plain]
    names += [features[at].name for at in gaps]
    names += [f"{features[at].name} is missing" for at in gaps]
    names += [
        f"{features[at].name} = {word}" for at, _ in small for word in features[at].categories
    ]
    names += [f"rate of {features[at].name}" for at, _ in many]
    return Encoding(
        names=tuple(names),
        plain=tuple(plain),
        gaps=tuple(gaps),
        fill=tuple(fill),
        few=tuple(small),
        many=tuple(many),
        tables=tuple(tables),
    )


def columns_for_fitting(encoding: Encoding, rows: Rows, label: FloatArray, seed: int) -> Rows:
    """The columns of the training rows: log-odds of a category without the row's own fold.

    A category of few rows would otherwise carry their labels into the model.
    """
    columns = encoding.columns(rows)
    if not encoding.many:
        return columns
    fold = np.random.default_rng(seed).integers(0, _FOLDS, len(rows))
    first = len(encoding.names) - len(encoding.many)
    for number, (position, count) in enumerate(encoding.many):
        places = _places(rows[:, position], count + 1)
        for one in range(_FOLDS):
            inside = fold == one
            table = _log_odds(places[~inside], label[~inside], count + 1)
            columns[inside, first + number] = table[places[inside]]
    return columns


def _places(column: Rows, size: int) -> NDArray[np.intp]:
    places: NDArray[np.intp] = np.clip(column + np.float32(1.0), 0, size - 1).astype(np.intp)
    return places


def _log_odds(places: NDArray[np.intp], label: FloatArray, size: int) -> Rows:
    shown = np.bincount(places, minlength=size)
    taken = np.bincount(places, weights=label, minlength=size)
    overall = float(np.clip(label.mean(), 1e-6, 1 - 1e-6)) if len(label) else 0.5
    rate = np.clip((taken + _EVIDENCE * overall) / (shown + _EVIDENCE), 1e-6, 1 - 1e-6)
    odds: Rows = np.log(rate / (1 - rate)).astype(np.float32)
    return odds
