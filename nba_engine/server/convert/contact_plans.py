"""GetContactPlan: whose plan is asked for, and the plan → its messages."""

from __future__ import annotations

from nba_engine._gen.nba.v1 import decision_service_pb2
from nba_engine.domain import PlannedContact
from nba_engine.engine import CurrentPlan
from nba_engine.server.convert.decisions import micros
from nba_engine.server.convert.values import read_time, write_time
from nba_engine.server.convert.violations import Violations

__all__ = ["read_plan_request", "write_plan"]


def read_plan_request(
    message: decision_service_pb2.GetContactPlanRequest, *, simulated: bool
) -> tuple[str, float | None]:
    """Identity, and the time that is asked for. Raises `InvalidRequest`."""
    violations = Violations()
    violations.identity(message.identity)
    time = None
    if message.HasField("time"):
        time = read_time(message.time, "time", violations)
        if not simulated:
            violations.time_not_allowed("time")
    violations.raise_any()
    return message.identity, time


def write_plan(current: CurrentPlan, currency: str) -> decision_service_pb2.GetContactPlanResponse:
    """What is planned for a customer, at which prices."""
    mark, plan = current.mark, current.plan
    return decision_service_pb2.GetContactPlanResponse(
        plan_id=mark.id,
        plan_time=write_time(mark.made),
        start_time=write_time(mark.starts),
        end_time=write_time(mark.ends),
        contacts=map(_write_contact, plan.contacts),
        prices=[
            decision_service_pb2.PlanPrice(limit=name, prices=prices)
            for name, prices in sorted(mark.prices.items())
        ],
        replanned=current.replanned,
        compute_time=write_time(plan.made),
        currency_code=currency,
    )


def _write_contact(contact: PlannedContact) -> decision_service_pb2.PlannedContact:
    return decision_service_pb2.PlannedContact(
        period=contact.period,
        start_time=write_time(contact.starts),
        end_time=write_time(contact.ends),
        action=contact.action,
        treatment=contact.treatment,
        channel=contact.channel,
        value_micros=micros(contact.value),
        cost_micros=micros(contact.cost),
        reason=contact.reason,
    )
