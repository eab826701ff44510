"""What the catalog and a complement table say about things that go together, by category.

A category is ``action.category``; an action without one is a category of its own (its id).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nba_engine.domain import Action, CatalogView, ComplementTable
from nba_engine.domain.values import FloatArray, IntArray

__all__ = ["Category", "Upgrade", "category_of", "relate"]


class Upgrade(NamedTuple):
    """Who owns ``action`` may want these treatments."""

    action: str
    owned_for: float  # seconds; 0: once bought, owned forever
    treatments: IntArray


class Category(NamedTuple):
    """Everything that follows from a category having been bought or lying in the cart."""

    name: str
    treatments: IntArray  # of actions about this category
    windows: tuple[tuple[float, IntArray], ...]  # (owned_for, treatments not offered that long)
    substitutes: tuple[tuple[float, IntArray], ...]
    complements: IntArray  # treatments that go with it
    strengths: FloatArray  # aligned with complements
    upgrades: tuple[Upgrade, ...]


def category_of(action: Action) -> str:
    """What ownership, complements and substitutes of an action are about."""
    return str(action.attributes.get("category", action.id))


def relate(
    catalog: CatalogView, table: ComplementTable | None, relation_strength: float
) -> dict[str, Category]:
    """Arrange the relations of all actions by category. Substitution works both ways."""
    actions = catalog.actions
    offered: dict[str, list[int]] = {}
    for at, action in enumerate(actions):
        if action.kind != "nothing":
            offered.setdefault(category_of(action), []).append(at)
    items = table.items if table is not None else ()
    found: dict[str, Category] = {}
    for name in dict.fromkeys((*offered, *items)):
        own = offered.get(name, [])
        strengths: dict[int, float] = {}
        for complement, strength in (table.complements(name) if table is not None else {}).items():
            for at in offered.get(complement, ()):
                strengths[at] = strengths.get(at, 0.0) + strength
        for at in own:
            for other in actions[at].complements:
                number = catalog.action_index[other]
                strengths[number] = strengths.get(number, 0.0) + relation_strength
        for at in own:
            strengths.pop(at, None)
        treatments, values = _spread(catalog, strengths)
        found[name] = Category(
            name=name,
            treatments=_treatments(catalog, own),
            windows=_by_window(catalog, [(actions[at].owned_for, at) for at in own]),
            substitutes=_by_window(catalog, _substitutes(catalog, own)),
            complements=treatments,
            strengths=values,
            upgrades=tuple(
                Upgrade(
                    actions[at].id,
                    actions[at].owned_for,
                    _treatments(
                        catalog, [catalog.action_index[x] for x in actions[at].upgrades_to]
                    ),
                )
                for at in own
                if actions[at].upgrades_to
            ),
        )
    return found


def _substitutes(catalog: CatalogView, own: list[int]) -> list[tuple[float, int]]:
    """(window of the bought action, its substitute), for the actions of one category."""
    pairs: dict[int, float] = {}
    mine = {catalog.actions[at].id: catalog.actions[at].owned_for for at in own}
    for at in own:
        for other in catalog.actions[at].substitutes:
            number = catalog.action_index[other]
            pairs[number] = max(pairs.get(number, 0.0), catalog.actions[at].owned_for)
    for number, action in enumerate(catalog.actions):
        windows = [mine[other] for other in action.substitutes if other in mine]
        if windows:
            pairs[number] = max(pairs.get(number, 0.0), *windows)
    return [(window, at) for at, window in pairs.items()]


def _by_window(
    catalog: CatalogView, pairs: list[tuple[float, int]]
) -> tuple[tuple[float, IntArray], ...]:
    grouped: dict[float, list[int]] = {}
    for window, at in pairs:
        if window > 0:
            grouped.setdefault(window, []).append(at)
    return tuple((window, _treatments(catalog, ats)) for window, ats in grouped.items())


def _treatments(catalog: CatalogView, actions: list[int]) -> IntArray:
    return np.flatnonzero(np.isin(catalog.action_of, actions))


def _spread(catalog: CatalogView, strengths: dict[int, float]) -> tuple[IntArray, FloatArray]:
    by_action = np.zeros(len(catalog.actions))
    for at, strength in strengths.items():
        by_action[at] = strength
    of_treatment = by_action[catalog.action_of]
    treatments = np.flatnonzero(of_treatment > 0)
    return treatments, of_treatment[treatments]
