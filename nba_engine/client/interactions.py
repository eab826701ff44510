"""RecordInteractions: what happened and what became of it, and their messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import uuid4

import msgspec

from nba_engine._gen.nba.v1 import interaction_pb2
from nba_engine.client.values import Value, Violations, fill_time, fill_values
from nba_engine.client.words import word_of

__all__ = [
    "Interaction",
    "InteractionResult",
    "fill_interaction",
    "new_interaction",
    "read_result",
]


def _new_id() -> str:
    return str(uuid4())


def _now() -> datetime:
    return datetime.now(UTC)


class Interaction(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened.

    It has its id from the moment it is made, so that it may be sent again and again: the server
    records it once. ``interaction_time`` is now unless given.
    """

    identity: str
    type: str
    interaction_time: datetime = msgspec.field(default_factory=_now)
    properties: Mapping[str, Value] = {}
    recommendation_id: str = ""
    interaction_id: str = msgspec.field(default_factory=_new_id)


def new_interaction(
    identity: str,
    kind: str,
    *,
    interaction_time: datetime | None,
    properties: Mapping[str, Value] | None,
    recommendation_id: str,
    interaction_id: str,
) -> Interaction:
    """An interaction, with time and id made up where they are not given."""
    return Interaction(
        identity=identity,
        type=kind,
        interaction_time=interaction_time or _now(),
        properties=properties or {},
        recommendation_id=recommendation_id,
        interaction_id=interaction_id or _new_id(),
    )


class InteractionResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one interaction.

    ``status`` is ``recorded`` (durable, and the next decision sees it), ``duplicate`` (it was
    recorded before) or ``rejected`` (``message`` says why). ``reservation`` tells what it did to
    that of its recommendation: ``confirmed``, ``released``, ``unchanged``, ``overrun``,
    ``unknown``, or empty when there was none to change.
    """

    interaction_id: str
    status: str
    message: str
    reservation: str


def fill_interaction(
    message: interaction_pb2.Interaction,
    interaction: Interaction,
    violations: Violations,
    *,
    prefix: str = "",
) -> None:
    """Fill in the message of an interaction."""
    message.interaction_id = interaction.interaction_id
    message.identity = interaction.identity
    message.type = interaction.type
    fill_time(
        message.interaction_time,
        interaction.interaction_time,
        f"{prefix}interaction_time",
        violations,
    )
    if interaction.properties:
        fill_values(message.properties, interaction.properties, f"{prefix}properties", violations)
    message.recommendation_id = interaction.recommendation_id


def read_result(message: interaction_pb2.InteractionResult) -> InteractionResult:
    """What became of one interaction, from its message."""
    return InteractionResult(
        interaction_id=message.interaction_id,
        status=word_of(
            interaction_pb2.InteractionStatus.Name, message.status, "INTERACTION_STATUS_"
        ),
        message=message.message,
        reservation=word_of(
            interaction_pb2.ReservationEffect.Name, message.reservation, "RESERVATION_EFFECT_"
        ),
    )
