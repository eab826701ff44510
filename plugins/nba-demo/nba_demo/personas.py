"""Which households behave alike: target groups from what they did before the cut-off.

Visits, spending, how long they have been away, how often they bought the twelve widest categories,
children, household size, redemptions. Whether there are groups at all is the engine's own test:
clearer than in behavior without groups, and found again in the other half of the households.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from nba_demo.actions import Offer
from nba_demo.data import CUT_OFF, DAY, Year
from nba_demo.panel import HALF_LIFE, Panel, at_moment
from nba_engine.domain import FloatArray
from nba_engine.errors import FailedPrecondition
from nba_engine.learning.segments import (
    Behavior,
    Segments,
    Source,
    behavior_of,
    export_segments,
    fit_segments,
)
from nba_engine.learning.segments.report import verdict

__all__ = ["Persona", "Personas", "fit_personas"]

MODEL = "models/segments"
_WIDEST = 12  # categories
_REFERENCES = 8  # draws of behavior without groups


class Persona(msgspec.Struct, frozen=True, kw_only=True):
    """One group: its name, what sets it apart, and what a household of it is expected to spend."""

    name: str
    description: str
    households: int
    share: float
    revenue: float  # USD in the horizon of budgets


class Personas(msgspec.Struct, frozen=True, kw_only=True):
    """The groups, largest first; none where behavior has no groups. ``verdict``: how sure that is."""

    groups: tuple[Persona, ...]
    verdict: str
    explained: float = 0.0  # of the variance of behavior, held out
    by_bands: float = 0.0  # the same by as many bands of recency, frequency, money

    @property
    def least(self) -> str:
        """The group that is expected to spend least; "" without groups."""
        return min(self.groups, key=lambda one: one.revenue).name if self.groups else ""


def fit_personas(
    year: Year,
    panel: Panel,
    offers: Sequence[Offer],
    revenue: FloatArray,
    folder: Path,
    *,
    seed: int,
) -> tuple[Personas, Mapping[int, str]]:
    """Fit, and write the model into ``folder``; also which group a household is in, by position.

    ``revenue`` (H,) is what households are expected to spend; NaN where that is not known.
    """
    behavior = _behavior(year, panel, offers, revenue)
    try:
        fit = fit_segments(
            behavior,
            references=_REFERENCES,
            rfm=("last_visit", "visits", "spending"),
            seed=seed,
        )
    except FailedPrecondition as error:  # too few households
        return Personas(groups=(), verdict=str(error)), {}
    if not fit.segments:
        return Personas(groups=(), verdict=verdict(fit)), {}
    export_segments(folder / MODEL, fit, held_out=behavior.rows)
    names = [one.name for one in fit.segments]
    belongs = {
        int(household): names[group]
        for household, group in zip(behavior.customers, fit.label.tolist(), strict=True)
    }
    return _told(fit), belongs


def _told(fit: Segments) -> Personas:
    sizes = np.bincount(fit.label, minlength=len(fit.segments)).tolist()
    return Personas(
        groups=tuple(
            Persona(
                name=one.name,
                description=one.description,
                households=size,
                share=one.share,
                revenue=one.value or 0.0,
            )
            for one, size in zip(fit.segments, sizes, strict=True)
        ),
        verdict=verdict(fit),
        explained=fit.explained.value if fit.explained else 0.0,
        by_bands=fit.rfm.value if fit.rfm else 0.0,
    )


def _behavior(year: Year, panel: Panel, offers: Sequence[Offer], revenue: FloatArray) -> Behavior:
    """Of every household that was there before the cut-off."""
    moment = at_moment(panel, CUT_OFF)
    there = np.flatnonzero(moment.visits > 0)
    past = slice(0, int(np.searchsorted(year.basket_time, CUT_OFF)))
    fading = np.exp2((year.basket_time[past] - CUT_OFF) / HALF_LIFE)
    columns: dict[str, tuple[str, FloatArray]] = {
        "visits": ("visits_60d", moment.visits_decayed[1]),
        "spending": ("spent_lately", _summed(year, past, fading * year.basket_amount[past])),
        "kids": ("kids", _known(year, "kids_count")),
        "household_size": ("household_size", _known(year, "household_size")),
        "redemptions": ("redemptions", _redeemed(year)),
    }
    sources = [
        Source(name=name, source=f"customer.{own}", values=values[there])
        for name, (own, values) in columns.items()
    ]
    away = (CUT_OFF - moment.last_visit) / DAY
    sources.append(
        Source(name="last_visit", source="customer.last_visit", values=away[there], since=True)
    )
    short = ["_".join(offer.id.split("_")[:2]) for offer in offers[:_WIDEST]]
    sources += [
        Source(
            name=name if short.count(name) == 1 else offer.id,
            source="customer.bought",
            element=offer.category,
            values=moment.count[there, at],
        )
        for at, (offer, name) in enumerate(zip(offers[:_WIDEST], short, strict=True))
    ]
    return behavior_of(
        [str(one) for one in there.tolist()],
        sources,
        value=revenue[there],
        value_name="revenue",
    )


def _summed(year: Year, rows: slice, amounts: FloatArray) -> FloatArray:
    summed = np.bincount(year.basket_household[rows], amounts, minlength=len(year.households))
    return np.asarray(summed, np.float64)


def _known(year: Year, name: str) -> FloatArray:
    """A number of the demographics; NaN where there is none."""
    found = np.full(len(year.households), np.nan)
    for household, known in year.demographics.items():
        if known.get(name):
            found[household] = int(known[name].rstrip("+"))
    return found


def _redeemed(year: Year) -> FloatArray:
    before = year.campaigns.redemption_time < CUT_OFF
    who = year.campaigns.redemption_household[before]
    return np.bincount(who, minlength=len(year.households)).astype(np.float64)
