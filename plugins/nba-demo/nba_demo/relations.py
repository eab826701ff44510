"""Hand-made relations between offers, by category: what replaces and what improves on what.

Complements are not listed here: they come from the table that is learned from the baskets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["SEASONS", "relations_among"]

SUBSTITUTES: tuple[tuple[str, str], ...] = (
    ("MARGARINES", "BUTTER"),
    ("COOKIES/CONES", "COOKIES"),
    ("FRZN POTATOES", "POTATOES"),
    ("FRZN VEGETABLE/VEG DSH", "VEGETABLES - SHELF STABLE"),
)
# from a staple to the fresher or finer category next to it; both names must be offered
UPGRADES: Mapping[str, str] = {
    "CHEESE": "CHEESES",
    "LUNCHMEAT": "DELI MEATS",
    "BAKED BREAD/BUNS/ROLLS": "BREAD",
    "SEAFOOD - FROZEN": "SEAFOOD-FRESH",
    "FROZEN PIE/DESSERTS": "PIES",
    "BAKED SWEET GOODS": "CAKES",
    "FRZN MEAT/MEAT DINNERS": "PREPARED FOOD",
    "HOT DOGS": "DINNER SAUSAGE",
}
# (first day, last day) in which an offer makes sense, an assumption; None: open
SEASONS: Mapping[str, tuple[str | None, str | None]] = {
    "CHARCOAL AND LIGHTER FLUID": ("2017-04-15", "2017-11-15"),
    "FRZN NOVELTIES/WTR ICE": (None, "2017-11-30"),
    "COCOA MIXES": ("2017-11-20", None),
    "CORN": ("2018-05-01", None),
    "STONE FRUIT": ("2018-05-15", None),
}


def relations_among(categories: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """Category → relation → other categories, for those that are all offered."""
    offered = set(categories)
    found: dict[str, dict[str, list[str]]] = {}
    for one, other in SUBSTITUTES:
        if {one, other} <= offered:
            found.setdefault(one, {}).setdefault("substitutes", []).append(other)
    for one, other in UPGRADES.items():
        if {one, other} <= offered:
            found.setdefault(one, {}).setdefault("upgrades_to", []).append(other)
    return found
