"""How pictures look: colors that color-blind readers tell apart, on light and on dark paper."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["COLORS", "GRID", "VARIABLES", "canvas", "styled"]

# Okabe and Ito (2008), "Color universal design", without black; yellow last, for it is faint.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#f0e442")
_DARK = ("#4ba3dd", "#f2803d", "#2fc59a", "#dd9fc0", "#85caf0", "#efb73c", "#f5ec7a")
GRID = "#d7d9dd"

# A color of a picture becomes a variable of the page: (its name, on light paper, on dark paper).
VARIABLES = {
    "#000000": ("ink", "#1c1e21", "#e6e7e9"),
    "#ffffff": ("paper", "#ffffff", "#17191c"),
    GRID: ("grid", "#d7d9dd", "#3b3f45"),
    **{
        light: (f"color{i}", light, dark)
        for i, (light, dark) in enumerate(zip(COLORS, _DARK, strict=True))
    },
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw inside (or decorate a function that draws), and the picture has the house's style."""
    with mpl.rc_context(
        {
            "axes.axisbelow": True,
            "axes.edgecolor": "#000000",
            "axes.grid": True,
            "axes.prop_cycle": cycler(color=COLORS),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "figure.constrained_layout.use": True,
            "font.family": "sans-serif",
            "font.size": 10.0,
            "grid.color": GRID,
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "lines.linewidth": 1.6,
            "svg.fonttype": "none",  # text stays text: searchable, read aloud, in the page's font
            "text.parse_math": False,  # `$5 off` is the name of an action
        }
    ):
        yield


def canvas(width: float = 7.0, height: float = 3.6) -> tuple[Figure, Axes]:
    """An empty figure, sizes in inches of 72 points, and its axes; nothing to close afterwards."""
    with styled():
        figure = Figure(figsize=(width, height))
        return figure, figure.add_subplot()
