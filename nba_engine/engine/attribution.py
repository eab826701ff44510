"""Interactions that name a recommendation know its action, treatment and channel."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from nba_engine.domain import DecisionLog, Interaction, Recommendation

__all__ = ["attributed"]

_ATTRIBUTED = ("action", "treatment", "channel")


def attributed(interactions: Sequence[Interaction], log: DecisionLog) -> list[Interaction]:
    """The interactions, with what they lack of the recommendations that they name.

    So aggregates by action count an interaction of which a channel knows the recommendation
    alone. What is recommended is looked up in the log: the number in a recommendation's id means
    another treatment once the catalog has changed. Properties that are there stay; an unknown
    recommendation adds nothing. Raises `Unavailable` when the log cannot be read.
    """
    found: dict[str, dict[str, Recommendation]] = {}  # decision id → recommendation id → it
    return [_attributed(interaction, log, found) for interaction in interactions]


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
