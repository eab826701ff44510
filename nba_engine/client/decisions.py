"""Decide: what is asked and what is answered, and their messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from nba_engine._gen.nba.v1 import decision_pb2, decision_service_pb2
from nba_engine.client.errors import NbaClientError
from nba_engine.client.values import Value, Violations, fill_time, fill_values, money, read_time

__all__ = [
    "DecideRequest",
    "DecideResult",
    "Decision",
    "PlacementRequest",
    "Recommendation",
    "StageCount",
    "fill_decide_request",
    "read_decision",
]


class PlacementRequest(msgspec.Struct, frozen=True):
    """One placement to fill; ``slots`` 0 asks for as many as the catalog says."""

    placement: str
    slots: int = 0


class DecideRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to decide: for whom, for which placements, in which context.

    A placement is its id or a `PlacementRequest`. ``request_id`` (a UUID) makes the request
    idempotent, at the price of one durable write of the server; only then may it be repeated.
    ``time`` and ``seed`` are for stores that were created as simulated.
    """

    identity: str
    placements: Sequence[str | PlacementRequest]
    context: Mapping[str, Value] = {}
    request_id: str = ""
    include_funnel: bool = False
    time: datetime | None = None
    seed: int | None = None


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """One treatment for one placement. Money is exact: in micros, and as a Decimal."""

    recommendation_id: str
    placement: str
    position: int
    action: str
    treatment: str
    channel: str
    content: Mapping[str, str]
    score_micros: int
    propensity: float
    value_micros: int
    cost_micros: int
    lever: float
    weight: float
    selection_probability: float
    reason_codes: tuple[str, ...]
    expire_time: datetime | None

    @property
    def score(self) -> Decimal:
        """What this is expected to earn after its cost: what it was ranked by."""
        return money(self.score_micros)

    @property
    def value(self) -> Decimal:
        """The money gained on a positive outcome."""
        return money(self.value_micros)

    @property
    def cost(self) -> Decimal:
        """The money spent on the contact."""
        return money(self.cost_micros)


class StageCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many candidates a stage dropped for a reason."""

    stage: str
    reason: str
    candidate_count: int


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: what to do for this customer in these placements.

    ``funnel`` and ``stage_micros`` are empty unless they were asked for. ``decided_by`` is the model
    whose propensities decided ("" without one); ``control_groups`` are those that the customer is in,
    ``*`` the one that gets nothing at all.
    """

    decision_id: str
    customer_id: str
    known: bool
    decide_time: datetime
    catalog_version: str
    model_versions: Mapping[str, str]
    currency_code: str
    recommendations: tuple[Recommendation, ...]
    degraded_stages: tuple[str, ...]
    candidate_count: int
    funnel: tuple[StageCount, ...]
    stage_micros: Mapping[str, int]
    decided_by: str = ""
    control_groups: tuple[str, ...] = ()

    def recommendations_for(self, placement: str) -> tuple[Recommendation, ...]:
        """Those of one placement, best first."""
        return tuple(r for r in self.recommendations if r.placement == placement)


class DecideResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one request among several: a decision, or the error it failed with."""

    request: DecideRequest
    decision: Decision | None = None
    error: NbaClientError | None = None

    def get(self) -> Decision:
        """The decision; raises the error."""
        if self.decision is None:
            raise self.error or NbaClientError("neither a decision nor an error")
        return self.decision


def fill_decide_request(
    message: decision_service_pb2.DecideRequest,
    request: DecideRequest,
    violations: Violations,
    *,
    prefix: str = "",
) -> None:
    """Fill in the message of a request."""
    message.identity = request.identity
    for wanted in _placements(request.placements):
        if isinstance(wanted, str):
            message.placements.add(placement=wanted)
        else:
            message.placements.add(placement=wanted.placement, slots=wanted.slots)
    if request.context:
        fill_values(message.context, request.context, f"{prefix}context", violations)
    message.request_id = request.request_id
    message.include_funnel = request.include_funnel
    if request.time is not None:
        fill_time(message.time, request.time, f"{prefix}time", violations)
    if request.seed is not None:
        if 0 <= request.seed < 2**63:
            message.seed = request.seed
        else:
            violations.add(f"{prefix}seed", "from 0 to 2^63 - 1")


def _placements(
    placements: Sequence[str | PlacementRequest],
) -> Iterable[str | PlacementRequest]:
    """One id alone means one placement, not its letters."""
    return (placements,) if isinstance(placements, str) else placements


def read_decision(message: decision_pb2.Decision) -> Decision:
    """A decision from its message."""
    return Decision(
        decision_id=message.decision_id,
        customer_id=message.customer_id,
        known=message.known,
        decide_time=read_time(message.decide_time),
        catalog_version=message.catalog_version,
        model_versions=dict(message.model_versions),
        currency_code=message.currency_code,
        recommendations=tuple(_recommendation(entry) for entry in message.recommendations),
        degraded_stages=tuple(message.degraded_stages),
        candidate_count=message.candidate_count,
        funnel=tuple(
            StageCount(
                stage=count.stage, reason=count.reason, candidate_count=count.candidate_count
            )
            for count in message.funnel
        ),
        stage_micros=dict(message.stage_micros),
        decided_by=message.decided_by,
        control_groups=tuple(message.control_groups),
    )


def _recommendation(message: decision_pb2.Recommendation) -> Recommendation:
    return Recommendation(
        recommendation_id=message.recommendation_id,
        placement=message.placement,
        position=message.position,
        action=message.action,
        treatment=message.treatment,
        channel=message.channel,
        content=dict(message.content),
        score_micros=message.score_micros,
        propensity=message.propensity,
        value_micros=message.value_micros,
        cost_micros=message.cost_micros,
        lever=message.lever,
        weight=message.weight,
        selection_probability=message.selection_probability,
        reason_codes=tuple(message.reason_codes),
        expire_time=read_time(message.expire_time) if message.HasField("expire_time") else None,
    )
