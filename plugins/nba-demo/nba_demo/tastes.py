"""What households like: their own shares of what they buy, against those of everybody.

A household's affinity to a category is (κ·μ + n) / (κ + Σ n) over μ: n purchases in it, of Σ n in all,
halved every 180 days; μ is everybody's share, and κ says how many purchases that counts as. The prior
(μ and κ) is fitted to what came before the moment at which it is used.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from nba_demo.actions import Offer
from nba_demo.data import CUT_OFF, DAY
from nba_demo.features import ASSORTMENT
from nba_demo.panel import TASTE, Moment, Panel
from nba_engine.domain import FloatArray
from nba_engine.domain.fitted import Fitted, SharePrior
from nba_engine.learning.affinity import (
    Events,
    choices_of,
    fit_shares,
    likelihoods,
    overall_shares,
)
from nba_engine.learning.resampling import Interval, mean_interval

__all__ = ["Taking", "Taste", "Tastes", "events_before"]

_HELD_OUT = 0.25  # of the purchases, the last ones: the shares are judged by them
_RESAMPLES = 200


class Tastes(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What is usual at one moment: shares ``usual`` (A,), and the purchases they count as."""

    usual: FloatArray
    weight: float
    prior: SharePrior

    def affinities(self, moment: Moment) -> FloatArray:
        """How many times everybody's share a category has with a household, (H, A)."""
        taken = moment.taken.sum(1, keepdims=True)
        found: FloatArray = (self.weight + moment.taken / self.usual) / (self.weight + taken)
        return found

    def fitted(self) -> Fitted:
        """As serving reads it."""
        return Fitted(
            by=ASSORTMENT.by,
            half_life=ASSORTMENT.half_life,
            types=ASSORTMENT.types,
            prior=self.prior,
        )


class Taste(msgspec.Struct, frozen=True, kw_only=True):
    """How well shares foretell what is bought next: log-loss per held-out purchase."""

    purchases: int
    half_life_days: float
    weight: float
    loss: float
    alike: float  # of everybody's shares
    saved: Interval  # of the log-loss, over households


class Taking:
    """The purchases up to the cut-off, each with what its household had taken before."""

    def __init__(self, panel: Panel, offers: Sequence[Offer]) -> None:
        self._choices = choices_of(events_before(panel, offers, CUT_OFF), TASTE)
        self._words = [offer.category for offer in offers]

    def before(self, now: float) -> Tastes:
        """What was usual before ``now``."""
        prior = fit_shares(self._choices.where(self._choices.time < now))
        usual = prior.means[""]
        return Tastes(
            usual=np.array([usual[word] for word in self._words]), weight=prior.weight, prior=prior
        )

    def judge(self, *, seed: int) -> Taste:
        """Fit to the first purchases, foretell the last ones."""
        late = self._choices.time > np.quantile(self._choices.time, 1.0 - _HELD_OUT)
        known, later = self._choices.where(~late), self._choices.where(late)
        prior = fit_shares(known)
        usual = np.array([prior.means[""][word] for word in later.words])
        loss = -np.log(likelihoods(later, prior.weight, usual))
        alike = -np.log(overall_shares(known)[later.word])
        return Taste(
            purchases=len(later.word),
            half_life_days=TASTE / DAY,
            weight=prior.weight,
            loss=float(loss.mean()),
            alike=float(alike.mean()),
            saved=mean_interval(
                alike - loss,
                later.customer,
                random=np.random.default_rng(seed),
                resamples=_RESAMPLES,
            ),
        )


def events_before(panel: Panel, offers: Sequence[Offer], now: float) -> Events:
    """What was bought before ``now``, as what learns from purchases takes it."""
    past = panel.span(-np.inf, now)
    order = np.argsort([offer.category for offer in offers], kind="stable")
    place = np.empty(len(offers), np.intp)
    place[order] = np.arange(len(offers))
    household, offer = np.divmod(panel.cell[past], panel.offers)
    by_household = np.argsort(household, kind="stable")
    return Events(
        panel.households,
        tuple(offers[at].category for at in order.tolist()),
        household[by_household],
        place[offer[by_household]],
        panel.time[past][by_household],
        np.zeros(len(by_household), np.bool_),
    )
