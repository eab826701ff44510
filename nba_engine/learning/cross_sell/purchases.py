"""Baskets from the interactions that a store holds."""

from __future__ import annotations

import numpy as np

from nba_engine.domain import CatalogView, Store
from nba_engine.errors import FailedPrecondition
from nba_engine.learning.cross_sell.baskets import Baskets, baskets_of
from nba_engine.learning.interactions import Progress, read_interactions

__all__ = ["read_purchases", "substitutes_of"]

_DAY = 86_400.0


def read_purchases(
    store: Store,
    *,
    item: str,
    types: tuple[str, ...] = ("purchase",),
    basket: str = "",
    until: float | None = None,
    most_items: int = 3_000,
    progress: Progress | None = None,
) -> Baskets:
    """What was bought together: the property ``item`` of interactions of these ``types``.

    An interaction with a list of items is a basket of its own. Of single items those belong together
    whose property ``basket`` is equal (a receipt's number), or, without it, that one customer bought
    on one day (UTC). Raises `FailedPrecondition` when no interaction has the property.
    """
    fields = (item, basket) if basket else (item,)
    found = read_interactions(store, types=types, fields=fields, until=until, progress=progress)
    lines = found.exploded(item)
    if not len(lines.row):
        raise FailedPrecondition(
            f"no interaction of {', '.join(types)} has texts in the property {item!r}; "
            "name the one that says what was bought: --item"
        )
    customer, time = found.customer[lines.row], found.time[lines.row]
    several = np.array([isinstance(value, list) for value in found.fields[item]])[lines.row]
    day = np.floor(time / _DAY).astype(np.int64)
    words = found.fields[basket][lines.row] if basket else np.full(len(lines.row), None)
    names = [
        f"i{row}" if many else f"r{word}" if word is not None else f"d{who}.{date}"
        for row, many, word, who, date in zip(
            lines.row.tolist(), several, words, customer.tolist(), day.tolist(), strict=True
        )
    ]
    return baskets_of(
        np.array(names),
        np.array(lines.words)[lines.code],
        time=time,
        customer=customer,
        most_items=most_items,
    )


def substitutes_of(catalog: CatalogView) -> dict[str, list[str]]:
    """What serves the same purpose, by the word that tables use: the category, or the action's id."""
    word = {one.id: str(one.attributes.get("category", one.id)) for one in catalog.actions}
    return {
        word[one.id]: [word[other] for other in one.substitutes if other in word]
        for one in catalog.actions
        if one.substitutes
    }
