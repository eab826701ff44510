"""The part of the summary about habits: target groups, what households like and need again."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from nba_demo.assumptions import HORIZON_DAYS
from nba_demo.cycles import Cycles
from nba_demo.results import Results
from nba_demo.tastes import Taste

__all__ = ["told_cycles", "told_habits", "told_personas"]

_SHOWN = 6  # categories
_TRAITS = 3  # of a group


def told_habits(results: Results) -> Iterable[RenderableType]:
    """Assortment affinities, cycles, and what the data has nothing to learn from."""
    yield _assortment(results.taste)
    cycles = results.cycles
    if cycles.kept:
        yield _table(cycles)
    yield told_cycles(cycles)
    yield Text(
        "No contact in the data names a channel, an incentive or an answer: nothing is learned of who "
        "reads letters or takes vouchers, and there is no treatment score."
    )


def _assortment(taste: Taste) -> Text:
    saved, alike = taste.saved, taste.alike
    return Text(
        f"What a household buys next is foretold {saved.value / alike:.1%} better (log-loss "
        f"{taste.loss:.3f} instead of {alike:.3f} on {taste.purchases:,} held-out purchases; 95% "
        f"interval {saved.low / alike:.1%} to {saved.high / alike:.1%}) by its own shares of the "
        f"categories than by everybody's. They fade by half in {taste.half_life_days:.0f} days, and "
        f"{taste.weight:.0f} purchases count as much as everybody's shares. The propensity model has "
        "them among its features, and explanations name those that stand out."
    )


def _table(cycles: Cycles) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("bought in a cycle*")
    for heading in ("purchases", "offered again after", "usually bought after", "otherwise after"):
        table.add_column(heading, justify="right")
    for one in cycles.kept[:_SHOWN]:
        table.add_row(
            one.category,
            f"{one.purchases:,}",
            *(f"{days:.1f} days" for days in (one.offered_after, one.usually_after)),
            f"{one.fixed:.0f} days",
        )
    return table


def told_cycles(cycles: Cycles) -> Text:
    """What the cycles are worth, or why they are not used."""
    without = cycles.categories - len(cycles.kept)
    if not cycles.kept:
        return Text(
            f"Reorder windows are not used: {cycles.refusal or 'no category has a cycle'}. All "
            f"{cycles.categories} categories keep a fixed window after a purchase."
        )
    hits = ", ".join(f"{share:.1%} with {name}" for name, share in cycles.hits.items())
    more = len(cycles.kept) - _SHOWN
    told = f"{more} more. " if more > 0 else ""
    return Text(
        f"{told}*Of a household that bought it once; its own purchases change that. Of "
        f"{cycles.offers:,} offers of these in held-out weeks, so many were bought within a week: "
        f"{hits}. So these {len(cycles.kept)} wait for the household's own cycle. For the other "
        f"{without} of {cycles.categories}, how long ago they were bought does not tell when they are "
        "bought again, or no better than chance: they keep a fixed window."
    )


def told_personas(results: Results) -> Iterable[RenderableType]:
    """The groups by size, and whether they are there at all."""
    personas = results.personas
    if not personas.groups:
        yield Text(f"There are none. {personas.verdict}")
        return
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("target group", overflow="fold")
    table.add_column("house-\nholds", justify="right")
    table.add_column(f"USD in\n{HORIZON_DAYS} days*", justify="right")
    table.add_column("what sets it apart")
    for one in personas.groups:
        table.add_row(
            one.name,
            f"{one.households:,}",
            f"{one.revenue:,.0f}",
            _shortened(one.description),
        )
    yield table
    yield Text(
        f"*Expected of a household. Are there groups? {personas.verdict} They explain "
        f"{personas.explained:.0%} of the variance of behavior, as many bands of recency, frequency "
        f"and money {personas.by_bands:.0%}. Names come from what sets groups apart, and may be edited. "
        "Every household has the group it was in at the cut-off; a rule of the catalog keeps letters "
        f"with offers from {personas.least}: that they do not pay off there is an assumption."
    )


def _shortened(description: str) -> str:
    """The first of what a description tells: ``Higher visits (on average 9, all customers 4), …``."""
    told = description.removesuffix(".").split("), ")
    return "), ".join(told[:_TRAITS]) + (")" if len(told) > _TRAITS else "")
