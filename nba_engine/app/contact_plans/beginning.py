"""How a plan for the customers of a store begins: what is asked, of whom, and what is used already."""

from __future__ import annotations

from pathlib import Path

from nba_engine.app.contact_plans.limits import periods_ahead
from nba_engine.app.contact_plans.making import World, accounts_of
from nba_engine.app.contact_plans.offers import Asked
from nba_engine.app.contact_plans.run import PlanRun, customers_of
from nba_engine.app.logged import Logged
from nba_engine.engine import standing
from nba_engine.engine.contact_plans import PlanContacts
from nba_engine.errors import FailedPrecondition

__all__ = ["asked_of", "begin"]


def asked_of(
    opened: Logged, settings: Path, world: World, *, now: float, starts: float, seed: int
) -> Asked:
    """What will be asked for every customer. Raises `FailedPrecondition`."""
    catalog = opened.snapshot.catalog
    spec = catalog.contact_plan
    if spec is None:
        raise FailedPrecondition("the catalog has no table [contact_plan] (docs/plan.md)")
    contacts = PlanContacts(catalog, world.terms, starts=starts)
    return Asked(
        settings=str(settings.resolve()),
        now=now,
        seed=seed,
        catalog=catalog.version,
        models=dict(opened.snapshot.model_versions),
        standing=standing(opened.store, catalog, now=now),
        terms=spec.terms,
        treatments=tuple(contacts.treatments.tolist()),
        pushed=tuple(
            before.id
            for before, after in zip(catalog.limits, world.catalog.limits, strict=True)
            if before.at_least or after.at_least
        ),
    )


def begin(
    run: PlanRun,
    asked: Asked,
    opened: Logged,
    world: World,
    *,
    starts: float,
    size: int,
    trial: int = 0,
) -> None:
    """Write down who is asked in which partition, and what of the limits is used at the moment."""
    contacts = PlanContacts(opened.snapshot.catalog, world.terms, starts=starts)
    accounts = accounts_of(world, contacts, periods_ahead(contacts.bounds, asked.now))
    run.begin(
        asked,
        customers_of(opened.store, trial),
        starts=starts,
        size=size,
        trial=trial,
        usage=opened.store.usage(accounts, now=asked.now),
    )
