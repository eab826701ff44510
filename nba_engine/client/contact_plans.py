"""GetContactPlan: what is planned for a customer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Unpack

import msgspec

from nba_engine._gen.nba.v1 import decision_service_pb2
from nba_engine.client.connection import Connection
from nba_engine.client.options import CallOptions
from nba_engine.client.values import Violations, fill_time, money, read_time

__all__ = ["ContactPlan", "ContactPlans", "PlannedContact", "plan_request", "read_plan"]


class PlannedContact(msgspec.Struct, frozen=True, kw_only=True):
    """One contact of a plan, in the period from ``starts`` to before ``ends``.

    ``reason``: ``best_at_prices``, ``made_room`` or ``used_room``. Money is exact: in micros, and as
    a Decimal.
    """

    period: int
    starts: datetime
    ends: datetime
    action: str
    treatment: str
    channel: str
    value_micros: int
    cost_micros: int
    reason: str

    @property
    def value(self) -> Decimal:
        """What it is expected to earn, before its cost."""
        return money(self.value_micros)

    @property
    def cost(self) -> Decimal:
        """What it costs."""
        return money(self.cost_micros)


class ContactPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is planned for a customer, in the order of time.

    ``plan_id``, ``made``, ``starts`` and ``ends`` are those of the plan for all customers; ``prices``
    its prices of limits by period, per contact or unit of money. ``replanned``: something was recorded
    about the customer since, so the contacts were ``computed`` for this call.
    """

    plan_id: str
    made: datetime
    starts: datetime
    ends: datetime
    contacts: tuple[PlannedContact, ...]
    prices: Mapping[str, tuple[float, ...]]
    replanned: bool
    computed: datetime
    currency: str


def plan_request(
    identity: str, time: datetime | None
) -> decision_service_pb2.GetContactPlanRequest:
    """The message that asks for a plan."""
    message = decision_service_pb2.GetContactPlanRequest(identity=identity)
    if time is not None:
        violations = Violations()
        fill_time(message.time, time, "time", violations)
        violations.raise_any("GetContactPlan")
    return message


def read_plan(message: decision_service_pb2.GetContactPlanResponse) -> ContactPlan:
    """A plan from its message."""
    return ContactPlan(
        plan_id=message.plan_id,
        made=read_time(message.plan_time),
        starts=read_time(message.start_time),
        ends=read_time(message.end_time),
        contacts=tuple(map(_read_contact, message.contacts)),
        prices={one.limit: tuple(one.prices) for one in message.prices},
        replanned=message.replanned,
        computed=read_time(message.compute_time),
        currency=message.currency_code,
    )


def _read_contact(message: decision_service_pb2.PlannedContact) -> PlannedContact:
    return PlannedContact(
        period=message.period,
        starts=read_time(message.start_time),
        ends=read_time(message.end_time),
        action=message.action,
        treatment=message.treatment,
        channel=message.channel,
        value_micros=message.value_micros,
        cost_micros=message.cost_micros,
        reason=message.reason,
    )


class ContactPlans(Connection):
    """Contact plans, for threads."""

    def get_contact_plan(
        self, identity: str, *, time: datetime | None = None, **options: Unpack[CallOptions]
    ) -> ContactPlan:
        """What is planned for the customer behind an identity.

        `NotFound` when there is none, `FailedPrecondition` when no plan is in force. ``time`` is for
        stores that were created as simulated.
        """
        message = plan_request(identity, time)
        terms = self._defaults.terms(options)
        call = self._decisions.GetContactPlan
        return read_plan(self._call("GetContactPlan", call, message, terms))
