"""The contacts that can be planned, as the kernel of chains sees them: the same for all customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.chains import ChainRules, Contacts, Patterns, patterns_of, within
from nba_engine.domain import (
    MICROS,
    CatalogView,
    ContactPlanTerms,
    FloatArray,
    IntArray,
    period_bounds,
    to_micros,
)
from nba_engine.engine.contact_plans.per_customer import Known, chain_limits
from nba_engine.errors import FailedPrecondition
from nba_engine.stages.limits import Accounts, Prices

__all__ = ["PlanContacts"]

_KEPT = 32  # patterns that are left behind what was made: each may have megabytes


class PlanContacts:
    """The treatments that fit a planned placement, by the terms of a plan that starts at a time.

    ``treatments`` (c,): their indices in the catalog, ascending; a contact of the kernel is a
    position among them. ``factor`` (c, periods): 0 in periods that begin when the season of the action
    is over, or end before it begins, else 1. ``bounds`` (periods + 1,): when they begin, and the last
    one ends. ``known``: the limits per customer that every chain keeps.
    """

    def __init__(
        self,
        catalog: CatalogView,
        terms: ContactPlanTerms,
        *,
        starts: float,
        bounds: Sequence[float] = (),
    ) -> None:
        """``bounds``: those of a plan that was made; (): by the catalog's time zone.

        Raises `FailedPrecondition` when there is nothing to plan, or too much.
        """
        self.catalog = catalog
        self.terms = terms
        self.bounds = tuple(bounds) or period_bounds(terms, starts, catalog.time_zone)
        fitting = [catalog.fitting(name) for name in terms.placements if name in catalog.placements]
        every = np.unique(np.concatenate([np.zeros(0, dtype=np.intp), *fitting]))
        self.treatments: IntArray = every[~catalog.is_nothing[every]]
        if not len(self.treatments):
            raise FailedPrecondition(
                f"no treatment fits a planned placement ({', '.join(terms.placements)})"
            )
        self.position_of: IntArray = np.full(len(catalog.treatments), -1, dtype=np.intp)
        self.position_of[self.treatments] = np.arange(len(self.treatments))
        self.actions: NDArray[np.int32] = catalog.action_of[self.treatments].astype(np.int32)
        self.cost: NDArray[np.int64] = np.array(
            [to_micros(catalog.treatments[at].cost) for at in self.treatments.tolist()],
            dtype=np.int64,
        )
        self.factor: FloatArray = self._seasons(np.array(self.bounds))
        self._prices = Prices(catalog, Accounts(catalog))
        self._patterns: dict[int, Patterns] = {}
        self._fewer: dict[tuple[int, ...], Patterns] = {}
        self.known: Known = chain_limits(
            catalog, self._contacts(0), self.treatments, self._rules(0), list(pairwise(self.bounds))
        )
        self._limits = tuple(one for of in self.known.limits.values() for one in of)
        self.patterns()  # that there are not too many is to be known at once

    def patterns(self, made: Sequence[tuple[int, int]] = ()) -> Patterns | None:
        """What is left of chains when contacts (position, period) were made already; None: nothing is."""
        if len(made) >= self.terms.most_contacts:
            return None
        found = self._patterns.get(len(made))
        if found is None:
            contacts = msgspec.structs.replace(self._contacts(len(made)), limits=self._limits)
            try:
                found = patterns_of(contacts, self._rules(len(made)))
            except ValueError as error:
                raise FailedPrecondition(f"[contact_plan] cannot be planned: {error}") from None
            self._patterns[len(made)] = found
        if not made or not self._limits:
            return found
        left = [
            one.most - sum(bool(one.counted[at]) and one.first <= t <= one.last for at, t in made)
            for one in self._limits
        ]
        key = (len(made), *left)
        fewer = self._fewer.get(key)
        if fewer is None:
            limits = [
                msgspec.structs.replace(one, most=max(0, most))
                for one, most in zip(self._limits, left, strict=True)
            ]
            fewer = within(found, limits)
            if len(self._fewer) >= _KEPT:
                self._fewer = {}  # replaced, never cleared: others may be reading it
            self._fewer[key] = fewer
        return fewer

    def _rules(self, made: int) -> ChainRules:
        terms = self.terms
        return ChainRules(
            periods=terms.periods,
            most_contacts=terms.most_contacts - made,
            spacing=terms.spacing,
            diminishing=terms.diminishing,
        )

    def _contacts(self, made: int) -> Contacts:
        return Contacts(
            action=self.actions,
            cost=self.cost,
            factor=self.factor * self.terms.diminishing**made,
        )

    def prices(self, prices: Mapping[str, tuple[float, ...]]) -> FloatArray:
        """What contacts cost (c, periods): in money, and at prices as a `PlanMark` has them; inf: none."""
        columns = [
            self._prices.of_treatments({name: row[period] for name, row in prices.items()})
            for period in range(self.terms.periods)
        ]
        asked = np.stack(columns, axis=1)[self.treatments] + self.cost[:, None] / MICROS
        # a minimum must not want what has no season
        return np.where(self.factor > 0.0, asked, np.inf)

    def _seasons(self, bounds: FloatArray) -> FloatArray:
        actions = [self.catalog.actions[at] for at in self.actions.tolist()]
        ends = np.array([np.inf if a.ends is None else a.ends for a in actions])
        starts = np.array([-np.inf if a.starts is None else a.starts for a in actions])
        open_ = (bounds[:-1] < ends[:, None]) & (bounds[1:] > starts[:, None])
        return open_.astype(np.float64)
