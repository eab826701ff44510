"""What `nba segments` reads of customers, and writes into their profiles."""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from nba_engine.cli.output import counted, errors, progress_bar, say
from nba_engine.cli.replay import moment_option
from nba_engine.domain import CatalogView, ProfileUpdate, Store
from nba_engine.errors import FailedPrecondition

if TYPE_CHECKING:
    from nba_engine.learning.segments.sources import Customer

__all__ = ["check_attribute", "read_all", "tell_written", "time_of", "write_profiles"]

_BATCH = 500  # profiles per commit


def check_attribute(catalog: CatalogView, attribute: str) -> None:
    """Raise `FailedPrecondition` unless profiles may hold a segment's name there."""
    declared = catalog.attributes.get(attribute)
    if declared is None or declared.type != "string":
        raise FailedPrecondition(
            f"profiles need an attribute for the segment's name: write [attributes.{attribute}] with "
            'type = "string" into the catalog, or name another with --attribute'
        )


def time_of(time: str | None, store: Store, catalog: CatalogView) -> float:
    """The moment that behavior is looked at: now, or in a simulated store the time given."""
    if store.simulated:
        if time is None:
            raise click.UsageError("this store is simulated: say as of when, with --time")
        return moment_option(time, catalog)
    if time is not None:
        raise click.BadParameter("only a simulated store has times of its own")
    return clock.time()


def read_all(store: Store, catalog: CatalogView, now: float) -> list[Customer]:
    """Every customer as of ``now``, with a progress bar."""
    from nba_engine.learning.segments.sources import read_customers

    with progress_bar() as bar:
        task = bar.add_task("reading customers", total=None)
        return list(
            read_customers(
                store,
                catalog,
                now,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        )


def write_profiles(
    store: Store, customers: Sequence[Customer], names: Sequence[str], attribute: str, now: float
) -> tuple[int, int]:
    """How many profiles were written, and of how many no identity is known."""
    changed = [
        (one.identity, name)
        for one, name in zip(customers, names, strict=True)
        if one.known.get(attribute) != name
    ]
    updates = [
        ProfileUpdate(identity=identity, attributes={attribute: name}, time=now)
        for identity, name in changed
        if identity
    ]
    with progress_bar() as bar:
        task = bar.add_task("writing profiles", total=len(updates))
        for start in range(0, len(updates), _BATCH):
            batch = updates[start : start + _BATCH]
            store.bulk(updates=batch, now=now)
            bar.advance(task, len(batch))
    return len(updates), len(changed) - len(updates)


def tell_written(written: int, lost: int) -> None:
    """Say how many profiles were written."""
    say(f"{counted(written, 'profiles')} written")
    if lost:
        errors.print(
            f"{counted(lost, 'customers')} without interactions left as they are: no identity is known",
            markup=False,
        )
