"""When what was bought is needed again, by household: where the purchases show a cycle at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

from nba_demo.actions import Offer
from nba_demo.assumptions import owned_days
from nba_demo.data import CUT_OFF
from nba_demo.features import CYCLE
from nba_demo.panel import Panel
from nba_demo.tastes import events_before
from nba_engine.domain.fitted import Fitted, ReorderPrior
from nba_engine.learning.reorder import fit_reorder
from nba_engine.learning.resampling import Interval

__all__ = ["Cycled", "Cycles", "fit_cycles"]


class Cycled(msgspec.Struct, frozen=True, kw_only=True):
    """A category that is bought in a cycle; days, of a household that bought it once."""

    category: str
    purchases: int
    offered_after: float
    usually_after: float
    fixed: float  # the window it would have without a cycle


class Cycles(msgspec.Struct, frozen=True, kw_only=True):
    """Categories with a cycle, and what the households' own windows are worth on held-out weeks.

    ``hits``: bought within a week, of equally many offers, by policy; ``gain``: of the own windows
    over the better other one. ``refusal``: why they are not used, "" where they are.
    """

    categories: int
    kept: tuple[Cycled, ...]
    offers: int
    hits: Mapping[str, float]
    gain: Interval | None
    refusal: str


def fit_cycles(
    panel: Panel,
    offers: Sequence[Offer],
    *,
    seed: int,
    tick: Callable[[int], None] = lambda _: None,
) -> tuple[Cycles, Fitted | None]:
    """Fit to the purchases before the cut-off: figures, and what serves (None: nothing does).

    ``tick`` is called with 1 for each category.
    """
    fixed = {offer.category: float(owned_days(offer.gap)) for offer in offers}
    found = fit_reorder(
        events_before(panel, offers, CUT_OFF),
        CYCLE,
        windows=fixed,
        random=np.random.default_rng(seed),
        progress=lambda _done, _all: tick(1),
    )
    fitted = found.fitted
    served = (
        fitted.prior.cycles if fitted is not None and isinstance(fitted.prior, ReorderPrior) else {}
    )
    kept = tuple(
        Cycled(
            category=one.category,
            purchases=one.purchases,
            offered_after=one.wait or 0.0,
            usually_after=one.usual or 0.0,
            fixed=fixed[one.category],
        )
        for one in sorted(found.categories, key=lambda one: -one.purchases)
        if one.category in served
    )
    return (
        Cycles(
            categories=len(offers),
            kept=kept,
            offers=found.offers,
            hits=found.hits,
            gain=found.gain,
            refusal=found.refusal,
        ),
        fitted,
    )
