"""What purchase models see of customers: how often, how recently, since when, how much."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Buyers", "Purchases", "buyers_of", "counted"]

Numbers = NDArray[np.float64]


class Purchases(NamedTuple):
    """Purchases in any order, one per element.

    ``customer`` (n,) counts from 0, ``time`` (n,) is in days (any origin), ``amount`` (n,) in money,
    NaN where it is not known.
    """

    customer: NDArray[np.intp]
    time: Numbers
    amount: Numbers


class Buyers(NamedTuple):
    """One element per customer; times in days.

    ``repeats`` (x): days with a purchase after the first one; ``recency`` (t_x): from the first to
    the last of them; ``age`` (T): from the first to the last day observed; ``mean_amount``: of the
    repeats, NaN without any; ``recent``: repeats among the last ``window`` days. ``customer``: the
    number in `Purchases`.
    """

    customer: NDArray[np.intp]
    repeats: Numbers
    recency: Numbers
    age: Numbers
    mean_amount: Numbers
    recent: Numbers
    window: int


def buyers_of(purchases: Purchases, until: float, window: int = 91) -> Buyers:
    """Sum up what happened before ``until``; who bought nothing before it is left out.

    Purchases on one day are one, their amounts added: the models count occasions, not receipts.
    Source: Fader and Hardie 2005, "A note on deriving the BG/NBD model", section 1.
    """
    seen = purchases.time < until
    customer = purchases.customer[seen]
    day = np.floor(purchases.time[seen])
    order = np.lexsort((day, customer))
    customer, day = customer[order], day[order]
    amount = np.nan_to_num(purchases.amount[seen])[order]
    first_of_day = np.ones(len(customer), dtype=bool)
    first_of_day[1:] = (customer[1:] != customer[:-1]) | (day[1:] != day[:-1])
    starts = np.flatnonzero(first_of_day)
    amount = np.add.reduceat(amount, starts) if len(starts) else amount
    customer, day = customer[starts], day[starts]
    new = np.ones(len(customer), dtype=bool)
    new[1:] = customer[1:] != customer[:-1]
    begins = np.flatnonzero(new)
    if not len(begins):
        none = np.zeros(0)
        return Buyers(np.zeros(0, dtype=np.intp), none, none, none, none, none, window)
    ends = np.append(begins[1:], len(customer)) - 1
    repeats = (ends - begins).astype(np.float64)
    spent = np.add.reduceat(amount, begins) - amount[begins]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(repeats > 0, spent / repeats, np.nan)
    last = np.ceil(until) - 1.0  # the last day that was seen
    recent = ((day > last - window) & ~new).astype(np.float64)
    return Buyers(
        customer=customer[begins],
        repeats=repeats,
        recency=day[ends] - day[begins],
        age=last - day[begins],
        mean_amount=mean,
        recent=np.add.reduceat(recent, begins),
        window=window,
    )


def counted(purchases: Purchases, buyers: Buyers, since: float, until: float) -> Numbers:
    """Days with a purchase from ``since`` to before ``until``, for each of the buyers."""
    seen = (purchases.time >= since) & (purchases.time < until)
    pairs = np.unique(
        np.stack([purchases.customer[seen], np.floor(purchases.time[seen]).astype(np.intp)]),
        axis=1,
    )
    size = int(max(purchases.customer.max(initial=-1), buyers.customer.max(initial=-1))) + 1
    return np.bincount(pairs[0], minlength=size)[buyers.customer].astype(np.float64)
