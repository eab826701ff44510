"""Which words of an aggregate a treatment is about."""

from __future__ import annotations

from nba_engine.domain.catalog import CatalogView
from nba_engine.domain.values import Value

__all__ = ["words_of_treatments"]


def words_of_treatments(catalog: CatalogView, by: str) -> list[tuple[str, ...]]:
    """Per treatment what an interaction about it has in the property ``by``, (T,).

    That is its channel, its tags, itself or its action by these names; else its attribute of that
    name, or the action's.
    """
    found: list[tuple[str, ...]] = []
    for treatment, at in zip(catalog.treatments, catalog.action_of.tolist(), strict=True):
        action = catalog.actions[at]
        value: Value
        if by == "tags":
            value = list(treatment.tags)
        elif by in {"channel", "action"}:
            value = getattr(treatment, by)
        elif by == "treatment":
            value = treatment.id
        else:
            value = treatment.attributes.get(by, action.attributes.get(by))
        values = value if isinstance(value, list | tuple) else [value]
        found.append(tuple(word for word in dict.fromkeys(values) if isinstance(word, str)))
    return found
