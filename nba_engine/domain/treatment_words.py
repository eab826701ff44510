"""Which words of an aggregate a treatment is about."""

from __future__ import annotations

from nba_engine.domain.aggregates import AggregateSpec
from nba_engine.domain.catalog import CatalogView
from nba_engine.domain.values import Value

__all__ = ["words_of_treatments"]


def words_of_treatments(catalog: CatalogView, spec: AggregateSpec) -> list[tuple[str, ...]]:
    """Per treatment the words of the aggregate that it is about, (T,).

    That is what an interaction about it has in the property ``by``: its channel, its tags, itself or
    its action by these names; else its attribute of that name, or the action's. Of a ``share`` that
    neither has by that name it is the action's category (without one: its id).
    """
    by = spec.by
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
            if value is None and spec.kind == "share":
                value = action.attributes.get("category", action.id)
        values = value if isinstance(value, list | tuple) else [value]
        found.append(tuple(word for word in dict.fromkeys(values) if isinstance(word, str)))
    return found
