"""The report of `nba uplift fit`: what showing an action changes, and for whom."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nba_engine.learning.report import Report, interval_picture, lines
from nba_engine.learning.resampling import Interval
from nba_engine.learning.uplift.fitting import Uplift

__all__ = ["report_uplift", "verdict"]

_POINTS = 200


def verdict(fit: Uplift) -> str:
    """The result for one action in one sentence."""
    who = f"{fit.action}: " if fit.action else ""
    average = f"{_points(fit.average)} percentage points on average"
    if fit.effect is None:
        return (
            f"{who}no. Neither an average effect ({average}, 99% interval) nor differences between "
            f"customers (Qini {fit.qini.value:.4f}, 95% interval {fit.qini.low:.4f} to "
            f"{fit.qini.high:.4f}) are shown to be there."
        )
    if fit.kind == "constant":
        return (
            f"{who}yes, the same for everybody as far as can be told: {average} (99% interval). "
            f"Differences between customers are not shown (Qini {fit.qini.value:.4f}, 95% interval "
            f"{fit.qini.low:.4f} to {fit.qini.high:.4f})."
        )
    return (
        f"{who}yes, and it differs between customers: Qini {fit.qini.value:.4f} (95% interval "
        f"{fit.qini.low:.4f} to {fit.qini.high:.4f}), {fit.by_propensity.value:.4f} by propensity; "
        f"{average}."
    )


def _points(interval: Interval) -> str:
    return f"{100 * interval.value:+.1f} ({100 * interval.low:+.1f} to {100 * interval.high:+.1f})"


def report_uplift(fits: Sequence[Uplift], *, source: str) -> Report:
    """Everything about the fits of one or several actions. ``source``: where the log is from."""
    report = Report("What showing it changes", f"Uplift from {source}")
    report.text(
        "Uplift is what being treated adds to the probability of a positive outcome. It is fitted by a "
        "DR-learner (Kennedy 2020) to two thirds of the customers and judged on the others, by doubly "
        "robust scores: their mean is the effect, whatever was predicted. A Qini coefficient is the "
        "area between the curve of treating those first who are told to gain most and that of "
        "treating anybody first, in outcomes per customer; 0 is no better than chance."
    )
    for fit in fits:
        report.section(fit.action or "The treatment")
        report.text(verdict(fit))
        report.text(
            f"{fit.customers:,} rows, {fit.treated:,} of them treated; {fit.judged:,} judged. "
            f"Seed {fit.seed}."
        )
        report.picture(
            lines(
                {
                    **{name: _thinned(curve) for name, curve in fit.curves.items()},
                    "anybody first": _straight(fit),
                },
                x_label="share of customers treated",
                y_label="outcomes gained per customer",
            ),
            "Qini curves on customers that nothing was fitted to",
            "Curves: outcomes gained over the share treated, by uplift, by propensity and at random",
        )
        rows = {
            "by uplift": fit.qini,
            "by propensity": fit.by_propensity,
            "difference": fit.gain,
        }
        report.picture(
            interval_picture(
                {name: (one.value, one.low, one.high) for name, one in rows.items()},
                unit="Qini coefficient, outcomes per customer",
                reference=0.0,
                reference_name="chance",
            ),
            "Qini coefficients with 95% bootstrap intervals; baseline: those likeliest to respond first",
            "Points with intervals: Qini coefficients by uplift, by propensity, and their difference",
        )
        report.table(
            ("tenth, most gain first", "predicted points", "measured points"),
            [
                (str(at + 1), 100 * told, 100 * found)
                for at, (told, found) in enumerate(zip(fit.told, fit.deciles, strict=True))
            ],
            "Effect by tenths of the customers that judge",
        )
    return report


def _thinned(curve: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    kept = np.unique(np.linspace(0, len(curve[0]) - 1, _POINTS).astype(np.intp))
    return curve[0][kept], curve[1][kept]


def _straight(fit: Uplift) -> tuple[np.ndarray, np.ndarray]:
    end = next(iter(fit.curves.values()))[1][-1]
    return np.array([0.0, 1.0]), np.array([0.0, end])
