"""Who redeems a coupon of a campaign? Response of households to the year's campaigns.

Trained on campaigns that ended before October, measured on campaigns 16 to 19. Features are as of
the first day of a campaign. The contacts were targeted, not randomized: this predicts who
redeems, not what a contact changes. A household that redeems is not the same as one that was won.
"""

from __future__ import annotations

import msgspec
import numpy as np

from nba_demo.data import DAY, Year, local
from nba_demo.intervals import Interval, Resampling, difference, interval
from nba_demo.measures import BINS
from nba_engine.domain import BoolArray, FloatArray, IntArray
from nba_engine.learning import lift

__all__ = ["TESTED", "Response", "features_of", "measure_response"]

TESTED = (16, 17, 18, 19)
TRAINED_UNTIL = local(2017, 10, 1)
LATELY = 90 * DAY
LONG_AGO = 365.0  # days: nothing is counted as longer ago
PRIOR, EVIDENCE = 0.12, 3.0  # the usual share of redeemers, worth three campaigns
_PENALTY = 10.0  # L2 on standardized features
_TYPES = ("Type A", "Type B")


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """Held-out figures of the response model, and of the household's own past as the baseline."""

    contacts: int
    redeemed: float  # share of the contacts
    auc: Interval
    own_auc: Interval
    above_own: Interval  # AUC minus that of the own past
    ece: Interval
    top_lift: float  # redeemers among the best tenth over all


def measure_response(year: Year, *, seed: int) -> Response | None:
    """Train, predict, measure; None when too few households are there for either part."""
    from sklearn.linear_model import LogisticRegression

    contacts = year.campaigns
    rows, own = features_of(year)
    redeemed = _redeemed(year)
    ended = np.array([contacts.end_of[c] for c in contacts.contact_campaign.tolist()])
    train = ended < TRAINED_UNTIL
    test = np.isin(contacts.contact_campaign, TESTED)
    if not (_both(redeemed[train]) and _both(redeemed[test])):
        return None
    center, scale = rows[train].mean(0), rows[train].std(0) + 1e-9
    model = LogisticRegression(C=1.0 / _PENALTY)
    model.fit((rows[train] - center) / scale, redeemed[train])
    p = np.asarray(model.predict_proba((rows[test] - center) / scale)[:, 1], np.float64)
    label = redeemed[test]
    resampling = Resampling(contacts.contact_household[test], seed=seed)
    by_model, by_own = resampling.auc(label, p), resampling.auc(label, own[test])
    return Response(
        contacts=int(test.sum()),
        redeemed=float(label.mean()),
        auc=interval(by_model),
        own_auc=interval(by_own),
        above_own=difference(by_model, by_own),
        ece=resampling.ece(label[:, None], p[:, None], np.ones((len(p), 1), np.bool_), BINS),
        top_lift=lift(label, p),
    )


def _both(label: BoolArray) -> bool:
    return bool(label.any() and not label.all())


def _redeemed(year: Year) -> BoolArray:
    """Whether each contact's household redeemed a coupon of that campaign, (contacts,)."""
    of = year.campaigns
    return np.isin(
        _pair(of.contact_household, of.contact_campaign),
        _pair(of.redemption_household, of.redemption_campaign),
    )


def features_of(year: Year) -> tuple[FloatArray, FloatArray]:
    """Features (contacts, 12) and the smoothed own past (contacts,), as of the campaign's start."""
    of = year.campaigns
    number = len(year.households)
    rows = np.zeros((len(of.contact_campaign), 9 + len(_TYPES) + 1))
    own = np.zeros(len(rows))

    def count(household: IntArray, time: FloatArray, since: float, until: float) -> FloatArray:
        between = (time >= since) & (time < until)
        return np.asarray(np.bincount(household[between], minlength=number), np.float64)

    registered = np.array([one in year.demographics for one in range(number)], np.float64)
    for campaign in np.unique(of.contact_campaign).tolist():
        now = of.start_of[campaign]
        at = of.contact_campaign == campaign
        early = of.redemption_time < now
        pairs = np.unique(_pair(of.redemption_household[early], of.redemption_campaign[early]))
        responses = np.bincount(pairs // _CAMPAIGNS, minlength=number).astype(np.float64)
        asked = count(of.contact_household, of.contact_time, -np.inf, now)
        share = (responses + PRIOR * EVIDENCE) / (asked + EVIDENCE)
        last = np.full(number, -np.inf)
        used = year.coupon_time < now
        np.maximum.at(last, year.coupon_household[used], year.coupon_time[used])
        lately = (year.basket_time >= now - LATELY) & (year.basket_time < now)
        spent = np.bincount(
            year.basket_household[lately], year.basket_amount[lately], minlength=number
        )
        columns = [
            np.log1p(count(year.coupon_household, year.coupon_time, -np.inf, now)),
            np.log1p(count(year.coupon_household, year.coupon_time, now - LATELY, now)),
            np.log1p(np.minimum((now - last) / DAY, LONG_AGO)),
            np.log1p(responses),
            np.log1p(asked),
            np.log1p(count(of.redemption_household, of.redemption_time, -np.inf, now)),
            share,
            np.log1p(count(year.basket_household, year.basket_time, now - LATELY, now)),
            np.log1p(np.maximum(spent, 0.0)),
            *(np.full(number, of.type_of.get(campaign) == one, np.float64) for one in _TYPES),
            registered,
        ]
        chosen = of.contact_household[at]
        rows[at] = np.stack(columns, axis=1)[chosen]
        own[at] = share[chosen]
    return rows, own


_CAMPAIGNS = 1000  # more than there are


def _pair(household: IntArray, campaign: IntArray) -> IntArray:
    return np.asarray(household * _CAMPAIGNS + campaign, np.intp)
