"""RecordInteractions and StreamInteractions: messages ↔ interactions and their results."""

from __future__ import annotations

from nba_engine import domain
from nba_engine._gen.nba.v1 import interaction_pb2, interaction_service_pb2
from nba_engine.server.convert.values import read_time, read_values
from nba_engine.server.convert.violations import Violations

__all__ = ["read_interactions", "read_streamed", "write_result"]

MAX_INTERACTIONS = 1000
MAX_PROPERTIES = 64
MAX_TYPE = 64
_LONGEST_REASON = 500  # characters

_STATUS = {
    "recorded": interaction_pb2.INTERACTION_STATUS_RECORDED,
    "duplicate": interaction_pb2.INTERACTION_STATUS_DUPLICATE,
    "rejected": interaction_pb2.INTERACTION_STATUS_REJECTED,
}
_RESERVATION = {
    "": interaction_pb2.RESERVATION_EFFECT_UNSPECIFIED,
    "confirmed": interaction_pb2.RESERVATION_EFFECT_CONFIRMED,
    "released": interaction_pb2.RESERVATION_EFFECT_RELEASED,
    "unchanged": interaction_pb2.RESERVATION_EFFECT_UNCHANGED,
    "overrun": interaction_pb2.RESERVATION_EFFECT_OVERRUN,
    "unknown": interaction_pb2.RESERVATION_EFFECT_UNKNOWN,
}


def read_interactions(
    message: interaction_service_pb2.RecordInteractionsRequest,
) -> list[domain.Interaction]:
    """The interactions in domain words. Raises `InvalidRequest` with every wrong field."""
    violations = Violations()
    entries = message.interactions
    result: list[domain.Interaction] = []
    if violations.count(len(entries), "interactions", minimum=1, maximum=MAX_INTERACTIONS):
        for position, entry in enumerate(entries):
            result.append(_read_interaction(entry, f"interactions[{position}].", violations))
    violations.raise_any()
    return result


def read_streamed(
    message: interaction_service_pb2.StreamInteractionsRequest,
) -> list[domain.Interaction | domain.InteractionResult]:
    """Each interaction in domain words, or why it is rejected.

    Raises `InvalidRequest` for what is wrong with the message as a whole.
    """
    violations = Violations()
    violations.ascii_id(message.correlation_id, "correlation_id")
    entries = message.interactions
    violations.count(len(entries), "interactions", minimum=1, maximum=MAX_INTERACTIONS)
    violations.raise_any()
    return [_read_alone(entry) for entry in entries]


def _read_alone(
    entry: interaction_pb2.Interaction,
) -> domain.Interaction | domain.InteractionResult:
    violations = Violations()
    interaction = _read_interaction(entry, "", violations)
    if not violations.found:
        return interaction
    reasons = "; ".join(f"{one.field}: {one.description}" for one in violations.found)
    return domain.InteractionResult(
        interaction_id=entry.interaction_id, status="rejected", message=reasons[:_LONGEST_REASON]
    )


def _read_interaction(
    entry: interaction_pb2.Interaction, prefix: str, violations: Violations
) -> domain.Interaction:
    violations.id(entry.interaction_id, f"{prefix}interaction_id")
    violations.identity(entry.identity, f"{prefix}identity")
    violations.id(entry.type, f"{prefix}type", maximum=MAX_TYPE)
    violations.id(entry.recommendation_id, f"{prefix}recommendation_id", required=False)
    time = 0.0
    if entry.HasField("interaction_time"):
        time = read_time(entry.interaction_time, f"{prefix}interaction_time", violations)
    else:
        violations.add(f"{prefix}interaction_time", "required")
    properties = read_values(
        entry.properties, None, f"{prefix}properties", violations, maximum=MAX_PROPERTIES
    )
    return domain.Interaction(
        interaction_id=entry.interaction_id,
        identity=entry.identity,
        type=entry.type,
        time=time,
        properties=properties,
        recommendation_id=entry.recommendation_id,
    )


def write_result(result: domain.InteractionResult) -> interaction_pb2.InteractionResult:
    """What became of one interaction."""
    return interaction_pb2.InteractionResult(
        interaction_id=result.interaction_id,
        status=_STATUS[result.status],
        message=result.message,
        reservation=_RESERVATION[result.reservation],
    )
