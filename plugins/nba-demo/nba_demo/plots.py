"""Pictures of the demo: funnel, calibration, spend over time, hits, the contact plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nba_demo.assumptions import COSTS, LIMITS
from nba_demo.results import Results

__all__ = ["draw"]

_INK, _SOFT, _GRID = "#1f2933", "#7b8794", "#e4e7eb"
_BLUE, _ORANGE, _GREEN, _GREY = "#2166ac", "#d97706", "#2f855a", "#9aa5b1"
_FEWEST = 100
_STAGE_COLORS = {
    "eligibility": "#2166ac",
    "contact_policy": "#67a9cf",
    "cross_sell": "#5ab4ac",
    "value": "#a6611a",
    "contact_plan": "#c7a5d8",
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
            ("plan", _plan),
        ):
            figure = paint(plt, results)
            path = folder / f"{name}.png"
            figure.savefig(path, bbox_inches="tight")
            plt.close(figure)
            written.append(path)
    return written


def _funnel(plt: Any, results: Results) -> Any:
    total = results.sums.weighed
    lines = list(results.funnel)
    left = total - sum(line.candidates for line in lines)
    names = [f"{line.stage}: {line.reason}" for line in lines] + ["recommended"]
    counts = [line.candidates for line in lines] + [left]
    colors = [_STAGE_COLORS.get(line.stage, _GREY) for line in lines] + [_GREEN]
    figure, axes = plt.subplots(figsize=(9, 0.36 * len(names) + 1.2))
    before = total
    starts = []
    for count in counts[:-1]:
        before -= count
        starts.append(before)
    starts.append(0)
    seen = [max(count, 0.002 * total) for count in counts]  # a sliver for what is next to none
    axes.barh(names, seen, left=starts, color=colors, height=0.72)
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
    quarters = [total * part / 4 for part in range(5)]
    axes.set_xticks(quarters, [f"{part * 25}%" for part in range(5)])
    axes.grid(visible=False, axis="y")
    axes.set_title(f"What became of {total:,} candidates in {results.decisions:,} decisions")
    return figure


def _calibration(plt: Any, results: Results) -> Any:
    figure, axes = plt.subplots(figsize=(6, 5.4))
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle=(0, (4, 3)))
    for (task, one), color in zip(
        results.offline.calibration.items(), (_BLUE, _ORANGE), strict=False
    ):
        bins = [
            (predicted, seen, count)
            for predicted, seen, count in zip(one.predicted, one.seen, one.counts, strict=True)
            if count >= _FEWEST
        ]
        if not bins:
            continue
        predicted, seen, counts = zip(*bins, strict=True)
        sizes = [16 + 240 * (count / max(counts)) ** 0.5 for count in counts]
        axes.plot(predicted, seen, color=color, linewidth=1.2, alpha=0.7)
        axes.scatter(predicted, seen, s=sizes, color=color, alpha=0.75, label=task)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("predicted probability")
    axes.set_ylabel("share that bought within 14 days")
    axes.set_title("Calibration on the test fortnights")
    legend = axes.legend(
        loc="upper left", title=f"size: rows (bins of {_FEWEST} or more)", scatterpoints=1
    )
    for handle in legend.legend_handles:
        handle.set_sizes([40])
    return figure


def _spend(plt: Any, results: Results) -> Any:
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), width_ratios=(3, 2))
    days = max((len(line) for line in results.spend.values()), default=1)
    bound = LIMITS["campaign_money"]
    sums, labels = [], []
    for channel, name in (("letter", "letters with voucher"), ("email", "e-mails")):
        running = 0.0
        line = results.spend.get(f"autumn/{channel}", [0.0] * days)
        sums.append([running := running + amount for amount in line])
        labels.append(f"{name}: {running:,.0f} USD")
    left.stackplot(range(days), sums, labels=labels, colors=(_BLUE, _ORANGE), alpha=0.85)
    left.axhline(bound, color=_INK, linewidth=1, linestyle=(0, (4, 3)))
    left.annotate(
        f"budget: {bound:,.0f} USD",
        (0, bound),
        xytext=(4, 4),
        textcoords="offset points",
        fontsize=9,
    )
    left.set_xlim(0, max(days - 1, 1))
    left.set_ylim(0, bound * 1.12)
    left.set_xlabel(f"days since {results.first_day}")
    left.set_ylabel("USD, cumulative")
    left.set_title("Spend of the autumn campaign (amounts are assumptions)", fontsize=10.5)
    left.legend(loc="lower right")

    seats = LIMITS["calls_day"]
    calls = [cost / COSTS["call"] for cost in results.spend.get("relations/call", [0.0] * days)]
    right.bar(range(len(calls)), calls, color=_GREEN, width=0.9)
    right.axhline(seats, color=_INK, linewidth=1, linestyle=(0, (4, 3)))
    right.annotate(
        f"{seats:.0f} seats in the call center",
        (0, seats),
        xytext=(0, 4),
        textcoords="offset points",
        fontsize=9,
    )
    right.set_ylim(0, seats * 1.35)
    right.set_yticks(range(int(seats) + 1))
    right.grid(visible=False, axis="x")
    right.set_xlabel(f"days since {results.first_day}")
    right.set_title("Win-back calls a day", fontsize=10.5)
    figure.tight_layout()
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
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)
    return figure


def _plan(plt: Any, results: Results) -> Any:
    planned = results.planned
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2))
    weeks = range(1, planned.weeks + 1)
    letters = {way.name: way.by_week.get("letter", [0] * planned.weeks) for way in planned.ways}
    letters["in the replay"] = list(results.followed.by_week.get("letter", [0] * planned.weeks))
    for (name, line), color in zip(letters.items(), (_BLUE, _ORANGE, _GREEN, _GREY), strict=True):
        left.plot(weeks, line, color=color, marker="o", markersize=4, label=name)
    left.set_xlabel(f"week from {results.first_day} on")
    left.set_title("Letters with voucher a week", fontsize=10.5)
    left.legend(loc="upper right", fontsize=8.5)
    for way, color in zip(planned.ways, (_BLUE, _ORANGE, _GREEN), strict=True):
        running = 0.0
        earned = [running := running + one for one in way.value_by_week]
        right.plot(weeks, earned, color=color, marker="o", markersize=4)
        right.annotate(
            f"{way.name}: {running:,.0f}",
            (planned.weeks, running),
            xytext=(-4, -12),
            textcoords="offset points",
            fontsize=8.5,
            color=color,
            ha="right",
        )
    right.set_ylim(bottom=0)
    right.set_xlabel(f"week from {results.first_day} on")
    right.set_title("Expected margin after costs, USD, cumulative", fontsize=10.5)
    figure.tight_layout()
    return figure
