"""What sinks get of a decision and of an interaction: docs/plugins.md lists the fields."""

from __future__ import annotations

from nba_engine.domain import Decision, DecisionRequest, Interaction, Recommendation, SinkRecord
from nba_engine.domain.values import Value

__all__ = ["decision_record", "interaction_record"]


def decision_record(request: DecisionRequest, decision: Decision) -> SinkRecord:
    """A decision without the customer's profile, the request's context and rendered content."""
    return SinkRecord(
        topic="decisions",
        key=decision.decision_id,
        time=decision.time,
        data={
            "decision_id": decision.decision_id,
            "request_id": request.request_id,
            "customer_id": decision.customer_id,
            "known": decision.known,
            "time": decision.time,
            "placements": [wanted.placement for wanted in request.placements],
            "catalog_version": decision.catalog_version,
            "model_versions": dict(decision.model_versions),
            "recommendations": [_recommendation(one) for one in decision.recommendations],
            "degraded": list(decision.degraded),
            "candidates": decision.candidates,
            "dropped": dict(decision.dropped),
            "stage_micros": dict(decision.stage_micros),
        },
    )


def _recommendation(one: Recommendation) -> dict[str, Value]:
    return {
        "recommendation_id": one.recommendation_id,
        "placement": one.placement,
        "position": one.position,
        "action": one.action,
        "treatment": one.treatment,
        "channel": one.channel,
        "score": one.score,
        "propensity": one.propensity,
        "value": one.value,
        "cost": one.cost,
        "selection_probability": one.selection_probability,
        "reason_codes": list(one.reason_codes),
    }


def interaction_record(interaction: Interaction) -> SinkRecord:
    """An interaction as it came."""
    return SinkRecord(
        topic="interactions",
        key=interaction.interaction_id,
        time=interaction.time,
        data={
            "interaction_id": interaction.interaction_id,
            "identity": interaction.identity,
            "type": interaction.type,
            "time": interaction.time,
            "recommendation_id": interaction.recommendation_id,
            "properties": dict(interaction.properties),
        },
    )
