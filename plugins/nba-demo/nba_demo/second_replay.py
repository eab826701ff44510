"""The same weeks once more without the plan and its prices: ``nba demo --full``.

Same households, trips, catalog, models, limits and servers, from the same moment, in a store of its own.
The stage that follows plans is there, and has none to follow: whoever asks first takes what there is.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from nba_demo.actions import Offer
from nba_demo.assumptions import PLAN_DIMINISHING
from nba_demo.bought import Bought
from nba_demo.catalog_policy import PLANNED_PLACEMENTS
from nba_demo.data import CUT_OFF, WEEK, Year
from nba_demo.importing import Baskets, import_year
from nba_demo.replay import Replayed, replay
from nba_demo.serving import ServerProcess
from nba_demo.steps import Steps
from nba_engine.domain import MICROS

__all__ = ["FOLDER", "Sent", "replay_without_plan", "sent", "tell_both"]

FOLDER = "without_plan"
_LEFT = (
    "data",
    "plan",
    "plots",
    "reports",
    "registry",
    FOLDER,
)  # what the second run does not need
_WEEKS = 8


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """The letters and e-mails of one replay. Money as expected by the model, less costs.

    ``overruns``: contacts beyond a limit; ``by_week``: their number.
    """

    households: int
    contacts: Mapping[str, int]  # by channel
    spend: float
    expected: float
    by_week: Sequence[int]
    overruns: int
    labelled: int
    hits: int

    @property
    def hit_rate(self) -> float | None:
        """Of the offers that went out, those that were bought within 14 days."""
        return self.hits / self.labelled if self.labelled else None


def sent(year: Year, replayed: Sequence[Replayed], bought: Bought) -> Sent:
    """What went out in the placements that are planned, and what it is expected to earn.

    A household's second contact earns `PLAN_DIMINISHING` of its value, and so on, planned or not.
    """
    number: Counter[int] = Counter()  # of contacts, by household
    channels: Counter[str] = Counter()
    by_week = [0] * _WEEKS
    cost = labelled = hits = 0
    expected = 0.0
    for one in replayed:
        household = int(year.basket_household[one.basket])
        for shown in one.shown:
            if shown.placement not in PLANNED_PLACEMENTS or shown.action == "nothing":
                continue
            worth = PLAN_DIMINISHING ** number[household] * (shown.score + shown.cost)
            expected += (worth - shown.cost) / MICROS
            number[household] += 1
            channels[shown.channel] += 1
            by_week[min(int((one.time - CUT_OFF) // WEEK), _WEEKS - 1)] += 1
            cost += shown.cost
            hit = bought.within(household, shown.action, one.time)
            labelled += hit is not None
            hits += bool(hit)
    return Sent(
        households=len(number),
        contacts=dict(channels),
        spend=cost / MICROS,
        expected=expected,
        by_week=by_week,
        overruns=sum(one.overruns for one in replayed),
        labelled=labelled,
        hits=hits,
    )


def replay_without_plan(
    out: Path,
    year: Year,
    offers: tuple[Offer, ...],
    segments: Mapping[int, str],
    steps: Steps,
    *,
    seed: int,
) -> list[Replayed]:
    """Import the year again beside the demo in ``out``, and replay it; no plan is made.

    Raises `Unavailable` when a server refuses a call.
    """
    folder = out / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    ignored: Callable[..., set[str]] = shutil.ignore_patterns(*_LEFT, "*.log", "summary.json")
    shutil.copytree(out, folder, ignore=ignored)
    with steps.step(
        "second import", "Importing once more, for a replay without the plan", 1
    ) as tick:
        store = folder / "data" / "nba.db"
        import_year(year, offers, store, until=CUT_OFF, seed=seed, segments=segments)
        tick(1)
    trips = int((year.basket_time >= CUT_OFF).sum())
    settings = folder / "nba.toml"
    with (
        ServerProcess(settings, log=folder / "server.log") as server,
        ServerProcess(settings, log=folder / "second_server.log") as second,
        steps.step("second replay", f"Replaying {trips:,} trips without the plan", trips) as tick,
    ):
        addresses = (server.address, second.address)
        return replay(year, Baskets(year, offers), addresses, start=CUT_OFF, tick=tick)


def tell_both(console: Console, planned: Sent, without: Sent, began: float) -> None:
    """Both replays side by side."""
    console.print()
    title = Text("The replay with the plan and its prices, and without", style="bold")
    console.print(Rule(title, align="left", style="dim", characters="─"))
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("letters and e-mails that went out")
    for name in ("with plan and prices", "without"):
        table.add_column(name, justify="right")
    both = (planned, without)
    for name, told in (
        ("expected to earn*, USD", [f"{one.expected:,.0f}" for one in both]),
        ("households contacted", [f"{one.households:,}" for one in both]),
        ("letters", [f"{one.contacts.get('letter', 0):,}" for one in both]),
        ("e-mails", [f"{one.contacts.get('email', 0):,}" for one in both]),
        ("spent, USD", [f"{one.spend:,.2f}" for one in both]),
        ("contacts by week", [" ".join(f"{week:,}" for week in one.by_week) for one in both]),
        ("above a limit", [f"{one.overruns:,}" for one in both]),
        ("bought within 14 days", [_share(one.hit_rate) for one in both]),
    ):
        table.add_row(name, *told)
    console.print(table)
    console.print(
        Text(
            "*Less what the contacts cost, the second of a household at "
            f"{PLAN_DIMINISHING:g} of its value and so on. Same trips, catalog and limits; without the plan "
            f"whoever asks first takes what there is. {time.monotonic() - began:,.0f} seconds."
        ),
        style="dim",
    )


def _share(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.1%}"
