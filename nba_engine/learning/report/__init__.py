"""Reports as one self-contained HTML file: text, tables, pictures; no script, nothing from outside."""

from nba_engine.learning.report.page import Report
from nba_engine.learning.report.pictures import (
    bars,
    gain_picture,
    histogram,
    interval_picture,
    lines,
    reliability_picture,
    roc_picture,
    shares_picture,
)
from nba_engine.learning.report.style import COLORS, canvas, styled

__all__ = [
    "COLORS",
    "Report",
    "bars",
    "canvas",
    "gain_picture",
    "histogram",
    "interval_picture",
    "lines",
    "reliability_picture",
    "roc_picture",
    "shares_picture",
    "styled",
]
