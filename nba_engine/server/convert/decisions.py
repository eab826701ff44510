"""Decide: DecideRequest → DecisionRequest, Decision → Decision message."""

from __future__ import annotations

import math

from nba_engine import domain
from nba_engine._gen.nba.v1 import decision_pb2, decision_service_pb2
from nba_engine.domain import MICROS, CatalogView, DecisionRequest, PlacementRequest
from nba_engine.engine import MAX_PLACEMENTS, MAX_SLOTS
from nba_engine.server.convert.values import fill_time, read_time, read_values
from nba_engine.server.convert.violations import MAX_ID, Violations
from nba_engine.settings import suggest

__all__ = ["DecideReader", "micros", "write_decision"]

MAX_CONTEXT = 64
MAX_SEED = 2**63 - 1
MAX_MICROS = 2**63 - 1
_MOST_CHECKED = 1000  # combinations of placements that are remembered
_LARGEST = 9.2e12  # units of money whose micros fit 64 bits


class DecideReader:
    """Reads requests to decide against one catalog. Thread-safe."""

    def __init__(self, catalog: CatalogView) -> None:
        self.catalog = catalog
        self._types = {name: attribute.type for name, attribute in catalog.context.items()}
        # as they are asked for again and again: (placement, slots) of each → the same, checked
        self._checked: dict[tuple[tuple[str, int], ...], tuple[PlacementRequest, ...]] = {}

    def read(
        self, message: decision_service_pb2.DecideRequest, *, simulated: bool
    ) -> DecisionRequest:
        """The request in domain words. Raises `InvalidRequest` with every wrong field."""
        violations = Violations()
        identity = message.identity
        violations.identity(identity)
        placements = self._placements(message, violations)
        context: dict[str, domain.Value] = {}
        if message.context:
            context = read_values(
                message.context, self._types, "context", violations, maximum=MAX_CONTEXT
            )
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

    def _placements(
        self, message: decision_service_pb2.DecideRequest, violations: Violations
    ) -> tuple[PlacementRequest, ...]:
        if not violations.count(
            len(message.placements), "placements", minimum=1, maximum=MAX_PLACEMENTS
        ):
            return ()
        wanted = tuple([(entry.placement, entry.slots) for entry in message.placements])
        checked = self._checked.get(wanted)
        if checked is None:
            before = len(violations.found)
            self._check(wanted, violations)
            checked = tuple(PlacementRequest(name, slots) for name, slots in wanted)
            if len(violations.found) == before:
                if len(self._checked) >= _MOST_CHECKED:
                    self._checked = {}
                self._checked[wanted] = checked
        return checked

    def _check(self, wanted: tuple[tuple[str, int], ...], violations: Violations) -> None:
        known = self.catalog.placements
        seen: set[str] = set()
        for position, (name, slots) in enumerate(wanted):
            if name not in known:
                field = f"placements[{position}].placement"
                violations.id(name, field)
                if name and len(name) <= MAX_ID and name.isprintable():
                    remedy = suggest(name, known, "placements")
                    violations.add(field, f"not a placement of the catalog ({remedy})")
            elif name in seen:
                violations.add(f"placements[{position}].placement", "each placement at most once")
            if not 0 <= slots <= MAX_SLOTS:
                violations.add(
                    f"placements[{position}].slots", f"from 0 to {MAX_SLOTS}, not {slots}"
                )
            seen.add(name)


def micros(amount: float) -> int:
    """Money in whole micros, as many as fit 64 bits; 0 for NaN (there never should be one)."""
    if -_LARGEST < amount < _LARGEST:
        return round(amount * MICROS)
    if math.isnan(amount):
        return 0
    return MAX_MICROS if amount > 0 else -MAX_MICROS


def write_decision(
    message: decision_pb2.Decision, decision: domain.Decision, currency: str, *, funnel: bool
) -> None:
    """Fill in a decision's message; ``funnel`` adds what was dropped, and the times.

    Messages are filled in place: constructing them one inside the other copies each level, and
    costs twice as much.
    """
    message.decision_id = decision.decision_id
    message.customer_id = decision.customer_id
    message.known = decision.known
    fill_time(message.decide_time, decision.time)
    message.catalog_version = decision.catalog_version
    versions = message.model_versions
    for name, version in decision.model_versions.items():  # `update` of a map is slow Python code
        versions[name] = version
    message.currency_code = currency
    message.candidate_count = decision.candidates
    if decision.degraded:
        message.degraded_stages.extend(decision.degraded)
    message.decided_by = decision.decided_by
    if decision.control_groups:
        message.control_groups.extend(decision.control_groups)
    add = message.recommendations.add
    for r in decision.recommendations:
        entry = add(
            recommendation_id=r.recommendation_id,
            placement=r.placement,
            position=r.position,
            action=r.action,
            treatment=r.treatment,
            channel=r.channel,
            score_micros=micros(r.score),
            propensity=r.propensity,
            value_micros=micros(r.value),
            cost_micros=micros(r.cost),
            lever=r.lever,
            weight=r.weight,
            selection_probability=r.selection_probability,
        )
        if r.content:
            content = entry.content
            for name, text in r.content.items():
                content[name] = text
        if r.reason_codes:
            entry.reason_codes.extend(r.reason_codes)
        if r.expires is not None:
            fill_time(entry.expire_time, r.expires)
    if funnel:
        message.stage_micros.update(decision.stage_micros)
        for place, candidates in decision.dropped.items():
            stage, _, reason = place.partition("/")
            message.funnel.add(stage=stage, reason=reason, candidate_count=candidates)
