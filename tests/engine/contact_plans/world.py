"""A shop that writes letters and e-mails, for tests of contact plans."""

from __future__ import annotations

from collections.abc import Mapping

from nba_engine.domain import (
    PLAN_ATTRIBUTE,
    PLAN_MARK,
    CatalogView,
    CustomerPlan,
    CustomerState,
    PlanMark,
    PlannedContact,
    ProfileUpdate,
    Store,
    encode_customer_plan,
    encode_plan_mark,
)
from nba_engine.engine import Engine
from nba_engine.engine.contact_plans import Offering
from nba_engine.testing import FakeStore, make_engine

DAY = 86_400.0
START = 1_605_225_600.0  # 2020-11-13 00:00 UTC, a Friday
IDENTITY = "crm:anna"
STAGES = (
    "profile",
    "eligibility",
    "contact_policy",
    "value",
    "contact_plan",
    "arbitration",
    "slate",
)

CATALOG = """
[attributes.age]
type = "int"
[attributes.purse]
type = "double"
[channels.email]
name = "E-mail"
direction = "outbound"
quiet_hours = ["21:00", "08:00"]
[channels.post]
direction = "outbound"
[channels.app]
[placements.newsletter]
channel = "email"
[placements.second_newsletter]
channel = "email"
[placements.letter]
channel = "post"
[placements.banner]
channel = "app"
[treatment_sets.all]
email = { channel = "email", cost = 0.02, content = { subject = "{{ action.name }}" } }
letter = { channel = "post", cost = 0.7, content = { text = "{{ action.name }}" } }
banner = { channel = "app", content = { text = "{{ action.name }}" } }
[actions.nothing]
kind = "nothing"
[actions.milk]
name = "Milk"
value = 10.0
prior = 0.3
treatments_from = "all"
[actions.bread]
name = "Bread"
value = 10.0
prior = 0.2
treatments_from = "all"
[actions.wine]
name = "Wine"
value = 10.0
prior = 0.4
tags = ["wine"]
treatments_from = "all"
[actions.flyer]
name = "Flyer"
value = 1.0
prior = 0.01
treatments_from = "all"
[rules.adults]
tier = "eligibility"
when = "customer.age >= 18"
applies_to = { tags = ["wine"] }
[limits.letters]
name = "Letters"
scope = []
measure = "contacts"
amount = 2
window = "week"
applies_to = { channels = ["post"] }
[limits.budget]
name = "Advertising budget"
scope = []
measure = "money"
amount = 1000
window = "lifetime"
[contact_plan]
period = "7d"
periods = 4
most_contacts = 3
diminishing = 0.8
placements = ["newsletter", "second_newsletter", "letter"]
budget = "customer.purse"
"""


def make_shop(catalog: str = CATALOG, *, store: Store | None = None) -> Engine:
    """An engine at the plan's start, over a store in memory unless it is given another."""
    return make_engine(
        {"catalog.toml": catalog},
        pipeline=STAGES,
        store=store or FakeStore(simulated=True),
        clock=lambda: START,
    )


def add_customer(
    engine: Engine, identity: str, *, age: int = 40, purse: float = 5.0
) -> CustomerState:
    """A customer of the shop."""
    attributes = {"age": age, "purse": purse}
    return engine.update_profile(ProfileUpdate(identity=identity, attributes=attributes))


def make_plan(
    engine: Engine,
    *planned: tuple[str, int],
    customer: CustomerState | None = None,
    prices: Mapping[str, tuple[float, ...]] | None = None,
) -> PlanMark:
    """A plan in force, with contacts (treatment, period) for one customer."""
    catalog = engine.catalog
    assert catalog.contact_plan is not None
    mark = PlanMark(
        id="plan-1",
        made=START,
        starts=START,
        catalog_version=catalog.version,
        terms=catalog.contact_plan.terms,
        prices=prices or {"letters": (0.5, 0.5, 0.5, 0.5)},
    )
    if customer is not None:
        history = engine.store.history(customer.customer_id)
        assert history is not None
        plan = CustomerPlan(
            plan=mark.id,
            made=mark.made,
            newest=history.newest,
            merges=history.merges,
            contacts=tuple(_contact(catalog, mark, *one) for one in planned),
        )
        update = ProfileUpdate(
            identity=IDENTITY,
            attributes={PLAN_ATTRIBUTE: encode_customer_plan(plan)},
            customer_id=customer.customer_id,
        )
        engine.store.bulk(updates=[update], now=START)
    engine.store.bulk(now=START, progress=(PLAN_MARK, encode_plan_mark(mark)))
    engine.plans.read(catalog)
    return mark


def _contact(catalog: CatalogView, mark: PlanMark, name: str, period: int) -> PlannedContact:
    treatment = catalog.treatments[catalog.treatment_index[name]]
    starts, ends = mark.times_of(period)
    return PlannedContact(
        period=period,
        starts=starts,
        ends=ends,
        action=treatment.action,
        treatment=name,
        channel=treatment.channel,
        value=1.0,
        cost=treatment.cost,
        reason="made_room",
    )


def offering(engine: Engine, now: float = START) -> Offering:
    """Asks the engine's pipeline what could be planned."""
    return Offering(engine.catalogs.snapshot, engine.store, now=now)
