"""The part of the summary about the contact plan: with and without it, and how it was followed."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from nba_demo.assumptions import PLAN_CONTACTS, PLAN_DIMINISHING, PLAN_SPACING
from nba_demo.contact_plan import ContactPlanned, Kept, Way
from nba_demo.results import Results

__all__ = ["told_plan"]

_LIMITS = {"autumn_budget": "autumn budget", "letters_week": "letters per week"}


def told_plan(results: Results) -> Iterable[RenderableType]:
    """Ways side by side, what a limit's next unit would earn, and the replay."""
    planned = results.planned
    yield Text(
        f"{planned.candidates:,} contacts are possible for {planned.households:,} households. Each may get "
        f"{PLAN_CONTACTS} in {planned.weeks} weeks, {PLAN_SPACING} weeks apart, within its own budget; the "
        f"second earns {PLAN_DIMINISHING:g} of its value, the third {PLAN_DIMINISHING**2:.2f}. Without a "
        "plan, week by week, households come in any order, and each takes its best contact while there is "
        "room. Rules and limits are the same."
    )
    yield _side_by_side(planned)
    yield Text("*Less what the contacts cost. Amounts and costs are assumptions.", style="dim")
    yield _gain(planned)
    yield _prices(planned)
    yield _followed(results)
    yield Text(
        "Nobody was really contacted: what is expected is the model's word, and what was bought was "
        "bought without any of this. The data cannot tell which way would have earned more."
    )


def _side_by_side(planned: ContactPlanned) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("")
    for way in planned.ways:
        table.add_column(way.name, justify="right", max_width=17)
    for heading, cells in _lines(planned.ways):
        table.add_row(heading, *cells)
    return table


def _lines(ways: tuple[Way, ...]) -> Iterable[tuple[str, list[str]]]:
    yield "expected to earn*, USD", [f"{way.value:,.0f}" for way in ways]
    yield "households contacted", [f"{way.households:,}" for way in ways]
    for channel, name in (("letter", "letters"), ("email", "e-mails")):
        yield name, [f"{way.contacts.get(channel, 0):,}" for way in ways]
    yield "spent, USD", [f"{way.spend:,.2f}" for way in ways]
    for at, kept in enumerate(ways[0].limits):
        name = _LIMITS.get(kept.limit, kept.limit)
        yield f"{name} ({kept.amount:,.0f})", [_used(way.limits[at]) for way in ways]
    yield "above a limit", [f"{sum(kept.over for kept in way.limits):,.0f}" for way in ways]
    yield (
        "bought within 14 days",
        [f"{way.hits / way.labelled:.1%}" if way.labelled else "" for way in ways],
    )


def _used(kept: Kept) -> str:
    if kept.windows == 1:
        return f"{kept.used:,.2f} used"
    return f"{kept.full} of {kept.windows} full"


def _gain(planned: ContactPlanned) -> Text:
    value = planned.planned.value
    others = "; ".join(
        f"{value / way.value - 1.0:.0%} more than “{way.name}”"
        for way in planned.ways[1:]
        if way.value > 0.0
    )
    return Text(
        f"The plan is expected to earn {others}. None within these limits can be expected to earn more "
        f"than {planned.bound:,.2f} USD: this one is within {planned.gap:.3%} of the best there is."
    )


def _prices(planned: ContactPlanned) -> Text:
    parts = []
    for limit, prices in planned.prices.items():
        name = limit.partition("|")[0]
        if not any(prices):
            parts.append(f"{_LIMITS.get(name, name)}: nothing, there is enough")
        elif len(set(prices)) == 1:
            parts.append(f"{_LIMITS.get(name, name)}: {prices[0]:.2f} USD")
        else:
            line = ", ".join(f"{one:.2f}" for one in prices)
            parts.append(f"{_LIMITS.get(name, name)}: {line} USD week by week")
    return Text(f"What one more unit would earn: {'; '.join(parts)}.")


def _followed(results: Results) -> Text:
    followed = results.followed
    total = sum(followed.contacts.values())
    share = f"{followed.hits / followed.labelled:.1%}" if followed.labelled else "none"
    return Text(
        f"In the replay the server follows it. A household is asked about with its first trip of a week; "
        f"what it bought since has its chain computed anew, at the plan's prices. Of {total:,} letters and "
        f"e-mails that went out {followed.as_planned:,} were those of the plan at the cut-off, "
        f"{followed.anew:,} were planned anew, {followed.unplanned:,} were not planned; "
        f"{followed.spend:,.2f} USD were spent. Of the plan's other contacts {followed.not_asked:,} had no "
        f"trip in their week, and {followed.changed:,} gave way. Of the offers that went out {share} were "
        "bought within 14 days: they went to households that had just come to shop."
    )
