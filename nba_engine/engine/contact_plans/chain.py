"""The best chain of contacts for one customer, at the prices of a plan."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from nba_engine.chains import best_chains
from nba_engine.domain import FloatArray, PlannedContact, to_micros
from nba_engine.engine.contact_plans.contacts import PlanContacts
from nba_engine.engine.contact_plans.offers import UNLIMITED, Offers

__all__ = ["BEST", "Made", "chain_of"]

BEST = "best_at_prices"


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A contact of the plan's time that has taken place: it counts, and is not made again."""

    period: int
    action: str
    treatment: str
    cost: float = 0.0


def chain_of(
    offers: Offers,
    contacts: PlanContacts,
    prices: FloatArray,
    *,
    first: int = 0,
    made: Sequence[Made] = (),
) -> tuple[PlannedContact, ...]:
    """The chain of most value less prices, from period ``first`` on, beside what was ``made``.

    ``prices`` (c, periods) as `PlanContacts.prices` has them. What was made counts in the number of
    contacts, in diminishing, in spacing, in the budget and in limits per customer, and its action does
    not come again.
    """
    catalog, terms = contacts.catalog, contacts.terms
    position = contacts.position_of
    before = [(int(position[catalog.treatment_index[one.treatment]]), one.period) for one in made]
    patterns = contacts.patterns(before)
    if patterns is None or not len(offers.treatment) or first >= terms.periods:
        return ()
    of_offers = position[offers.treatment]
    there = of_offers >= 0
    values = np.full((1, len(contacts.treatments), terms.periods), np.nan, dtype=np.float32)
    values[0, of_offers[there]] = offers.value[there, None]
    values[:, :, :first] = np.nan
    for one in made:
        near = range(one.period - terms.spacing + 1, one.period + terms.spacing)
        values[:, :, [period for period in near if 0 <= period < terms.periods]] = np.nan
        number = catalog.action_index.get(one.action, -1)
        values[:, contacts.actions == number] = np.nan
    for own in contacts.known.own if made else ():
        for full, begin, end in own.used_up(before):
            values[:, full, begin : end + 1] = np.nan
    budget = offers.budget
    if budget < UNLIMITED:
        budget = max(0, budget - sum(to_micros(one.cost) for one in made))
    # a server has no use for a compiler: for one customer there is nothing to gain by it
    purse = np.array([budget], dtype=np.int64)
    chains = best_chains(patterns, values, purse, prices, use_numba=False)
    weights = patterns.rules.weights
    found = []
    for j, (contact, period) in enumerate(
        zip(chains.contact[0].tolist(), chains.period[0].tolist(), strict=True)
    ):
        if contact < 0:
            break
        treatment = catalog.treatments[int(contacts.treatments[contact])]
        earns = float(values[0, contact, period]) * patterns.contacts.factor[contact, period]
        starts, ends = contacts.bounds[period : period + 2]
        found.append(
            PlannedContact(
                period=period,
                starts=starts,
                ends=ends,
                action=treatment.action,
                treatment=treatment.id,
                channel=treatment.channel,
                value=float(weights[j] * earns),
                cost=treatment.cost,
                reason=BEST,
            )
        )
    return tuple(found)
