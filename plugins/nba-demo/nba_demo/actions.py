"""Which categories become offers, and what the past says about each: price, gap, reach."""

from __future__ import annotations

import re

import msgspec
import numpy as np

from nba_demo.data import CUT_OFF, DAY, Year
from nba_demo.names import readable, slug
from nba_engine.domain import FloatArray, IntArray

__all__ = ["OFFERS", "Offer", "choose_offers"]

OFFERS = 150
MIN_WEEKS = 40
MIN_HOUSEHOLDS = 200

# What no supermarket should push, or what is no product: by whole words of the category's name.
_LEFT_OUT = re.compile(
    r"COUPON|MISC ITEMS|^MISCELLANEOUS|FUEL|GASOLINE|CIGAR|TOBACCO|BEER|WINE|LIQUOR|SPIRITS"
    r"|MAGAZINE|NEWSPAPER|BOOKSTORE|GREETING CARDS|SEASONAL|EASTER|CHRISTMAS|HALLOWEEN|VALENTINE"
    r"|INFANT FORMULA|NO COMMODITY|LOTTERY|J-HOOKS"
)
_HEALTH = frozenset(
    {
        "ANALGESICS",
        "ANTACIDS",
        "COLD AND FLU",
        "DIETARY AID PRODUCTS",
        "EYE AND EAR CARE PRODUCTS",
        "FEMININE HYGIENE",
        "FIRST AID PRODUCTS",
        "LAXATIVES",
        "SINUS AND ALLERGY",
        "VITAMINS",
    }
)
_PET = frozenset({"CAT FOOD", "CAT LITTER", "DOG FOODS", "PET CARE SUPPLIES"})
_BABY = frozenset({"BABY FOODS", "BABY HBC", "DIAPERS & DISPOSABLES", "INFANT CARE PRODUCTS"})


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One category offer, with what the purchases before the cut-off say about it.

    ``price`` is the usual amount on a receipt, ``gap`` the usual number of days between two
    purchases of a household.
    """

    id: str
    category: str  # readable: the word that rules, features and baskets use
    source: str  # as the data writes it
    index: int  # position in `Year.categories`
    department: str
    tags: tuple[str, ...]
    households: int
    price: float
    gap: float


def choose_offers(year: Year, *, until: float = CUT_OFF, count: int = OFFERS) -> tuple[Offer, ...]:
    """The ``count`` categories with the widest reach before ``until``, widest first.

    Left out: what is no product or must not be pushed, and what was not sold in 40 weeks to 200
    households (fewer weeks and households when the panel itself is smaller).
    """
    time = year.basket_time[year.line_basket]
    past = time < until
    category = year.line_category[past]
    household = year.basket_household[year.line_basket[past]]
    width = len(year.categories)
    reach = np.bincount(np.unique(household * width + category) % width, minlength=width)
    week = ((time[past] - year.basket_time[0]) // (7 * DAY)).astype(np.intp)
    weeks = np.bincount(np.unique(week * width + category) % width, minlength=width)
    share = min(1.0, len(year.households) / 2469)
    ranked = sorted(range(width), key=lambda c: (-int(reach[c]), year.categories[c]))
    chosen = [
        c
        for c in ranked
        if not _LEFT_OUT.search(year.categories[c])
        and weeks[c] >= MIN_WEEKS * share
        and reach[c] >= MIN_HOUSEHOLDS * share
    ][:count]
    price = _medians(category, year.line_amount[past], chosen)
    gap = _medians(*_gaps(category, household, time[past]), chosen)
    return tuple(
        Offer(
            id=slug(readable(year.categories[c])),
            category=readable(year.categories[c]),
            source=year.categories[c],
            index=c,
            department=slug(year.departments.get(year.categories[c], "other")),
            tags=_tags(year.categories[c]),
            households=int(reach[c]),
            price=round(price[i], 2),
            gap=round(gap[i], 1),
        )
        for i, c in enumerate(chosen)
    )


def _gaps(category: IntArray, household: IntArray, time: FloatArray) -> tuple[IntArray, FloatArray]:
    """Days between two purchases of one household in one category."""
    order = np.lexsort((time, household, category))
    c, h, t = category[order], household[order], time[order]
    same = (c[1:] == c[:-1]) & (h[1:] == h[:-1])
    return c[1:][same], (np.diff(t)[same]) / DAY


def _medians(category: IntArray, values: FloatArray, chosen: list[int]) -> list[float]:
    return [
        float(np.median(values[category == c])) if np.any(category == c) else 0.0 for c in chosen
    ]


def _tags(category: str) -> tuple[str, ...]:
    groups = (("health", _HEALTH), ("pet", _PET), ("baby", _BABY))
    return tuple(tag for tag, members in groups if category in members)
