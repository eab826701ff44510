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
    """Who owns ``action`` may want these actions."""

    action: str
    owned_for: float  # seconds; 0: once bought, owned forever
    better: IntArray  # actions
    treatments: tuple[int, ...]  # of the better actions


class Category(NamedTuple):
    """Everything that follows from a category having been bought or lying in the cart."""

    name: str
    treatments: int  # bitset: those of actions about this category
    windows: tuple[tuple[float, int], ...]  # (owned_for, bitset not offered that long)
    used_up: tuple[tuple[float, int], ...]  # the same of goods with a cycle, where none is known
    substitutes: tuple[tuple[float, int], ...]
    complements: IntArray  # actions that go with it
    strengths: FloatArray  # aligned with complements
    sources: FloatArray  # aligned with complements: the number of this category, every time
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
        found[name] = Category(
            name=name,
            treatments=_bits(catalog, own),
            windows=_by_window(catalog, _owned(catalog, own, reorder=False)),
            used_up=_by_window(catalog, _owned(catalog, own, reorder=True), least=0.0),
            substitutes=_by_window(catalog, _substitutes(catalog, own)),
            complements=np.array(list(strengths), dtype=np.intp),
            strengths=np.array(list(strengths.values()), dtype=np.float64),
            sources=np.full(len(strengths), float(len(found))),
            upgrades=tuple(_upgrade(catalog, actions[at]) for at in own if actions[at].upgrades_to),
        )
    return found


def _owned(catalog: CatalogView, own: list[int], *, reorder: bool) -> list[tuple[float, int]]:
    """(owned_for, action) of those that are used up, or that are not."""
    actions = catalog.actions
    return [(actions[at].owned_for, at) for at in own if actions[at].reorder == reorder]


def _upgrade(catalog: CatalogView, owned: Action) -> Upgrade:
    better = [catalog.action_index[action] for action in owned.upgrades_to]
    treatments = np.flatnonzero(np.isin(catalog.action_of, better))
    return Upgrade(owned.id, owned.owned_for, np.array(better), tuple(treatments.tolist()))


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
    catalog: CatalogView, pairs: list[tuple[float, int]], *, least: float = 1e-9
) -> tuple[tuple[float, int], ...]:
    grouped: dict[float, list[int]] = {}
    for window, at in pairs:
        if window >= least:
            grouped.setdefault(window, []).append(at)
    return tuple((window, _bits(catalog, ats)) for window, ats in grouped.items())


def _bits(catalog: CatalogView, actions: list[int]) -> int:
    """The treatments of some actions: bit i stands for treatment i."""
    treatments = np.isin(catalog.action_of, actions)
    return int.from_bytes(np.packbits(treatments, bitorder="little").tobytes(), "little")
