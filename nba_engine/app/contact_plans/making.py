"""From what could be planned to a plan: prices, chains, and what is written of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from nba_engine.app.contact_plans.limits import (
    SharedLimits,
    not_planned_with,
    periods_ahead,
    shared_limits,
)
from nba_engine.app.contact_plans.offers import OffersSource, stored_names, stored_rows
from nba_engine.app.contact_plans.run import PlanRun
from nba_engine.chains import ChainRules
from nba_engine.domain import BatchEngine, CatalogView, ContactPlanTerms, PlanMark, period_bounds
from nba_engine.engine.contact_plans import PlanContacts
from nba_engine.engine.contact_plans.per_customer import is_known
from nba_engine.errors import FailedPrecondition, NbaError
from nba_engine.planning import Contact, LimitsNotKept, Partition, PlanOptions, Problem
from nba_engine.planning.run import SUMMARY, Planned, plan_partitions
from nba_engine.planning.steps import Tell
from nba_engine.planning.tables import Changed
from nba_engine.planning.written import write_json

__all__ = ["Made", "World", "accounts_of", "changed_world", "make"]


_TRIES = 4  # plans with minimums as far as they were reached; then without


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that was made, and the mark that puts it in force."""

    planned: Planned
    problem: Problem
    mark: PlanMark


class World(msgspec.Struct, frozen=True, kw_only=True):
    """Catalog and terms that are planned with: those in force, or what-if."""

    catalog: CatalogView
    terms: ContactPlanTerms


def changed_world(catalog: CatalogView, changed: Changed) -> World:
    """The catalog with other amounts of limits, and other terms. Raises `NbaError`."""
    spec = catalog.contact_plan
    if spec is None:
        raise FailedPrecondition("the catalog has no table [contact_plan] (docs/plan.md)")
    terms = _changed_terms(spec.terms, changed.settings)
    for limit in catalog.limits:
        if limit.id in changed.amounts and "customer" in limit.scope and not is_known(limit):
            raise NbaError(
                f"limit {limit.id!r} is per customer: of those plans know the ones that count contacts, the "
                "same for everybody"
            )
        if limit.id in changed.minimums and ("customer" in limit.scope or limit.measure == "money"):
            raise NbaError(
                f"limit {limit.id!r} has no minimum: those have that customers share in contacts"
            )
    for name, least in changed.minimums.items():
        if not (least.is_integer() and least >= 0):
            raise NbaError(f"limit.{name}.at_least must be a whole number from 0, not {least:g}")
    if changed.amounts or changed.minimums:
        catalog = catalog.changed(
            limit_amounts=changed.amounts,
            limit_minimums={name: int(least) for name, least in changed.minimums.items()},
        )
    return World(catalog=catalog, terms=terms)


def accounts_of(
    world: World, contacts: PlanContacts, periods: tuple[tuple[float, float], ...]
) -> list[str]:
    """The accounts whose use a plan starts from."""
    names: list[str] = []

    def unused(accounts: Sequence[str]) -> Mapping[str, int]:
        names.extend(accounts)
        return {}

    shared_limits(world.catalog, unused, contacts.treatments, periods, contacts.factor)
    return names


def make(
    run: PlanRun,
    world: World,
    out: Path,
    engine: BatchEngine,
    options: PlanOptions,
    tell: Tell = lambda _: None,
) -> Made:
    """Find chains for all customers; write plan.parquet and summary.json into the folder ``out``.

    A run that was stopped is gone on with: the folder of the run tells where the search for prices was.
    Minimums give way where they cannot be reached: a plan that pushes an action as far as possible is
    better than none. Raises `FailedPrecondition`.
    """
    begun = run.begun
    contacts = PlanContacts(world.catalog, world.terms, starts=begun.starts)
    wanted = shared = _shared(run, world, contacts)
    for number in range(_TRIES + 1):
        try:
            problem = _problem(world, contacts, shared)
            planned = _planned(run, problem, out, engine, options, tell)
            break
        except LimitsNotKept as error:
            if number == _TRIES or any(not shared.limits[k].floor for k in error.found):
                raise
            # what was reached on the way to one plan may be missed on the way to the next
            shared = shared.lowered(error.found) if number < _TRIES - 1 else shared.without_floors()
    bounds = period_bounds(world.terms, begun.starts, world.catalog.time_zone)
    planned.summary.update(
        plan=begun.plan,
        currency=world.catalog.currency,
        after_costs=True,
        not_planned_with=[
            *wanted.lower_in(shared),
            *not_planned_with(contacts),
        ],
    )
    write_json(out / SUMMARY, planned.summary)
    mark = PlanMark(
        id=begun.plan,
        made=begun.asked.now,
        starts=begun.starts,
        catalog_version=begun.asked.catalog,
        terms=world.terms,
        prices=shared.prices(planned.plan.at.prices, world.terms.periods),
        bounds=bounds,
    )
    return Made(planned=planned, problem=problem, mark=mark)


