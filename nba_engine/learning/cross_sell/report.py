"""The report of `nba crosssell fit`: what was tried, what it is worth, what goes with what."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nba_engine.learning.cross_sell.choosing import Fit
from nba_engine.learning.report import Report, interval_picture, lines
from nba_engine.learning.resampling import Interval

__all__ = ["METHODS", "report_cross_sell", "strongest", "verdict"]

METHODS = {"popularity": "popularity", "ease": "EASE", "log_lift": "log-lift"}
_SHOWN = 25


def verdict(fit: Fit) -> str:
    """The result in one sentence."""
    best = fit.winner
    gain = f"{100 * best.gain.value:+.1f} points, 95% interval {_interval(fit)}"
    if fit.table is None:
        return (
            f"No: on held-out baskets {METHODS[best.method]} is not shown to be better than "
            f"popularity (recall@{fit.top} {gain}). No table was written."
        )
    return (
        f"Yes: {METHODS[best.method]} finds {100 * best.recall.value:.1f}% of what else is in a "
        f"held-out basket among {fit.top} suggestions, popularity "
        f"{100 * fit.judged[0].recall.value:.1f}% ({gain})."
    )


def _interval(fit: Fit) -> str:
    gain = fit.winner.gain
    return f"{100 * gain.low:+.1f} to {100 * gain.high:+.1f}"


def strongest(fit: Fit, most: int = _SHOWN) -> Sequence[tuple[str, str, float]]:
    """The strongest entries of the table: (bought, goes with it, strength)."""
    if fit.table is None:
        return ()
    pairs = [
        (item, other, strength)
        for item in fit.table.items
        for other, strength in fit.table.complements(item).items()
    ]
    return sorted(pairs, key=lambda pair: -pair[2])[:most]


def report_cross_sell(fit: Fit, *, source: str) -> Report:
    """Everything about the choice, with pictures. ``source``: where the baskets came from."""
    report = Report("What goes with what", f"Cross-sell table from {source}")
    report.text(verdict(fit))
    every, chosen_by, judged_by = fit.baskets
    how = (
        "The baskets that judge are later than those that were learned from."
        if fit.by_time
        else "Baskets have no times: customers were divided at random."
    )
    report.text(
        f"{every:,} baskets, {len(fit.items):,} items ({fit.left_out:,} too rare or beyond the most "
        f"were left out). 70% of the baskets were learned from, {chosen_by:,} chose strengths and "
        f"method, {judged_by:,} of two items and more judged. {how} Seed {fit.seed}."
    )
    report.section("Held-out baskets")
    report.text(
        f"Half of a basket is known, the other half is to be found: recall@{fit.top} is the share "
        f"of it among the {fit.top} best scores of all items that are not known. Intervals are from "
        "1,000 bootstrap samples of customers."
    )
    report.picture(
        interval_picture(
            {
                METHODS[one.method]: (one.recall.value, one.recall.low, one.recall.high)
                for one in fit.judged
            },
            unit=f"recall@{fit.top}",
            reference=fit.judged[0].recall.value,
            reference_name="popularity",
        ),
        "Recall with 95% intervals",
        "Points with intervals: recall of popularity, EASE and log-lift on held-out baskets",
    )
    report.table(
        ("method", "strength of shrinking", "recall", "from", "to", "gain", "from", "to"),
        [
            (
                METHODS[one.method],
                one.parameter or None,
                *(one.recall.value, one.recall.low, one.recall.high),
                *((None,) * 3 if one.method == "popularity" else _gain(one.gain)),
            )
            for one in fit.judged
        ],
        "Gain: basket by basket, against popularity",
    )
    report.section("How strongly to shrink")
    curves = {}
    for method in ("ease", "log_lift"):
        grid = [one for one in fit.tried if one.method == method]
        curves[METHODS[method]] = (
            [math.log10(one.parameter) for one in grid],
            [one.recall for one in grid],
        )
    report.picture(
        lines(
            curves, x_label="strength of shrinking: 10 to this power", y_label=f"recall@{fit.top}"
        ),
        "Recall on the baskets that choose",
        "Two curves: recall over the strength of shrinking, for EASE and log-lift",
    )
    report.table(
        ("method", "strength", "recall"),
        [(METHODS[one.method], one.parameter, one.recall) for one in fit.tried],
    )
    if fit.table is not None:
        report.section("The strongest pairs")
        report.text("Weights of the table that serving reads, fitted to all baskets.")
        report.table(("bought", "goes with it", "strength"), strongest(fit))
    return report


def _gain(gain: Interval) -> tuple[float, float, float]:
    return gain.value, gain.low, gain.high
