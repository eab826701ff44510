"""Pictures of general use. Each function returns a figure for `Report.picture`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter
from numpy.typing import ArrayLike

from nba_engine.domain.values import FloatArray
from nba_engine.learning.metrics import Bins, auc, reliability
from nba_engine.learning.report.style import COLORS, GRID, canvas, styled

__all__ = [
    "bars",
    "gain_picture",
    "histogram",
    "interval_picture",
    "lines",
    "reliability_picture",
    "roc_picture",
    "shares_picture",
]

_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DASHES = ("-", "--", "-.", ":")
_LONGEST = 40
_POINTS = 400
_HATCHES = ("", "//", "..")
_LEGEND = 4  # names in a line
_DEEP = 3  # colors that paper can be read on
_TOLD = 0.07  # of a bar, from which on its figure fits in


@styled()
def bars(
    values: Mapping[str, float],
    *,
    unit: str,
    intervals: Mapping[str, tuple[float, float]] | None = None,
    reference: float | None = None,
    reference_name: str = "",
) -> Figure:
    """Horizontal bars, the first on top, with intervals (low, high) where there are some.

    ``reference`` is a vertical line, such as a baseline's value. A value that is NaN has no bar.
    """
    figure, axes = canvas(height=_height(len(values)))
    places = np.arange(len(values))
    sizes = np.array(list(values.values()), dtype=np.float64)
    axes.barh(places, np.nan_to_num(sizes), height=0.62, color=COLORS[0])
    for place, name in enumerate(values):
        if intervals and name in intervals:
            low, high = intervals[name]
            axes.plot([low, high], [place, place], color="#000000", linewidth=1.4)
            axes.plot([low, high], [place, place], "|", color="#000000", markersize=8)
    _reference(axes, reference, reference_name)
    _named_rows(axes, list(values), unit)
    return figure


@styled()
def interval_picture(
    values: Mapping[str, tuple[float, float, float]],
    *,
    unit: str,
    reference: float | None = None,
    reference_name: str = "",
) -> Figure:
    """Values as points with their intervals (value, low, high), the first on top."""
    figure, axes = canvas(height=_height(len(values)))
    for place, (value, low, high) in enumerate(values.values()):
        axes.plot([low, high], [place, place], color=COLORS[0], linewidth=2.2)
        axes.plot([value], [place], "o", color=COLORS[0], markersize=7)
    _reference(axes, reference, reference_name)
    _named_rows(axes, list(values), unit)
    return figure


@styled()
def lines(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]], *, x_label: str, y_label: str
) -> Figure:
    """Curves (x, y) by name; they differ in dash as well as in color."""
    figure, axes = canvas()
    for i, (name, (x, y)) in enumerate(curves.items()):
        dash = _DASHES[i % len(_DASHES)]
        axes.plot(np.asarray(x), np.asarray(y), dash, color=COLORS[i % len(COLORS)], label=name)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    if len(curves) > 1:
        _legend_above(axes)
    return figure


@styled()
def histogram(
    values: ArrayLike, *, x_label: str, y_label: str = "rows", bins: int = 40, log: bool = False
) -> Figure:
    """How values are distributed; ``log``: counts on a logarithmic scale, for long tails."""
    figure, axes = canvas()
    axes.hist(np.asarray(values, dtype=np.float64), bins=bins, color=COLORS[0], log=log)
    if log:
        axes.set_ylim(bottom=0.8)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    return figure


@styled()
def reliability_picture(
    label: ArrayLike, predictions: Mapping[str, ArrayLike], *, bins: int = 10, by: Bins = "mass"
) -> Figure:
    """Observed share of positives against predicted probability, by model: the nearer to the diagonal the better."""
    figure, axes = canvas(5.0, 4.2)
    largest = 0.0
    for i, (name, probability) in enumerate(predictions.items()):
        table = reliability(label, probability, bins=bins, by=by)
        largest = max(largest, float(table.predicted.max()), float(table.observed.max()))
        color, marker = COLORS[i % len(COLORS)], _MARKERS[i % len(_MARKERS)]
        axes.plot(table.predicted, table.observed, marker=marker, color=color, label=name)
    top = min(1.0, largest * 1.05) or 1.0
    _diagonal(axes, top, "as predicted")
    axes.set_xlabel("predicted probability")
    axes.set_ylabel("observed share of positives")
    axes.legend()
    return figure


@styled()
def gain_picture(label: ArrayLike, scores: Mapping[str, ArrayLike]) -> Figure:
    """Share of all positives reached within the best-scored share of the rows, by model."""
    positive = np.asarray(label, dtype=np.float64)
    figure, axes = canvas(5.0, 4.2)
    for i, (name, score) in enumerate(scores.items()):
        _curve(axes, *gain_curve(positive, np.asarray(score, dtype=np.float64)), i, name)
    _diagonal(axes, 1.0, "at random")
    _percent(axes, "share of rows, best first", "share of positives reached")
    return figure


def gain_curve(positive: FloatArray, score: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Shares of rows, best first, and of positives among them; equal scores are one step."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) != 0, True)
    reached = np.concatenate([[0.0], np.cumsum(positive[order])[last]]) / max(positive.sum(), 1.0)
    share = np.concatenate([[0.0], np.flatnonzero(last) + 1.0]) / max(len(positive), 1)
    return share, reached


@styled()
def roc_picture(label: ArrayLike, scores: Mapping[str, ArrayLike]) -> Figure:
    """True against false positive rate, by model, with its AUC. Needs positives and negatives."""
    positive = np.asarray(label, dtype=np.float64)
    figure, axes = canvas(5.0, 4.2)
    for i, (name, score) in enumerate(scores.items()):
        values = np.asarray(score, dtype=np.float64)
        order = np.argsort(-values, kind="stable")
        last = np.append(np.diff(values[order]) != 0, True)  # equal scores are one step
        hits = np.concatenate([[0.0], np.cumsum(positive[order])[last]])
        misses = np.concatenate([[0.0], np.cumsum(1.0 - positive[order])[last]])
        _curve(axes, misses / misses[-1], hits / hits[-1], i, f"{name}: {auc(label, values):.3f}")
    _diagonal(axes, 1.0, "at random")
    _percent(axes, "false positive rate", "true positive rate")
    return figure


def _curve(axes: Axes, x: np.ndarray, y: np.ndarray, i: int, name: str) -> None:
    """At most some hundred points of a curve: a report is read, not computed with."""
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), _POINTS)).astype(np.intp))
    dash, color = _DASHES[i % len(_DASHES)], COLORS[i % len(COLORS)]
    axes.plot(x[kept], y[kept], dash, color=color, label=name)


def _diagonal(axes: Axes, top: float, name: str) -> None:
    axes.plot([0.0, top], [0.0, top], ":", color="#000000", linewidth=1.0, label=name)


def _percent(axes: Axes, x_label: str, y_label: str) -> None:
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.legend()


def _reference(axes: Axes, at: float | None, name: str) -> None:
    if at is not None:
        axes.axvline(at, color=COLORS[1], linestyle="--", linewidth=1.4, label=name)
        if name:
            _legend_above(axes)


def _legend_above(axes: Axes) -> None:
    """Beside nothing that is drawn, in whatever font the reader has."""
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.1, ncols=2)


def _named_rows(axes: Axes, names: Sequence[str], unit: str) -> None:
    shown = [name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…" for name in names]
    axes.set_yticks(np.arange(len(names)), shown)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(unit)
    axes.spines["left"].set_color(GRID)


@styled()
def shares_picture(rows: Mapping[str, Mapping[str, float]], *, unit: str) -> Figure:
    """A bar of shares (name: part of 1) per row, the first on top; parts from 7 % on have their figure."""
    names = list(dict.fromkeys(name for parts in rows.values() for name in parts))
    figure, axes = canvas(height=_height(len(rows)) + 0.25 * math.ceil(len(names) / _LEGEND))
    starts = np.zeros(len(rows))
    for i, name in enumerate(names):
        sizes = np.array([parts.get(name, 0.0) for parts in rows.values()])
        color, hatch = COLORS[i % len(COLORS)], _HATCHES[i // len(COLORS) % len(_HATCHES)]
        axes.barh(
            np.arange(len(rows)),
            sizes,
            left=starts,
            height=0.62,
            color=color,
            edgecolor="#ffffff",
            hatch=hatch,
            label=name,
        )
        for place, (start, size) in enumerate(zip(starts, sizes, strict=True)):
            if size >= _TOLD:
                told = f"{size:.0%}"
                axes.text(start + size / 2, place, told, color="#ffffff", ha="center", va="center")
        starts += sizes
    _named_rows(axes, list(rows), unit)
    axes.set_xlim(0.0, max(1.0, float(starts.max(initial=0.0))))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    columns = min(len(names), _LEGEND)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.1, ncols=columns)
    return figure


def _height(rows: int) -> float:
    return 1.0 + 0.3 * max(rows, 1)