def _planned(
    run: PlanRun,
    problem: Problem,
    out: Path,
    engine: BatchEngine,
    options: PlanOptions,
    tell: Tell,
) -> Planned:
    """A plan within the limits of the problem. Raises `LimitsNotKept`."""
    begun = run.begun
    source = OffersSource(folder=str(run.folder), size=begun.size, contacts=len(problem.names))
    partitions = [
        Partition(
            number=number,
            problem=problem,
            load=stored_rows,
            source=source,
            first=first,
            last=last,
            named=stored_names,
        )
        for number, (first, last) in enumerate(run.rows())
    ]
    of = _fingerprint(run, problem, options)
    return plan_partitions(problem, partitions, out, engine, options, tell, of=of)


def _shared(run: PlanRun, world: World, contacts: PlanContacts) -> SharedLimits:
    periods = periods_ahead(contacts.bounds, run.begun.asked.now)
    return shared_limits(world.catalog, run.usage, contacts.treatments, periods, contacts.factor)


def _problem(world: World, contacts: PlanContacts, shared: SharedLimits) -> Problem:
    """What is planned within these limits."""
    patterns = contacts.patterns()
    assert patterns is not None
    treatments = [world.catalog.treatments[at] for at in contacts.treatments.tolist()]
    names = tuple(
        Contact(
            action=one.action,
            treatment=one.id,
            channel=one.channel,
            campaign=world.catalog.actions[world.catalog.action_index[one.action]].campaign,
            cost=int(cost),
        )
        for one, cost in zip(treatments, contacts.cost, strict=True)
    )
    return Problem(
        rules=patterns.rules,
        names=names,
        contacts=patterns.contacts,
        limits=shared.limits,
        after_costs=True,
    )


def _fingerprint(run: PlanRun, problem: Problem, options: PlanOptions) -> str:
    """A digest of all that the search for prices depends on; the run stands for its customers."""
    digest = hashlib.blake2b(run.begun.plan.encode(), digest_size=16)
    digest.update(msgspec.json.encode((problem.rules, problem.names, options)))
    for limit in problem.limits:
        digest.update(msgspec.json.encode((limit.name, limit.amount, limit.floor)))
        digest.update(limit.use.tobytes())
    digest.update(problem.contacts.factor.tobytes())
    for own in problem.contacts.limits:
        digest.update(msgspec.json.encode((own.first, own.last, own.most, own.counted.tolist())))
    return digest.hexdigest()


def _changed_terms(terms: ContactPlanTerms, settings: Mapping[str, float]) -> ContactPlanTerms:
    """Terms with other numbers. Raises `NbaError`."""
    names = ("periods", "most_contacts", "spacing", "diminishing")
    wrong = sorted(set(settings) - set(names))
    if wrong:
        raise NbaError(
            f"{wrong[0]!r} cannot be set: {', '.join(names)}, limit.NAME.amount, limit.NAME.at_least"
        )
    told: dict[str, Any] = {}
    for name, number in settings.items():
        if name != "diminishing" and not number.is_integer():
            raise NbaError(f"{name} must be a whole number, not {number:g}")
        told[name] = number if name == "diminishing" else int(number)
    changed = msgspec.structs.replace(terms, **told)
    try:
        ChainRules(
            periods=changed.periods,
            most_contacts=changed.most_contacts,
            spacing=changed.spacing,
            diminishing=changed.diminishing,
        )
    except ValueError as error:
        raise NbaError(str(error)) from None
    return changed
