"""Contact plans: what is planned for customers, at which prices, and how both are stored.

A plan for all customers is a progress mark of the store (`PlanMark`, under `PLAN_MARK`). What is
planned for one customer is text in its profile attribute `PLAN_ATTRIBUTE`, which a catalog with
``[contact_plan]`` declares by itself. A customer's plan is in force while it names the mark's plan; the
one that was in force when it was written is kept with it, for as long as the mark still names that one.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from bisect import bisect_right
from collections.abc import Mapping

import msgspec

from nba_engine.domain.rules import Expression

__all__ = [
    "PLAN_ATTRIBUTE",
    "PLAN_MARK",
    "ContactPlanSpec",
    "ContactPlanTerms",
    "CustomerPlan",
    "PlanMark",
    "PlanRead",
    "PlannedContact",
    "decode_customer_plan",
    "decode_plan_mark",
    "encode_customer_plan",
    "encode_plan_mark",
    "period_bounds",
]

PLAN_ATTRIBUTE = "contact_plan"  # the profile attribute
PLAN_MARK = "contact_plan"  # the progress mark
_DAY = 86_400.0


class ContactPlanTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What every chain of contacts keeps to.

    ``period`` is in seconds; of whole days it is as many by the calendar (`period_bounds`). ``spacing``: periods from one contact to the next. The j-th contact
    earns ``diminishing**(j-1)`` of its value. ``placements``: those that are planned, all outbound.
    """

    period: float
    periods: int
    most_contacts: int
    spacing: int = 1
    diminishing: float = 1.0
    placements: tuple[str, ...] = ()


class ContactPlanSpec(msgspec.Struct, frozen=True, kw_only=True):
    """``[contact_plan]`` of a catalog.

    ``budget``: what may be spent on a customer over the plan, in the catalog's currency; None: no
    budget of its own. ``only_planned``: planned placements show nothing that is not planned.
    """

    terms: ContactPlanTerms
    budget: float | Expression | None = None
    only_planned: bool = False


class PlannedContact(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A contact of a chain. Times are seconds since the epoch; money in the catalog's currency.

    ``period`` counts from 0, and lasts from ``starts`` to before ``ends``. ``value`` is what it is
    expected to earn, diminishing included. ``reason``: `best_at_prices`, `made_room`, `used_room`.
    """

    period: int
    starts: float
    ends: float
    action: str
    treatment: str
    channel: str
    value: float
    cost: float
    reason: str = ""


class CustomerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is planned for one customer, in the order of time.

    ``plan`` is the id of the mark, ``made`` when this was computed. ``newest`` and ``merges`` are
    those of the customer's `History` it was computed from: when they are others, something happened
    since. Whom the plan does not contact at all has one without ``contacts``. ``before``: the
    customer's plan that was in force when this one was written.
    """

    plan: str
    made: float
    newest: int = 0
    merges: int = 0
    contacts: tuple[PlannedContact, ...] = ()
    before: CustomerPlan | None = None

    def of(self, plan: str) -> CustomerPlan | None:
        """What is planned by the plan of this id: this one, or the one before."""
        if self.plan == plan:
            return self
        return None if self.before is None else self.before.of(plan)


class PlanRead(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one decision took from its customer's plan, for the log.

    ``prices``: those of the limits that were planned, in the period of the decision. ``replanned``:
    something had happened since the plan was made, so ``contacts`` were computed for this decision.
    """

    plan: str
    made: float
    contacts: tuple[PlannedContact, ...] = ()
    prices: dict[str, float] = {}
    replanned: bool = False

    def due(self, time: float) -> tuple[PlannedContact, ...]:
        """What is planned for the period around a time."""
        return tuple(one for one in self.contacts if one.starts <= time < one.ends)


class PlanMark(msgspec.Struct, frozen=True, kw_only=True):
    """A plan for all customers: in force for those whose `CustomerPlan` names its ``id``.

    ``prices``: limit (of one with a scope: its cells, such as ``budget|campaign=autumn``, as the
    names of online prices) → price per period, per contact or per unit of money. Limits that were
    not planned are not there; those that were not used up have prices of 0. ``bounds``: when the
    periods begin, and the last one ends; () of a mark that was made before they were noted.
    """

    id: str
    made: float
    starts: float
    catalog_version: str
    terms: ContactPlanTerms
    prices: Mapping[str, tuple[float, ...]] = {}
    bounds: tuple[float, ...] = ()

    @property
    def times(self) -> tuple[float, ...]:
        """When the periods begin, and the last one ends, (periods + 1,)."""
        return self.bounds or _even(self.terms, self.starts)

    @property
    def ends(self) -> float:
        """When the last period is over."""
        return self.times[-1]

    def period_of(self, time: float) -> int | None:
        """The period that a time lies in, from 0; None: before the first or after the last."""
        times = self.times
        return bisect_right(times, time) - 1 if times[0] <= time < times[-1] else None

    def times_of(self, period: int) -> tuple[float, float]:
        """When a period starts and ends."""
        times = self.times
        return times[period], times[period + 1]

    def prices_of(self, period: int) -> dict[str, float]:
        """The prices of one period; those of 0 as well: they replace others."""
        return {name: prices[period] for name, prices in self.prices.items()}


def period_bounds(terms: ContactPlanTerms, starts: float, time_zone: str) -> tuple[float, ...]:
    """When the periods of a plan begin, and the last one ends, (periods + 1,).

    Periods of whole days begin at the same hour by the clock of the time zone, also when it is changed.
    """
    if terms.period % _DAY:
        return _even(terms, starts)
    first = dt.datetime.fromtimestamp(starts, zoneinfo.ZoneInfo(time_zone))
    days = round(terms.period / _DAY)
    later = (first + dt.timedelta(days=k * days) for k in range(1, terms.periods + 1))
    return (starts, *(one.timestamp() for one in later))


def _even(terms: ContactPlanTerms, starts: float) -> tuple[float, ...]:
    return tuple([starts + k * terms.period for k in range(terms.periods + 1)])


_encode = msgspec.json.Encoder(order="sorted").encode
_decode_plan = msgspec.json.Decoder(CustomerPlan).decode
_decode_mark = msgspec.json.Decoder(PlanMark).decode


def encode_customer_plan(plan: CustomerPlan) -> str:
    """The text of the profile attribute."""
    return _encode(plan).decode()


def decode_customer_plan(text: object) -> CustomerPlan | None:
    """What an attribute's value says; None: it is not the text of a plan."""
    if not isinstance(text, str):
        return None
    try:
        return _decode_plan(text)
    except msgspec.DecodeError:
        return None


def encode_plan_mark(mark: PlanMark) -> str:
    """The value of the progress mark."""
    return _encode(mark).decode()


def decode_plan_mark(text: str) -> PlanMark | None:
    """What a progress mark says; None: it is not that of a plan, or there is none ("")."""
    try:
        return _decode_mark(text)
    except msgspec.DecodeError:
        return None
