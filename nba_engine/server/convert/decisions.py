"""Decide: DecideRequest → DecisionRequest, Decision → Decision message."""

from __future__ import annotations

import math

from nba_engine import domain
from nba_engine._gen.nba.v1 import decision_pb2, decision_service_pb2
from nba_engine.domain import MICROS, CatalogView, DecisionRequest, PlacementRequest
from nba_engine.server.convert.values import read_time, read_values, write_time
from nba_engine.server.convert.violations import MAX_ID, Violations
from nba_engine.settings import suggest

__all__ = ["micros", "read_decide_request", "write_decision"]

MAX_PLACEMENTS = 16
MAX_SLOTS = 32
MAX_CONTEXT = 64
MAX_SEED = 2**63 - 1


def read_decide_request(
    message: decision_service_pb2.DecideRequest, catalog: CatalogView, *, simulated: bool
) -> DecisionRequest:
    """The request in domain words. Raises `InvalidRequest` with every wrong field."""
    violations = Violations()
    identity = message.identity
    violations.identity(identity)
    placements = _read_placements(message, catalog, violations)
    context: dict[str, domain.Value] = {}
    if message.context:
        types = {name: attribute.type for name, attribute in catalog.context.items()}
        context = read_values(message.context, types, "context", violations, maximum=MAX_CONTEXT)
    request_id = message.request_id
    if request_id:
        violations.ascii_id(request_id, "request_id")
    time = read_time(message.time, "time", violations) if message.HasField("time") else None
    seed = message.seed if message.HasField("seed") else None
    if seed is not None and seed > MAX_SEED:
        violations.add("seed", "at most 2^63 - 1")
    if not simulated:
        if time is not None:
            violations.time_not_allowed("time")
        if seed is not None:
            violations.time_not_allowed("seed")
    violations.raise_any()
    return DecisionRequest(
        identity=identity,
        placements=placements,
        context=context,
        request_id=request_id,
        time=time,
        seed=seed,
    )


def _read_placements(
    message: decision_service_pb2.DecideRequest, catalog: CatalogView, violations: Violations
) -> tuple[PlacementRequest, ...]:
    wanted = message.placements
    if not violations.count(len(wanted), "placements", minimum=1, maximum=MAX_PLACEMENTS):
        return ()
    known = catalog.placements
    result: list[PlacementRequest] = []
    seen: set[str] = set()
    for position, entry in enumerate(wanted):
        name, slots = entry.placement, entry.slots
        if name not in known:
            field = f"placements[{position}].placement"
            violations.id(name, field)
            if name and len(name) <= MAX_ID and name.isprintable():
                remedy = suggest(name, known, "placements")
                violations.add(field, f"not a placement of the catalog ({remedy})")
        elif name in seen:
            violations.add(f"placements[{position}].placement", "each placement at most once")
        if not 0 <= slots <= MAX_SLOTS:
            violations.add(f"placements[{position}].slots", f"from 0 to {MAX_SLOTS}, not {slots}")
        seen.add(name)
        result.append(PlacementRequest(name, slots))
    return tuple(result)


def micros(amount: float) -> int:
    """Money in whole micros; what is not finite (it never should be) becomes 0."""
    return round(amount * MICROS) if math.isfinite(amount) else 0


def write_decision(
    decision: domain.Decision, currency: str, *, funnel: bool
) -> decision_pb2.Decision:
    """A decision as its message; ``funnel`` adds what was dropped, and the times."""
    message = decision_pb2.Decision(
        decision_id=decision.decision_id,
        customer_id=decision.customer_id,
        known=decision.known,
        decide_time=write_time(decision.time),
        catalog_version=decision.catalog_version,
        model_versions=decision.model_versions,
        currency_code=currency,
        recommendations=[_write_recommendation(r) for r in decision.recommendations],
        degraded_stages=decision.degraded,
        candidate_count=decision.candidates,
    )
    if funnel:
        message.stage_micros.update(decision.stage_micros)
        for place, candidates in decision.dropped.items():
            stage, _, reason = place.partition("/")
            message.funnel.add(stage=stage, reason=reason, candidate_count=candidates)
    return message


def _write_recommendation(recommendation: domain.Recommendation) -> decision_pb2.Recommendation:
    r = recommendation
    return decision_pb2.Recommendation(
        recommendation_id=r.recommendation_id,
        placement=r.placement,
        position=r.position,
        action=r.action,
        treatment=r.treatment,
        channel=r.channel,
        content=r.content,
        score_micros=micros(r.score),
        propensity=r.propensity,
        value_micros=micros(r.value),
        cost_micros=micros(r.cost),
        lever=r.lever,
        weight=r.weight,
        selection_probability=r.selection_probability,
        reason_codes=r.reason_codes,
        expire_time=None if r.expires is None else write_time(r.expires),
    )
