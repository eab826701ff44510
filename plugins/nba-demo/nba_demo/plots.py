"""Pictures of the demo: funnel, calibration, spend over time, hits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nba_demo.assumptions import LIMITS
from nba_demo.results import Results

__all__ = ["draw"]

_INK, _SOFT, _GRID = "#1f2933", "#7b8794", "#e4e7eb"
_BLUE, _ORANGE, _GREEN, _GREY = "#2166ac", "#d97706", "#2f855a", "#9aa5b1"
_STAGE_COLORS = {
    "eligibility": "#2166ac",
    "contact_policy": "#67a9cf",
    "cross_sell": "#5ab4ac",
    "value": "#a6611a",
    "arbitration": "#d8b365",
    "slate": "#9aa5b1",
}


def draw(results: Results, folder: Path) -> list[Path]:
    """Write the PNG files; their paths."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    style: dict[Any, Any] = {
        "figure.dpi": 140,
        "font.size": 10,
        "axes.edgecolor": _SOFT,
        "axes.labelcolor": _INK,
        "axes.titlesize": 12,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": _GRID,
        "axes.axisbelow": True,
        "text.color": _INK,
        "xtick.color": _SOFT,
        "ytick.color": _INK,
        "legend.frameon": False,
    }
    written = []
    folder.mkdir(parents=True, exist_ok=True)
    with plt.rc_context(style):
        for name, paint in (
            ("funnel", _funnel),
            ("calibration", _calibration),
            ("spend", _spend),
            ("hits", _hits),
        ):
            figure = paint(plt, results)
            path = folder / f"{name}.png"
            figure.savefig(path, bbox_inches="tight")
            plt.close(figure)
            written.append(path)
    return written


def _funnel(plt: Any, results: Results) -> Any:
    total = results.decisions * results.sums.per_decision
    lines = list(results.funnel)
    left = total - sum(line.candidates for line in lines)
    names = [f"{line.reason}  ·  {line.stage}" for line in lines] + ["recommended"]
    counts = [line.candidates for line in lines] + [left]
    colors = [_STAGE_COLORS.get(line.stage, _GREY) for line in lines] + [_GREEN]
    figure, axes = plt.subplots(figsize=(9, 0.36 * len(names) + 1.2))
    before = total
    starts = []
    for count in counts[:-1]:
        before -= count
        starts.append(before)
    starts.append(0)
    axes.barh(names, counts, left=starts, color=colors, height=0.72)
    for at, count in enumerate(counts):
        where = starts[at] + count
        side = where < 0.82 * total
        axes.annotate(
            f"{count:,}",
            (where if side else starts[at], at),
            xytext=(4 if side else -4, 0),
            textcoords="offset points",
            va="center",
            ha="left" if side else "right",
            fontsize=8.5,
            color=_SOFT,
        )
    axes.invert_yaxis()
    axes.set_xlim(0, total)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / total:.0%}")
    axes.grid(visible=False, axis="y")
    axes.set_title(f"What became of {total:,} candidates in {results.decisions:,} decisions")
    return figure


def _calibration(plt: Any, results: Results) -> Any:
    figure, axes = plt.subplots(figsize=(6, 5.4))
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle=(0, (4, 3)))
    for (task, one), color in zip(
        results.offline.calibration.items(), (_BLUE, _ORANGE), strict=False
    ):
        most = max(one.counts)
        sizes = [16 + 240 * (count / most) ** 0.5 for count in one.counts]
        axes.plot(one.predicted, one.seen, color=color, linewidth=1.2, alpha=0.7)
        axes.scatter(one.predicted, one.seen, s=sizes, color=color, alpha=0.75, label=task)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("predicted probability")
    axes.set_ylabel("share that bought within 14 days")
    axes.set_title("Calibration on the test fortnights")
    legend = axes.legend(loc="upper left", title="area: number of rows", scatterpoints=1)
    for handle in legend.legend_handles:
        handle.set_sizes([40])
    return figure


def _spend(plt: Any, results: Results) -> Any:
    figure, axes = plt.subplots(figsize=(9, 4.2))
    colors = {"letter": _BLUE, "email": _ORANGE, "call": _GREEN}
    names = {"letter": "Letter with voucher", "email": "E-mail", "call": "Call"}
    longest = max((len(line) for line in results.spend.values()), default=0)
    sums, labels, shades = [], [], []
    for channel, name in names.items():
        if channel in results.spend:
            running = 0.0
            line = [running := running + amount for amount in results.spend[channel]]
            sums.append(line)
            labels.append(f"{name}: {line[-1]:,.0f} USD")
            shades.append(colors[channel])
    if sums:
        axes.stackplot(range(longest), sums, labels=labels, colors=shades, alpha=0.85)
    bound = LIMITS["campaign_money"]
    axes.axhline(bound, color=_INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        f"budget of the autumn campaign (letters and e-mails): {bound:,.0f} USD",
        (0, bound),
        xytext=(4, 4),
        textcoords="offset points",
        fontsize=9,
    )
    axes.set_xlim(0, max(longest - 1, 1))
    axes.set_ylim(0)
    axes.set_xlabel(f"days since {results.first_day}")
    axes.set_ylabel("USD, cumulative")
    axes.set_title("Spend over time (costs and budgets are assumptions)")
    axes.legend(loc="lower right")
    return figure


def _hits(plt: Any, results: Results) -> Any:
    figure, axes = plt.subplots(figsize=(8, 3.6))
    choosers = results.hits.choosers
    rows = range(len(choosers))
    height = 0.36
    parts = (
        (-0.5, [one.share for one in choosers.values()], _BLUE, "all offers"),
        (
            0.5,
            [one.new_share for one in choosers.values()],
            _ORANGE,
            "offers of what was not bought in 91 days",
        ),
    )
    for offset, shares, color, label in parts:
        places = [row + offset * height for row in rows]
        axes.barh(places, shares, height=height * 0.92, color=color, label=label)
        for place, share in zip(places, shares, strict=True):
            axes.annotate(
                f"{share:.1%}",
                (share, place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
                color=_SOFT,
            )
    axes.set_yticks(list(rows), list(choosers))
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.grid(visible=False, axis="y")
    axes.set_title("Bought within 14 days of the decision (a purchase is not an acceptance)")
    axes.legend(loc="lower right")
    return figure
