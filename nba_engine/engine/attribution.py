"""Interactions that name a recommendation know its action, treatment and channel, and what that has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from nba_engine.domain import CatalogView, DecisionLog, Interaction, Recommendation, Value, Values

__all__ = ["attributed", "facts_of"]

_ATTRIBUTED = ("action", "treatment", "channel")


def facts_of(catalog: CatalogView) -> dict[str, Values]:
    """What interactions get from the treatment they are about: its tags, its texts and flags."""
    facts: dict[str, Values] = {}
    for treatment in catalog.treatments:
        found: dict[str, Value] = {
            name: value
            for name, value in treatment.attributes.items()
            if isinstance(value, str | bool)
        }
        if treatment.tags:
            found["tags"] = list(treatment.tags)
        if found:
            facts[treatment.id] = found
    return facts


def attributed(
    interactions: Sequence[Interaction], log: DecisionLog, facts: Mapping[str, Values]
) -> list[Interaction]:
    """The interactions, with what they lack of the recommendations that they name.

    So aggregates by action count an interaction of which a channel knows the recommendation
    alone, and those by a tag or an attribute of the treatment (``facts``: `facts_of` the catalog in
    force), as long as it is there. What is recommended is looked up in the log: the number in a recommendation's id means
    another treatment once the catalog has changed. Properties that are there stay; an unknown
    recommendation adds nothing. Raises `Unavailable` when the log cannot be read.
    """
    found: dict[str, dict[str, Recommendation]] = {}  # decision id → recommendation id → it
    return [_with_facts(_attributed(one, log, found), facts) for one in interactions]


def _attributed(
    interaction: Interaction, log: DecisionLog, found: dict[str, dict[str, Recommendation]]
) -> Interaction:
    wanted = interaction.recommendation_id
    given = interaction.properties
    if not wanted or all(given.get(name) is not None for name in _ATTRIBUTED):
        return interaction
    decision_id = wanted.partition(".")[0]
    if decision_id not in found:
        record = log.read(decision_id)
        recommended = () if record is None else record.recommendations
        found[decision_id] = {one.recommendation_id: one for one in recommended}
    recommendation = found[decision_id].get(wanted)
    if recommendation is None:
        return interaction
    lacking = {
        name: getattr(recommendation, name) for name in _ATTRIBUTED if given.get(name) is None
    }
    return msgspec.structs.replace(interaction, properties={**given, **lacking})


def _with_facts(interaction: Interaction, facts: Mapping[str, Values]) -> Interaction:
    """The interaction, with what it lacks of its treatment's."""
    given = interaction.properties
    treatment = given.get("treatment")
    if not interaction.recommendation_id or not isinstance(treatment, str):
        return interaction
    lacking = {
        name: value for name, value in facts.get(treatment, {}).items() if given.get(name) is None
    }
    if not lacking:
        return interaction
    return msgspec.structs.replace(interaction, properties={**given, **lacking})
