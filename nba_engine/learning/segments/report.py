"""The report of `nba segments fit`: which groups there are, in words and pictures."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from nba_engine.domain.values import FloatArray
from nba_engine.learning.report import (
    COLORS,
    Report,
    bars,
    canvas,
    interval_picture,
    lines,
    shares_picture,
    styled,
)
from nba_engine.learning.segments.fitting import Segments

__all__ = ["report_segments", "verdict"]


def verdict(fit: Segments) -> str:
    """The result in one sentence."""
    best = max(fit.choice.tried, key=lambda one: one.gain)
    if not fit.segments:
        return (
            "No: behavior is not described better by groups than by one. The clearest cut, into "
            f"{best.groups}, has a silhouette of {best.silhouette:.3f} where behavior without groups "
            f"has {best.by_chance:.3f} ± {best.spread:.3f}, and two halves of the customers agree "
            f"to {best.agreement:.2f} (1: entirely). Nothing was written."
        )
    count = len(fit.segments)
    used = next(one for one in fit.choice.tried if one.groups == count)
    figures = (
        f"silhouette {used.silhouette:.3f}, {used.by_chance:.3f} without groups; two halves agree "
        f"to {used.agreement:.2f}"
    )
    if fit.forced:
        return (
            f"{count} groups were asked for and are not shown to be there ({figures}): they cut "
            "what is continuous."
        )
    return f"Yes: {count} groups ({figures})."


def report_segments(fit: Segments, *, source: str) -> Report:
    """Everything about the fit. ``source``: where the behavior came from."""
    report = Report("Target groups", f"Segments from {source}")
    report.text(verdict(fit))
    behavior = fit.behavior
    report.text(
        f"{len(behavior.customers):,} customers, {len(behavior.features)} behaviors"
        + (
            f"; left out, as they say too little: {', '.join(behavior.left_out)}"
            if behavior.left_out
            else ""
        )
        + f". Seed {fit.seed}."
    )
    if fit.segments:
        _groups(report, fit)
    report.section("How many groups")
    report.text(
        "For each number k-means was fitted to half of a sample and measured on the other half. The "
        "silhouette says how much nearer customers are to their own group than to the next; “without "
        "groups” is the same for customers drawn with the same distributions and correlations of all "
        "behaviors but no groups. A number counts when it is clearly above that and two halves agree "
        "on the groups to at least 0.7."
    )
    tried = fit.choice.tried
    counts = [one.groups for one in tried]
    report.picture(
        lines(
            {
                "as it is": (counts, [one.silhouette for one in tried]),
                "without groups": (counts, [one.by_chance for one in tried]),
            },
            x_label="number of groups",
            y_label="silhouette (−1 to 1)",
        ),
        "How clearly customers fall into groups",
        "Two curves over the number of groups: silhouette of the customers and of behavior without groups",
    )
    report.table(
        ("groups", "silhouette", "without groups", "± by chance", "agreement of halves", "there"),
        [
            (
                str(one.groups),
                *(one.silhouette, one.by_chance, one.spread, one.agreement),
                "yes" if one.real else "no",
            )
            for one in tried
        ],
    )
    return report


def _groups(report: Report, fit: Segments) -> None:
    report.section("The groups")
    report.table(
        ("segment", "customers", "sets it apart", f"{fit.behavior.value_name or 'value'} (mean)"),
        [(one.name, f"{100 * one.share:.1f}%", one.description, one.value) for one in fit.segments],
        "What sets a group apart, the furthest from the mean of all customers first",
    )
    report.picture(
        _profile(fit),
        "What sets the groups apart: mean of each behavior, in standard deviations from that of all",
        "A matrix of groups and behaviors, colored by how far a group is above or below the mean",
    )
    for one in fit.segments:
        traits = {trait.name: trait.distance for trait in one.traits[:8]}
        report.picture(
            bars(traits, unit="standard deviations from the mean of all"),
            f"{one.name}: {one.description}",
            f"Bars: the behaviors that set {one.name} apart",
        )
    if any(one.value is not None for one in fit.segments):
        report.section("What they are worth")
        values = {one.name: one.value for one in fit.segments if one.value is not None}
        report.picture(
            bars(values, unit=f"{fit.behavior.value_name}, mean per customer"),
            "Value by group",
            "Bars: the mean value of a customer by group",
        )
    if any(one.channels for one in fit.segments):
        report.section("Their channels")
        names = list(fit.behavior.channels)
        report.picture(
            shares_picture(
                {
                    one.name: {name: one.channels.get(name, 0.0) for name in names}
                    for one in fit.segments
                },
                unit="share of the group's contacts or responses",
            ),
            "Through which channels each group is reached, or answers",
            "Bars: the shares of channels by group",
        )
        report.table(
            ("segment", *names),
            [
                (one.name, *(f"{100 * one.channels.get(name, 0.0):.0f}%" for name in names))
                for one in fit.segments
            ],
            "Shares of the group's contacts or responses",
        )
    if fit.explained is not None and fit.rfm is not None and fit.gain is not None:
        report.section("Against RFM quintiles")
        report.text(
            f"Baseline: {len(fit.segments)} bands of the sum of quintile scores of "
            f"{', '.join(fit.rfm_columns)}. Of customers that neither was made from, the groups explain "
            f"{100 * fit.explained.value:.1f}% of the variance of behavior, the bands "
            f"{100 * fit.rfm.value:.1f}% (difference {100 * fit.gain.value:+.1f} points, 95% interval "
            f"{100 * fit.gain.low:+.1f} to {100 * fit.gain.high:+.1f})."
        )
        report.picture(
            interval_picture(
                {
                    "segments": (fit.explained.value, fit.explained.low, fit.explained.high),
                    "RFM bands": (fit.rfm.value, fit.rfm.low, fit.rfm.high),
                },
                unit="share of the variance of behavior explained",
            ),
            "Variance explained, with 95% intervals",
            "Two points with intervals: variance explained by segments and by RFM bands",
        )


@styled()
def _profile(fit: Segments) -> Figure:
    names = [feature.name for feature in fit.behavior.features]
    centers: FloatArray = np.array(fit.centers)
    figure, axes = canvas(height=2.2 + 0.28 * len(names))  # names of segments are long
    colors = LinearSegmentedColormap.from_list("apart", [COLORS[1], "#f7f7f7", COLORS[0]])
    limit = max(1.0, float(np.abs(centers).max()))
    drawn = axes.pcolormesh(
        centers.T, cmap=colors, vmin=-limit, vmax=limit, edgecolors="face", linewidth=0.3
    )
    axes.set_xticks(
        np.arange(len(centers)) + 0.5, [one.name for one in fit.segments], rotation=30, ha="right"
    )
    axes.set_yticks(np.arange(len(names)) + 0.5, names)
    axes.invert_yaxis()
    axes.grid(visible=False)
    figure.colorbar(drawn, ax=axes, label="standard deviations")
    return figure
