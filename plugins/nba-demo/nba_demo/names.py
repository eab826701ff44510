"""Readable names for the terse category names of the data."""

from __future__ import annotations

import re

__all__ = ["readable", "slug"]

_NAMES = {
    "BEANS - CANNED GLASS & MW": "Canned beans",
    "BREAD": "Bakery bread",
    "CANDY - CHECKLANE": "Checkout candy",
    "CHEESES": "Deli cheese",
    "CHICKEN/POULTRY": "Deli chicken",
    "CONVENIENT BRKFST/WHLSM SNACKS": "Breakfast and wholesome snacks",
    "COOKIES": "Bakery cookies",
    "DRY BN/VEG/POTATO/RICE": "Dry beans, potatoes, rice",
    "FACIAL TISS/DNR NAPKIN": "Tissues, napkins",
    "FLORAL-FRESH CUT": "Cut flowers",
    "FLUID MILK PRODUCTS": "Milk",
    "FRZN MEAT/MEAT DINNERS": "Frozen meat dinners",
    "FRZN VEGETABLE/VEG DSH": "Frozen vegetables",
    "HEAT/SERVE": "Heat-and-serve meals",
    "HISPANIC": "Hispanic foods",
    "MEAT - MISC": "Other meat",
    "MISC. DAIRY": "Other dairy",
    "PEPPERS-ALL": "Peppers",
    "PICKLE/RELISH/PKLD VEG": "Pickles, relish",
    "PNT BTR/JELLY/JAMS": "Peanut butter, jelly, jams",
    "PROCESSED": "Processed produce",
    "PWDR/CRYSTL DRNK MX": "Powdered drink mixes",
    "REFRIGERATED": "Chilled natural foods",
    "ROLLS": "Bakery rolls",
    "SALD DRSNG/SNDWCH SPRD": "Salad dressing, sandwich spread",
    "SEAFOOD-FRESH": "Fresh seafood",
    "VEGETABLES - ALL OTHERS": "Other vegetables",
    "VEGETABLES SALAD": "Salad vegetables",
    "WATER - CARBONATED/FLVRD DRINK": "Carbonated and flavored water",
}
_WORDS = {
    "BKD": "baked",
    "CLEANG": "cleaning",
    "DRNKS": "drinks",
    "EXTRACTS": "extracts",
    "FD": "food",
    "BG": "bags",
    "FRZN": "frozen",
    "HBC": "care",
    "MISC": "other",
    "MIXS": "mixes",
    "MXS": "mixes",
    "REFRGRATD": "chilled",
    "SHERBTS": "sherbets",
    "SUPPPLIES": "supplies",
    "SWEETNERS": "sweeteners",
    "TRSH": "trash",
    "WTR": "water",
}


def readable(category: str) -> str:
    """``REFRGRATD JUICES/DRNKS`` → ``Chilled juices, drinks``; ``SOUP`` → ``Soup``."""
    if category in _NAMES:
        return _NAMES[category]
    thing, dash, kind = category.partition(" - ")
    words = f"{kind} {thing}" if dash else category.replace(":", " ")
    parts = [
        " ".join(_WORDS.get(word, word.lower()) for word in part.split())
        for part in words.split("/")
    ]
    text = ", ".join(part for part in parts if part).replace(" & ", " and ")
    return text[:1].upper() + text[1:]


def slug(name: str) -> str:
    """A name as an identifier: ``Chilled juices, drinks`` → ``chilled_juices_drinks``."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
