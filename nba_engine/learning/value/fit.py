"""From purchases to a value model: chosen on what is held out, then fitted to everything."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import Store, ValueModel
from nba_engine.domain.purchase_days import DAY
from nba_engine.errors import FailedPrecondition, InvalidRequest
from nba_engine.learning.interactions import Interactions, Progress, read_interactions
from nba_engine.learning.value.buyers import Buyers, Purchases, buyers_of
from nba_engine.learning.value.choice import KINDS, Choice, Model, choose
from nba_engine.learning.value.fitting import refuse
from nba_engine.learning.value.spend import GammaGamma

__all__ = ["SpendHeldOut", "ValueFit", "fit_value", "read_purchases"]

Numbers = NDArray[np.float64]

_SHORTEST = 14.0  # days of which some are held out


class SpendHeldOut(NamedTuple):
    """Mean absolute error of the money per purchase in the time held out, of those who bought then.

    By Gamma-Gamma, by their own mean before, and by everybody's mean; ``customers``: how many.
    """

    customers: int
    gamma_gamma: float
    own_mean: float
    everybody: float


class ValueFit(NamedTuple):
    """``choice`` was fitted before ``cut``; ``purchases``, ``alive`` and ``spend`` to all before ``end``.

    ``buyers``: everybody at the end. ``alive`` None: nobody slips away; ``spend`` None: see
    ``no_spend``. Times in days, counted like those of the purchases.
    """

    choice: Choice
    purchases: Model
    alive: Model | None
    spend: GammaGamma | None
    no_spend: str
    spend_before: GammaGamma | None
    spend_held_out: SpendHeldOut | None
    buyers: Buyers
    cut: float
    end: float

    def model(self) -> ValueModel:
        """What serving reads."""
        return ValueModel(
            purchases=self.purchases.fitted(),
            alive=None if self.alive is None else self.alive.fitted(),
            spend=None if self.spend is None else self.spend.fitted(),
        )

    def p_alive(self) -> Numbers:
        """Of each of ``buyers``, at the end."""
        if self.alive is None:
            return np.ones(len(self.buyers.customer))
        return self.alive.alive(self.buyers)


def read_purchases(
    store: Store, *, types: tuple[str, ...], amount: str, progress: Progress | None = None
) -> tuple[Purchases, Interactions]:
    """The purchases that a store holds, and the interactions they are. Raises `FailedPrecondition`."""
    found = read_interactions(store, types=types, fields=(amount,), progress=progress)
    if not len(found.time):
        raise FailedPrecondition(f"the store holds no interaction of {', '.join(types)}")
    return Purchases(found.customer, found.time / DAY, found.numbers(amount)), found


def fit_value(
    purchases: Purchases,
    *,
    until: float | None = None,
    horizon: float = 91.0,
    tick: Callable[[str], None] = lambda _: None,
) -> ValueFit:
    """Fit to what came before ``until``, choose on the rest, and fit what was chosen to everything.

    Without ``until`` as many days are held out as the ``horizon`` has, at most a third of all. All in
    days. ``tick`` hears of each step. Raises `InvalidRequest` when there is too little to tell.
    """
    begin = math.floor(purchases.time.min())
    end = math.floor(purchases.time.max()) + 1.0
    if end - begin < _SHORTEST:
        raise refuse(
            f"from the first purchase to the last it is {end - begin:.0f} days: two weeks are the least"
        )
    cut = end - math.floor(min(horizon, (end - begin) / 3.0)) if until is None else until
    if not begin < cut < end:
        raise refuse("the purchases are not on both sides of the day up to which models are fitted")
    tick("choosing")
    choice = choose(purchases, cut, end)
    tick("fitting")
    buyers = buyers_of(purchases, end, choice.buyers.window)
    slipping = choice.slipping.model
    tick("spend")
    spend, no_spend = _spend(buyers)
    before, _ = _spend(choice.buyers)
    return ValueFit(
        choice=choice,
        purchases=_again(choice, choice.best, buyers),
        alive=_again(choice, slipping, buyers) if slipping else None,
        spend=spend,
        no_spend=no_spend,
        spend_before=before,
        spend_held_out=_spend_held_out(purchases, choice.buyers, before, cut),
        buyers=buyers,
        cut=cut,
        end=end,
    )


def _again(choice: Choice, name: str, buyers: Buyers) -> Model:
    """A model fitted to everybody; the one before where the whole has no maximum."""
    try:
        model: Model = KINDS[name].fit(buyers)
    except InvalidRequest:
        return choice.models[name]
    return model


def _spend(buyers: Buyers) -> tuple[GammaGamma | None, str]:
    try:
        return GammaGamma.fit(buyers), ""
    except InvalidRequest as wrong:
        return None, wrong.violations[0].description


def _spend_held_out(
    purchases: Purchases, buyers: Buyers, spend: GammaGamma | None, cut: float
) -> SpendHeldOut | None:
    if spend is None:
        return None
    late = (purchases.time >= cut) & (purchases.amount > 0)
    after = buyers_of(
        Purchases(purchases.customer[late], purchases.time[late], purchases.amount[late]), math.inf
    )
    place = np.full(int(purchases.customer.max()) + 1, -1)
    place[after.customer] = np.arange(len(after.customer))
    at = place[buyers.customer]
    known = (at >= 0) & (buyers.repeats > 0) & (buyers.mean_amount > 0)
    if not known.any():
        return None
    days = after.repeats[at[known]] + 1.0
    total = np.bincount(
        purchases.customer[late], weights=purchases.amount[late], minlength=len(place)
    )
    true = total[buyers.customer[known]] / days
    own = buyers.mean_amount[known]
    told = spend.expected(buyers)[known]
    return SpendHeldOut(
        customers=int(known.sum()),
        gamma_gamma=float(np.abs(told - true).mean()),
        own_mean=float(np.abs(own - true).mean()),
        everybody=float(np.abs(own.mean() - true).mean()),
    )
