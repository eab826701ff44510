"""How the server followed the contact plan in the replay, as the client saw it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from nba_demo.bought import Bought
from nba_demo.catalog_policy import PLANNED_PLACEMENTS
from nba_demo.data import CUT_OFF, WEEK, Year
from nba_demo.importing import identity
from nba_demo.replay import Replayed
from nba_engine.domain import MICROS

__all__ = ["Followed", "count_followed"]


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """What went out by e-mail and letter, and what became of the plan's contacts.

    ``as_planned``: for this household, week and treatment, as planned at the cut-off; ``anew``:
    planned anew after something had happened; ``unplanned``: neither. Of the plan's own contacts
    some were not sent: the household did not come in that week (``not_asked``), or was asked and its
    chain had become another (``changed``).
    """

    asked: int  # decisions
    contacts: Mapping[str, int]  # by channel
    spend: float
    as_planned: int
    anew: int
    unplanned: int
    not_asked: int
    changed: int
    by_week: Mapping[str, list[int]]
    labelled: int
    hits: int


def count_followed(
    year: Year, replayed: Sequence[Replayed], plan: Path, bought: Bought, *, weeks: int
) -> Followed:
    """Hold the replay against the file ``plan``."""
    number = {identity(int(one)): at for at, one in enumerate(year.households)}
    planned = {
        (number[row["customer"]], row["period"] - 1, row["treatment"])
        for row in pq.read_table(plan).to_pylist()
    }
    asked: set[tuple[int, int]] = set()
    by_week: dict[str, list[int]] = {}
    sent, cost, labelled, hits = [], 0, 0, 0
    for one in replayed:
        if PLANNED_PLACEMENTS[0] not in one.asked:
            continue
        household = int(year.basket_household[one.basket])
        week = min(int((one.time - CUT_OFF) // WEEK), weeks - 1)
        asked.add((household, week))
        for shown in one.shown:
            if shown.placement not in PLANNED_PLACEMENTS or shown.action == "nothing":
                continue
            sent.append(((household, week, shown.treatment), shown.planned))
            by_week.setdefault(shown.channel, [0] * weeks)[week] += 1
            cost += shown.cost
            hit = bought.within(household, shown.action, one.time)
            labelled += hit is not None
            hits += bool(hit)
    as_planned = {key for key, _ in sent if key in planned}
    left = [(household, week) for household, week, _ in planned - as_planned]
    not_asked = sum(one not in asked for one in left)
    return Followed(
        asked=len(asked),
        contacts={channel: sum(line) for channel, line in by_week.items()},
        spend=cost / MICROS,
        as_planned=len(as_planned),
        anew=sum(due and key not in planned for key, due in sent),
        unplanned=sum(not due and key not in planned for key, due in sent),
        not_asked=not_asked,
        changed=len(left) - not_asked,
        by_week=by_week,
        labelled=labelled,
        hits=hits,
    )
